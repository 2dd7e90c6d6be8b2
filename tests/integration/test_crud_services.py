"""Services: fields, defaults, `url`, errors, every verb (Admin API reference 2.1, checklist 321-365)."""

import pytest

from admin_api import (BAD_JSON, KINDS, NOT_FOUND, NOWHERE, assert_answer, assert_stored, clash, get_as_it_is, impossible, missing, new_id, quote, rule,
                       send, violation, without, wrong)

pytestmark = pytest.mark.usefixtures("clean")

DEFAULTS = {"name": None, "retries": 5, "protocol": "http", "port": 80, "path": None, "connect_timeout": 60000,
            "write_timeout": 60000, "read_timeout": 60000, "tags": None, "client_certificate": None, "tls_verify": None,
            "tls_verify_depth": None, "ca_certificates": None, "enabled": True}
PROTOCOLS = "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp"
NAME_RULE = "the only accepted ascii characters are alphanumerics or ., -, _, and ~"
GIVEN = "failed conditional validation given value of field 'protocol'"


def make(cluster, kind="json", **fields):
    answer = send(cluster.a, kind, "POST", "/services", {"host": "h.test"} | fields)
    assert answer.status == 201, answer
    return answer.json


@pytest.mark.parametrize("kind", KINDS)
def test_post_fills_in_every_default(cluster, kind):
    made = make(cluster, kind)
    assert without(made, "id", "created_at", "updated_at") == DEFAULTS | {"host": "h.test"}
    assert made["created_at"] == made["updated_at"] and isinstance(made["created_at"], int)
    assert_stored(cluster, f"/services/{made['id']}", made)


@pytest.mark.parametrize("kind", KINDS)
def test_post_keeps_every_field(cluster, kind):
    given = {"name": "all", "retries": 0, "protocol": "https", "host": "h.test", "port": 8443, "path": "/p", "connect_timeout": 1,
             "write_timeout": 2, "read_timeout": 2147483646, "tags": ["a", "b c"], "tls_verify": True, "tls_verify_depth": 3,
             "ca_certificates": [NOWHERE], "enabled": False, "id": new_id(), "created_at": 1600000000}
    made = make(cluster, kind, **given)
    assert without(made, "updated_at") == given | {"client_certificate": None}
    assert made["updated_at"] > 1600000000
    assert_stored(cluster, "/services/all", made)


