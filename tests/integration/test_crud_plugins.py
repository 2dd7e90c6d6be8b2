"""Plugins: by themselves and under services, routes and consumers (Admin API reference 2.4; checklist 80-121, 308-318, 347-362)."""

import json
import time

import pytest

from admin_api import (KINDS, NOT_FOUND, NOWHERE, assert_answer, assert_stored, clash, get_as_it_is, impossible, new_id, not_run, quote, send,
                       violation, without, wrong)

pytestmark = pytest.mark.usefixtures("clean")

KEY_AUTH = {"key_names": ["apikey"], "hide_credentials": False, "anonymous": None, "key_in_header": True, "key_in_query": True,
            "key_in_body": False, "run_on_preflight": True}
TERMINATION = {"status_code": 503, "message": None, "content_type": None, "body": None, "echo": False, "trigger": None}
DEFAULTS = {"instance_name": None, "route": None, "service": None, "consumer": None, "protocols": ["grpc", "grpcs", "http", "https"],
            "enabled": True, "tags": None}
AUTO = ("id", "created_at", "updated_at")
NOT_ENABLED = "plugin '%s' not enabled; add it to the 'plugins' configuration property"


def make(cluster, kind="json", path="/plugins", **fields):
    answer = send(cluster.a, kind, "POST", path, {"name": "request-termination"} | fields)
    assert answer.status == 201, answer
    return answer.json


@pytest.fixture
def parents(cluster):
    """Path of a parent -> (field, its id)."""
    service, route, consumer = cluster.service("s"), cluster.route("r"), cluster.consumer("c%20c")
    return {"/services/s": ("service", service["id"]), f"/services/{service['id']}": ("service", service["id"]),
            "/routes/r": ("route", route["id"]), f"/routes/{route['id']}": ("route", route["id"]),
            "/consumers/c%20c": ("consumer", consumer["id"]), f"/consumers/{consumer['id']}": ("consumer", consumer["id"])}


@pytest.mark.parametrize("kind", KINDS)
def test_config_is_always_complete(cluster, kind):
    made = make(cluster, kind, name="key-auth", config={"key_names": ["x-key", "k"], "hide_credentials": True}, tags=["t"])
    assert without(made, *AUTO) == DEFAULTS | {"name": "key-auth", "tags": ["t"],
                                               "config": KEY_AUTH | {"key_names": ["x-key", "k"], "hide_credentials": True}}
    assert_stored(cluster, f"/plugins/{made['id']}", made)
    other = make(cluster, kind, config={"status_code": 418, "message": "tea"}, instance_name="tea", enabled=False, protocols=["http"])
    assert without(other, *AUTO) == DEFAULTS | {"name": "request-termination", "config": TERMINATION | {"status_code": 418, "message": "tea"},
                                                "instance_name": "tea", "enabled": False, "protocols": ["http"]}
    assert sorted(row["name"] for row in cluster.a.admin("GET", "/plugins").json["data"]) == ["key-auth", "request-termination"]


def test_config_may_be_left_out_or_empty(cluster):
    for given in ({}, {"config": {}}, {"config": []}):
        made = make(cluster, **given)
        assert made["config"] == TERMINATION
        assert cluster.a.admin("DELETE", f"/plugins/{made['id']}").status == 204


