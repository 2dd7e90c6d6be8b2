"""A change on one node as the other sees it: every kind of change, with Redis and by polling alone."""

import threading
import time

import pytest

from support import eventually

pytestmark = pytest.mark.usefixtures("clean")


def protect(cluster, **config):
    """Service, route /r with key-auth, consumer c with key k1."""
    cluster.service()
    route = cluster.route()
    answer = cluster.a.admin("POST", "/routes/r/plugins", json={"name": "key-auth", "config": config})
    assert answer.status == 201, answer
    cluster.consumer()
    cluster.key("k1")
    cluster.settle()
    return route


def get(node, key=None, path="/r"):
    return node.proxy("GET", path, headers={"apikey": key} if key else {}).status


def test_a_new_route_is_served_by_both_nodes(cluster):
    cluster.service()
    cluster.route("new")
    assert cluster.a.proxy("GET", "/new").status == 200
    eventually(lambda: cluster.b.proxy("GET", "/new").status == 200, 3)


def test_own_writes_are_seen_by_the_very_next_request(cluster):
    cluster.service()
    for number in range(30):
        cluster.route("own", paths=[f"/own-{number}"])
        assert cluster.a.proxy("GET", f"/own-{number}").status == 200
        if number:
            assert cluster.a.proxy("GET", f"/own-{number - 1}").status == 404
    assert cluster.a.admin("DELETE", "/routes/own").status == 204
    assert cluster.a.proxy("GET", "/own-29").status == 404


def test_a_deleted_credential_stops_working_everywhere(cluster):
    protect(cluster)
    assert get(cluster.a, "k1") == 200 and get(cluster.b, "k1") == 200
    assert get(cluster.a) == 401
    assert cluster.a.admin("DELETE", "/consumers/c/key-auth/k1").status == 204
    assert get(cluster.a, "k1") == 401
    eventually(lambda: get(cluster.b, "k1") == 401, 3)


def test_creating_a_credential_clears_a_remembered_absence(cluster):
    protect(cluster)
    for node in cluster.nodes:
        assert get(node, "late") == 401
        assert get(node, "late") == 401
    cluster.key("late")
    assert get(cluster.a, "late") == 200
    eventually(lambda: get(cluster.b, "late") == 200, 3)


def test_an_update_replaces_what_was_cached(cluster):
    protect(cluster)
    cluster.a.admin("PATCH", "/consumers/c", json={"custom_id": "one"})
    cluster.settle()

    def custom_id(node):
        seen = dict(node.proxy("GET", "/r", headers={"apikey": "k1"}).json["headers"])
        return seen.get("X-Consumer-Custom-ID") or seen.get("X-Consumer-Custom-Id")

    assert custom_id(cluster.a) == "one" and custom_id(cluster.b) == "one"
    cluster.a.admin("PATCH", "/consumers/c", json={"custom_id": "two"})
    assert custom_id(cluster.a) == "two"
    eventually(lambda: custom_id(cluster.b) == "two", 3)


def test_a_renamed_key_is_gone_under_its_old_name(cluster):
    protect(cluster)
    assert get(cluster.b, "k1") == 200 and get(cluster.b, "k2") == 401
    listed = cluster.a.admin("GET", "/consumers/c/key-auth").json["data"][0]
    assert cluster.a.admin("PATCH", f"/consumers/c/key-auth/{listed['id']}", json={"key": "k2"}).status == 200
    assert get(cluster.a, "k1") == 401 and get(cluster.a, "k2") == 200
    eventually(lambda: get(cluster.b, "k1") == 401 and get(cluster.b, "k2") == 200, 3)


def test_deleting_a_consumer_takes_its_credentials_along(cluster):
    protect(cluster)
    assert get(cluster.b, "k1") == 200
    before = cluster.a.applied()
    assert cluster.a.admin("DELETE", "/consumers/c").status == 204
    assert get(cluster.a, "k1") == 401
    eventually(lambda: get(cluster.b, "k1") == 401, 3)
    rows = cluster.sql(f"SELECT pos, entity FROM cluster_log WHERE pos > {before} ORDER BY pos, n").splitlines()
    assert sorted(row.split("|")[1] for row in rows) == ["consumers", "keyauth_credentials"]
    assert len({row.split("|")[0] for row in rows}) == 1, "one commit, one position"


