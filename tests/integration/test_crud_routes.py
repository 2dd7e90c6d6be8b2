"""Routes: fields, defaults, protocol families, paths, hosts, errors (Admin API reference 2.2, checklist 242-288)."""

import pytest

from admin_api import (BAD_JSON, KINDS, NOT_FOUND, NOWHERE, assert_answer, assert_stored, clash, get_as_it_is, missing, new_id, quote,
                       rule, send, violation, without, wrong)

pytestmark = pytest.mark.usefixtures("clean")

DEFAULTS = {"name": None, "protocols": ["http", "https"], "methods": None, "hosts": None, "paths": None, "headers": None,
            "https_redirect_status_code": 426, "regex_priority": 0, "strip_path": True, "path_handling": "v0", "preserve_host": False,
            "request_buffering": True, "response_buffering": True, "snis": None, "sources": None, "destinations": None, "tags": None,
            "service": None}
PROTOCOLS = "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp"
HTTP = "must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'"
HTTPS = "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"
GRPC = "must set one of 'hosts', 'headers', 'paths' when 'protocols' is 'grpc'"
GRPCS = "must set one of 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'grpcs'"
STREAM = "must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'"
PASSTHROUGH = "must set snis when 'protocols' is 'tls_passthrough'"
SNIS = "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"


def make(cluster, kind="json", **fields):
    answer = send(cluster.a, kind, "POST", "/routes", fields or {"paths": ["/r"]})
    assert answer.status == 201, answer
    return answer.json


@pytest.fixture
def service(cluster):
    return cluster.service("s")


@pytest.mark.parametrize("kind", KINDS)
def test_post_fills_in_every_default(cluster, service, kind):
    for scope in ({}, {"service": {"id": service["id"]}}):
        made = make(cluster, kind, protocols=["http"], hosts=["my.route.com"], headers={"x-location": ["my-location"]}, **scope)
        assert without(made, "id", "created_at", "updated_at") == DEFAULTS | {
            "protocols": ["http"], "hosts": ["my.route.com"], "headers": {"x-location": ["my-location"]}, "service": scope.get("service")}
        assert made["created_at"] == made["updated_at"]
        assert_stored(cluster, f"/routes/{made['id']}", made)


@pytest.mark.parametrize("kind", KINDS)
def test_grpc_routes_keep_their_path(cluster, service, kind):
    for protocols in (["grpc"], ["grpc", "grpcs"], ["grpcs"]):
        made = make(cluster, kind, protocols=protocols, hosts=["g.test"], service={"id": service["id"]})
        assert without(made, "id", "created_at", "updated_at") == DEFAULTS | {
            "protocols": protocols, "hosts": ["g.test"], "strip_path": False, "service": {"id": service["id"]}}


@pytest.mark.parametrize("kind", KINDS)
def test_post_keeps_every_field(cluster, service, kind):
    given = {"id": new_id(), "name": "all", "protocols": ["https", "http"], "methods": ["GET", "POST", "PATCH"],
             "hosts": ["foo.test", "*.bar.test", "baz.*", "h.test:8080", "10.0.0.1"], "paths": ["/foo", "~/v[0-9]+/items$", "/a b", "/café"],
             "headers": {"x-a": ["1", "2"], "X_b": ["3"]}, "https_redirect_status_code": 308, "regex_priority": -3, "strip_path": False,
             "path_handling": "v1", "preserve_host": True, "request_buffering": False, "response_buffering": False,
             "snis": ["a.test", "b.test"], "tags": ["t"], "created_at": 1600000000}
    made = make(cluster, kind, service={"name": "s"}, **given)
    assert without(made, "updated_at") == given | {"sources": None, "destinations": None, "service": {"id": service["id"]}}
    assert_stored(cluster, "/routes/all", made)


@pytest.mark.parametrize("kind", KINDS)
def test_stream_routes(cluster, kind):
    ends = [{"ip": "10.0.0.0/8", "port": 80}, {"ip": "::1"}, {"port": 443}]
    made = make(cluster, kind, protocols=["tcp", "tls"], sources=ends, destinations=ends[:1])
    assert made["sources"] == [{"ip": None, "port": None} | end for end in ends]
    assert made["destinations"] == ends[:1]
    assert make(cluster, kind, protocols=["tls_passthrough"], snis=["a.test"])["snis"] == ["a.test"]
    assert make(cluster, kind, protocols=["udp"], sources=[{"port": 1}])["protocols"] == ["udp"]