FORM = ("form", "multipart")
REFUSED = [
    ({}, KINDS, wrong("name", "required field missing")),
    ({"config": {"foo": 1}, "enabled": "x"}, KINDS, wrong("name", "required field missing")),
    ({"name": None}, KINDS, wrong("name", "required field missing")),
    ({"name": 7}, ("json",), wrong("name", "expected a string")),
    ({"name": "rate-limiting-x", "foo": 1}, KINDS, wrong("name", NOT_ENABLED % "rate-limiting-x")),
    ({"name": "oauth2"}, KINDS, wrong("name", not_run("oauth2", "this gateway does not have it"))),
    ({"name": "oauth2", "foo": 1, "config": {"foo": 1}}, KINDS, wrong("name", not_run("oauth2", "this gateway does not have it"))),
    ({"name": "session"}, KINDS, wrong("name", not_run("session", "this gateway does not have it"))),
    ({"name": "key-auth", "config": None}, KINDS, wrong("config", "required field missing")),
    ({"name": "key-auth", "config": "bar"}, KINDS, wrong("config", "expected a record")),
    ({"name": "key-auth", "config": [1]}, ("json",), wrong("config", "expected a record")),
    ({"name": "key-auth", "config": {"foo": "bar"}}, KINDS, violation({"config": {"foo": "unknown field"}}, "config.foo: unknown field")),
    ({"name": "key-auth", "config": {"a.b": 1}}, ("json",), violation({"config": {"a.b": "unknown field"}}, "config.a.b: unknown field")),
    ({"name": "key-auth", "config": {"key_in_body": "yes"}}, KINDS,
     violation({"config": {"key_in_body": "expected a boolean"}}, "config.key_in_body: expected a boolean")),
    ({"name": "key-auth", "config": {"key_names": "x"}}, ("json",),
     violation({"config": {"key_names": "expected an array"}}, "config.key_names: expected an array")),
    ({"name": "key-auth", "config": {"key_names": ["a b"]}}, KINDS,
     violation({"config": {"key_names": ["bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"]}},
               "config.key_names: {\n  \"bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'\"\n}")),
    ({"name": "request-termination", "config": {"status_code": "10"}}, ("json",),
     violation({"config": {"status_code": "expected an integer"}}, "config.status_code: expected an integer")),
    ({"name": "request-termination", "config": {"status_code": "x"}}, FORM,
     violation({"config": {"status_code": "expected an integer"}}, "config.status_code: expected an integer")),
    ({"name": "request-termination", "config": {"status_code": 600, "echo": 1}}, ("json",),
     violation({"config": {"status_code": "value should be between 100 and 599", "echo": "expected a boolean"}}, "config.echo: expected a boolean",
               "config.status_code: value should be between 100 and 599")),
    ({"name": "request-termination", "config": {"message": "a", "body": "b"}}, KINDS, wrong("config", "message cannot be used with content_type or body")),
    ({"name": "request-termination", "config": {"content_type": "a"}}, KINDS, wrong("config", "content_type requires a body")),
    ({"name": "key-auth", "protocols": ["tcp"]}, KINDS,
     violation({"protocols": ["expected one of: grpc, grpcs, http, https"]}, "protocols.1: expected one of: grpc, grpcs, http, https")),
    ({"name": "key-auth", "instance_name": "a b"}, KINDS,
     wrong("instance_name", "invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~")),
    ({"name": "key-auth", "foo": "bar", "enabled": "x"}, KINDS,
     violation({"enabled": "expected a boolean", "foo": "unknown field"}, "enabled: expected a boolean", "foo: unknown field")),
    ({"name": "key-auth", "service": {"id": NOWHERE}}, KINDS,
     {"code": 4, "name": "foreign key violation", "fields": {"service": {"id": NOWHERE}},
      "message": f"the foreign key '{{id=\"{NOWHERE}\"}}' does not reference an existing 'services' entity."}),
    ({"name": "key-auth", "route": {"name": "zz"}, "service": {"name": "yy"}}, KINDS,
     {"code": 13, "name": "foreign keys unresolved",
      "message": "2 foreign keys unresolved (route.name: the foreign key cannot be resolved with '{name=\"zz\"}' for an existing 'routes' entity; "
                 "service.name: the foreign key cannot be resolved with '{name=\"yy\"}' for an existing 'services' entity)",
      "fields": {"route": {"name": "the foreign key cannot be resolved with '{name=\"zz\"}' for an existing 'routes' entity"},
                 "service": {"name": "the foreign key cannot be resolved with '{name=\"yy\"}' for an existing 'services' entity"}}}),
]


@pytest.mark.parametrize("body, kinds, expected", REFUSED)
def test_what_is_wrong_is_told_to_the_letter(cluster, body, kinds, expected):
    for kind in kinds:
        for method, path in (("POST", "/plugins"), ("PUT", f"/plugins/{NOWHERE}")):
            assert_answer(send(cluster.a, kind, method, path, body), 400, expected)
    assert cluster.a.admin("GET", "/plugins").json["data"] == []


def test_a_plugin_that_may_not_have_a_consumer(cluster, parents):
    for path in ("/consumers/c%20c/plugins", "/plugins"):
        body = {"name": "key-auth"} | ({"consumer": {"username": "c c"}} if path == "/plugins" else {})
        assert_answer(cluster.a.admin("POST", path, json=body), 400, wrong("consumer", "value must be null"))


