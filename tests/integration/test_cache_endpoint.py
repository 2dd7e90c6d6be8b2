"""/cache: what a node remembers can be listed, looked at and forgotten (Admin API reference 3.6, 4; checklist 125-128, 460)."""

from urllib.parse import quote

import pytest

from admin_api import NOT_FOUND, NOWHERE, assert_answer, without
from support import eventually

pytestmark = pytest.mark.usefixtures("clean")

WORKSPACE = "5b1e0000-0000-4000-8000-000000000001"


def key_of(credential):
    return f"keyauth_credentials:{credential}:::::{WORKSPACE}"


def ask(node, key):
    return node.proxy("GET", "/r", headers={"apikey": key}).status


@pytest.fixture
def keys(cluster):
    """Route /r wants a key; consumer c has k0 to k9, none of which any node has seen."""
    cluster.service()
    cluster.route()
    assert cluster.a.admin("POST", "/routes/r/plugins", json={"name": "key-auth"}).status == 201
    consumer = cluster.consumer()
    made = [cluster.key(f"k{i}") for i in range(10)]
    cluster.settle()
    for node in cluster.nodes:
        assert node.admin("DELETE", "/cache").status == 204
    return consumer, made


def test_a_credential_is_remembered_and_forgotten(cluster, keys):
    consumer, made = keys
    assert_answer(cluster.a.admin("GET", f"/cache/{key_of('k0')}"), 404, NOT_FOUND)
    assert ask(cluster.a, "k0") == 200
    answer = cluster.a.admin("GET", f"/cache/{key_of('k0')}")
    assert_answer(answer, 200, without(made[0], "tags", "ttl"))
    shown = cluster.a.admin("GET", f"/cache/consumers:{consumer['id']}:::::{WORKSPACE}")
    assert_answer(shown, 200, without(consumer, "custom_id", "tags"))
    assert_answer(cluster.b.admin("GET", f"/cache/{key_of('k0')}"), 404, NOT_FOUND)
    for _ in range(2):
        dropped = cluster.a.admin("DELETE", f"/cache/{key_of('k0')}")
        assert (dropped.status, dropped.body) == (204, b"")
        assert_answer(cluster.a.admin("GET", f"/cache/{key_of('k0')}"), 404, NOT_FOUND)
    assert cluster.a.admin("GET", f"/cache/consumers:{consumer['id']}:::::{WORKSPACE}").status == 200
    assert ask(cluster.a, "k0") == 200


def test_an_absence_is_an_empty_object(cluster, keys):
    assert_answer(cluster.a.admin("GET", f"/cache/{key_of('unknown')}"), 404, NOT_FOUND)
    assert (ask(cluster.a, "unknown"), ask(cluster.a, "unknown")) == (401, 401), "the second miss is remembered"
    assert_answer(cluster.a.admin("GET", f"/cache/{key_of('unknown')}"), 200, {})
    cluster.key("unknown")
    assert cluster.a.admin("GET", f"/cache/{key_of('unknown')}").status == 404, "a POST drops a remembered absence"
    assert ask(cluster.a, "unknown") == 200


@pytest.mark.parametrize("times", [1, 5], ids=["asked once", "in use"])
def test_a_deleted_entity_vanishes_on_every_node(cluster, keys, times):
    _, made = keys
    for node in cluster.nodes:
        assert [ask(node, "k1") for _ in range(times)] == [200] * times
        assert node.admin("GET", f"/cache/{key_of('k1')}").status == 200
    assert cluster.a.admin("DELETE", f"/consumers/c/key-auth/{made[1]['id']}").status == 204
    assert_answer(cluster.a.admin("GET", f"/cache/{key_of('k1')}"), 404, NOT_FOUND)
    eventually(lambda: cluster.b.admin("GET", f"/cache/{key_of('k1')}").status == 404, 5)


def test_a_renamed_key_vanishes_under_both_names(cluster, keys):
    for node in cluster.nodes:
        assert (ask(node, "k2"), ask(node, "new"), ask(node, "new")) == (200, 401, 401)
        assert node.admin("GET", f"/cache/{key_of('new')}").json == {}
    assert cluster.a.admin("PATCH", "/consumers/c/key-auth/k2", json={"key": "new"}).status == 200
    for name in ("k2", "new"):
        assert_answer(cluster.a.admin("GET", f"/cache/{key_of(name)}"), 404, NOT_FOUND)
        eventually(lambda name=name: cluster.b.admin("GET", f"/cache/{key_of(name)}").status == 404, 5)


def test_the_purge_of_one_node_is_its_own(cluster, keys):
    for node in cluster.nodes:
        assert ask(node, "k3") == 200
    purge = cluster.a.admin("DELETE", "/cache")
    assert (purge.status, purge.body) == (204, b"")
    assert cluster.a.admin("GET", "/cache").json == {"data": [], "next": None}
    assert cluster.b.admin("GET", f"/cache/{key_of('k3')}").status == 200
    assert (ask(cluster.a, "k3"), ask(cluster.b, "k3")) == (200, 200)