def cannot(name, family):
    return f"cannot set '{name}' when 'protocols' is {family}"


FORM = ("form", "multipart")
PLAIN = {"paths": ["/r"]}
REFUSED = [
    ({}, KINDS, rule(HTTPS)),
    ({"protocols": ["http"]}, KINDS, rule(HTTP)),
    ({"protocols": ["http"], "paths": [], "hosts": []}, ("json",), rule(HTTP)),
    ({"protocols": ["https"]}, KINDS, rule(HTTPS)),
    ({"protocols": ["grpc"]}, KINDS, rule(GRPC)),
    ({"protocols": ["grpcs", "grpc"]}, KINDS, rule(GRPCS)),
    ({"protocols": ["tcp"]}, KINDS, rule(STREAM)),
    ({"protocols": ["tls", "udp"]}, KINDS, rule(STREAM)),
    ({"protocols": ["tls_passthrough"]}, KINDS, rule(PASSTHROUGH)),
    ({"methods": ["GET"], "protocols": ["foo"]}, KINDS, wrong("protocols", "unknown type: foo")),
    ({"methods": ["GET"], "protocols": []}, ("json",), wrong("protocols", "unknown type: nil")),
    ({"methods": ["GET"], "protocols": ["foo", "http"]}, KINDS, violation({"protocols": [PROTOCOLS]}, f"protocols.1: {PROTOCOLS}")),
    ({"methods": ["GET"], "protocols": ["http", "foo"]}, KINDS, violation({"protocols": [None, PROTOCOLS]}, f"protocols.2: {PROTOCOLS}")),
    ({"methods": ["GET"], "protocols": None}, KINDS, wrong("protocols", "required field missing")),
    ({"methods": ["GET"], "protocols": "http"}, ("json",), wrong("protocols", "expected a set")),
    ({"methods": ["GET"], "protocols": ["http", "tcp"]}, KINDS,
     wrong("protocols", "these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp')")),
    ({"methods": ["GET"], "protocols": ["https", "grpc"]}, KINDS,
     wrong("protocols", "these sets are mutually exclusive: ('http', 'https'), ('grpc', 'grpcs')")),
    (PLAIN | {"sources": [{"port": 1}]}, KINDS, wrong("sources", cannot("sources", "'http' or 'https'"))),
    (PLAIN | {"destinations": [{"port": 1}]}, KINDS, wrong("destinations", cannot("destinations", "'http' or 'https'"))),
    ({"protocols": ["tcp"], "sources": [{"port": 1}], "paths": ["/x"]}, KINDS,
     wrong("paths", cannot("paths", "'tcp', 'tls', 'tls_passthrough' or 'udp'"))),
    ({"protocols": ["tcp"], "sources": [{"port": 1}], "methods": ["GET"], "hosts": ["h"], "headers": {"x": ["1"]}}, KINDS,
     violation({name: cannot(name, "'tcp', 'tls', 'tls_passthrough' or 'udp'") for name in ("headers", "hosts", "methods")},
               *[f"{name}: " + cannot(name, "'tcp', 'tls', 'tls_passthrough' or 'udp'") for name in ("headers", "hosts", "methods")])),
    ({"protocols": ["tls_passthrough"], "snis": ["a.b"], "hosts": ["h"]}, KINDS,
     wrong("hosts", cannot("hosts", "'tcp', 'tls', 'tls_passthrough' or 'udp'"))),
    ({"protocols": ["grpc"], "hosts": ["h"], "strip_path": True}, KINDS, wrong("strip_path", cannot("strip_path", "'grpc' or 'grpcs'"))),
    ({"protocols": ["grpc"], "hosts": ["h"], "methods": ["GET"]}, KINDS, wrong("methods", cannot("methods", "'grpc' or 'grpcs'"))),
    ({"protocols": ["grpc"], "hosts": ["h"], "sources": [{"port": 1}]}, KINDS, wrong("sources", cannot("sources", "'grpc' or 'grpcs'"))),
    (PLAIN | {"protocols": ["http"], "snis": ["a.test"]}, KINDS,
     violation({"@entity": [SNIS], "snis": "length must be 0"}, SNIS, "snis: length must be 0")),
    (PLAIN | {"regex_priority": "foobar"}, KINDS, wrong("regex_priority", "expected an integer")),
    (PLAIN | {"https_redirect_status_code": 200}, KINDS, wrong("https_redirect_status_code", "expected one of: 426, 301, 302, 307, 308")),
    (PLAIN | {"path_handling": "v2"}, KINDS, wrong("path_handling", "expected one of: v0, v1")),
    (PLAIN | {"strip_path": "yes"}, KINDS, wrong("strip_path", "expected a boolean")),
    (PLAIN | {"strip_path": None}, KINDS, wrong("strip_path", "required field missing")),
    (PLAIN | {"methods": ["get"]}, KINDS, violation({"methods": ["invalid value: get"]}, "methods.1: invalid value: get")),
    (PLAIN | {"methods": ["GET", "G T"]}, KINDS, violation({"methods": [None, "invalid value: G T"]}, "methods.2: invalid value: G T")),
    (PLAIN | {"hosts": {"x": "y"}}, KINDS, wrong("hosts", "expected an array")),
    (PLAIN | {"paths": "/x"}, ("json",), wrong("paths", "expected an array")),
    (PLAIN | {"snis": ["10.0.0.1"]}, KINDS, violation({"snis": ["must not be an IP"]}, "snis.1: must not be an IP")),
    (PLAIN | {"snis": ["a.test:1"]}, KINDS, violation({"snis": ["must not have a port"]}, "snis.1: must not have a port")),
    (PLAIN | {"snis": ["a b"]}, KINDS, violation({"snis": ["invalid value: a b"]}, "snis.1: invalid value: a b")),
    (PLAIN | {"headers": {"x": "a"}}, ("json",), wrong("headers", "expected an array")),
    (PLAIN | {"headers": "x"}, KINDS, wrong("headers", "expected a map")),
    (PLAIN | {"headers": {"Host": ["a"]}}, KINDS,
     wrong("headers", "cannot contain 'host' header, which must be specified in the 'hosts' attribute")),
    (PLAIN | {"headers": {"a b": ["a"]}}, KINDS,
     wrong("headers", "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'")),
    (PLAIN | {"headers": {"x": [7]}}, ("json",), violation({"headers": ["expected a string"]}, "headers.1: expected a string")),
    (PLAIN | {"expression": "true"}, KINDS, wrong("expression", "unknown field")),
    (PLAIN | {"priority": 1}, KINDS, wrong("priority", "unknown field")),
    ({"protocols": ["tcp"], "sources": [{"ip": "x"}]}, KINDS,
     violation({"sources": [{"ip": "invalid ip or cidr range: 'x'"}]},
               "sources.1: {\n  ip = \"invalid ip or cidr range: 'x'\"\n}")),
    ({"protocols": ["tcp"], "sources": [{"port": 1}, {"port": 70000}]}, KINDS,
     violation({"sources": [None, {"port": "value should be between 0 and 65535"}]},
               "sources.2: {\n  port = \"value should be between 0 and 65535\"\n}")),
    ({"protocols": ["tcp"], "sources": [{}]}, ("json",),
     violation({"sources": [{"@entity": ["at least one of these fields must be non-empty: 'ip', 'port'"]}]},
               "sources.1: {\n  [\"@entity\"] = {\n    \"at least one of these fields must be non-empty: 'ip', 'port'\"\n  }\n}")),
]


