"""file-log: a line of JSON per request, files that are made, kept, rotated and missing."""

import json
import os
import signal
import stat

import pytest

from support import eventually


@pytest.fixture
def node(cluster, clean, tmp_path):
    os.chmod(tmp_path, 0o755)
    cluster.service()
    cluster.route()
    return cluster.a


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "requests.log")


def log_to(cluster, path, where="/routes/r/plugins", **config):
    made = cluster.plugin("file-log", {"path": path} | config, where)
    cluster.settle()
    return made


def entries(path):
    """Whole lines only: each is an object."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def uris(path):
    return [entry["request"]["uri"] for entry in entries(path)]


def ask_and_wait(node, path, mark):
    assert node.proxy("GET", f"/r/{mark}").status == 200
    eventually(lambda: f"/r/{mark}" in uris(path), what=f"the line of {mark}")


def test_a_request_is_a_line(cluster, node, path):
    log_to(cluster, path)
    for number in range(3):
        ask_and_wait(node, path, f"line-{number}")
    assert uris(path) == [f"/r/line-{number}" for number in range(3)]
    entry = entries(path)[0]
    assert entry["response"]["status"] == 200 and entry["service"]["name"] == "s" and entry["route"]["name"] == "r"
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o644 == 0o644 and not os.stat(path).st_mode & 0o133


def test_a_file_that_is_there_is_appended_to(cluster, node, path):
    with open(path, "w", encoding="ascii") as file:
        file.write('{"request": {"uri": "before"}}\n')
    log_to(cluster, path)
    ask_and_wait(node, path, "after")
    assert uris(path) == ["before", "/r/after"]


def test_many_lines_come_whole(cluster, node, path):
    log_to(cluster, path)
    for number in range(300):
        node.proxy("GET", f"/r/{number}", headers={"X-Long": "x" * 1000})
    eventually(lambda: len(uris(path)) == 300, what="300 lines")
    # A request is logged behind its answer, and the next may be another loop's: neighbours may change places.
    assert sorted(uris(path)) == sorted(f"/r/{number}" for number in range(300))


@pytest.mark.parametrize("how", ["reload", "signal"])
def test_a_renamed_file_is_left_at_a_reload_and_at_usr1(cluster, node, path, how):
    log_to(cluster, path)
    ask_and_wait(node, path, "one")
    os.rename(path, path + ".1")
    ask_and_wait(node, path + ".1", "two")
    if how == "reload":
        assert node.reload().returncode == 0
    else:
        node.signal(signal.SIGUSR1)

    def arrives():
        node.proxy("GET", "/r/three")
        return os.path.exists(path)

    eventually(arrives, step=0.2, what="the new file")
    assert uris(path + ".1")[:2] == ["/r/one", "/r/two"]


def test_reopen_follows_a_rotation_by_itself(cluster, node, path):
    log_to(cluster, path, reopen=True)
    ask_and_wait(node, path, "one")
    os.rename(path, path + ".1")
    ask_and_wait(node, path, "two")
    assert (uris(path + ".1"), uris(path)) == (["/r/one"], ["/r/two"])


def test_a_place_that_is_not_there_costs_nobody_anything(cluster, node, tmp_path):
    directory = tmp_path / "later"
    log_to(cluster, str(directory / "x.log"))
    assert node.proxy("GET", "/r/lost").status == 200
    eventually(lambda: "No such file or directory" in node.log() and f"queue=file-log {directory}/x.log" in node.log(), what="the line about it")
    os.mkdir(directory, mode=0o777)
    eventually(lambda: uris(str(directory / "x.log")) == ["/r/lost"], what="the line, later")


def test_a_pipe_that_nobody_reads_is_not_waited_for(cluster, node, tmp_path, path):
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    log_to(cluster, fifo)
    cluster.route("other")
    log_to(cluster, path, "/routes/other/plugins")
    assert node.proxy("GET", "/r/x").status == 200
    assert node.proxy("GET", "/other/x").status == 200
    eventually(lambda: uris(path) == ["/other/x"], what="the line in the other file")


def test_two_configurations_share_a_file(cluster, node, path):
    cluster.route("other")
    log_to(cluster, path)
    log_to(cluster, path, "/routes/other/plugins")
    for number in range(50):
        node.proxy("GET", f"/r/{number}")
        node.proxy("GET", f"/other/{number}")
    eventually(lambda: len(uris(path)) == 100, what="a hundred lines")


def test_what_is_queued_is_written_before_the_node_ends(cluster, node, path):
    log_to(cluster, path)
    for number in range(20):
        node.proxy("GET", f"/r/{number}")
    node.stop()
    assert len(uris(path)) == 20
    node.start()


@pytest.mark.parametrize("config, field, text", [
    ({}, "path", "required field missing"),
    ({"path": "/tmp/a*b"}, "path", "not a valid filename"),
    ({"path": "/tmp/a&b"}, "path", "not a valid filename"),
    ({"path": "/tmp/a%b"}, "path", "not a valid filename"),
    ({"path": "/tmp/a\\b"}, "path", "not a valid filename"),
    ({"path": "/tmp/a`b"}, "path", "not a valid filename"),
    ({"path": "/tmp/a", "custom_fields_by_lua": {"a": "return 1"}}, "custom_fields_by_lua", "Lua"),
])
def test_settings_that_cannot_be_are_refused(node, config, field, text):
    answer = node.admin("POST", "/plugins", json={"name": "file-log", "config": config})
    assert answer.status == 400 and text in answer.json["fields"]["config"][field]
