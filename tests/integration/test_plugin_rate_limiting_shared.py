"""rate-limiting with policies cluster and redis: nodes that count together (plugin reference, 9)."""

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import time

import pytest

from authorities import Authority
from limits import away_from_the_end, crowd, limit_headers, statuses
from support import Redis, eventually

PERIODS = ("second", "minute", "hour", "day", "month", "year")
NIL = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.redis.cli("FLUSHALL")
    cluster.sql("DELETE FROM ratelimiting_metrics")
    cluster.service()
    for name in ("r", "q"):
        cluster.route(name)
    return cluster


def settings(cluster, policy, **more):
    """`more` has the last word."""
    redis = {"redis_host": "127.0.0.1", "redis_port": cluster.redis.port} if policy == "redis" and cluster.redis else {}
    return {"policy": policy} | redis | more


def limit(cluster, policy, at="/routes/r/plugins", **more):
    plugin = cluster.plugin("rate-limiting", settings(cluster, policy, **more), path=at)
    cluster.settle()
    return plugin


def rows(cluster):
    return cluster.sql("SELECT sum(value) FROM ratelimiting_metrics")


BOTH = pytest.mark.parametrize("policy", ["cluster", "redis"])


@BOTH
def test_two_nodes_count_together(routed, policy):
    limit(routed, policy, hour=5)
    assert statuses(routed.a, 2) == [200, 200]
    if policy == "cluster":
        eventually(lambda: rows(routed) == "2", what="what A has let through being written")
    assert statuses(routed.b, 2) == [200, 200]
    if policy == "cluster":
        eventually(lambda: rows(routed) == "4", what="what B has let through being written")
    assert statuses(routed.a, 1) + statuses(routed.b, 1) + statuses(routed.a, 1) == [200, 429, 429]


@BOTH
def test_headers(routed, policy):
    away_from_the_end()
    limit(routed, policy, minute=2, hour=5)
    for left in (1, 0, 0):
        answer = routed.a.proxy("GET", "/r")
        blocked = answer.status == 429
        shown = {name: answer.headers.get(name) for name in ("X-RateLimit-Limit-Minute", "X-RateLimit-Remaining-Minute", "X-RateLimit-Limit-Hour", "RateLimit-Limit", "RateLimit-Remaining")}
        assert shown == {"X-RateLimit-Limit-Minute": "2", "X-RateLimit-Remaining-Minute": str(left), "X-RateLimit-Limit-Hour": "5", "RateLimit-Limit": "2", "RateLimit-Remaining": str(left)}
        assert answer.headers["X-RateLimit-Remaining-Hour"] == ("3" if blocked else str(left + 3))
        assert ("Retry-After" in answer.headers) == blocked
        assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 60
    assert blocked and answer.json["message"] == "API rate limit exceeded"


@BOTH
@pytest.mark.parametrize("period", PERIODS)
def test_periods(routed, policy, period):
    limit(routed, policy, **{period: 2})
    eventually(lambda: statuses(routed.a, 3) == [200, 200, 429], 20, step=1.1, what="three requests in one period")


@BOTH
def test_the_next_window_lets_in_again(routed, policy):
    limit(routed, policy, second=1)
    eventually(lambda: 429 in statuses(routed.a, 3), what="one too many")
    eventually(lambda: statuses(routed.a, 1) == [200], 5, step=0.3, what="the next second")


@BOTH
def test_never_one_over_on_one_node(routed, policy):
    limit(routed, policy, hour=50, day=60)
    got = crowd([routed.a], 200)
    assert (got.count(200), got.count(429)) == (50, 150)


def test_redis_never_one_over_on_two_nodes(routed):
    limit(routed, "redis", hour=50)
    got = crowd([routed.a, routed.b], 200)
    assert (got.count(200), got.count(429)) == (50, 150)


@BOTH
@pytest.mark.parametrize("config, one, other", [
    ({"limit_by": "header", "header_name": "X-Who"}, {"X-Who": "a"}, {"X-Who": "b"}), ({"limit_by": "consumer"}, {"apikey": "ka"}, {"apikey": "kb"}),
    ({"limit_by": "credential"}, {"apikey": "ka"}, {"apikey": "ka2"}), ({"limit_by": "path", "path": "/r/x"}, {"path": "/r/x"}, {"path": "/r/y"}),
    ({"limit_by": "header", "header_name": "X-Who"}, {"X-Who": "x" * 3000}, {"X-Who": "x" * 3001}),
    ({"limit_by": "header", "header_name": "X-Who"}, {"X-Who": "\xff'\\\""}, {"X-Who": "\xfe'\\\""})])
