"""Rows of the failure matrix (consistency reference, 11) that need servers which are slow, cut off, full or replaced; failures.tsv has
the place of every row. Between the nodes and their servers stands the proxy of tests/chaos.
"""

import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from redis_farm import RedisCluster
from support import PATIENCE, ROOT, Postgres, eventually, free_ports

sys.path.append(os.path.join(ROOT, "tests", "chaos"))

from links import Links  # noqa: E402
from servers import Farm  # noqa: E402

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
SLOW_POLLS = {"db_update_frequency": 30, "redis_timeout": 1000}
WITHIN_S = 1 + 2 * 2 + 1  # a period, two deadlines, and what it takes to apply


@pytest.fixture
def links():
    made = Links(seed=1)
    yield made
    made.stop()


@pytest.fixture
def linked(own_cluster, links):
    """A cluster each of whose connections can be spoiled: links pg-a, redis-a and so on."""
    def make(**options):
        cluster = own_cluster(start=False, **options)
        for node in cluster.nodes:
            node.settings |= {"pg_port": links.open(f"pg-{node.name}", cluster.postgres.port),
                              "redis_port": links.open(f"redis-{node.name}", cluster.redis.port)}
        cluster.start()
        eventually(lambda: all(figures(node)["channel_up"] for node in cluster.nodes), 10)
        cluster.service()
        return cluster
    return make


@pytest.fixture
def farm(own_cluster, workspace, links, tmp_path):
    """A primary with standbys, and two nodes that reach it by links pg-a and pg-b."""
    os.chmod(tmp_path, 0o755)
    for parent in list(tmp_path.parents)[:3]:
        os.chmod(parent, 0o755)
    servers = Farm(str(tmp_path), links, "freshet")
    servers.start()
    cluster = own_cluster(postgres=servers, redis=False, start=False)
    servers.create_database = lambda name: servers.primary.create_database(name)
    servers.sql = lambda text, database=None, check=True: servers.primary.sql(text, database or cluster.database, check)
    for node in cluster.nodes:
        node.settings |= {"pg_port": links.open(f"pg-{node.name}", servers.port), "pg_timeout": 3000}
    cluster.start()
    cluster.service()
    cluster.route("kept")
    cluster.settle()
    yield servers, cluster
    cluster.stop()
    servers.stop()


def figures(node):
    return node.admin("GET", "/status").json["freshet"]


def metric(node, name):
    found = re.search(rf"^{re.escape(name)} ([0-9.e+]+)$", node.status("GET", "/metrics").text, re.MULTILINE)
    return float(found.group(1)) if found else 0


def arrives(cluster, name, seconds, node=None):
    cluster.route(name)
    eventually(lambda: (node or cluster.b).proxy("GET", f"/{name}").status == 200, seconds, what=f"route {name} on b")


# ---- Redis ----

def test_03_redis_that_is_slow_delays_nobody_who_writes(linked, links):
    cluster = linked(settings={"redis_timeout": 4000})
    for node in cluster.nodes:
        links.spoil(f"redis-{node.name}", "delay", amount=1500)
    began = time.monotonic()
    for number in range(5):
        cluster.route(f"r{number}")
    assert time.monotonic() - began < 2 * PATIENCE
    eventually(lambda: cluster.b.proxy("GET", "/r4").status == 200, 2, what="the poll")
    time.sleep(3)
    assert figures(cluster.b)["applied_position"] == figures(cluster.a)["applied_position"]


def test_05_a_node_cut_off_from_redis_polls(linked, links):
    cluster = linked()
    links.spoil("redis-b", "blackhole")
    arrives(cluster, "one", 3)
    eventually(lambda: not figures(cluster.b)["channel_up"], 15, what="b having noticed")
    assert figures(cluster.a)["channel_up"]
    links.heal("redis-b")
    eventually(lambda: figures(cluster.b)["channel_up"], 30)


def test_10_a_user_without_the_channel_leaves_the_node_polling(own_cluster):
    cluster = own_cluster(start=False, settings={"redis_username": "poor", "redis_password": "secret"})
    cluster.redis.cli("ACL", "SETUSER", "poor", "on", ">secret", "resetchannels", "-@all", "+subscribe", "+publish", "+ping")
    cluster.start()
    cluster.service()
    arrives(cluster, "polled", 3)
    assert not figures(cluster.b)["channel_up"] and "NOPERM" in cluster.b.log()


