"""/tags: which entities have which tags (Admin API reference 2.10; checklist 388-393)."""

import base64
import json

import pytest

from admin_api import KINDS, NO_METHOD, assert_answer, get_as_it_is, send, wrong
from pems import CA

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def tagged(cluster):
    """One of each of several kinds, with tags; what /tags has to say about it."""
    rows = []
    for entity, path, body, tags in (
            ("services", "/services", {"host": "h"}, ["a", "b c"]), ("consumers", "/consumers", {"username": "c"}, ["a"]), ("routes", "/routes", {"paths": ["/"]}, []),
            ("sm_vaults", "/vaults", {"prefix": "own", "name": "env"}, ["a", "x"]), ("ca_certificates", "/ca_certificates", {"cert": CA}, ["ü"]),
            ("keyauth_credentials", "/consumers/c/key-auth", {}, ["x", "a"]), ("upstreams", "/upstreams", {"name": "u"}, None)):
        made = cluster.a.admin("POST", path, json=body | {"tags": tags})
        assert made.status == 201, made
        rows += [{"tag": tag, "entity_name": entity, "entity_id": made.json["id"]} for tag in tags or []]
    return sorted(rows, key=lambda row: row["entity_id"])


def test_one_row_per_entity_and_tag(cluster, tagged):
    assert_answer(cluster.b.admin("GET", "/tags"), 200, {"data": tagged, "next": None})
    for tag in ("a", "x", "b%20c", "b+c", "ü"):
        plain = tag.replace("%20", " ").replace("+", " ")
        assert_answer(get_as_it_is(cluster.a, f"/tags/{tag}"), 200, {"data": [row for row in tagged if row["tag"] == plain], "next": None})
    assert_answer(cluster.a.admin("GET", "/tags/unknown"), 200, {"data": [], "next": None})


def test_tags_follow_every_way_of_writing(cluster, tagged):
    cluster.a.admin("PUT", "/consumers/c", json={"tags": ["new"]})
    service = next(row["entity_id"] for row in tagged if row["entity_name"] == "services")
    cluster.a.admin("PATCH", f"/services/{service}", json={"tags": None})
    assert {row["entity_name"] for row in cluster.a.admin("GET", "/tags/a").json["data"]} == {"sm_vaults", "keyauth_credentials"}
    cluster.a.admin("DELETE", "/consumers/c")
    assert {row["entity_name"] for row in cluster.a.admin("GET", "/tags").json["data"]} == {"sm_vaults", "ca_certificates"}


def pages(cluster, path):
    """The rows of all pages, and the answers."""
    rows, answers = [], []
    while path:
        answer = cluster.a.admin("GET", path)
        assert answer.status == 200, answer
        rows += answer.json["data"]
        answers.append(answer.json)
        path = answer.json["next"]
    return rows, answers


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_pages_of_all_tags(cluster, tagged, size):
    rows, answers = pages(cluster, f"/tags?size={size}")
    assert rows == tagged
    for answer in answers[:-1]:
        entity, place = json.loads(base64.b64decode(answer["offset"] + "=="))
        following = tagged[tagged.index(answer["data"][-1]) + 1]
        assert entity == following["entity_id"] and place >= 1
        assert f"size={size}" in answer["next"]


def test_pages_of_one_tag(cluster, tagged):
    wanted = [row for row in tagged if row["tag"] == "a"]
    answer = cluster.a.admin("GET", "/tags/a?size=2").json
    assert answer["data"] == wanted[:2]
    assert json.loads(base64.b64decode(answer["offset"] + "==")) == [wanted[2]["entity_id"]]
    assert answer["next"] == f"/tags/a?offset={answer['offset']}"
    assert cluster.a.admin("GET", answer["next"]).json["data"] == wanted[2:]


def test_entities_of_two_kinds_with_one_id(cluster):
    key = "00000000-0000-4000-8000-000000000777"
    for path, body in (("services", {"host": "h"}), ("routes", {"paths": ["/"]}), ("consumers", {"username": "c"})):
        assert cluster.a.admin("PUT", f"/{path}/{key}", json=body | {"tags": ["a", "b"]}).status == 200
    for path, count in (("/tags?size=1", 6), ("/tags?size=4", 6), ("/tags/a?size=1", 3), ("/tags/a?size=2", 3)):
        rows, _ = pages(cluster, path)
        assert len({(row["entity_name"], row["tag"]) for row in rows}) == len(rows) == count


def test_what_is_no_page(cluster, tagged):
    for offset in ("x", "%21", "WyJ4Il0", base64.b64encode(f'["{tagged[0]["entity_id"]}",0]'.encode()).decode(),
                   base64.b64encode(f'["{tagged[0]["entity_id"]}";1]'.encode()).decode()):
        for path in ("/tags", "/tags/a"):
            answer = cluster.a.admin("GET", f"{path}?offset={offset}")
            assert (answer.status, answer.json["code"]) == (400, 7), answer
    assert cluster.a.admin("GET", "/tags?size=0").json["code"] == 9


def test_filters_are_ignored(cluster, tagged):
    for tags in ("x", "a,b,c,d,e,f,g", "a/b,c", "%00"):
        assert_answer(cluster.a.admin("GET", f"/tags?tags={tags}"), 200, {"data": tagged, "next": None})
        assert_answer(cluster.a.admin("GET", f"/tags/x?tags={tags}"), 200, {"data": [row for row in tagged if row["tag"] == "x"], "next": None})


def test_tags_there_cannot_be(cluster):
    answer = cluster.a.admin("GET", "/tags/%ff")
    assert (answer.status, answer.json["code"], answer.json["name"]) == (400, 10, "invalid unique tag")
    assert "invalid utf-8" in answer.json["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_tags_are_read_only(cluster, kind):
    assert_answer(send(cluster.a, kind, "POST", "/tags", {"tag": "a"}), 400, wrong("tags", "does not support insert/upsert/update/delete operations"))
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        assert_answer(send(cluster.a, kind, method, "/tags/a", {"tag": "a"}), 405, NO_METHOD)


def test_the_schema_of_tags(cluster):
    fields = cluster.a.admin("GET", "/schemas/tags").json["fields"]
    assert [next(iter(one)) for one in fields] == ["tag", "entity_name", "entity_id"]
    assert all(one[next(iter(one))]["required"] for one in fields)