@pytest.mark.parametrize("body, kinds, expected", REFUSED)
def test_what_is_wrong_is_told_to_the_letter(cluster, body, kinds, expected):
    for kind in kinds:
        assert_answer(send(cluster.a, kind, "POST", "/routes", body), 400, expected)
    assert cluster.a.admin("GET", "/routes").json["data"] == []


EMPTY_SEGMENT, SLASHES = "must not have empty segments", "should start with: / (fixed path) or ~/ (regex path)"
PATHS = [  # path, None: accepted, or what is wrong
    ("/a", None), ("/", None), ("/a b", None), ("/café", None), ("/a<b", None), ("~/v[0-9]+/items$", None), ("/a%2Fb", None),
    ("/a%3Fb", None), ("/a b%zz", None), ("~/a%zz", None), ("/.a", None), ("/a..", None), ("~/[/]", None),
    ("a/b", SLASHES), ("*", SLASHES), ("~a", SLASHES), ("~", SLASHES),
    ("/a//b", EMPTY_SEGMENT), ("//", EMPTY_SEGMENT), ("~/a//b", EMPTY_SEGMENT), ("a//b", EMPTY_SEGMENT),
    ("/a/../b", "non-normalized path, consider use '/b' instead"), ("/a/./b", "non-normalized path, consider use '/a/b' instead"),
    ("/%61", "non-normalized path, consider use '/a' instead"), ("/..", "non-normalized path, consider use '/' instead"),
    ("/a/..", "non-normalized path, consider use '/' instead"), ("/a/.", "non-normalized path, consider use '/a/' instead"),
    ("/%20", "non-normalized path, consider use '/ ' instead"), ("/a%2fb", "non-normalized path, consider use '/a%2Fb' instead"),
    ("/caf%C3%A9", "non-normalized path, consider use '/café' instead"),
    ("/a%zz", "invalid url-encoded value: '%zz'"), ("/a%", "invalid url-encoded value: '%'"), ("/%4", "invalid url-encoded value: '%4'"),
]