def test_the_list_in_pages(cluster, keys):
    consumer, _ = keys
    for i in range(10):
        assert ask(cluster.a, f"k{i}") == 200
    assert (ask(cluster.a, "nope"), ask(cluster.a, "nope")) == (401, 401)
    wanted = sorted([key_of(f"k{i}") for i in range(10)] + [key_of("nope"), f"consumers:{consumer['id']}:::::{WORKSPACE}"])
    whole = cluster.a.admin("GET", "/cache").json
    assert [row["key"] for row in whole["data"]] == wanted and whole["next"] is None and "offset" not in whole
    for row in whole["data"]:
        assert set(row) == {"key", "negative", "position", "age_ms", "expires_in_ms"}
        assert row["negative"] is (row["key"] == key_of("nope"))
        assert row["age_ms"] >= 0 and row["position"] > 0
        assert cluster.a.admin("GET", f"/cache/{row['key']}").status == 200
    for size in (1, 5, 11, 12, 1000):
        seen, url = [], f"/cache?prefix=keyauth_credentials%3A&size={size}"
        while url:
            page = cluster.a.admin("GET", url).json
            assert 0 < len(page["data"]) <= size
            seen += [row["key"] for row in page["data"]]
            url = page["next"]
            if url:
                assert url == f"/cache?offset={quote(page['offset'], safe='')}&prefix=keyauth_credentials%3A&size={size}"
        assert seen == wanted[1:]
    assert cluster.a.admin("GET", "/cache?prefix=nothing").json == {"data": [], "next": None}
    assert [row["key"] for row in cluster.a.admin("GET", f"/cache?prefix={key_of('k4')}").json["data"]] == [key_of("k4")]
    for query, text in (("size=x", "size must be a number"), ("size=0", "size must be an integer between 1 and 1000")):
        assert_answer(cluster.a.admin("GET", f"/cache?{query}"), 400, {"code": 9, "name": "invalid size", "message": text})


STRANGE = ["a b", "a%b", "a/b", "ä", "a+b", "a:b::", "~!*'();@&=$,?#[]", "x" * 400]


@pytest.mark.parametrize("key", STRANGE)
def test_the_header_leads_to_the_cache(cluster, keys, key):
    made = cluster.a.admin("POST", "/consumers/c/key-auth", json={"key": key})
    path = f"/cache/{made.headers['X-Cache-Key']}"
    assert cluster.a.admin("GET", path).status == 404
    assert cluster.a.proxy("GET", f"/r?apikey={quote(key, safe='')}").status == 200
    assert cluster.a.admin("GET", path).json["key"] == key
    assert [row["key"] for row in cluster.a.admin("GET", f"/cache?prefix={quote(key_of(key), safe='')}").json["data"]] == [key_of(key)]
    assert cluster.a.admin("DELETE", path).status == 204
    assert cluster.a.admin("GET", path).status == 404


def test_every_single_entity_names_its_key(cluster, keys):
    consumer, _ = keys
    for path, name in (("/services/s", "services"), ("/routes/r", "routes"), ("/consumers/c", "consumers")):
        for answer in (cluster.a.admin("GET", path), cluster.a.admin("PATCH", path, json={})):
            assert answer.headers["X-Cache-Key"] == f"{name}:{answer.json['id']}:::::{WORKSPACE}"
    assert cluster.a.admin("GET", "/routes/r/service").headers["X-Cache-Key"].startswith("services:")
    assert cluster.a.admin("GET", "/consumers/c/key-auth/k5").headers["X-Cache-Key"] == key_of("k5")
    for path in ("/services", "/consumers/c/key-auth", "/"):
        assert "X-Cache-Key" not in cluster.a.admin("GET", path).headers


def test_services_are_always_there(cluster, keys):
    service = cluster.a.admin("GET", "/services/s").json
    path = f"/cache/services:{service['id']}:::::{WORKSPACE}"
    shown = cluster.a.admin("GET", path)
    assert shown.status == 200
    assert shown.json == {name: value for name, value in service.items() if value is not None} | {"ws_id": WORKSPACE}
    assert cluster.a.admin("DELETE", path).status == 204
    assert cluster.a.admin("GET", f"/cache/services:{NOWHERE}:::::{WORKSPACE}").status == 404


def test_versions_change_with_every_relevant_write(cluster, keys):
    for name in ("router:version", "plugins_iterator:version"):
        before = cluster.a.admin("GET", f"/cache/{name}").json["message"]
        assert len(before) == 36
        cluster.a.admin("PATCH", "/routes/r", json={})
        after = cluster.a.admin("GET", f"/cache/{name}").json["message"]
        assert after != before


def test_keys_that_are_none(cluster):
    for key in ("x", "services", "services:", ":", "a:b:c:d:e:f:g:h", "plugins:key-auth:::::" + WORKSPACE, "%41", "x" * 4000):
        assert_answer(cluster.a.admin("GET", f"/cache/{key}"), 404, NOT_FOUND)
        assert cluster.a.admin("DELETE", f"/cache/{key}").status == 204


def test_other_verbs(cluster):
    for path in ("/cache", "/cache/x"):
        for method in ("POST", "PUT", "PATCH"):
            assert_answer(cluster.a.admin(method, path, json={}), 405, {"message": "Method not allowed"})
