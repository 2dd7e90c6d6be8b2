"""The database goes away, comes back, is replaced; nodes serve from memory, say so, and miss nothing."""

import signal
import time

import pytest

from support import PATIENCE, Postgres, ask, eventually


def protect(cluster):
    cluster.service()
    cluster.route()
    assert cluster.a.admin("POST", "/routes/r/plugins", json={"name": "key-auth"}).status == 201
    cluster.consumer()
    cluster.key("k1")
    cluster.settle()
    for node in cluster.nodes:
        assert get(node, "k1") == 200


def get(node, key, path="/r"):
    return node.proxy("GET", path, headers={"apikey": key}).status


def database_reachable(node):
    return node.status("GET", "/status").json["database"]["reachable"]


def test_without_postgres_nodes_serve_from_memory_and_recover(own_cluster):
    cluster = own_cluster()
    protect(cluster)
    cluster.postgres.stop("immediate")
    for node in cluster.nodes:
        assert get(node, "k1") == 200
        began = time.monotonic()
        answer = node.admin("POST", "/consumers", json={"username": "x"})
        assert answer.status in (500, 503), answer
        assert time.monotonic() - began < 20
    eventually(lambda: not database_reachable(cluster.b), 15)
    unknown = get(cluster.b, "never-seen")
    assert unknown in (500, 503)
    assert get(cluster.b, "k1") == 200

    cluster.postgres.run()
    eventually(lambda: all(database_reachable(node) for node in cluster.nodes), 20)
    assert cluster.a.admin("DELETE", "/consumers/c/key-auth/k1").status == 204
    assert get(cluster.a, "k1") == 401
    eventually(lambda: get(cluster.b, "k1") == 401, 5)
    assert get(cluster.b, "never-seen") == 401


def test_changes_made_while_one_node_could_not_poll_are_not_missed(own_cluster):
    cluster = own_cluster(redis=False)
    protect(cluster)
    cluster.b.signal(signal.SIGSTOP)
    cluster.a.admin("DELETE", "/consumers/c/key-auth/k1")
    cluster.route("meanwhile")
    cluster.b.signal(signal.SIGCONT)
    eventually(lambda: get(cluster.b, "k1") == 401, 5)
    assert cluster.b.proxy("GET", "/meanwhile").status in (200, 401)


def test_the_first_request_after_a_sleep_sees_what_was_missed(own_cluster):
    cluster = own_cluster(redis=False)
    protect(cluster)
    for number in range(3):
        cluster.key(f"nap-{number}")
        cluster.settle()
        assert get(cluster.b, f"nap-{number}") == 200
        cluster.b.signal(signal.SIGSTOP)
        assert cluster.a.admin("DELETE", f"/consumers/c/key-auth/nap-{number}").status == 204
        time.sleep(1.5)  # longer than the pause between two polls
        cluster.b.signal(signal.SIGCONT)
        assert get(cluster.b, f"nap-{number}") == 401
    assert cluster.b.admin("GET", "/status").json["freshet"]["metrics"]["freshet_wakeups_total"] == 3


def test_a_node_that_wakes_without_its_database_serves_all_the_same(own_cluster):
    cluster = own_cluster(redis=False)
    protect(cluster)
    assert get(cluster.b, "k1") == 200
    cluster.b.signal(signal.SIGSTOP)
    cluster.postgres.stop("immediate")
    time.sleep(1.5)
    cluster.b.signal(signal.SIGCONT)
    began = time.monotonic()
    assert get(cluster.b, "k1") == 200
    assert time.monotonic() - began < 2 * PATIENCE
    began = time.monotonic()
    for _ in range(10):
        assert get(cluster.b, "k1") == 200
    assert time.monotonic() - began < 1 * PATIENCE, "requests go on waiting"
    cluster.postgres.run()


