"""Another level of the log for a while, on one node and on all (Admin API reference 3.7; checklist 492-505)."""

import time

import pytest

from admin_api import NO_METHOD, NOT_FOUND, assert_answer
from support import eventually

HERE, EVERYWHERE = "/debug/node/log-level", "/debug/cluster/log-level"
CHANGED = {"message": "log level changed"}


def level(node):
    answer = node.admin("GET", HERE)
    assert answer.status == 200
    return answer.json["message"].removeprefix("log level: ")


@pytest.fixture
def calm(cluster):
    """Every node has the configured level before and after."""
    def configured():
        for node in cluster.nodes:
            node.admin("PUT", f"{HERE}/emerg?timeout=9")
            node.admin("PUT", f"{HERE}/alert?timeout=0")
        return all(level(node) == "info" for node in cluster.nodes)
    assert configured()
    yield cluster
    assert configured()


@pytest.mark.parametrize("scope", [HERE, EVERYWHERE])
def test_every_level(calm, scope):
    for name in ("debug", "notice", "warn", "error", "crit", "alert", "emerg"):
        assert_answer(calm.a.admin("PUT", f"{scope}/{name}"), 200, CHANGED)
        assert level(calm.a) == name
        assert_answer(calm.a.admin("PUT", f"{scope}/{name}"), 200, {"message": f"log level is already {name}"})
    assert calm.a.admin("GET", "/").json["configuration"]["log_level"] == "emerg"


@pytest.mark.parametrize("scope", [HERE, EVERYWHERE])
def test_what_is_refused(calm, scope):
    before = calm.a.applied()
    for name in ("stderr", "DEBUG", "7", "nothing%20at%20all"):
        assert_answer(calm.a.admin("PUT", f"{scope}/{name}"), 400, {"message": f"unknown log level: {name.replace('%20', ' ')}"})
    for timeout in ("-1", "-1e300"):
        assert_answer(calm.a.admin("PUT", f"{scope}/debug?timeout={timeout}"), 400, {"message": "timeout must be greater than or equal to 0"})
    assert (level(calm.a), calm.a.applied()) == ("info", before)
    for method, path in (("GET", f"{scope}/debug"), ("PUT", HERE), ("DELETE", f"{scope}/debug")):
        assert_answer(calm.a.admin(method, path), 405, NO_METHOD)
    for path in (EVERYWHERE, "/debug/cluster/control-planes-nodes/log-level", "/debug/cluster/control-planes-nodes/log-level/debug", "/debug"):
        assert_answer(calm.a.admin("PUT", path), 404, NOT_FOUND)


def test_it_is_this_node_alone(calm):
    assert_answer(calm.a.admin("PUT", f"{HERE}/debug"), 200, CHANGED)
    calm.settle()
    assert (level(calm.a), level(calm.b)) == ("debug", "info")


def test_it_is_every_node(calm):
    assert_answer(calm.a.admin("PUT", f"{EVERYWHERE}/debug"), 200, CHANGED)
    assert level(calm.a) == "debug"  # with the very answer
    eventually(lambda: level(calm.b) == "debug")
    answer = calm.b.admin("PUT", f"{EVERYWHERE}/warn?timeout=2")
    assert_answer(answer, 200, CHANGED)
    assert answer.headers["Freshet-Position"].endswith(f"-{calm.b.applied()}")
    for name in ("warn", "info"):
        eventually(lambda name=name: [level(node) for node in calm.nodes] == [name, name], what=name)


def test_nodes_that_have_another_level_are_told(calm):
    assert_answer(calm.a.admin("PUT", f"{HERE}/debug"), 200, CHANGED)
    assert_answer(calm.a.admin("PUT", f"{EVERYWHERE}/debug"), 200, {"message": "log level is already debug"})
    eventually(lambda: level(calm.b) == "debug")


@pytest.mark.parametrize("timeout, least, most", [("1", 1, 4), ("0.5", 1, 4), ("0", 0, 0)])
def test_the_level_returns(calm, timeout, least, most):
    begun = time.monotonic()
    assert_answer(calm.a.admin("PUT", f"{HERE}/debug?timeout={timeout}"), 200, CHANGED)
    if most == 0:
        assert level(calm.a) == "info"
        return
    assert level(calm.a) == "debug"
    eventually(lambda: level(calm.a) == "info", most)
    assert time.monotonic() - begun >= least


@pytest.mark.parametrize("scope", [HERE, EVERYWHERE])
def test_asking_for_what_there_is_does_not_prolong_it(calm, scope):
    assert_answer(calm.a.admin("PUT", f"{HERE}/debug?timeout=2"), 200, CHANGED)
    assert_answer(calm.a.admin("PUT", f"{scope}/debug?timeout=600"), 200, {"message": "log level is already debug"})
    eventually(lambda: level(calm.a) == "info", 4)


@pytest.mark.parametrize("timeout", ["x", "", "nan", "inf", "1e300", "5x"])
def test_timeouts_that_are_odd_are_long(calm, timeout):
    assert_answer(calm.a.admin("PUT", f"{HERE}/debug?timeout={timeout}"), 200, CHANGED)
    time.sleep(0.2)
    assert level(calm.a) == "debug"


def test_lines_stop_and_come_back(calm):
    """Each reload is a line."""
    def lines():
        calm.a.reload()
        time.sleep(0.3)
        return calm.a.log().count("settings reloaded")
    assert_answer(calm.a.admin("PUT", f"{HERE}/alert"), 200, CHANGED)
    assert lines() == lines()
    assert_answer(calm.a.admin("PUT", f"{HERE}/debug"), 200, CHANGED)
    before = lines()
    assert before < lines()


def test_a_reload_leaves_it_until_its_time_is_over(own_cluster, postgres):
    node = own_cluster(redis=False, postgres=postgres, names=("a",)).a
    assert_answer(node.admin("PUT", f"{HERE}/debug?timeout=3"), 200, CHANGED)
    node.settings["log_level"] = "warn"
    assert node.reload().returncode == 0
    assert level(node) == "debug"
    eventually(lambda: level(node) == "warn")
    node.settings["log_level"] = "notice"
    assert node.reload().returncode == 0
    eventually(lambda: level(node) == "notice")


def test_words_that_are_none_of_ours(calm):
    """A log that a newer node writes to: nobody acts, nobody starts over."""
    figures = calm.b.admin("GET", "/status").json["freshet"]
    for word in ("log_level", "log_level:", "log_level:debug", "log_level:debug:", "log_level:debug:-1", "log_level:debug:99999999999999",
                 "log_level:loud:1000", "log_levels:debug:1000", "something new"):
        calm.sql("INSERT INTO cluster_log (pos, n, tag, at, kind, entity) "
                 f"SELECT max(pos) + 1, 1, 7, clock_timestamp(), 4, '{word}' FROM cluster_log")
    head = int(calm.sql("SELECT max(pos) FROM cluster_log"))
    for node in calm.nodes:
        eventually(lambda node=node: node.applied() == head)
        assert level(node) == "info"
    assert calm.b.admin("GET", "/status").json["freshet"]["resyncs"] == figures["resyncs"]


def test_without_a_database(own_cluster):
    node = own_cluster(redis=False, names=("a",)).a
    node.cluster.postgres.stop("immediate")
    assert_answer(node.admin("PUT", f"{HERE}/debug?timeout=60"), 200, CHANGED)
    assert_answer(node.admin("PUT", f"{EVERYWHERE}/warn"), 500, {"message": "An unexpected error occurred"})
    assert level(node) == "debug"
    node.cluster.postgres.run()