@pytest.mark.parametrize("path, text", PATHS)
def test_paths(cluster, path, text):
    answer = cluster.a.admin("POST", "/routes", json={"paths": [path]})
    if text is None:
        assert (answer.status, answer.json["paths"]) == (201, [path])
    else:
        assert_answer(answer, 400, violation({"paths": [text]}, f"paths.1: {text}"))


def test_broken_patterns_are_refused(cluster):
    for path in ("~/(a", "~/a[", "~/*+?{"):
        answer = cluster.a.admin("POST", "/routes", json={"paths": ["/good", path]})
        assert answer.status == 400, answer
        assert answer.json["fields"]["paths"][0] is None
        assert answer.json["fields"]["paths"][1].startswith(f"invalid regex: '{path[1:]}' (PCRE returned: pcre_compile() failed: ")
    for path in ("~/a(?=b)", "~/a(?!b)", "~/(?<=a)b", "~/(a)\\1"):
        answer = cluster.a.admin("POST", "/routes", json={"paths": [path]})
        assert answer.status == 400, answer
        assert answer.json["fields"]["@entity"][0].startswith("Router Expression failed validation")


HOSTS = [
    ("a.test", None), ("a.test:80", None), ("*.a.test", None), ("a.*", None), ("10.0.0.1", None), ("::1", None), ("[::1]:80", None),
    ("a_b.test", None), ("a.test.", None), ("localhost", None),
    ("a b", "invalid hostname: a b"), ("a-.test", "invalid hostname: a-.test"), (".a", "invalid hostname: .a"),
    ("a..b", "invalid hostname: a..b"), ("a.test:x", "invalid port number"), ("a.test:70000", "invalid port number"),
    ("*.a.*", "invalid wildcard: must have at most one wildcard"), ("a.*.b", "invalid wildcard: must be placed at leftmost or rightmost label"),
    ("a*.b", "invalid wildcard: must be placed at leftmost or rightmost label"), ("*", "invalid wildcard: must be placed at leftmost or rightmost label"),
]


@pytest.mark.parametrize("host, text", HOSTS)
def test_hosts(cluster, host, text):
    answer = cluster.a.admin("POST", "/routes", json={"hosts": [host]})
    if text is None:
        assert (answer.status, answer.json["hosts"]) == (201, [host])
    else:
        assert_answer(answer, 400, violation({"hosts": [text]}, f"hosts.1: {text}"))


@pytest.mark.parametrize("name, sent", [("plain", "plain"), ("円", "円"), ("円", quote("円"))])
def test_get_by_name_and_id(cluster, name, sent):
    made = make(cluster, name=name, paths=["/r"])
    for key in (sent, made["id"], made["id"].upper()):
        assert_answer(get_as_it_is(cluster.a, f"/routes/{key}"), 200, made)