def test_plugins_come_and_go_and_change(cluster):
    cluster.service()
    cluster.route()
    plugin = cluster.a.admin("POST", "/plugins", json={"name": "request-termination", "config": {"status_code": 418}}).json
    assert cluster.a.proxy("GET", "/r").status == 418
    eventually(lambda: cluster.b.proxy("GET", "/r").status == 418, 3)
    cluster.a.admin("PATCH", f"/plugins/{plugin['id']}", json={"config": {"status_code": 451}})
    eventually(lambda: cluster.b.proxy("GET", "/r").status == 451, 3)
    cluster.a.admin("PATCH", f"/plugins/{plugin['id']}", json={"enabled": False})
    eventually(lambda: cluster.b.proxy("GET", "/r").status == 200, 3)
    cluster.a.admin("DELETE", f"/plugins/{plugin['id']}")
    eventually(lambda: cluster.b.proxy("GET", "/r").status == 200, 3)


def test_a_disabled_service_is_out_of_the_router(cluster):
    cluster.service()
    cluster.route()
    cluster.settle()
    assert cluster.b.proxy("GET", "/r").status == 200
    cluster.a.admin("PATCH", "/services/s", json={"enabled": False})
    eventually(lambda: cluster.b.proxy("GET", "/r").status == 404, 3)
    cluster.a.admin("PATCH", "/services/s", json={"enabled": True})
    eventually(lambda: cluster.b.proxy("GET", "/r").status == 200, 3)


def test_changes_on_either_node_reach_the_other(cluster):
    cluster.service()
    cluster.settle()
    cluster.b.admin("PUT", "/services/s/routes/from-b", json={"paths": ["/from-b"]})
    assert cluster.b.proxy("GET", "/from-b").status == 200
    eventually(lambda: cluster.a.proxy("GET", "/from-b").status == 200, 3)


def test_a_rejected_write_leaves_neither_row_nor_event(cluster):
    before = cluster.a.applied()
    assert cluster.a.admin("POST", "/services", json={"host": 1}).status == 400
    assert cluster.a.admin("POST", "/routes", json={"paths": ["/x"], "service": {"id": "00000000-0000-4000-8000-000000000009"}}).status == 400
    assert cluster.sql("SELECT count(*) FROM routes") == "0"
    assert cluster.sql(f"SELECT count(*) FROM cluster_log WHERE pos > {before}") == "0"


def test_the_position_of_a_write_is_told_and_grows(cluster):
    first = cluster.a.admin("PUT", "/services/p", json={"url": cluster.upstream.url})
    second = cluster.a.admin("PATCH", "/services/p", json={"retries": 3})
    positions = [int(answer.headers["Freshet-Position"].rsplit("-", 1)[1]) for answer in (first, second)]
    assert positions[1] == positions[0] + 1
    assert cluster.a.applied() >= positions[1]
    assert cluster.sql("SELECT max(pos) FROM cluster_log") == str(positions[1])