def test_11_a_subscriber_that_is_too_slow_is_cut_off_and_comes_back(own_cluster):
    cluster = own_cluster(settings=SLOW_POLLS)
    cluster.service()
    eventually(lambda: figures(cluster.b)["channel_up"], 10)
    before = figures(cluster.b)["channel_reconnects"]
    cluster.redis.cli("CONFIG", "SET", "client-output-buffer-limit", "pubsub 100000 100000 1")
    channel = cluster.redis.cli("PUBSUB", "CHANNELS", "freshet*").split()[0]
    cluster.b.signal(signal.SIGSTOP)
    try:
        cluster.route("missed")
        eventually(lambda: [cluster.redis.publish(channel, b"x" * 100000) for _ in range(20)]
                   and cluster.redis.cli("PUBSUB", "NUMSUB", channel).split()[-1] == "1", 20, what="b having been cut off")
    finally:
        cluster.b.signal(signal.SIGCONT)
    eventually(lambda: figures(cluster.b)["channel_reconnects"] > before, 15)
    eventually(lambda: cluster.b.proxy("GET", "/missed").status == 200, 3)


# ---- PostgreSQL ----

@pytest.mark.parametrize("begins", ["BEGIN; CREATE TEMP TABLE mine (x int)", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM cluster_log"],
                         ids=["24_a transaction", "25_a snapshot"])
def test_what_a_stranger_holds_open_delays_nothing(own_cluster, begins):
    cluster = own_cluster(redis=False)
    cluster.service()
    stranger = cluster.postgres.sql_in_background(cluster.database, f"{begins}; SELECT pg_sleep(60)")
    try:
        for number in range(100):
            cluster.a.admin("PUT", f"/consumers/c{number}", json={})
        arrives(cluster, "through", 3)
        assert metric(cluster.b, "freshet_last_poll_seconds") < 0.2 * PATIENCE
    finally:
        stranger.kill()
        stranger.wait()


def test_27_a_primary_that_is_slow_costs_polls_their_deadline_and_no_request(linked, links):
    cluster = linked()
    cluster.route()
    cluster.settle()
    links.spoil("pg-b", "delay", amount=3000)
    eventually(lambda: figures(cluster.b)["poll_failures"] >= 3, 30, what="polls failing")
    assert metric(cluster.b, 'freshet_poll_failures_total{reason="deadline"}') >= 1
    began = time.monotonic()
    for _ in range(20):
        assert cluster.b.proxy("GET", "/r").status == 200
    assert time.monotonic() - began < 2 * PATIENCE
    links.heal("pg-b")
    arrives(cluster, "later", 2 * WITHIN_S)


@pytest.mark.parametrize("how", ["half_open", "blackhole"])
def test_28_a_connection_that_nobody_answers_costs_two_deadlines(linked, links, how):
    """half_open: the server has ended it and the node was not told; a new connection would be answered."""
    cluster = linked()
    links.spoil("redis-b", "refuse")
    links.spoil("pg-b", how)
    cluster.route("one")
    if how == "blackhole":
        time.sleep(5)
        links.heal("pg-b")
    eventually(lambda: cluster.b.proxy("GET", "/one").status == 200, WITHIN_S)
    assert figures(cluster.b)["resyncs"] == 1


def fail_over(servers, links, names):
    """The standby is the primary for these nodes."""
    old = servers.promote()
    for name in names:
        links.aim(f"pg-{name}", servers.port)
    return old


def write_again(cluster, name):
    eventually(lambda: cluster.a.admin("PUT", f"/services/s/routes/{name}", json={"paths": [f"/{name}"]}).status == 200, 15)


def test_29_failover_without_loss_is_followed_without_starting_over(farm, links):
    servers, cluster = farm
    before = [figures(node)["resyncs"] for node in cluster.nodes]
    servers.catch_up()
    servers.primary.stop("fast")
    fail_over(servers, links, "ab")
    write_again(cluster, "after")
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/after").status == 200, WITHIN_S)
        assert node.proxy("GET", "/kept").status == 200
    assert [figures(node)["resyncs"] for node in cluster.nodes] == before


def test_30_failover_with_lost_commits_starts_over(farm, links):
    servers, cluster = farm
    servers.catch_up()
    links.spoil("ship-second", "blackhole")
    cluster.route("lost")
    cluster.settle()
    servers.primary.stop("immediate")
    fail_over(servers, links, "ab")
    write_again(cluster, "after")
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/after").status == 200, WITHIN_S)
        assert (node.proxy("GET", "/lost").status, node.proxy("GET", "/kept").status) == (404, 200)
        assert metric(node, 'freshet_resync_total{reason="history"}') == 1


def test_31_what_the_old_primary_still_tells_is_undone(farm, links):
    servers, cluster = farm
    servers.catch_up()
    fail_over(servers, links, "a")
    cluster.route("new")
    assert cluster.b.admin("PUT", "/services/s/routes/old", json={"paths": ["/old"]}).status == 200
    assert [node.proxy("GET", "/old").status for node in cluster.nodes] == [404, 200]
    links.aim("pg-b", servers.port)
    eventually(lambda: cluster.b.proxy("GET", "/new").status == 200, WITHIN_S)
    assert cluster.b.proxy("GET", "/old").status == 404
    assert metric(cluster.b, 'freshet_resync_total{reason="history"}') == 1


def test_45_a_full_disk_refuses_writes_and_nothing_else(farm):
    servers, cluster = farm
    if not servers.has_disks:
        pytest.skip("needs to mount a tmpfs")
    ballast = servers.fill_disk()
    refused = eventually(lambda: (answer := cluster.a.admin("POST", "/consumers", json={"username": os.urandom(8).hex(), "tags": ["x" * 4000]})).status >= 500
                         and answer, 30, step=0, what="a write being refused")
    assert refused.status in (500, 503)
    assert [node.proxy("GET", "/kept").status for node in cluster.nodes] == [200, 200]
    os.unlink(ballast)
    if not servers.is_running():
        servers.run_again()
    write_again(cluster, "after")
    eventually(lambda: cluster.b.proxy("GET", "/after").status == 200, WITHIN_S)


def test_53_a_prepared_transaction_left_behind_stops_only_who_wants_its_rows(own_cluster, workspace):
    postgres = Postgres(os.path.join(workspace, "prepared"), "-c max_prepared_transactions=5")
    postgres.start()
    try:
        cluster = own_cluster(postgres=postgres, redis=False)
        cluster.service()
        cluster.service("other")
        cluster.sql("SET session_replication_role = replica; BEGIN; UPDATE services SET retries = 7 WHERE name = 's'; PREPARE TRANSACTION 'left'")
        began = time.monotonic()
        assert cluster.a.admin("PATCH", "/services/s", json={"retries": 3}).status in (500, 503)
        assert time.monotonic() - began < 20 * PATIENCE
        assert cluster.a.admin("PATCH", "/services/other", json={"retries": 3}).status == 200
        cluster.sql("ROLLBACK PREPARED 'left'")
        assert cluster.a.admin("PATCH", "/services/s", json={"retries": 3}).status == 200
        cluster.stop()
    finally:
        postgres.stop()


# ---- clocks ----

class Clock:
    """The time of day of programs started in its environment; what measures intervals is left alone."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "clock")
        self.step(0)

    def step(self, seconds):
        with open(self.path, "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}s\n")
        os.chmod(self.path, 0o644)

    def environment(self):
        return {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.skipif(not os.path.exists(FAKETIME) or PATIENCE > 1, reason="needs libfaketime, and no sanitizer before it")
def test_41_42_a_nodes_time_of_day_does_not_matter(own_cluster, workspace):
    clock = Clock(workspace)
    cluster = own_cluster(start=False)
    own = cluster.b.environment
    cluster.b.environment = lambda: own() | clock.environment()
    clock.step(5 * 3600)
    cluster.start()
    cluster.service()
    for number, seconds in enumerate((5 * 3600, -5 * 3600, 0, 86400)):
        clock.step(seconds)
        arrives(cluster, f"r{number}", 3)
        assert cluster.a.admin("PUT", "/consumers/c?wait=cluster", json={"custom_id": str(number)}).status == 200
    assert figures(cluster.b)["resyncs"] == 1


@pytest.mark.skipif(not os.path.exists(FAKETIME), reason="needs libfaketime")
def test_43_44_the_databases_time_of_day_costs_at_most_a_resync(own_cluster, workspace):
    clock = Clock(workspace)
    postgres = Postgres(os.path.join(workspace, "clock-postgres"))
    os.environ.update(clock.environment())
    try:
        postgres.start()
    finally:
        for name in clock.environment():
            del os.environ[name]
    try:
        cluster = own_cluster(postgres=postgres, redis=False)
        cluster.service()
        for number, seconds in enumerate((7200, 0, -7200, 86400)):
            clock.step(seconds)
            arrives(cluster, f"r{number}", 5)
            assert cluster.a.admin("PUT", "/consumers/c?wait=cluster&wait_timeout=5", json={"custom_id": str(number)}).status in (200, 202)
        cluster.stop()
    finally:
        postgres.stop()


# ---- what stands between ----

@pytest.fixture
def pooler(postgres, tmp_path):
    """pgbouncer in transaction mode with four connections to the server: a function of the database's name that returns its port."""
    os.chmod(tmp_path, 0o777)
    for parent in list(tmp_path.parents)[:3]:
        os.chmod(parent, 0o755)
    started = []

    def start(database):
        port = free_ports(1)[0]
        path = tmp_path / "pgbouncer.ini"
        path.write_text(f"[databases]\n{database} = host=127.0.0.1 port={postgres.port} user=freshet\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
                        f"listen_port = {port}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 200\n"
                        f"unix_socket_dir =\nlogfile = {tmp_path}/log\n", encoding="ascii")
        started.append(subprocess.Popen([*(["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []), "pgbouncer", str(path)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return port

    yield start
    for one in started:
        one.terminate()
        one.wait()


@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="needs pgbouncer")
def test_47_48_a_pooler_that_shares_sessions_and_has_few(own_cluster, postgres, pooler):
    cluster = own_cluster(postgres=postgres, redis=False, start=False)
    port = pooler(cluster.database)
    for node in cluster.nodes:
        node.settings["pg_port"] = port
    cluster.start()
    cluster.service()
    cluster.route()
    assert cluster.a.admin("POST", "/routes/r/plugins", json={"name": "key-auth"}).status == 201
    cluster.consumer()
    for number in range(40):
        cluster.key(f"k{number}")
    cluster.settle()
    with concurrent.futures.ThreadPoolExecutor(20) as crowd:
        asked = list(crowd.map(lambda n: cluster.nodes[n % 2].proxy("GET", "/r", headers={"apikey": f"k{n % 40}"}).status, range(200)))
    assert asked == [200] * 200
    arrives(cluster, "later", 5)
    assert all(figures(node)["failing_polls"] == 0 and figures(node)["resyncs"] == 1 for node in cluster.nodes)


def test_09_slots_that_migrate_take_no_message_along(own_cluster, tmp_path):
    """Messages go by plain PUBLISH, which every node of a Redis Cluster hands on to all: whose slots are whose does not matter."""
    redis = RedisCluster(str(tmp_path))
    redis.start()
    try:
        cluster = own_cluster(redis=False, settings={**SLOW_POLLS, "fast_invalidation": "redis", "redis_cluster_nodes": redis.addresses()})
        eventually(lambda: all(figures(node)["channel_up"] for node in cluster.nodes), 15)
        cluster.service()
        arrives(cluster, "before", 3)
        name = redis.cli(redis.ports[0], "PUBSUB", "CHANNELS").split() or redis.cli(redis.ports[1], "PUBSUB", "CHANNELS").split() \
            or redis.cli(redis.ports[2], "PUBSUB", "CHANNELS").split()
        slot = redis.cli(redis.ports[0], "CLUSTER", "KEYSLOT", name[0]).strip()
        for target in redis.ports:
            owner = redis.cli(target, "CLUSTER", "MYID").strip()
            for port in redis.ports:
                redis.cli(port, "CLUSTER", "SETSLOT", slot, "NODE", owner)
            arrives(cluster, f"at-{target}", 3)
    finally:
        redis.stop()