def test_what_is_not_there(cluster):
    for key, name in ((NOWHERE, "id"), ("nobody", "name")):
        assert_answer(cluster.a.admin("GET", f"/routes/{key}"), 404, NOT_FOUND)
        assert cluster.a.admin("DELETE", f"/routes/{key}").status == 204
        for kind in KINDS:
            assert_answer(send(cluster.a, kind, "PATCH", f"/routes/{key}", {"paths": ["/x"]}), 404, missing(name, key))


@pytest.mark.parametrize("kind", KINDS)
def test_put_creates_and_replaces_wholly(cluster, service, kind):
    for path in (f"/routes/{new_id()}", "/routes/named"):
        for scope in ({"service": {"id": service["id"]}}, {}):
            answer = send(cluster.a, kind, "PUT", path, {"paths": ["/one"], "methods": ["GET"], "tags": ["a"]} | scope)
            assert answer.status == 200, answer
            shown = without(answer.json, "id", "created_at", "updated_at")
            assert shown == DEFAULTS | {"name": shown["name"], "paths": ["/one"], "methods": ["GET"], "tags": ["a"],
                                        "service": scope.get("service")}
        again = send(cluster.a, kind, "PUT", path, {"hosts": ["h"], "id": answer.json["id"]} | ({"name": "named"} if "named" in path else {}))
        assert without(again.json, "created_at", "updated_at") == DEFAULTS | {"id": answer.json["id"], "name": shown["name"], "hosts": ["h"]}
        assert_stored(cluster, path, again.json)