@pytest.mark.parametrize("kind", KINDS)
def test_under_parents(cluster, parents, kind):
    for path, (field, key) in parents.items():
        assert_answer(send(cluster.a, kind, "POST", f"{path}/plugins", {}), 400, wrong("name", "required field missing"))
        made = make(cluster, kind, f"{path}/plugins", config={"status_code": 418}, instance_name="inst", **{field: {"id": NOWHERE}})
        assert without(made, *AUTO) == DEFAULTS | {"name": "request-termination", "instance_name": "inst",
                                                   "config": TERMINATION | {"status_code": 418}, field: {"id": key}}
        together = {"consumer": "null", "name": '"request-termination"', "route": "null", "service": "null", field: f'{{id="{key}"}}'}
        text = ",".join(f"{name}={value}" for name, value in sorted(together.items()))
        fields = {"name": "request-termination", "consumer": None, "service": None, "route": None, field: {"id": key}}
        assert_answer(send(cluster.a, kind, "POST", f"{path}/plugins", {"name": "request-termination"}), 409, clash(f"{{{text}}}", fields))
        assert_answer(cluster.a.admin("GET", f"{path}/plugins", headers={"Content-Type": "application/json"}, data="{junk"), 200,
                      {"data": [made], "next": None})
        for child in (made["id"], "inst"):
            assert_answer(cluster.a.admin("GET", f"{path}/plugins/{child}"), 200, made)
            assert_stored(cluster, f"/plugins/{child}", made)
        assert_answer(cluster.a.admin("GET", f"/plugins/inst/{field}"), 200, cluster.a.admin("GET", path).json)
        for child in (made["id"], "inst"):
            assert cluster.a.admin("DELETE", f"{path}/plugins/{child}").status == 204
            for gone in (child, NOWHERE):
                assert_answer(cluster.a.admin("DELETE", f"{path}/plugins/{gone}"), 404, NOT_FOUND)
            assert cluster.a.admin("PUT", f"{path}/plugins/{made['id']}", json=without(made, *AUTO)).status == 200
        assert cluster.a.admin("DELETE", "/plugins/inst").status == 204


@pytest.mark.parametrize("kind", KINDS)
def test_patch_under_parents(cluster, parents, kind):
    for path, (field, key) in list(parents.items())[::2]:
        made = make(cluster, kind, f"{path}/plugins", config={"message": "m"})
        child = f"{path}/plugins/{made['id']}"
        for change, config in (({"enabled": False}, {}), ({"config": {"status_code": 404}}, {"status_code": 404}), ({"config": {"echo": True}}, {"echo": True})):
            answer = send(cluster.a, kind, "PATCH", child, change)
            expected = without(made, "updated_at") | change | {"config": made["config"] | config}
            assert without(answer.json, "updated_at") == expected
            made = answer.json
            assert_stored(cluster, child, made)
        assert_answer(send(cluster.a, kind, "PATCH", child, {"name": "nope"}), 400, wrong("name", NOT_ENABLED % "nope"))
        assert_answer(send(cluster.a, kind, "PATCH", child, {"foo": "bar"}), 400, wrong("foo", "unknown field"))
        assert_answer(send(cluster.a, kind, "PATCH", child, {"config": "bar"}), 400, wrong("config", "expected a record"))
        assert_answer(send(cluster.a, kind, "PATCH", f"{path}/plugins/{NOWHERE}", {"enabled": False}), 404, NOT_FOUND)
        assert_stored(cluster, child, made)
        whole = send(cluster.a, kind, "PATCH", child, {name: value for name, value in without(made, "created_at", "updated_at").items()})
        assert without(whole.json, "updated_at") == without(made, "updated_at")
        freed = send(cluster.a, kind, "PATCH", child, {field: None})
        assert (freed.status, freed.json[field]) == (200, None)
        assert_answer(cluster.a.admin("GET", child), 404, NOT_FOUND)
        assert cluster.a.admin("DELETE", f"/plugins/{made['id']}").status == 204


@pytest.mark.parametrize("kind", KINDS)
def test_put_under_parents(cluster, parents, kind):
    for path, (field, key) in list(parents.items())[::2]:
        child = new_id()
        for config in ({"message": "one"}, {"status_code": 404}):
            answer = send(cluster.a, kind, "PUT", f"{path}/plugins/{child}", {"name": "request-termination", "config": config})
            assert (answer.status, answer.json["id"], answer.json[field]) == (200, child, {"id": key})
            assert answer.json["config"] == TERMINATION | config
            assert_stored(cluster, f"/plugins/{child}", answer.json)


