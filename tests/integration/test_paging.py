"""Pages and tags of collections (Admin API reference 1.17, 1.18; checklist 53-54, 252-258, 326-331, 380-387)."""

import base64
import json
from urllib.parse import quote

import pytest

from admin_api import NOT_FOUND, NOWHERE, assert_answer, new_id

COLLECTIONS = ("/services", "/routes", "/consumers", "/plugins", "/key-auths")


@pytest.fixture(scope="module")
def rows(shared_cluster):
    """Ten of everything; path of the collection -> entities in the order of their ids. Written once, read by many."""
    cluster = shared_cluster
    cluster.ensure_running()
    from support import default_entities
    default_entities(cluster)
    services = [cluster.a.admin("POST", "/services", json={"host": "h", "name": f"s{i}"}).json for i in range(10)]
    routes = [cluster.a.admin("POST", "/routes", json={"paths": [f"/{i}"], "service": {"id": services[0]["id"]}}).json for i in range(10)]
    consumers = [cluster.a.admin("POST", "/consumers", json={"username": f"c{i}"}).json for i in range(10)]
    plugins = [cluster.a.admin("POST", f"/routes/{route['id']}/plugins", json={"name": "key-auth"}).json for route in routes]
    keys = [cluster.a.admin("POST", "/consumers/c0/key-auth", json={"key": f"k{i}"}).json for i in range(10)]
    made = zip(COLLECTIONS, (services, routes, consumers, plugins, keys))
    yield {path: sorted(rows, key=lambda row: row["id"]) for path, rows in made}
    default_entities(cluster)


def token(value):
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize("path", COLLECTIONS)
def test_the_first_page_has_all(cluster, rows, path):
    assert_answer(cluster.a.admin("GET", path), 200, {"data": rows[path], "next": None})


@pytest.mark.parametrize("path", COLLECTIONS)
@pytest.mark.parametrize("size", [1, 3, 5, 9, 10, 1000])
def test_pages_follow_each_other(cluster, rows, path, size):
    seen, url = [], f"{path}?size={size}"
    while url is not None:
        page = cluster.a.admin("GET", url).json
        rest = rows[path][len(seen) + len(page["data"]):]
        assert len(page["data"]) == min(size, 10 - len(seen))
        seen += page["data"]
        if rest:
            assert page["offset"] == token([rest[0]["id"]])
            assert page["next"] == f"{path}?offset={quote(page['offset'], safe='')}&size={size}"
            assert cluster.a.admin("GET", f"{path}?size={size}&offset={page['offset']}").json["data"][0] == rest[0]
        else:
            assert "offset" not in page and page["next"] is None
        url = page["next"]
    assert seen == rows[path]


@pytest.mark.parametrize("parent, child", [("/services/s0", "routes"), ("/consumers/c0", "key-auth")])
def test_pages_of_children(cluster, rows, parent, child):
    path = f"{parent}/{child}"
    all_rows = rows["/routes" if child == "routes" else "/key-auths"]
    page = cluster.a.admin("GET", f"{path}?size=4").json
    assert page["data"] == all_rows[:4]
    assert page["next"] == f"{path}?offset={token([all_rows[4]['id']])}"
    assert cluster.a.admin("GET", f"{page['next']}&size=7").json == {"data": all_rows[4:], "next": None}
    assert cluster.a.admin("GET", f"{path}/?size=4").json["next"] == page["next"]


def test_a_page_may_begin_where_a_row_was(cluster, rows):
    first = rows["/services"][3]["id"]
    gone = first[:-1] + ("0" if first[-1] != "0" else "1")
    expected = [row for row in rows["/services"] if row["id"] >= gone]
    assert cluster.a.admin("GET", f"/services?offset={token([gone])}").json["data"] == expected
    assert cluster.a.admin("GET", f"/services?offset={token(['ffffffff-ffff-ffff-ffff-ffffffffffff'])}").json == {"data": [], "next": None}
    padded = base64.b64encode(json.dumps([first]).encode()).decode()
    assert cluster.a.admin("GET", f"/services?offset={quote(padded)}").json["data"][0]["id"] == first


@pytest.mark.parametrize("path", COLLECTIONS + ("/services/s0/routes", "/consumers/c0/key-auth"))
def test_sizes_that_are_none(cluster, rows, path):
    number, bounds = "size must be a number", "size must be an integer between 1 and 1000"
    for query, text in (("size=x", number), ("size=potato", number), ("size=", number), ("size", number), ("size=1&size=2", number), ("size=%00", number),
                        ("size=1%202", number), ("size=nan", number), ("size=inf", number), ("size=0", bounds), ("size=-1", bounds), ("size=1001", bounds),
                        ("size=1.5", bounds), ("size=1e9", bounds), ("size=99999999999999999999999999", bounds)):
        if query == "size=%00":
            continue  # refused before it is a query of ours: test_admin_http.py
        assert_answer(cluster.a.admin("GET", f"{path}?{query}"), 400, {"code": 9, "name": "invalid size", "message": text})
    assert len(cluster.a.admin("GET", f"{path}?size=3.0").json["data"]) == 3


@pytest.mark.parametrize("path", COLLECTIONS + ("/services/s0/routes",))
def test_offsets_that_are_none(cluster, rows, path):
    base64_text, json_text = "bad base64 encoding", "bad json encoding"
    for offset, text in (("x", base64_text), ("|potato|", base64_text), ("a", base64_text), ("%FF", base64_text), ("*" * 2000, base64_text),
                         ("potato", json_text), (token(b"junk"), json_text), (token([]), json_text), (token(["x"]), json_text), (token([1]), json_text),
                         (token(NOWHERE), json_text), (token([NOWHERE, NOWHERE]), json_text), (token(b'["' + b"x" * 5000), json_text), ("", json_text)):
        answer = cluster.a.admin("GET", f"{path}?offset={quote(offset, safe='%')}")
        assert (answer.status, answer.json["code"], answer.json["name"]) == (400, 7, "invalid offset"), (offset, answer)
        if len(offset) < 100 and offset != "%FF":
            assert answer.json["message"] == f"'{offset}' is not a valid offset: {text}"