def test_who_is_counted(routed, policy, config, one, other):
    for name in "ab":
        routed.consumer(name)
        routed.key(f"k{name}", name)
    routed.key("ka2", "a")
    if "apikey" in one:
        routed.plugin("key-auth", path="/routes/r/plugins")
    limit(routed, policy, hour=2, **config)

    def tried(who, count):
        who = dict(who)
        return statuses(routed.a, count, who.pop("path", "/r"), **who)

    assert tried(one, 3) == [200, 200, 429]
    assert tried(other, 3) == [200, 200, 429]
    if config["limit_by"] == "consumer":
        assert tried({"apikey": "ka2"}, 1) == [429]


@BOTH
def test_by_service_by_address_and_scopes(routed, policy):
    routed.service("t")
    routed.route("o", "t")
    plugin = limit(routed, policy, at="/plugins", hour=1, limit_by="service")
    assert statuses(routed.a, 2) + statuses(routed.a, 1, "/q") + statuses(routed.a, 2, "/o") == [200, 429, 429, 200, 429]
    routed.configure(plugin, settings(routed, policy, month=1, limit_by="ip"))
    assert statuses(routed.a, 1) + statuses(routed.a, 1, "/o") == [200, 429]
    limit(routed, policy, at="/routes/q/plugins", hour=1)
    assert statuses(routed.a, 2, "/q") == [200, 429]


@BOTH
@pytest.mark.parametrize("config, status, message", [({"error_code": 404, "error_message": "slow down"}, 404, "slow down"), ({"hide_client_headers": True}, 429, "API rate limit exceeded")])
def test_refusals(routed, policy, config, status, message):
    limit(routed, policy, hour=1, **config)
    assert statuses(routed.a, 1) == [200]
    answer = routed.a.proxy("GET", "/r")
    assert (answer.status, answer.json["message"]) == (status, message)
    assert (limit_headers(answer) == []) == bool(config.get("hide_client_headers"))


@BOTH
def test_another_configuration_goes_on(routed, policy):
    plugin = limit(routed, policy, hour=2)
    assert statuses(routed.a, 2) == [200, 200]
    routed.configure(plugin, settings(routed, policy, hour=3))
    assert statuses(routed.a, 2) == [200, 429]


def test_redis_keys_are_those_of_kong(routed):
    away_from_the_end()
    plugin = limit(routed, "redis", minute=9, year=9, limit_by="ip")
    assert statuses(routed.a, 2) == [200, 200]
    keys = sorted(routed.redis.cli("KEYS", "ratelimit:*").split(), key=lambda key: key.endswith(":year"))
    minute = int(time.time()) // 60 * 60 * 1000
    assert keys[0] == f"ratelimit:{plugin['route']['id']}:{NIL}:127.0.0.1:{minute}:minute" and keys[1].endswith(":year")
    assert routed.redis.cli("GET", keys[0]) == "2"
    assert 0 < int(routed.redis.cli("TTL", keys[0])) <= 62
    routed.redis.cli("INCRBY", keys[0], "6")  # somebody else counts, too
    assert statuses(routed.a, 2) == [200, 429]


def test_redis_counts_who_is_refused_and_cluster_does_not(routed):
    plugin = limit(routed, "redis", hour=1)
    assert statuses(routed.a, 3) == [200, 429, 429]
    key = routed.redis.cli("KEYS", "ratelimit:*")
    assert routed.redis.cli("GET", key) == "3"
    routed.configure(plugin, {"hour": 1, "policy": "cluster"})
    assert statuses(routed.a, 3) == [200, 429, 429]
    assert routed.sql("SELECT value, period, identifier, route_id, service_id FROM ratelimiting_metrics") == f"1|hour|127.0.0.1|{plugin['route']['id']}|{NIL}"


def test_rows_whose_time_is_over_go_in_the_background(own_cluster):
    cluster = own_cluster(redis=False, names=("a",))
    cluster.service()
    cluster.route("r")
    cluster.sql(f"INSERT INTO ratelimiting_metrics SELECT 'old', 'second', to_timestamp(i), '{NIL}', '{NIL}', 1, now() - interval '1 s' FROM generate_series(1, 2500) i")
    limit(cluster, "cluster", hour=1000)
    eventually(lambda: statuses(cluster.a, 1) == [200] and cluster.sql("SELECT count(*) FROM ratelimiting_metrics WHERE identifier = 'old'") == "0", 10, what="old rows being gone")
    assert cluster.sql("SELECT count(*) FROM ratelimiting_metrics") == "1"