def test_a_node_asleep_longer_than_the_log_is_kept_starts_over(own_cluster):
    settings = {"db_update_frequency": 0.1, "cluster_log_retention": 2, "cluster_lease": 1}
    cluster = own_cluster(settings=settings)
    protect(cluster)
    before = cluster.b.admin("GET", "/status").json["freshet"]["resyncs"]
    cluster.b.signal(signal.SIGSTOP)
    try:
        cluster.a.admin("DELETE", "/consumers/c/key-auth/k1")
        for number in range(8):
            cluster.route(f"later-{number}")
        position = cluster.a.applied()
        # Retention keeps what is younger than 2 s, so write on until the old rows are gone.
        def trimmed():
            cluster.route("later-0", paths=[f"/later-0-{time.time_ns()}"])
            return int(cluster.sql("SELECT floor_pos FROM cluster_head")) >= position
        eventually(trimmed, 30, step=0.3, what="the log being trimmed past the sleeper")
    finally:
        cluster.b.signal(signal.SIGCONT)
    eventually(lambda: get(cluster.b, "k1") == 401, 10)
    assert get(cluster.b, "k1", "/later-7") == 200 or cluster.b.proxy("GET", "/later-7").status == 200
    assert cluster.b.admin("GET", "/status").json["freshet"]["resyncs"] > before


def test_a_rewritten_history_is_noticed_and_followed(own_cluster):
    """The database is put back to an earlier state under running nodes, and goes on from there."""
    cluster = own_cluster()
    cluster.service()
    cluster.route("kept")
    cluster.settle()
    dump = cluster.postgres.dump(cluster.database)
    for number in range(5):
        cluster.route(f"lost-{number}")
    cluster.settle()
    assert cluster.b.proxy("GET", "/lost-4").status == 200
    cluster.postgres.replace(cluster.database, dump)
    eventually(lambda: cluster.a.admin("PUT", "/services/s/routes/other", json={"paths": ["/other"]}).status == 200, 15)
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/lost-4").status == 404, 10, what="the lost routes being gone")
        eventually(lambda node=node: node.proxy("GET", "/other").status == 200, 10)
        assert node.proxy("GET", "/kept").status == 200
        assert node.admin("GET", "/status").json["freshet"]["resyncs"] >= 2


@pytest.mark.parametrize("gate", ["position", "delay"])
def test_a_lagging_replica_never_brings_old_values_back(own_cluster, gate):
    settings = {"replica_gate": gate}
    if gate == "delay":
        settings["db_update_propagation"] = 3
    cluster = own_cluster(start=False, settings=settings)
    standby = cluster.postgres.standby(cluster.directory + "/standby")
    standby.run()
    try:
        cluster.settings |= {"pg_ro_host": "127.0.0.1", "pg_ro_port": standby.port}
        cluster.start()
        protect(cluster)
        eventually(lambda: standby.sql("SELECT count(*) FROM keyauth_credentials", cluster.database) == "1", 10)
        standby.sql("SELECT pg_wal_replay_pause()", cluster.database)
        cluster.a.admin("DELETE", "/consumers/c/key-auth/k1")
        eventually(lambda: get(cluster.b, "k1") == 401, 5)
        cluster.key("k2")
        eventually(lambda: get(cluster.b, "k2") == 200, 5)
        # The standby still has k1 and has no k2; nobody may believe it.
        assert standby.sql("SELECT key FROM keyauth_credentials", cluster.database) == "k1"
        seconds = 2
        if gate == "position":
            for node in cluster.nodes:
                assert node.admin("DELETE", "/cache").status == 204
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for node in cluster.nodes:
                assert get(node, "k1") == 401 and get(node, "k2") == 200
        standby.sql("SELECT pg_wal_replay_resume()", cluster.database)
        eventually(lambda: standby.sql("SELECT key FROM keyauth_credentials", cluster.database) == "k2", 10)
        assert get(cluster.b, "k2") == 200
    finally:
        standby.stop("immediate")