@pytest.mark.parametrize("kind", KINDS)
def test_put_refuses_like_post(cluster, kind):
    for path in (f"/routes/{NOWHERE}", "/routes/n"):
        for body, expected in (({}, rule(HTTPS)), ({"methods": ["GET"], "protocols": ["foo"]}, wrong("protocols", "unknown type: foo")),
                               ({"protocols": ["grpc"]}, rule(GRPC)), (PLAIN | {"regex_priority": "foobar"}, wrong("regex_priority", "expected an integer"))):
            assert_answer(send(cluster.a, kind, "PUT", path, body), 400, expected)
    broken = cluster.a.admin("PUT", "/routes/n", headers={"Content-Type": "application/json"}, data='{"hello": "world"')
    assert_answer(broken, 400, BAD_JSON)
    assert cluster.a.admin("GET", "/routes").json["data"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_patch_replaces_lists_and_keeps_the_rest(cluster, service, kind):
    made = make(cluster, name="p", hosts=["a.test", "b.test"], methods=["GET", "POST"], paths=["/p"], service={"id": service["id"]})
    for key, change in ((made["id"], {"hosts": ["c.test"], "methods": ["PUT"]}), ("p", {"strip_path": False}),
                        ("p", {"regex_priority": 7, "paths": ["/q", "/r"], "preserve_host": True})):
        answer = send(cluster.a, kind, "PATCH", f"/routes/{key}", change)
        assert without(answer.json, "updated_at") == without(made, "updated_at") | change
        made = answer.json
        assert_stored(cluster, "/routes/p", made)
    assert_answer(send(cluster.a, kind, "PATCH", "/routes/p", {"regex_priority": "foobar"}), 400,
                  wrong("regex_priority", "expected an integer"))
    freed = send(cluster.a, kind, "PATCH", "/routes/p", {"service": None})
    assert (freed.status, freed.json["service"]) == (200, None)


def test_patch_clears_with_null_and_keeps_empty_lists(cluster):
    make(cluster, name="p", hosts=["a.test"], methods=["GET"], paths=["/p"], headers={"x": ["1"]}, tags=["t"])
    answer = cluster.a.admin("PATCH", "/routes/p", json={"hosts": None, "methods": [], "tags": [], "headers": {}}).json
    assert (answer["hosts"], answer["methods"], answer["tags"], answer["headers"]) == (None, [], [], {})
    assert b'"methods":[]' in cluster.a.admin("GET", "/routes/p").body
    assert b'"headers":{}' in cluster.a.admin("GET", "/routes/p").body
    assert_answer(cluster.a.admin("PATCH", "/routes/p", json={"paths": None}), 400, rule(HTTPS))
    assert_answer(cluster.a.admin("PATCH", "/routes/p", json={"protocols": ["grpc"]}), 400, wrong("strip_path", cannot("strip_path", "'grpc' or 'grpcs'")))
    assert cluster.a.admin("PATCH", "/routes/p", json={"protocols": ["grpc"], "strip_path": False, "methods": None}).status == 200


@pytest.mark.parametrize("kind", KINDS)
def test_clashes(cluster, kind):
    make(cluster, name="one", paths=["/1"])
    assert_answer(send(cluster.a, kind, "POST", "/routes", PLAIN | {"name": "one"}), 409, clash('{name="one"}', {"name": "one"}))


@pytest.mark.parametrize("kind", KINDS)
def test_services_in_bodies(cluster, service, kind):
    for body, expected in (
            ({"id": NOWHERE}, {"code": 4, "name": "foreign key violation", "fields": {"service": {"id": NOWHERE}},
                               "message": f"the foreign key '{{id=\"{NOWHERE}\"}}' does not reference an existing 'services' entity."}),
            ({"id": "zz"}, violation({"service": {"id": "expected a valid UUID"}}, "service.id: expected a valid UUID")),
            ({"id": None}, violation({"service": {"id": "required field missing"}}, "service.id: required field missing")),
            ({"name": None}, violation({"service": {"id": "missing primary key"}}, "service.id: missing primary key")),
            ({"protocol": "http"}, violation({"service": {"id": "missing primary key"}}, "service.id: missing primary key")),
            ({"protocol": "foo"}, violation({"service": {"id": "missing primary key", "protocol": PROTOCOLS}},
                                            "service.id: missing primary key", f"service.protocol: {PROTOCOLS}")),
            ("x", violation({"service": {"id": "missing primary key"}}, "service.id: missing primary key")),
            ({"name": "non-existing"}, {
                "code": 13, "name": "foreign keys unresolved",
                "message": "foreign key unresolved (service.name: the foreign key cannot be resolved with '{name=\"non-existing\"}' for an "
                           "existing 'services' entity)",
                "fields": {"service": {"name": "the foreign key cannot be resolved with '{name=\"non-existing\"}' for an existing "
                                               "'services' entity"}}})):
        for method, path in (("POST", "/routes"), ("PUT", "/routes/n")):
            assert_answer(send(cluster.a, kind, method, path, PLAIN | {"service": body}), 400, expected)
    good = send(cluster.a, kind, "POST", "/routes", PLAIN | {"service": {"id": service["id"], "name": "other", "port": "junk"}})
    assert (good.status, good.json["service"]) == (201, {"id": service["id"]})


def test_a_name_that_cannot_be_resolved_hides_everything_else(cluster):
    answer = cluster.a.admin("POST", "/routes", json={"service": {"name": "zz"}, "paths": "junk", "foo": 1})
    assert (answer.status, answer.json["code"], list(answer.json["fields"])) == (400, 13, ["service"])


def test_service_given_as_an_empty_object(cluster):
    for empty in ({}, []):
        assert_answer(cluster.a.admin("POST", "/routes", json=PLAIN | {"service": empty}), 400,
                      violation({"service": {"id": "missing primary key"}}, "service.id: missing primary key"))


def test_delete(cluster):
    for key in ("id", "name"):
        made = make(cluster, name="gone", paths=["/g"])
        assert cluster.a.admin("POST", "/routes/gone/plugins", json={"name": "key-auth"}).status == 201
        answer = cluster.a.admin("DELETE", f"/routes/{made[key]}")
        assert (answer.status, answer.body) == (204, b"")
        assert_answer(cluster.a.admin("GET", f"/routes/{made['id']}"), 404, NOT_FOUND)
        assert cluster.a.admin("GET", "/plugins").json["data"] == []


def test_a_member_named_like_the_url_does_not_disturb(cluster):
    make(cluster, name="p", paths=["/p"])
    assert_answer(cluster.a.admin("PATCH", "/routes/p", json={"routes": "other"}), 400, wrong("routes", "unknown field"))