def test_concurrent_writers_on_both_nodes_leave_no_gap(cluster):
    before = cluster.a.applied()
    failures = []

    def write(node, name):
        for number in range(20):
            answer = node.admin("POST", "/consumers", json={"username": f"{name}-{number}"})
            if answer.status != 201:
                failures.append(answer)

    writers = [threading.Thread(target=write, args=(node, f"{node.name}{number}")) for node in cluster.nodes for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failures
    rows = cluster.sql(f"SELECT pos FROM cluster_log WHERE pos > {before} ORDER BY pos").splitlines()
    assert [int(row) for row in rows] == list(range(before + 1, before + 121))
    for node in cluster.nodes:
        eventually(lambda node=node: node.applied() == before + 120, 5)


def test_a_flood_for_one_unknown_key_costs_two_statements(cluster):
    """A single miss leaves nothing behind, the second one within a minute is remembered; who waits shares a load."""
    protect(cluster)
    before = cluster.b.admin("GET", "/status").json["freshet"]
    answers = []

    def ask_many():
        for _ in range(25):
            answers.append(get(cluster.b, "nobody-has-this"))

    threads = [threading.Thread(target=ask_many) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {401} and len(answers) == 500
    after = cluster.b.admin("GET", "/status").json["freshet"]
    fills = [one["metrics"]["freshet_fill_statements_total"] for one in (before, after)]
    assert fills[1] - fills[0] <= 2


def test_a_request_sees_one_configuration(cluster):
    """While a route and its plugin change together, an answer is the old pair or the new pair."""
    cluster.service()
    cluster.route("pair", paths=["/pair"])
    cluster.settle()
    end = time.monotonic() + 2
    seen = set()

    def look():
        while time.monotonic() < end:
            seen.add(cluster.b.proxy("GET", "/pair").status)

    looker = threading.Thread(target=look)
    looker.start()
    while time.monotonic() < end:
        plugin = cluster.a.admin("POST", "/routes/pair/plugins", json={"name": "request-termination", "config": {"status_code": 418}}).json
        cluster.a.admin("DELETE", f"/plugins/{plugin['id']}")
    looker.join()
    assert seen <= {200, 418}


def test_polling_alone_delivers_within_its_period(own_cluster):
    cluster = own_cluster(redis=False)
    cluster.service()
    for number in range(3):
        cluster.route("poll", paths=[f"/poll-{number}"])
        began = time.monotonic()
        eventually(lambda number=number: cluster.b.proxy("GET", f"/poll-{number}").status == 200, 3)
        assert time.monotonic() - began < 1 + 1.5
    assert cluster.b.admin("GET", "/status").json["freshet"]["channel_wanted"] is False


def test_pg_notify_rings_like_redis(own_cluster):
    cluster = own_cluster(redis=False, settings={"fast_invalidation": "pg_notify", "db_update_frequency": 30, "cluster_log_retention": 3600})
    cluster.service()
    for number in range(3):
        cluster.route("note", paths=[f"/note-{number}"])
        eventually(lambda number=number: cluster.b.proxy("GET", f"/note-{number}").status == 200, 5)


def test_an_event_committed_late_is_not_missed(cluster):
    """A writer outside holds its transaction open while others commit; its event has a later position and arrives."""
    protect(cluster)
    assert get(cluster.b, "k1") == 200
    row = cluster.a.admin("GET", "/consumers/c/key-auth/k1").json["id"]
    text = f"""
      DO $$ BEGIN
        DELETE FROM keyauth_credentials WHERE id = '{row}';
        PERFORM pg_sleep(1.5);
        PERFORM 1 FROM cluster_head WHERE one FOR UPDATE;
        INSERT INTO cluster_log (pos, n, tag, at, kind, entity, id)
        SELECT max(pos) + 1, e.n, 4711, clock_timestamp(), e.kind, 'keyauth_credentials', e.id
          FROM cluster_log, (VALUES (1, 1, '{row}'::uuid), (2, 2, NULL)) e(n, kind, id) GROUP BY e.n, e.kind, e.id;
        PERFORM pg_sleep(0.5);
      END $$"""
    slow = threading.Thread(target=lambda: cluster.sql(text))
    slow.start()
    time.sleep(0.5)
    cluster.route("meanwhile")  # begun later, committed earlier
    eventually(lambda: cluster.b.proxy("GET", "/meanwhile").status == 200, 3)
    assert get(cluster.b, "k1") == 200
    slow.join()
    assert cluster.sql("SELECT count(*) FROM keyauth_credentials WHERE key = 'k1'") == "0"
    eventually(lambda: get(cluster.b, "k1") == 401, 5, what="the late event reaching node b")
    eventually(lambda: get(cluster.a, "k1") == 401, 5, what="the late event reaching node a")


def test_purged_keys_are_read_again_and_listed(cluster):
    protect(cluster)
    assert get(cluster.b, "k1") == 200
    listed = cluster.b.admin("GET", "/cache").json
    keys = [row["key"] for row in listed["data"]]
    assert any(key.startswith("keyauth_credentials:") for key in keys)
    key = next(key for key in keys if key.startswith("keyauth_credentials:"))
    assert cluster.b.admin("GET", f"/cache/{key}").status == 200
    assert cluster.b.admin("DELETE", f"/cache/{key}").status == 204
    assert cluster.b.admin("GET", f"/cache/{key}").status == 404
    assert get(cluster.b, "k1") == 200
    assert cluster.b.admin("DELETE", "/cache").status == 204
    assert cluster.b.admin("GET", f"/cache/{key}").status == 404
    assert get(cluster.b, "k1") == 200


def test_an_entitys_answer_names_its_cache_key(cluster):
    protect(cluster)
    answer = cluster.a.admin("GET", "/consumers/c/key-auth/k1")
    key = answer.headers["X-Cache-Key"]
    assert get(cluster.a, "k1") == 200
    assert cluster.a.admin("GET", f"/cache/{key}").status == 200


def test_ttl_is_the_safety_net_for_changes_without_an_event(own_cluster):
    cluster = own_cluster(redis=False, settings={"db_cache_ttl": 2, "db_cache_neg_ttl": 1})
    protect(cluster)
    assert get(cluster.b, "k1") == 200 and get(cluster.b, "hand") == 401
    # Behind the back of every guard.
    cluster.sql("SET session_replication_role = replica; UPDATE keyauth_credentials SET key = 'hand' WHERE key = 'k1'")
    assert get(cluster.b, "k1") == 200
    eventually(lambda: get(cluster.b, "k1") == 401 and get(cluster.b, "hand") == 200, 5)


def test_random_keys_of_one_client_stop_costing_statements(own_cluster):
    cluster = own_cluster(redis=False, names=("a",), settings={"db_miss_limit": 20})
    protect(cluster)
    before = cluster.a.admin("GET", "/status").json["freshet"]["metrics"]
    answers = [cluster.a.proxy("GET", "/r", headers={"apikey": f"random-{number}"}) for number in range(200)]
    after = cluster.a.admin("GET", "/status").json["freshet"]["metrics"]
    assert {answer.status for answer in answers} == {401, 503}
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status == 503)
    name = "freshet_fill_statements_total"
    assert after[name] - before[name] < 100
    assert after["freshet_fill_rate_limited_total"] > 100
    assert get(cluster.a, "k1") in (200, 503)
    eventually(lambda: get(cluster.a, "k1") == 200, 3, what="a real key being let in again")


def test_a_key_as_long_as_a_header_line_is_found(cluster):
    protect(cluster)
    long = "x" * 7000  # Postgres compresses it, so its index takes it
    cluster.key(long)
    assert get(cluster.a, long) == 200
    assert get(cluster.a, long + "y") == 401


def test_what_is_in_use_is_read_again_with_the_event_that_changes_it(cluster):
    """No miss after a change: the reader of the log has the new row at hand."""
    protect(cluster)
    for node in cluster.nodes:
        assert get(node, "k1") == 200 and get(node, "k1") == 200
    names = ("freshet_fill_statements_total", "freshet_fill_renewals_total")
    figures = lambda node: [node.admin("GET", "/status").json["freshet"]["metrics"][name] for name in names]
    before = [figures(node) for node in cluster.nodes]
    cluster.a.admin("PATCH", "/consumers/c", json={"custom_id": "changed"})
    cluster.settle()
    for node, (statements, renewals) in zip(cluster.nodes, before):
        seen = dict(node.proxy("GET", "/r", headers={"apikey": "k1"}).json["headers"])
        assert (seen.get("X-Consumer-Custom-ID") or seen.get("X-Consumer-Custom-Id")) == "changed"
        assert figures(node) == [statements, renewals + 1]
