"""Vaults (Admin API reference 2.11, 3.4, 3.5; checklist 28, 29, 461-480)."""

import pytest

from admin_api import KINDS, NO_METHOD, NOT_FOUND, NOWHERE, assert_answer, assert_stored, clash, impossible, missing, new_id, send, violation, without, wrong

pytestmark = pytest.mark.usefixtures("clean")

ENV = "must not be one of: env"


def make(cluster, kind="json", **fields):
    answer = send(cluster.a, kind, "POST", "/vaults", {"prefix": "own", "name": "env"} | fields)
    assert answer.status == 201, answer
    return answer.json


@pytest.mark.parametrize("kind", KINDS)
def test_a_vault(cluster, kind):
    made = make(cluster, kind, description="d", config={"prefix": "SECRET_"}, tags=["t"])
    assert list(made) == ["id", "prefix", "name", "description", "config", "created_at", "updated_at", "tags"]
    assert without(made, "id", "created_at", "updated_at") == {"prefix": "own", "name": "env", "description": "d", "config": {"prefix": "SECRET_"},
                                                               "tags": ["t"]}
    for key in (made["id"], "own"):
        assert_stored(cluster, f"/vaults/{key}", made)
    assert cluster.a.admin("GET", "/vaults/own").headers["X-Cache-Key"].startswith("vaults:own:::::")
    assert_answer(cluster.a.admin("GET", "/vaults"), 200, {"data": [made], "next": None})
    assert_answer(send(cluster.a, kind, "POST", "/vaults", {"prefix": "own", "name": "env"}), 409, clash('{prefix="own"}', {"prefix": "own"}))
    assert make(cluster, kind, prefix="a1")["config"] == {"prefix": None}


@pytest.mark.parametrize("kind", KINDS)
def test_put_and_patch_of_a_vault(cluster, kind):
    key = new_id()
    made = send(cluster.a, kind, "PUT", f"/vaults/{key}", {"prefix": "by-id", "name": "env", "config": {"prefix": "A"}})
    assert (made.status, made.json["id"], made.json["prefix"]) == (200, key, "by-id")
    for prefix in ("SECRET_", "SECRET-"):
        answer = send(cluster.a, kind, "PUT", "/vaults/new", {"name": "env", "config": {"prefix": prefix}})
        assert (answer.status, answer.json["prefix"], answer.json["config"]) == (200, "new", {"prefix": prefix})
        assert_stored(cluster, "/vaults/new", answer.json)
    for path in (f"/vaults/{key}", "/vaults/by-id"):
        answer = send(cluster.a, kind, "PATCH", path, {"config": {"prefix": "B-"}})
        assert (answer.status, answer.json["config"], answer.json["name"]) == (200, {"prefix": "B-"}, "env")
        assert_stored(cluster, path, answer.json)
    for path in (f"/vaults/{key}", "/vaults/by-id"):
        assert_answer(send(cluster.a, kind, "PATCH", path, {"prefix": "env"}), 400, wrong("prefix", ENV))
    assert_answer(send(cluster.a, kind, "PUT", f"/vaults/{key}", {"prefix": "env", "name": "env"}), 400, wrong("prefix", ENV))


def test_the_name_of_a_kind_is_no_prefix(cluster):
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        data = {"json": {"name": "env"}} if method in ("PUT", "PATCH") else {}
        assert_answer(cluster.a.admin(method, "/vaults/env", **data), 400, impossible("prefix", ENV))


def config(text):
    return violation({"config": {"prefix": text}}, f"config.prefix: {text}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given, expected", [
    ({"prefix": "A"}, wrong("prefix", "invalid value: A")), ({"prefix": "a"}, wrong("prefix", "invalid value: a")),
    ({"prefix": "1a"}, wrong("prefix", "invalid value: 1a")), ({"prefix": "a-"}, wrong("prefix", "invalid value: a-")),
    ({"prefix": "a_b"}, wrong("prefix", "invalid value: a_b")), ({"prefix": "env"}, wrong("prefix", ENV)),
    ({"name": "x"}, wrong("name", "vault 'x' is not installed")),
    ({"config": {"prefix": "1"}}, config("invalid value: 1")), ({"config": {"prefix": "a b"}}, config("invalid value: a b")),
    ({"config": {"other": "1"}}, violation({"config": {"other": "unknown field"}}, "config.other: unknown field")),
    ({"prefix": "A", "config": {"prefix": "1"}}, violation({"config": {"prefix": "invalid value: 1"}, "prefix": "invalid value: A"},
                                                           "config.prefix: invalid value: 1", "prefix: invalid value: A")),
])
def test_what_is_no_vault(cluster, kind, given, expected):
    body = {"prefix": "own", "name": "env"} | given
    assert_answer(send(cluster.a, kind, "POST", "/vaults", body), 400, expected)
    assert_answer(send(cluster.a, kind, "POST", "/schemas/vaults/validate", body), 400, expected)
    assert cluster.a.admin("GET", "/vaults").json["data"] == []


def test_required_fields(cluster):
    assert_answer(cluster.a.admin("POST", "/vaults", json={"prefix": "own"}), 400, wrong("name", "required field missing"))
    assert_answer(cluster.a.admin("POST", "/vaults", json={"name": "env"}), 400, wrong("prefix", "required field missing"))


def test_vaults_that_are_not_there(cluster):
    for key, name in ((NOWHERE, "id"), ("nobody", "prefix")):
        assert_answer(cluster.a.admin("GET", f"/vaults/{key}"), 404, NOT_FOUND)
        assert_answer(cluster.a.admin("PATCH", f"/vaults/{key}", json={"config": {"prefix": "1"}}), 404, missing(name, key))
        assert cluster.a.admin("DELETE", f"/vaults/{key}").status == 204
    for method in ("DELETE", "PATCH", "PUT"):
        assert_answer(cluster.a.admin(method, "/vaults", json={}), 405, NO_METHOD)
    made = make(cluster)
    for key in (made["id"], "own"):
        assert cluster.a.admin("DELETE", f"/vaults/{key}").status == 204
        assert_answer(cluster.a.admin("GET", f"/vaults/{made['id']}"), 404, NOT_FOUND)
        make(cluster)


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_of_vaults(cluster, kind):
    shown = cluster.a.admin("GET", "/schemas/vaults/env")
    assert shown.status == 200 and list(shown.json) == ["fields", "entity_checks"]
    (field,) = shown.json["fields"]
    assert (field["config"]["type"], field["config"]["required"]) == ("record", True)
    assert field["config"]["fields"][0]["prefix"]["match"] == "^[%a_-][%a%d_-]*$"
    assert_answer(cluster.a.admin("GET", "/schemas/vaults/not-present"), 404, {"message": "No vault named 'not-present'"})
    fields = {next(iter(one)): one[next(iter(one))] for one in cluster.a.admin("GET", "/schemas/vaults").json["fields"]}
    assert (fields["prefix"]["not_one_of"], fields["prefix"]["match"], fields["prefix"]["unique_across_ws"]) == (["env"], "^[a-z][a-z%d-]-[a-z%d]+$", True)
    assert fields["config"]["abstract"] is True
    assert_answer(send(cluster.a, kind, "POST", "/schemas/vaults/validate", {"prefix": "own", "name": "env", "config": {"prefix": "A_"}}), 200,
                  {"message": "schema validation successful"})
