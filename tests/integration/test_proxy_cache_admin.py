"""Stored answers by the Admin API: shown by a node, forgotten by all (plugin reference, 16)."""

import base64
import threading
import time
import uuid

import pytest

from admin_api import NOT_FOUND
from support import ask_lines, eventually

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(name="caching")
def made_cache(cluster, clean):
    cluster.service()
    cluster.route("r")
    cluster.cached = cluster.plugin("proxy-cache", {"strategy": "memory"}, path="/routes/r/plugins")
    assert cluster.a.admin("DELETE", "/proxy-cache").status == 204
    cluster.settle()  # nobody forgets anything later
    return cluster


def get(node, path="/r", *lines):
    return ask_lines(node.proxy_port, "GET", path, [("X-Answer", line) for line in lines])


def state(node, path="/r"):
    return get(node, path).headers["X-Cache-Status"]


def test_an_answer_is_shown(caching):
    before = time.time()
    first = get(caching.a, "/r/x?y", "X-Two=1", "X-Two=2", "X-Three=3")
    key = first.headers["X-Cache-Key"]
    shown = caching.a.admin("GET", f"/proxy-cache/{key}")
    assert shown.status == 200
    stored = shown.json
    assert (stored["status"], stored["body"], stored["body_len"], stored["ttl"], stored["version"]) == (200, first.text, len(first.body), 300, 1)
    assert before - 2 < stored["timestamp"] <= time.time() + 1
    assert stored["headers"]["X-Two"] == ["1", "2"] and stored["headers"]["X-Three"] == "3" and "Content-Length" not in stored["headers"] and "Via" not in stored["headers"]
    own = f"/proxy-cache/{caching.cached['id']}/caches/{key}"
    assert caching.a.admin("GET", own).json == stored
    assert caching.a.admin("GET", f"/proxy-cache/{key.upper()}").json == stored
    for path in (f"/proxy-cache/{uuid.uuid4()}/caches/{key}", f"/proxy-cache/x/caches/{key}", f"/proxy-cache/{key[:-1]}", f"/proxy-cache/{key}0", "/proxy-cache/" + "0" * 64, "/proxy-cache/-", f"/proxy-cache/{key}/caches/{key}"):
        answer = caching.a.admin("GET", path)
        assert (answer.status, answer.json) == (404, NOT_FOUND), path
    assert caching.b.admin("GET", own).status == 404  # each node has what it has asked for itself


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"\x00", b"a" * 1000 + b"\xc3", b"\x80b", b"plain \xc3\xa9", b""])
def test_bodies_that_are_no_text(caching, body):
    answer = ask_lines(caching.a.proxy_port, "GET", "/r/b", [("X-Answer-Body", body.decode("latin-1"))] if b"\0" not in body else [("X-Answer", "Content-Type=text/plain")])
    assert answer.headers["X-Cache-Status"] == "Miss"
    stored = caching.a.admin("GET", "/proxy-cache/" + answer.headers["X-Cache-Key"]).json
    body = answer.body
    assert stored["body_len"] == len(body)
    if "body" in stored:
        assert stored["body"].encode() == body
    else:
        assert base64.b64decode(stored["body_base64"]) == body


def everywhere(cluster, *paths):
    """Stored by both nodes."""
    for node in cluster.nodes:
        for path in paths:
            assert [state(node, path), state(node, path)] == ["Miss", "Hit"]


@pytest.mark.parametrize("form", ["/proxy-cache/{key}", "/proxy-cache/{plugin}/caches/{key}"])
def test_every_node_forgets_one(caching, form):
    everywhere(caching, "/r/1", "/r/2")
    key = get(caching.a, "/r/1").headers["X-Cache-Key"]
    assert get(caching.b, "/r/1").headers["X-Cache-Key"] == key
    answer = caching.a.admin("DELETE", form.format(key=key, plugin=caching.cached["id"]))
    assert answer.status == 204 and answer.headers["Freshet-Position"]
    assert state(caching.a, "/r/1") == "Miss"  # with the answer
    eventually(lambda: state(caching.b, "/r/1") == "Miss", 5, what="the other node having forgotten")
    assert [state(node, "/r/2") for node in caching.nodes] == ["Hit", "Hit"]