def test_what_is_ignored(cluster, rows):
    for query in ("foo=bar", "name=s0", "host=other", "offsets=x", "Size=x"):
        assert len(cluster.a.admin("GET", f"/services?{query}").json["data"]) == 10
    answer = cluster.a.admin("GET", "/routes", headers={"Content-Type": "application/json"}, data="this fails if decoded as json")
    assert len(answer.json["data"]) == 10


@pytest.mark.usefixtures("clean")
def test_collections_without_rows(cluster):
    for path in COLLECTIONS:
        answer = cluster.a.admin("GET", path)
        assert answer.body == b'{"data":[],"next":null}'
        assert cluster.a.admin("GET", f"{path}?offset={token([NOWHERE])}").body == answer.body
    cluster.service("s")
    assert cluster.a.admin("GET", "/services/s/routes").body == b'{"data":[],"next":null}'


# ---- tags ----

@pytest.fixture
def tagged(cluster, clean):
    """consumers by name: alpha and beta have their own tag and corp_ a, both and none speak for themselves."""
    for name, tags in (("alpha", ["corp_ a", "own"]), ("beta", ["corp_ a", "円"]), ("both", ["own", "円", "corp_ a"]), ("none", None), ("empty", [])):
        assert cluster.a.admin("POST", "/consumers", json={"username": name, "tags": tags}).status == 201


def names(answer):
    assert answer.status == 200, answer
    return {row["username"] for row in answer.json["data"]}


@pytest.mark.parametrize("query, expected", [
    ("own", {"alpha", "both"}), ("円", {"beta", "both"}), ("corp_ a", {"alpha", "beta", "both"}), ("own,円", {"both"}), ("own/円", {"alpha", "beta", "both"}),
    ("own,own", {"alpha", "both"}), ("nobody", set()), ("own,", set()), ("own/nobody", {"alpha", "both"}), ("own,円,corp_ a", {"both"}), ("OWN", set()),
    ("a/b/c/d/own", {"alpha", "both"}), ("", {"alpha", "beta", "both", "none", "empty"}), ('"', set()), ("\\", set()), ("{}", set()), ("'; DROP", set())])
def test_filters(cluster, tagged, query, expected):
    assert names(cluster.a.admin("GET", f"/consumers?tags={quote(query, safe='')}")) == expected


def test_filters_that_are_none(cluster, tagged):
    syntax, many = "invalid filter syntax", "cannot query more than 5 tags"
    for query, text in (("a,b/c", syntax), ("a/b,c", syntax), ("%FF", syntax), ("a%01", syntax), ("a,b,c,d,e,f", many), ("a/b/c/d/e/f", many)):
        for path in COLLECTIONS:
            assert_answer(cluster.a.admin("GET", f"{path}?tags={query}"), 400,
                          {"code": 11, "name": "invalid options", "message": f"invalid option (tags: {text})", "options": {"tags": text}})
    assert names(cluster.a.admin("GET", "/consumers?tags=own&tags=a,b/c")) == {"alpha", "both"}
    assert len(names(cluster.a.admin("GET", "/consumers?tags"))) == 5


def test_pages_repeat_the_filter(cluster, tagged):
    page = cluster.a.admin("GET", "/consumers?size=1&tags=corp_%20a").json
    assert page["next"] == f"/consumers?offset={page['offset']}&tags=corp_%20a&size=1"
    seen, count = set(), 0
    while page["data"]:
        seen |= {row["username"] for row in page["data"]}
        count += 1
        if page["next"] is None:
            break
        page = cluster.a.admin("GET", page["next"]).json
    assert (seen, count) == ({"alpha", "beta", "both"}, 3)
    page = cluster.a.admin("GET", "/consumers?size=2&tags=" + quote("own/円")).json
    assert page["next"] == f"/consumers?offset={page['offset']}&tags={quote('own/円', safe='')}&size=2"


def test_children_are_not_filtered(cluster, clean):
    cluster.service("s")
    cluster.route("r")
    assert len(cluster.a.admin("GET", "/services/s/routes?tags=nobody").json["data"]) == 1
    assert cluster.a.admin("GET", "/services/s/routes?tags=a,b/c").status == 400
    assert_answer(cluster.a.admin("GET", "/services/nobody/routes?tags=a,b/c"), 404, NOT_FOUND)
    assert_answer(cluster.a.admin("GET", f"/services/{new_id()}/routes?size=x"), 404, NOT_FOUND)


def test_every_entity_can_be_found_by_its_tags(cluster, clean):
    cluster.a.admin("POST", "/services", json={"name": "s", "host": "h", "tags": ["t"]})
    cluster.a.admin("POST", "/routes", json={"paths": ["/r"], "tags": ["t"]})
    cluster.a.admin("POST", "/consumers", json={"username": "c", "tags": ["t"]})
    cluster.a.admin("POST", "/plugins", json={"name": "key-auth", "tags": ["t"]})
    cluster.a.admin("POST", "/consumers/c/key-auth", json={"tags": ["t"]})
    for path in COLLECTIONS:
        assert len(cluster.a.admin("GET", f"{path}?tags=t").json["data"]) == 1
        assert cluster.a.admin("GET", f"{path}?tags=other").json["data"] == []
