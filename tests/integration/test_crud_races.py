"""Writers that meet: on one name, on a parent and its children, on both nodes. Each is told the truth, and nothing is left half done."""

import threading
import time

import pytest

from admin_api import NOWHERE, new_id
from pems import OTHER, OTHER_KEY, RSA, RSA_KEY
from support import PATIENCE, eventually

pytestmark = pytest.mark.usefixtures("clean")


def at_once(count, work):
    """work(number) in `count` threads that start together; their results by number."""
    start, results = threading.Barrier(count), [None] * count

    def run(number):
        start.wait()
        try:
            results[number] = work(number)
        except Exception as failure:  # pylint: disable=broad-except
            results[number] = failure

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def positions(cluster, before):
    return [int(row) for row in cluster.sql(f"SELECT DISTINCT pos FROM cluster_log WHERE pos > {before} ORDER BY pos").splitlines()]


def test_one_of_many_posts_wins(cluster):
    for turn in range(5):
        answers = at_once(8, lambda n, turn=turn: cluster.nodes[n % 2].admin("POST", "/consumers", json={"username": f"u{turn}"}))
        assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    key = new_id()
    answers = at_once(8, lambda n: cluster.nodes[n % 2].admin("POST", "/services", json={"host": "h", "id": key}))
    assert sorted(answer.status for answer in answers) == [201] + [400] * 7
    assert {answer.json["code"] for answer in answers if answer.status == 400} == {3}


def test_all_of_many_puts_succeed(cluster):
    cluster.settle()
    before = cluster.a.applied()
    for turn in range(5):
        answers = at_once(8, lambda n, turn=turn: cluster.nodes[n % 2].admin("PUT", f"/consumers/u{turn}", json={"custom_id": f"{turn}"}))
        assert [answer.status for answer in answers] == [200] * 8
        assert len({answer.json["id"] for answer in answers}) == 1
    key = new_id()
    answers = at_once(8, lambda n: cluster.nodes[n % 2].admin("PUT", f"/services/{key}", json={"host": f"h{n}"}))
    assert [answer.status for answer in answers] == [200] * 8
    cluster.settle()
    assert positions(cluster, before) == list(range(before + 1, before + 49))


def test_patches_of_one_entity_all_count(cluster):
    cluster.service("s")
    fields = ("retries", "port", "connect_timeout", "write_timeout", "read_timeout")
    answers = at_once(5, lambda n: cluster.nodes[n % 2].admin("PATCH", "/services/s", json={fields[n]: 11 + n}))
    assert [answer.status for answer in answers] == [200] * 5
    stored = cluster.a.admin("GET", "/services/s").json
    assert [stored[name] for name in fields] == [11, 12, 13, 14, 15]


def test_children_that_come_while_the_parent_goes(cluster):
    for turn in range(6):
        consumer = cluster.consumer(f"c{turn}")
        cluster.settle()

        def work(number, turn=turn, consumer=consumer):
            if number == 0:
                return cluster.a.admin("DELETE", f"/consumers/c{turn}")
            if number % 2:
                return cluster.nodes[number % 2].admin("POST", f"/consumers/c{turn}/key-auth", json={})
            return cluster.nodes[number % 2].admin("POST", "/key-auths", json={"consumer": {"id": consumer["id"]}})

        answers = at_once(7, work)
        assert answers[0].status == 204, answers[0]
        for answer in answers[1:]:
            assert answer.status in (201, 400, 404), answer
            if answer.status == 400:
                assert answer.json["code"] == 4
    cluster.settle()
    assert cluster.sql("SELECT count(*) FROM keyauth_credentials") == "0"
    assert cluster.sql("SELECT count(*) FROM consumers") == "0"


def test_routes_that_come_while_the_service_goes(cluster):
    for turn in range(6):
        service = cluster.service(f"s{turn}")
        cluster.settle()

        def work(number, turn=turn, service=service):
            if number == 0:
                return cluster.a.admin("DELETE", f"/services/s{turn}")
            return cluster.nodes[number % 2].admin("POST", "/routes", json={"paths": ["/r"], "service": {"id": service["id"]}})

        answers = at_once(5, work)
        created = sum(answer.status == 201 for answer in answers[1:])
        assert answers[0].status == (400 if created else 204), answers
        if created == 0:
            assert {answer.json["code"] for answer in answers[1:]} == {4}
        rows = cluster.a.admin("GET", "/routes?size=1000").json["data"]
        assert all(cluster.a.admin("GET", f"/routes/{row['id']}/service").status == 200 for row in rows)


def test_deletes_of_one_entity(cluster):
    made = cluster.consumer("c")
    cluster.key("k")
    cluster.settle()
    before = cluster.a.applied()
    answers = at_once(8, lambda n: cluster.nodes[n % 2].admin("DELETE", f"/consumers/{made['id']}"))
    assert [answer.status for answer in answers] == [204] * 8
    cluster.settle()
    assert positions(cluster, before) == [before + 1]
    assert sum("Freshet-Position" in answer.headers for answer in answers) == 1