# Places that fail.


def fails(node, status):
    answer = node.proxy("GET", "/r")
    assert answer.status == status, answer
    assert limit_headers(answer) == []
    if status == 500:
        assert answer.json == {"message": "An unexpected error occurred"}
    return True


def log_lines(node, text):
    return [line for line in node.log().splitlines() if text in line]


@pytest.mark.parametrize("tolerant", [True, False])
def test_redis_gone_and_back(own_cluster, tolerant):
    cluster = own_cluster(names=("a",), settings={"nginx_worker_processes": 1})
    cluster.service()
    cluster.route("r")
    limit(cluster, "redis", hour=1000, fault_tolerant=tolerant)
    assert statuses(cluster.a, 2) == [200, 200]
    cluster.redis.stop()
    for _ in range(30):
        fails(cluster.a, 200 if tolerant else 500)
    assert len(log_lines(cluster.a, "redis: no answers")) == 1
    cluster.redis.start()
    eventually(lambda: cluster.a.proxy("GET", "/r").headers.get("RateLimit-Limit") == "1000", 15, what="counting again")
    assert len(log_lines(cluster.a, "redis: no answers")) == len(log_lines(cluster.a, "redis: answers again")) == 1


def test_redis_that_stands_still_costs_one_wait(own_cluster):
    cluster = own_cluster(names=("a",), settings={"nginx_worker_processes": 1})
    cluster.service()
    cluster.route("r")
    limit(cluster, "redis", hour=1000, redis_timeout=500)
    assert statuses(cluster.a, 2) == [200, 200]
    cluster.redis.signal(signal.SIGSTOP)
    began = time.monotonic()
    fails(cluster.a, 200)
    assert 0.4 < time.monotonic() - began < 5
    began = time.monotonic()
    for _ in range(20):
        fails(cluster.a, 200)
    assert time.monotonic() - began < 3, "each of them has waited"
    cluster.redis.signal(signal.SIGCONT)
    eventually(lambda: cluster.a.proxy("GET", "/r").headers.get("RateLimit-Limit") == "1000", 15, what="counting again")


def test_the_loop_goes_on_while_redis_stands_still(own_cluster):
    cluster = own_cluster(names=("a",), settings={"nginx_worker_processes": 1})
    cluster.service()
    for name in ("r", "free"):
        cluster.route(name)
    limit(cluster, "redis", hour=1000, redis_timeout=3000)
    cluster.redis.signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(fails, cluster.a, 200) for _ in range(4)]
        time.sleep(0.5)
        began = time.monotonic()
        assert statuses(cluster.a, 20, "/free") == [200] * 20
        assert time.monotonic() - began < 1.5
        assert all(one.result() for one in waiting)


def test_a_restarted_redis_fails_nobody(own_cluster):
    """A connection that is closed while nothing is asked is opened again."""
    cluster = own_cluster(names=("a",))
    cluster.service()
    cluster.route("r")
    limit(cluster, "redis", hour=1000, fault_tolerant=False)
    assert statuses(cluster.a, 4) == [200] * 4
    cluster.redis.stop()
    cluster.redis.start()
    time.sleep(0.3)
    assert statuses(cluster.a, 4) == [200] * 4
    assert log_lines(cluster.a, "redis: no answers") == []


@pytest.mark.parametrize("tolerant", [True, False])
def test_postgres_gone_and_back(own_cluster, tolerant):
    cluster = own_cluster(redis=False, names=("a",))
    cluster.service()
    cluster.route("r")
    limit(cluster, "cluster", hour=1000, fault_tolerant=tolerant)
    assert statuses(cluster.a, 3) == [200] * 3
    eventually(lambda: rows(cluster) == "3")
    cluster.postgres.stop("immediate")
    for _ in range(20):
        fails(cluster.a, 200 if tolerant else 500)
    assert len(log_lines(cluster.a, "limits: the database does not count")) == 1
    cluster.postgres.run()
    eventually(lambda: cluster.a.proxy("GET", "/r").headers.get("RateLimit-Limit") == "1000", 20, what="counting again")
    eventually(lambda: len(log_lines(cluster.a, "limits: the database counts again")) == 1, what="the line about it")
    if tolerant:  # who passed meanwhile is counted
        eventually(lambda: int(rows(cluster)) >= 20, what="what was owed being written")