def test_every_node_forgets_all(caching):
    everywhere(caching, "/r/1", "/r/2")
    answer = caching.b.admin("DELETE", "/proxy-cache")
    assert answer.status == 204 and answer.headers["Freshet-Position"]
    assert state(caching.b, "/r/1") == "Miss"
    caching.settle()
    eventually(lambda: state(caching.a, "/r/1") == "Miss", 5, what="the other node having forgotten")
    assert [state(node, "/r/2") for node in caching.nodes] == ["Miss", "Miss"]


def test_what_this_node_does_not_have_another_may(caching):
    assert [state(caching.b, "/r/1"), state(caching.b, "/r/1")] == ["Miss", "Hit"]
    key = get(caching.b, "/r/1").headers["X-Cache-Key"]
    answer = caching.a.admin("DELETE", f"/proxy-cache/{key}")
    assert (answer.status, answer.json) == (404, NOT_FOUND)
    eventually(lambda: state(caching.b, "/r/1") == "Miss", 5, what="the other node having forgotten")


def test_keys_that_are_none_are_not_told(caching):
    before = caching.a.applied()
    for path in ("/proxy-cache/x", f"/proxy-cache/{caching.cached['id']}/caches/x", "/proxy-cache/" + "g" * 64):
        assert caching.a.admin("DELETE", path).status == 404
    assert caching.a.applied() == before


def test_what_was_asked_for_before_a_purge_is_not_stored_after_it(caching):
    done = []
    asking = threading.Thread(target=lambda: done.append(get(caching.a, "/r/delay/2/x")))
    asking.start()
    time.sleep(0.7)
    assert caching.a.admin("DELETE", "/proxy-cache").status == 204
    asking.join()
    assert done[0].headers["X-Cache-Status"] == "Miss"
    assert caching.a.admin("GET", "/proxy-cache/" + done[0].headers["X-Cache-Key"]).status == 404


def test_methods(caching):
    for path, allowed in (("/proxy-cache", "DELETE, OPTIONS"), ("/proxy-cache/x", "DELETE, GET, HEAD, OPTIONS"), ("/proxy-cache/x/caches/y", "DELETE, GET, HEAD, OPTIONS")):
        answer = caching.a.admin("OPTIONS", path)
        assert (answer.status, answer.headers["Allow"]) == (204, allowed)
        assert caching.a.admin("POST", path).status == 405
        assert caching.a.status("GET", path).status == 404
    assert caching.a.admin("GET", "/proxy-cache").status == 405


def test_without_the_plugin_there_are_no_endpoints(own_cluster, postgres):
    node = own_cluster(redis=False, postgres=postgres, settings={"plugins": "key-auth"}, names=("a",)).a
    assert node.admin("DELETE", "/proxy-cache").status == 404
    assert not [path for path in node.admin("GET", "/endpoints").json["data"] if "proxy-cache" in path]
    assert not [path for path in node.admin("GET", "/openapi.json").json["paths"] if "proxy-cache" in path]


def test_memory_that_entities_need_is_not_there_for_answers(own_cluster, postgres):
    """One megabyte for both: the keys of many leave less of it for answers."""
    cluster = own_cluster(redis=False, postgres=postgres, settings={"mem_cache_size": "1m"}, names=("a",))
    cluster.service()
    cluster.route("r")
    cluster.plugin("proxy-cache", {"strategy": "memory"}, path="/routes/r/plugins")
    long = "/r/bytes/16000/x"
    assert [state(cluster.a, long), state(cluster.a, long)] == ["Miss", "Hit"]
    assert state(cluster.a, "/r/bytes/16385/x") == "Bypass"
    keys = [get(cluster.a, f"/r/bytes/16000/{i}").headers["X-Cache-Key"] for i in range(200)]
    stored = sum(cluster.a.admin("GET", f"/proxy-cache/{key}").status == 200 for key in keys)
    assert 20 < stored < 64
    consumer = cluster.consumer()["id"]
    for i in range(200):
        cluster.key(str(i) * 1000, consumer)
    cluster.plugin("key-auth", {"key_in_body": False}, path="/routes/r/plugins")
    for i in range(200):
        ask_lines(cluster.a.proxy_port, "GET", "/r/bytes/1/x", [("apikey", str(i) * 1000)])
    eventually(lambda: sum(cluster.a.admin("GET", f"/proxy-cache/{key}").status == 200 for key in keys) < stored, 5, what="answers making room")