def test_plugins_that_would_be_there_twice(cluster):
    cluster.service("s")
    answers = at_once(8, lambda n: cluster.nodes[n % 2].admin("POST", "/services/s/plugins", json={"name": "key-auth"}))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    answers = at_once(8, lambda n: cluster.nodes[n % 2].admin("PUT", "/plugins/inst", json={"name": "request-termination"}))
    assert [answer.status for answer in answers] == [200] * 8
    assert cluster.a.admin("GET", f"/plugins/{NOWHERE}").status == 404


def test_names_that_several_certificates_want(cluster):
    """Whoever gets a name keeps it; nobody has half of a list, and no certificate loses its names to a refusal."""
    pairs = ({"cert": RSA, "key": RSA_KEY}, {"cert": OTHER, "key": OTHER_KEY})
    ids = [cluster.a.admin("POST", "/certificates", json=pairs[n % 2]).json["id"] for n in range(4)]

    def work(number):
        seen = []
        for turn in range(12):
            node, name = cluster.nodes[number % 2], f"n{turn % 3}.test"
            seen.append(node.admin("PATCH", f"/certificates/{ids[number % 4]}", json={"snis": [name, f"own{number % 4}.test"]}))
            seen.append(node.admin("PUT", f"/certificates/{name}", json=pairs[number % 2] | {"snis": [name]}))
            seen.append(node.admin("POST", f"/certificates/{ids[number % 4]}/snis", json={"name": f"extra{turn % 2}.test"}))
            seen.append(node.admin("PATCH", f"/certificates/{ids[number % 4]}", json={"snis": None}))
            seen.append(node.admin("DELETE", f"/certificates/{name}"))
        return seen

    for answers in at_once(8, work):
        for answer in answers:
            assert answer.status in (200, 201, 204, 400, 404, 409), answer
    cluster.settle()
    shown = {row["id"]: row["snis"] for row in cluster.b.admin("GET", "/certificates?size=1000").json["data"]}
    rows = cluster.a.admin("GET", "/snis?size=1000").json["data"]
    assert sorted((row["certificate"]["id"], row["name"]) for row in rows) == sorted((key, name) for key, names in shown.items() for name in names)


def test_targets_that_come_while_the_upstream_goes(cluster):
    for turn in range(8):
        assert cluster.a.admin("PUT", "/upstreams/u", json={}).status == 200

        def work(number, turn=turn):
            node = cluster.nodes[number % 2]
            if number == 0:
                return node.admin("DELETE", "/upstreams/u")
            return node.admin("POST", "/upstreams/u/targets", json={"target": f"t{turn}-{number % 3}"})

        answers = at_once(7, work)
        assert answers[0].status == 204
        for answer in answers[1:]:
            assert answer.status in (201, 400, 404, 409), answer
        assert cluster.sql("SELECT count(*) FROM targets") == "0"


def lock(cluster, table, seconds):
    """Somebody holds the whole table for a while; returns once he does."""
    holder = cluster.postgres.sql_in_background(cluster.database, f"BEGIN; LOCK TABLE {table}; SELECT pg_sleep({seconds}); COMMIT")
    held = f"SELECT count(*) FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'AccessExclusiveLock' AND granted"
    eventually(lambda: cluster.sql(held) == "1", 5)
    return holder


def test_a_table_locked_for_a_moment_delays_and_no_more(cluster):
    holder = lock(cluster, "consumers", 2)
    began = time.monotonic()
    answers = at_once(20, lambda n: cluster.nodes[n % 2].admin("POST", "/consumers", json={"username": f"u{n}"}) if n else
                      cluster.a.admin("GET", "/schemas/services"))
    assert [answer.status for answer in answers] == [200] + [201] * 19
    assert time.monotonic() - began < 2 + 3 * PATIENCE
    assert holder.wait() == 0


def test_a_table_locked_for_longer_is_an_error_in_time(cluster):
    cluster.consumer("kept")
    before = cluster.a.applied()
    holder = lock(cluster, "consumers", 60)
    try:
        began = time.monotonic()
        answers = at_once(6, lambda n: cluster.nodes[n % 2].admin(*[("POST", "/consumers"), ("GET", "/consumers"), ("DELETE", "/consumers/kept")][n % 3],
                                                                  **({"json": {"username": "u"}} if n % 3 == 0 else {})))
        assert {answer.status for answer in answers} <= {500, 503}
        assert time.monotonic() - began < 25 * PATIENCE
    finally:
        cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'consumers'::regclass AND mode = 'AccessExclusiveLock' AND granted")
        holder.wait()
    assert cluster.a.admin("GET", "/consumers").json["data"][0]["username"] == "kept"
    assert cluster.a.applied() == before
    assert cluster.a.admin("POST", "/consumers", json={"username": "u"}).status == 201