def test_put_takes_a_plugin_over_and_get_does_not(cluster, parents):
    made = make(cluster, path="/services/s/plugins")
    cluster.service("other")
    for method in ("GET", "PATCH", "DELETE"):
        data = {"json": {}} if method == "PATCH" else {}
        assert_answer(cluster.a.admin(method, f"/services/other/plugins/{made['id']}", **data), 404, NOT_FOUND)
        assert_answer(cluster.a.admin(method, f"/consumers/c%20c/plugins/{made['id']}", **data), 404, NOT_FOUND)
    taken = cluster.a.admin("PUT", f"/services/other/plugins/{made['id']}", json={"name": "request-termination"})
    assert (taken.status, taken.json["service"]) == (200, {"id": cluster.a.admin("GET", "/services/other").json["id"]})
    assert_answer(cluster.a.admin("GET", f"/services/s/plugins/{made['id']}"), 404, NOT_FOUND)


def test_missing_parents(cluster):
    for parent in ("services", "routes", "consumers"):
        for key in (NOWHERE, "nobody"):
            for method, path in (("GET", "plugins"), ("POST", "plugins"), ("GET", f"plugins/{NOWHERE}"), ("PUT", f"plugins/{NOWHERE}"),
                                 ("PATCH", f"plugins/{NOWHERE}"), ("DELETE", f"plugins/{NOWHERE}")):
                data = {"json": {"name": "key-auth"}} if method in ("POST", "PUT", "PATCH") else {}
                assert_answer(cluster.a.admin(method, f"/{parent}/{key}/{path}", **data), 404, NOT_FOUND)


@pytest.mark.parametrize("name, sent", [("inst", "inst"), ("円", "円"), ("円", quote("円"))])
def test_by_instance_name(cluster, name, sent):
    made = make(cluster, instance_name=name)
    assert_answer(get_as_it_is(cluster.a, f"/plugins/{sent}"), 200, made)
    path = f"/plugins/{quote(sent) if sent == name else sent}"
    changed = cluster.a.admin("PATCH", path, json={"enabled": False})
    assert without(changed.json, "updated_at") == without(made, "updated_at") | {"enabled": False}
    replaced = cluster.a.admin("PUT", path, json={"name": "key-auth"})
    assert without(replaced.json, "created_at", "updated_at") == DEFAULTS | {"id": made["id"], "name": "key-auth", "instance_name": name, "config": KEY_AUTH}
    answer = cluster.a.admin("DELETE", path)
    assert (answer.status, answer.body) == (204, b"")
    assert_answer(cluster.a.admin("GET", path), 404, NOT_FOUND)
    fresh = cluster.a.admin("PUT", path, json={"name": "key-auth"})
    assert (fresh.status, fresh.json["instance_name"]) == (200, name)


def test_put_by_a_new_id_and_time(cluster):
    key = new_id()
    made = cluster.a.admin("PUT", f"/plugins/{key}", json={"name": "key-auth"})
    assert (made.status, made.json["id"]) == (200, key)
    assert_answer(cluster.a.admin("GET", f"/plugins/{key}", headers={"Content-Type": "application/json"}, data="{junk"), 200, made.json)
    time.sleep(1.1)
    changed = cluster.a.admin("PATCH", f"/plugins/{key}", json={"config": {"key_names": ["x"]}})
    assert changed.json["updated_at"] > made.json["updated_at"]
    assert without(changed.json, "updated_at", "config") == without(made.json, "updated_at", "config")


def test_what_is_not_there(cluster):
    for key in (NOWHERE, "nobody"):
        assert_answer(cluster.a.admin("GET", f"/plugins/{key}"), 404, NOT_FOUND)
        assert_answer(cluster.a.admin("PATCH", f"/plugins/{key}", json={"foo": 1}), 404, NOT_FOUND)
        assert cluster.a.admin("DELETE", f"/plugins/{key}").status == 204
    text = "invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~"
    assert_answer(cluster.a.admin("GET", "/plugins/a%20b"), 400, impossible("instance_name", text))