def test_a_replica_that_stays_in_a_lost_past_is_not_believed(own_cluster):
    """Its positions are ahead of those that the primary gives out anew, and it still has what was deleted since."""
    cluster = own_cluster(start=False)
    standby = cluster.postgres.standby(cluster.directory + "/standby")
    standby.run()
    try:
        cluster.settings |= {"pg_ro_host": "127.0.0.1", "pg_ro_port": standby.port, "db_cache_ttl": 0.1}
        cluster.start()
        protect(cluster)
        for number in range(10):
            cluster.route(f"r-{number}")
        eventually(lambda: standby.sql("SELECT max(pos) FROM cluster_log", cluster.database) == str(cluster.a.applied()), 10)
        standby.sql("SELECT pg_promote()", "postgres")
        cluster.sql("TRUNCATE cluster_log")
        cluster.a.admin("DELETE", "/consumers/c/key-auth/k1")
        eventually(lambda: cluster.b.applied() < 5, 5, what="b having started over")
        resyncs = cluster.b.admin("GET", "/status").json["freshet"]["resyncs"]
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert get(cluster.b, "k1") == 401
        assert cluster.b.admin("GET", "/status").json["freshet"]["resyncs"] == resyncs
    finally:
        standby.stop("immediate")


def test_a_replica_that_is_down_costs_nothing(own_cluster):
    cluster = own_cluster(start=False)
    cluster.settings |= {"pg_ro_host": "127.0.0.1", "pg_ro_port": 1}
    cluster.start()
    protect(cluster)
    assert get(cluster.b, "unknown") == 401


def test_a_transaction_that_holds_the_log_delays_writers_only(own_cluster):
    cluster = own_cluster(settings={"cluster_append_timeout": 1})
    protect(cluster)
    holder = cluster.postgres.sql_in_background(cluster.database, "BEGIN; SELECT 1 FROM cluster_head FOR UPDATE; SELECT pg_sleep(4)")
    eventually(lambda: "pg_sleep" in cluster.sql("SELECT string_agg(query, ' ') FROM pg_stat_activity WHERE pid <> pg_backend_pid()"), 5)
    began = time.monotonic()
    answer = cluster.a.admin("POST", "/consumers", json={"username": "blocked"})
    assert answer.status in (500, 503), answer
    assert time.monotonic() - began < 4
    assert get(cluster.b, "k1") == 200
    holder.wait()
    assert cluster.sql("SELECT count(*) FROM consumers WHERE username = 'blocked'") == "0"
    assert cluster.a.admin("POST", "/consumers", json={"username": "free"}).status == 201


def test_another_versions_database_is_refused_with_the_command_to_run(own_cluster):
    cluster = own_cluster(start=False, redis=False)
    cluster.postgres.create_database(cluster.database)
    cluster.a.write_settings()
    run = cluster.a.command("start")
    assert run.returncode == 1 and "migrations bootstrap" in run.stderr
    assert cluster.a.command("migrations", "bootstrap").returncode == 0
    assert cluster.a.command("migrations", "bootstrap").returncode == 0
    assert cluster.a.command("migrations", "list").returncode == 0
    table = cluster.sql("SELECT table_name FROM information_schema.columns WHERE column_name = 'step' OR column_name = 'name' AND table_name LIKE '%migration%' LIMIT 1")
    cluster.sql(f"INSERT INTO {table} (name, program) VALUES ('9999_from_the_future', '9.9.9')")
    run = cluster.a.command("start")
    assert run.returncode == 1 and "newer version" in run.stderr, run.stderr


def test_statements_of_an_idle_node_are_few(own_cluster):
    cluster = own_cluster(redis=False, names=("a",), settings={"db_update_frequency": 1})
    before = cluster.a.admin("GET", "/status").json["freshet"]["polls"]
    time.sleep(4)
    polls = cluster.a.admin("GET", "/status").json["freshet"]["polls"] - before
    assert 3 <= polls <= 6


def test_restart_during_changes_starts_at_the_newest(own_cluster):
    cluster = own_cluster()
    protect(cluster)
    cluster.b.stop(signal.SIGQUIT)
    cluster.a.admin("DELETE", "/consumers/c/key-auth/k1")
    cluster.key("k2")
    cluster.b.start()
    assert get(cluster.b, "k1") == 401 and get(cluster.b, "k2") == 200
    cluster.b.stop(signal.SIGKILL)
    cluster.route("while-dead")
    cluster.b.start()
    assert ask(cluster.b.proxy_port, "GET", "/while-dead").status == 200
    assert isinstance(cluster.postgres, Postgres)