URLS = [
    ("https://api.test/v1", "https", "api.test", 443, "/v1"),
    ("http://api.test", "http", "api.test", 80, None),
    ("http://api.test/", "http", "api.test", 80, "/"),
    ("https://api.test:8443", "https", "api.test", 8443, None),
    ("//api.test:443", "https", "api.test", 443, None),
    ("grpc://h", "grpc", "h", 80, None),
    ("tcp://h:9000", "tcp", "h", 9000, None),
    ("http://u:p@h/x?y=1#z", "http", "h", 80, "/x"),
    ("http://h?y=1", "http", "h", 80, None),
    ("http://[::1]:81/", "http", "::1", 81, "/"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("url, protocol, host, port, path", URLS)
def test_url_is_taken_apart(cluster, kind, url, protocol, host, port, path):
    answer = send(cluster.a, kind, "POST", "/services", {"url": url, "host": "other.test", "port": 1})
    assert answer.status == 201, answer
    assert "url" not in answer.json
    assert [answer.json[name] for name in ("protocol", "host", "port", "path")] == [protocol, host, port, path]


NO_HOST, NO_SLASH = "required field missing", "should start with: /"
BAD_URLS = [
    ("", ("json",), violation({"url": "length must be at least 1", "host": NO_HOST}, f"host: {NO_HOST}", "url: length must be at least 1")),
    (7, ("json",), violation({"url": "expected a string", "host": NO_HOST}, f"host: {NO_HOST}", "url: expected a string")),
    ("    ", KINDS, violation({"host": NO_HOST, "path": NO_SLASH}, f"host: {NO_HOST}", f"path: {NO_SLASH}")),
    ("not a url", KINDS, violation({"host": NO_HOST, "path": NO_SLASH}, f"host: {NO_HOST}", f"path: {NO_SLASH}")),
    ("h.test:9/q", KINDS, violation({"host": NO_HOST, "path": NO_SLASH, "protocol": PROTOCOLS}, f"host: {NO_HOST}", f"path: {NO_SLASH}",
                                    f"protocol: {PROTOCOLS}")),
]


@pytest.mark.parametrize("url, kinds, expected", BAD_URLS)
def test_a_bad_url_is_refused(cluster, url, kinds, expected):
    for kind in kinds:
        assert_answer(send(cluster.a, kind, "POST", "/services", {"url": url}), 400, expected)


FORM = ("form", "multipart")
REFUSED = [  # body, forms it can be sent in, answer
    ({}, KINDS, wrong("host", NO_HOST)),
    ({"host": None}, ("json",), wrong("host", NO_HOST)),
    ({"host": ""}, ("json",), wrong("host", "length must be at least 1")),
    ({"host": "h.test:80"}, KINDS, wrong("host", "must not have a port")),
    ({"host": "a b"}, KINDS, wrong("host", "invalid value: a b")),
    ({"host": ".h"}, KINDS, wrong("host", "invalid value: .h")),
    ({"host": "a..b"}, KINDS, wrong("host", "invalid value: a..b")),
    ({"host": "a-.b"}, KINDS, wrong("host", "invalid value: a-.b")),
    ({"host": "h", "name": "a b"}, KINDS, wrong("name", f"invalid value 'a b': {NAME_RULE}")),
    ({"host": "h", "protocol": "foo"}, KINDS, wrong("protocol", PROTOCOLS)),
    ({"host": "h", "protocol": None}, KINDS, wrong("protocol", NO_HOST)),
    ({"host": "h", "port": 65536}, KINDS, wrong("port", "value should be between 0 and 65535")),
    ({"host": "h", "port": -1}, KINDS, wrong("port", "value should be between 0 and 65535")),
    ({"host": "h", "port": "80"}, ("json",), wrong("port", "expected an integer")),
    ({"host": "h", "port": "x"}, FORM, wrong("port", "expected an integer")),
    ({"host": "h", "port": 80.5}, KINDS, wrong("port", "expected an integer")),
    ({"host": "h", "retries": 32768}, KINDS, wrong("retries", "value should be between 0 and 32767")),
    ({"host": "h", "connect_timeout": 0}, KINDS, wrong("connect_timeout", "value should be between 1 and 2147483646")),
    ({"host": "h", "read_timeout": 2147483647}, KINDS, wrong("read_timeout", "value should be between 1 and 2147483646")),
    ({"host": "h", "path": "x"}, KINDS, wrong("path", NO_SLASH)),
    ({"host": "h", "path": "/a//b"}, KINDS, wrong("path", "must not have empty segments")),
    ({"host": "h", "path": "/a b"}, KINDS,
     wrong("path", "invalid path: '/a b' (characters outside of the reserved list of RFC 3986 found)")),
    ({"host": "h", "path": "/a%zz"}, KINDS, wrong("path", "invalid url-encoded value: '%zz'")),
    ({"host": "h", "enabled": "yes"}, KINDS, wrong("enabled", "expected a boolean")),
    ({"host": "h", "enabled": 1}, KINDS, wrong("enabled", "expected a boolean")),
    ({"host": "h", "tags": ["a,b"]}, KINDS,
     violation({"tags": ["invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"]},
               "tags.1: invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences")),
    ({"host": "h", "tags": ["ok", 7]}, ("json",), violation({"tags": [None, "expected a string"]}, "tags.2: expected a string")),
    ({"host": "h", "tags": [None]}, KINDS, violation({"tags": ["required field missing"]}, "tags.1: required field missing")),
    ({"host": "h", "tags": "a"}, ("json",), wrong("tags", "expected a set")),
    ({"host": "h", "tags": {"x": "a"}}, KINDS, wrong("tags", "expected a set")),
    ({"host": "h", "protocol": "https", "ca_certificates": ["x"]}, KINDS,
     violation({"ca_certificates": ["expected a valid UUID"]}, "ca_certificates.1: expected a valid UUID")),
    ({"host": "h", "protocol": "https", "tls_verify_depth": 65}, KINDS, wrong("tls_verify_depth", "value should be between 0 and 64")),
    ({"host": "h", "foo": "bar"}, KINDS, wrong("foo", "unknown field")),
    ({"host": "h", "ws_id": NOWHERE}, KINDS, wrong("ws_id", "unknown field")),
    ({"host": "h", "id": "x"}, KINDS, wrong("id", "expected a valid UUID")),
    ({"host": "h", "created_at": 0}, KINDS, wrong("created_at", "expected a valid timestamp")),
    ({"host": "h", "created_at": -5}, KINDS, wrong("created_at", "expected a valid timestamp")),
    ({"host": "h", "protocol": "tcp", "path": "/x"}, KINDS,
     violation({"@entity": [GIVEN], "path": "value must be null"}, GIVEN, "path: value must be null")),
    ({"host": "h", "tls_verify": True}, KINDS,
     violation({"@entity": [GIVEN], "tls_verify": "value must be null"}, GIVEN, "tls_verify: value must be null")),
    ({"host": "h", "protocol": "grpc", "path": "/x", "tls_verify_depth": 1, "ca_certificates": [NOWHERE]}, KINDS,
     violation({"@entity": [GIVEN] * 3, "ca_certificates": "value must be null", "path": "value must be null",
                "tls_verify_depth": "value must be null"},
               GIVEN, GIVEN, GIVEN, "ca_certificates: value must be null", "path: value must be null",
               "tls_verify_depth: value must be null")),
    ({"port": "x", "foo": 1, "protocol": "bar"}, KINDS,
     violation({"foo": "unknown field", "host": NO_HOST, "port": "expected an integer", "protocol": PROTOCOLS}, "foo: unknown field",
               f"host: {NO_HOST}", "port: expected an integer", f"protocol: {PROTOCOLS}")),
]


@pytest.mark.parametrize("body, kinds, expected", REFUSED)
def test_what_is_wrong_is_told_to_the_letter(cluster, body, kinds, expected):
    for kind in kinds:
        assert_answer(send(cluster.a, kind, "POST", "/services", body), 400, expected)
    assert cluster.a.admin("GET", "/services").json["data"] == []


def test_a_long_value_does_not_hide_what_is_wrong_with_it(cluster):
    for field, value, end in (("name", "a " * 500, NAME_RULE), ("path", "/ä" * 500, "(characters outside of the reserved list of RFC 3986 found)")):
        answer = cluster.a.admin("POST", "/services", json={"host": "h", field: value})
        assert answer.status == 400 and answer.json["fields"][field].endswith(end), answer


def test_numbers_are_not_bound_to_one_notation(cluster):
    answer = cluster.a.admin("POST", "/services", headers={"Content-Type": "application/json"}, data='{"host":"h","port":80.0,"retries":1e1}')
    assert (answer.status, answer.json["port"], answer.json["retries"]) == (201, 80, 10)
    assert make(cluster, "form", port="0x50")["port"] == 80


def test_updated_at_is_the_servers_whatever_a_client_sends(cluster):
    for value in (5, "x", None, {"a": 1}):
        assert make(cluster, updated_at=value)["updated_at"] > 1700000000


def test_sets_lose_repetitions_and_keep_their_order(cluster):
    assert make(cluster, tags=["b", "a", "b", "c", "a"])["tags"] == ["b", "a", "c"]


def test_an_explicit_null_beats_a_default(cluster):
    made = make(cluster, retries=None, connect_timeout=None)
    assert (made["retries"], made["connect_timeout"], made["write_timeout"]) == (None, None, 60000)


def test_ids_are_shown_in_lower_case(cluster):
    given = "ABCDEF00-0000-4000-8000-00000000BEEF"
    assert make(cluster, id=given)["id"] == given.lower()
    assert cluster.a.admin("GET", f"/services/{given}").json["id"] == given.lower()
    assert cluster.a.admin("PUT", f"/services/{given}", json={"host": "h"}).json["id"] == given.lower()


@pytest.mark.parametrize("kind", KINDS)
def test_clashes(cluster, kind):
    first = make(cluster, name="one")
    other = make(cluster, name="two")
    taken = clash('{name="one"}', {"name": "one"})
    assert_answer(send(cluster.a, kind, "POST", "/services", {"host": "h", "name": "one"}), 409, taken)
    assert_answer(send(cluster.a, kind, "PATCH", "/services/two", {"name": "one"}), 409, taken)
    assert_answer(send(cluster.a, kind, "PUT", f"/services/{new_id()}", {"host": "h", "name": "one"}), 409, taken)
    assert_answer(send(cluster.a, kind, "POST", "/services", {"host": "h", "id": first["id"]}), 400,
                  {"code": 3, "name": "primary key violation", "message": f"primary key violation on key '{{id=\"{first['id']}\"}}'",
                   "fields": {"id": first["id"]}})
    assert_stored(cluster, "/services/two", other)


@pytest.mark.parametrize("name, sent", [("plain", "plain"), ("円", "円"), ("円", quote("円")), ("a.b-c_d~e", "a.b-c_d~e")])
def test_get_by_name(cluster, name, sent):
    made = make(cluster, name=name)
    answer = get_as_it_is(cluster.a, f"/services/{sent}")
    assert_answer(answer, 200, made)
    assert answer.headers["X-Cache-Key"].startswith(f"services:{made['id']}:::::")


def test_what_is_not_there(cluster):
    for key, name in ((NOWHERE, "id"), ("nobody", "name")):
        assert_answer(cluster.a.admin("GET", f"/services/{key}"), 404, NOT_FOUND)
        assert_answer(cluster.a.admin("PATCH", f"/services/{key}", json={"port": "bad"}), 404, missing(name, key))
        gone = cluster.a.admin("DELETE", f"/services/{key}")
        assert (gone.status, gone.body) == (204, b"")
        assert "Freshet-Position" not in gone.headers


def test_impossible_names_are_refused_under_every_verb(cluster):
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        data = {"json": {}} if method in ("PUT", "PATCH") else {}
        assert_answer(cluster.a.admin(method, "/services/a%20b", **data), 400, impossible("name", f"invalid value 'a b': {NAME_RULE}"))
        assert_answer(cluster.a.admin(method, "/services/a+b", **data), 400, impossible("name", f"invalid value 'a b': {NAME_RULE}"))
        assert_answer(cluster.a.admin(method, "/services/a%ffb", **data), 400,
                      impossible("name", "invalid utf-8 character sequence detected at position 2"))
        assert_answer(cluster.a.admin(method, "/services/a%2Fb", **data), 400, impossible("name", f"invalid value 'a/b': {NAME_RULE}"))


@pytest.mark.parametrize("kind", KINDS)
def test_patch_merges(cluster, kind):
    made = make(cluster, name="p", tags=["x"], path="/old")
    for key, change in ((made["id"], {"port": 81, "tags": ["y", "z"]}), ("p", {"protocol": "https", "enabled": False})):
        answer = send(cluster.a, kind, "PATCH", f"/services/{key}", change)
        assert answer.status == 200, answer
        assert without(answer.json, "updated_at") == without(made, "updated_at") | change
        assert answer.json["updated_at"] >= made["updated_at"]
        made = answer.json
        assert_stored(cluster, "/services/p", made)
    answer = send(cluster.a, kind, "PATCH", "/services/p", {"url": "http://n.test"})
    assert [answer.json[name] for name in ("protocol", "host", "port", "path")] == ["http", "n.test", 80, None]


def test_patch_clears_refuses_and_touches(cluster):
    made = make(cluster, name="p", tags=["x"], path="/old", created_at=1600000000)
    assert_answer(cluster.a.admin("PATCH", "/services/p", json={"host": None}), 400, wrong("host", NO_HOST))
    assert_answer(cluster.a.admin("PATCH", "/services/p", json={"url": ""}), 400, wrong("url", "length must be at least 1"))
    assert_answer(cluster.a.admin("PATCH", "/services/p", json={"id": "x"}), 400, wrong("id", "expected a valid UUID"))
    assert_answer(cluster.a.admin("PATCH", "/services/p", json={"foo": "bar"}), 400, wrong("foo", "unknown field"))
    assert_stored(cluster, "/services/p", made)
    answer = cluster.a.admin("PATCH", "/services/p", json={"path": None, "retries": None, "tags": [], "id": NOWHERE})
    assert without(answer.json, "updated_at") == without(made, "updated_at") | {"path": None, "retries": None, "tags": []}
    touched = cluster.a.admin("PATCH", "/services/p", json={})
    assert (touched.status, touched.json["created_at"]) == (200, 1600000000)
    assert "Freshet-Position" in touched.headers


@pytest.mark.parametrize("kind", KINDS)
def test_put_creates_and_replaces_wholly(cluster, kind):
    key = new_id()
    for path in (f"/services/{key}", "/services/named"):
        answer = send(cluster.a, kind, "PUT", path, {"host": "one.test", "port": 81, "tags": ["t"]})
        assert answer.status == 200, answer
        assert without(answer.json, "id", "created_at", "updated_at", "name") == without(
            DEFAULTS, "name") | {"host": "one.test", "port": 81, "tags": ["t"]}
        again = send(cluster.a, kind, "PUT", path, {"host": "two.test", "created_at": 1600000000})
        assert again.json["id"] == answer.json["id"]
        assert without(again.json, "id", "created_at", "updated_at") == DEFAULTS | {"host": "two.test", "name": answer.json["name"]}
        assert (again.status, again.json["created_at"]) == (200, 1600000000)
        assert_stored(cluster, path, again.json)
        assert send(cluster.a, kind, "PUT", path, {"host": "two.test"}).json["created_at"] > 1700000000
    assert cluster.a.admin("GET", f"/services/{key}").json["name"] is None


def test_put_lets_the_url_win(cluster):
    key = new_id()
    assert cluster.a.admin("PUT", f"/services/{key}", json={"host": "h", "id": NOWHERE}).json["id"] == key
    answer = cluster.a.admin("PUT", "/services/n", json={"host": "h", "name": "other", "id": NOWHERE}).json
    assert (answer["name"], answer["id"]) == ("n", NOWHERE)
    again = cluster.a.admin("PUT", "/services/n", json={"host": "h", "id": new_id()}).json
    assert again["id"] == NOWHERE
    assert again["created_at"] >= answer["created_at"]


def test_put_refuses_like_post(cluster):
    assert_answer(cluster.a.admin("PUT", "/services/n", json={}), 400, wrong("host", NO_HOST))
    assert_answer(cluster.a.admin("PUT", f"/services/{NOWHERE}", json={"host": 1}), 400, wrong("host", "expected a string"))
    assert_answer(cluster.a.admin("PUT", "/services/n", headers={"Content-Type": "application/json"}, data='{"host"'), 400, BAD_JSON)
    assert cluster.a.admin("GET", "/services").json["data"] == []


def test_delete(cluster):
    for key in ("id", "name"):
        made = make(cluster, name="gone")
        answer = cluster.a.admin("DELETE", f"/services/{made[key]}")
        assert (answer.status, answer.body) == (204, b"")
        assert "Content-Type" not in answer.headers and "Content-Length" not in answer.headers
        assert_answer(cluster.a.admin("GET", f"/services/{made['id']}"), 404, NOT_FOUND)


def test_a_service_with_routes_stays(cluster):
    made = make(cluster, name="s")
    assert cluster.a.admin("POST", "/services/s/routes", json={"paths": ["/r"]}).status == 201
    expected = {"code": 4, "name": "foreign key violation", "message": "an existing 'routes' entity references this 'services' entity",
                "fields": {"@referenced_by": "routes"}}
    for key in ("s", made["id"]):
        assert_answer(cluster.a.admin("DELETE", f"/services/{key}"), 400, expected)
    assert_stored(cluster, "/services/s", made)


def test_deleting_a_service_takes_its_plugins_along(cluster):
    make(cluster, name="s")
    assert cluster.a.admin("POST", "/services/s/plugins", json={"name": "key-auth"}).status == 201
    assert cluster.a.admin("DELETE", "/services/s").status == 204
    assert cluster.a.admin("GET", "/plugins").json["data"] == []


def test_no_rule_over_several_fields_is_told_twice(cluster):
    answer = cluster.a.admin("POST", "/consumers", json={})
    assert_answer(answer, 400, rule("at least one of these fields must be non-empty: 'custom_id', 'username'"))