def test_patch_of_config_and_name(cluster):
    made = make(cluster, config={"message": "m"})
    path = f"/plugins/{made['id']}"
    assert_answer(cluster.a.admin("PATCH", path, json={"config": {"status_code": "10"}}), 400,
                  violation({"config": {"status_code": "expected an integer"}}, "config.status_code: expected an integer"))
    assert send(cluster.a, "form", "PATCH", path, {"config": {"status_code": 410}}).json["config"]["status_code"] == 410
    answer = cluster.a.admin("PATCH", path, json={"name": "key-auth"})
    assert answer.status == 400
    assert answer.json["fields"] == {"config": {name: "unknown field" for name in TERMINATION}}
    cleared = cluster.a.admin("PATCH", path, json={"config": {"message": None, "status_code": 418}, "tags": None})
    assert cleared.json["config"] == TERMINATION | {"status_code": 418}
    assert_answer(cluster.a.admin("PATCH", path, json={"config": {"echo": None}}), 400,
                  violation({"config": {"echo": "required field missing"}}, "config.echo: required field missing"))
    assert_answer(cluster.a.admin("PATCH", path, json={"config": None}), 400, wrong("config", "required field missing"))


def test_the_same_plugin_twice_without_a_scope(cluster, parents):
    make(cluster)
    assert_answer(cluster.a.admin("POST", "/plugins", json={"name": "request-termination"}), 409,
                  clash('{consumer=null,name="request-termination",route=null,service=null}',
                        {"name": "request-termination", "consumer": None, "service": None, "route": None}))
    make(cluster, path="/services/s/plugins", instance_name="i")
    assert_answer(cluster.a.admin("POST", "/plugins", json={"name": "key-auth", "instance_name": "i"}), 409,
                  clash('{instance_name="i"}', {"instance_name": "i"}))


def test_the_same_id_twice(cluster, parents):
    made = make(cluster)
    assert_answer(cluster.a.admin("POST", "/services/s/plugins", json={"name": "request-termination", "id": made["id"]}), 400,
                  {"code": 3, "name": "primary key violation", "message": f"primary key violation on key '{{id=\"{made['id']}\"}}'",
                   "fields": {"id": made["id"]}})


def test_scopes_in_bodies(cluster, parents):
    service, route, consumer = (parents[path][1] for path in ("/services/s", "/routes/r", "/consumers/c%20c"))
    made = make(cluster, service={"name": "s"}, route={"name": "r"}, consumer={"username": "c c"})
    assert (made["service"], made["route"], made["consumer"]) == ({"id": service}, {"id": route}, {"id": consumer})
    other = cluster.service("other")
    moved = cluster.a.admin("PATCH", f"/plugins/{made['id']}", json={"service": {"name": "other"}, "route": None})
    assert (moved.json["service"], moved.json["route"]) == ({"id": other["id"]}, None)


def test_protocols_fit_the_scope(cluster):
    cluster.service("s")
    assert make(cluster, path="/services/s/plugins", protocols=["grpc"], instance_name="early")["protocols"] == ["grpc"]
    assert cluster.a.admin("DELETE", "/plugins/early").status == 204
    cluster.route("r", protocols=["http"], paths=["/r"])
    of_route = wrong("protocols", "must match the associated route's protocols")
    of_service = wrong("protocols", "must match the protocols of at least one route pointing to this Plugin's service")
    body = {"name": "request-termination", "protocols": ["grpc", "grpcs"]}
    for scope, expected in (("/routes/r", of_route), ("/services/s", of_service)):
        assert_answer(cluster.a.admin("POST", f"{scope}/plugins", json=body), 400, expected)
        assert_answer(cluster.a.admin("PUT", f"{scope}/plugins/{NOWHERE}", json=body), 400, expected)
        made = make(cluster, path=f"{scope}/plugins", protocols=["grpc", "http"])
        assert_answer(cluster.a.admin("PATCH", f"/plugins/{made['id']}", json={"protocols": ["grpc"]}), 400, expected)


def test_collections_offer_no_other_verbs(cluster):
    for method in ("PUT", "PATCH", "DELETE"):
        assert_answer(cluster.a.admin(method, "/plugins", headers={"Content-Type": "application/json"}, data=json.dumps({})), 405,
                      {"message": "Method not allowed"})


def test_answers_name_the_cache_key(cluster, parents):
    workspace = "5b1e0000-0000-4000-8000-000000000001"
    service = parents["/services/s"][1]
    answer = cluster.a.admin("POST", "/services/s/plugins", json={"name": "key-auth"})
    assert answer.headers["X-Cache-Key"] == f"plugins:key-auth::{service}:::{workspace}"
    assert cluster.a.admin("POST", "/plugins", json={"name": "key-auth"}).headers["X-Cache-Key"] == f"plugins:key-auth:::::{workspace}"