def test_postgres_that_stands_still_costs_one_wait(own_cluster):
    cluster = own_cluster(redis=False, names=("a",), settings={"pg_timeout": 1000, "nginx_worker_processes": 1})
    cluster.service()
    for name in ("r", "free"):
        cluster.route(name)
    limit(cluster, "cluster", hour=1000)
    assert statuses(cluster.a, 2) == [200, 200]
    pids = cluster.postgres.pids()
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(fails, cluster.a, 200)
            began = time.monotonic()
            assert statuses(cluster.a, 10, "/free") == [200] * 10
            assert time.monotonic() - began < 0.8
            assert waiting.result()
        began = time.monotonic()
        for _ in range(20):
            fails(cluster.a, 200)
        assert time.monotonic() - began < 6, "each of them has waited"
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: cluster.a.proxy("GET", "/r").headers.get("RateLimit-Limit") == "1000", 20, what="counting again")


# Ways to a Redis.


@pytest.fixture(name="locked")
def locked_redis(workspace):
    server = Redis(f"{workspace}/locked", password="open sesame")
    server.start()
    server.cli("ACL", "SETUSER", "ann", "on", ">her own", "~*", "+@all")
    yield server
    server.stop()


@pytest.mark.parametrize("more, database", [({"redis_password": "open sesame"}, 0), ({"redis_password": "open sesame", "redis_database": 3}, 3), ({"redis_username": "ann", "redis_password": "her own", "redis_host": "localhost"}, 0)])
def test_password_user_and_database(routed, locked, more, database):
    limit(routed, "redis", **{"hour": 2, "fault_tolerant": False, "redis_port": locked.port} | more)
    assert statuses(routed.a, 2) + statuses(routed.b, 1) == [200, 200, 429]
    assert locked.cli("-n", str(database), "DBSIZE") == "1"


@pytest.mark.parametrize("more", [{}, {"redis_password": "wrong"}, {"redis_username": "bob", "redis_password": "open sesame"}, {"redis_password": "open sesame", "redis_database": 99}, {"redis_password": "open sesame", "redis_host": "no-such-name.test"}])
def test_what_redis_refuses_is_a_fault(routed, locked, more):
    limit(routed, "redis", **{"hour": 2, "fault_tolerant": False, "redis_port": locked.port} | more)
    assert statuses(routed.a, 2) == [500, 500]
    assert "open sesame" not in routed.a.log() and "=wrong" not in routed.a.log()


@pytest.fixture(name="sealed", scope="module")
def sealed_redis(workspace):
    """Speaks TLS only, with a certificate of an authority that nobody knows, and of another that the node does."""
    directory = f"{workspace}/sealed"
    trusted = Authority("limits")
    servers = {}
    for name, authority in (("known", trusted), ("unknown", Authority("other"))):
        server = Redis(f"{directory}-{name}")
        os.makedirs(server.directory, exist_ok=True)
        certificate, key = authority.issue("localhost", "redis.test").write(pathlib.Path(server.directory), "server")
        server.process = subprocess.Popen(["redis-server", "--port", "0", "--tls-port", str(server.port), "--bind", "127.0.0.1", "--dir", server.directory, "--save", "",
                                           "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        servers[name] = server
    ca = f"{directory}-ca.pem"
    with open(ca, "w", encoding="ascii") as file:
        file.write(trusted.own)
    yield servers, ca
    for server in servers.values():
        server.stop()


def test_tls(own_cluster, sealed):
    servers, ca = sealed
    cluster = own_cluster(redis=False, names=("a",), settings={"lua_ssl_trusted_certificate": ca, "nginx_worker_processes": 1})
    cluster.service()
    plain = {"hour": 1, "fault_tolerant": False, "redis_host": "localhost"}
    for number, (server, more, good) in enumerate([
            ("known", {"redis_ssl": True}, True), ("known", {"redis_ssl": True, "redis_ssl_verify": True}, True),
            ("unknown", {"redis_ssl": True}, True), ("unknown", {"redis_ssl": True, "redis_ssl_verify": True}, False),
            ("known", {"redis_ssl": True, "redis_ssl_verify": True, "redis_server_name": "redis.test"}, True),
            ("known", {"redis_ssl": True, "redis_ssl_verify": True, "redis_server_name": "another.test"}, False), ("known", {}, False)]):
        cluster.route(f"t{number}")
        limit(cluster, "redis", at=f"/routes/t{number}/plugins", **plain | {"redis_port": servers[server].port} | more)
        assert statuses(cluster.a, 2, f"/t{number}") == ([200, 429] if good else [500, 500]), (server, more)
