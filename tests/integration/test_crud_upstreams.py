"""Upstreams and their targets (Admin API reference 2.5, 2.6; checklist 184-215, 224-230, 234-239)."""

import pytest

from admin_api import (BAD_JSON, KINDS, NO_METHOD, NOT_FOUND, NOWHERE, assert_answer, assert_stored, clash, impossible, missing, new_id, send, violation,
                       without, wrong)

pytestmark = pytest.mark.usefixtures("clean")

HEALTHCHECKS = {
    "passive": {"healthy": {"successes": 0, "http_statuses": [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308]},
                "unhealthy": {"tcp_failures": 0, "http_statuses": [429, 500, 503], "http_failures": 0, "timeouts": 0},
                "type": "http"},
    "active": {"type": "http", "concurrency": 10, "http_path": "/", "https_sni": None, "https_verify_certificate": True,
               "healthy": {"http_statuses": [200, 302], "successes": 0, "interval": 0},
               "unhealthy": {"http_statuses": [429, 404, 500, 501, 502, 503, 504, 505], "tcp_failures": 0, "timeouts": 0, "http_failures": 0, "interval": 0},
               "timeout": 1, "headers": None},
    "threshold": 0}
DEFAULTS = {"algorithm": "round-robin", "hash_on": "none", "hash_fallback": "none", "hash_on_header": None, "hash_fallback_header": None,
            "hash_on_cookie": None, "hash_on_cookie_path": "/", "hash_on_query_arg": None, "hash_fallback_query_arg": None, "hash_on_uri_capture": None,
            "hash_fallback_uri_capture": None, "slots": 10000, "healthchecks": HEALTHCHECKS, "tags": None, "host_header": None, "client_certificate": None,
            "use_srv_name": False}


def make(cluster, path="/upstreams", kind="json", **fields):
    answer = send(cluster.a, kind, "POST", path, fields)
    assert answer.status == 201, answer
    return answer.json


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_is_enough(cluster, kind):
    made = make(cluster, kind=kind, name="u.test")
    assert without(made, "id", "created_at", "updated_at") == DEFAULTS | {"name": "u.test"}
    assert list(made)[:4] == ["id", "created_at", "name", "updated_at"]
    assert list(made["healthchecks"]["passive"]) == ["healthy", "unhealthy", "type"]
    assert_stored(cluster, f"/upstreams/{made['id']}", made)
    assert_stored(cluster, "/upstreams/u.test", made)
    assert cluster.a.admin("GET", "/upstreams/u.test").headers["X-Cache-Key"].startswith(f"upstreams:{made['id']}:::::")


HASHING = {"algorithm": "consistent-hashing"}
KEPT = [  # given, and what else comes of it
    ({"slots": 10, "hash_on": "consumer", "hash_fallback": "ip"}, HASHING),
    ({"slots": 65536}, {}),
    ({"hash_on": "cookie", "hash_on_cookie": "c", "hash_on_cookie_path": "/p"}, HASHING),
    ({"hash_on": "header", "hash_on_header": "A", "hash_fallback": "header", "hash_fallback_header": "B"}, HASHING),
    ({"hash_on": "header", "hash_on_header": "A", "hash_fallback": "cookie", "hash_on_cookie": "c"}, HASHING),
    ({"hash_on": "query_arg", "hash_on_query_arg": "q", "hash_fallback": "query_arg", "hash_fallback_query_arg": "r"}, HASHING),
    ({"hash_on": "uri_capture", "hash_on_uri_capture": "q", "hash_fallback": "none"}, HASHING),
    ({"hash_on": "path", "hash_fallback": "ip"}, HASHING),
    ({"hash_on": "ip", "hash_fallback": "consumer"}, HASHING),
    ({"host_header": "h.test"}, {}),
    ({"host_header": "h.test:80"}, {}),
    ({"use_srv_name": True, "tags": ["t"]}, {}),
    ({"algorithm": "least-connections"}, {}),
    ({"algorithm": "latency"}, {}),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given, more", KEPT)
def test_what_is_kept(cluster, kind, given, more):
    made = make(cluster, kind=kind, name="u", **given)
    assert without(made, "id", "created_at", "updated_at") == DEFAULTS | {"name": "u"} | given | more
    assert_stored(cluster, "/upstreams/u", made)


def test_algorithm_and_hash_follow_each_other(cluster):
    def state(answer):
        assert answer.status in (200, 201), answer
        return answer.json["algorithm"], answer.json["hash_on"]

    assert state(cluster.a.admin("POST", "/upstreams", json={"name": "u", "algorithm": "consistent-hashing"})) == ("round-robin", "none")
    for change, expected in (({"hash_on": "ip"}, ("consistent-hashing", "ip")), ({"algorithm": "round-robin"}, ("consistent-hashing", "ip")),
                             ({"algorithm": "least-connections"}, ("least-connections", "none")), ({"hash_on": "ip"}, ("least-connections", "none")),
                             ({"algorithm": "round-robin"}, ("round-robin", "none")), ({"hash_on": "ip"}, ("consistent-hashing", "ip")),
                             ({"hash_on": None}, ("round-robin", "none")), ({"algorithm": None}, ("round-robin", "none"))):
        assert state(cluster.a.admin("PATCH", "/upstreams/u", json=change)) == expected
        assert state(cluster.b.admin("GET", "/upstreams/u")) == expected


def test_what_is_stored_obeys_its_own_rules(cluster):
    for given in ({"algorithm": "latency", "hash_on": "consumer", "hash_fallback": "ip"}, {"hash_on": None, "hash_fallback": "ip"}, {"hash_fallback": None}):
        made = make(cluster, name="u", **given)
        assert (made["hash_on"], made["hash_fallback"]) == ("none", None if given["hash_fallback"] is None else "none")
        again = cluster.a.admin("PATCH", "/upstreams/u", json={})
        assert (again.status, without(again.json, "updated_at")) == (200, without(made, "updated_at"))
        assert cluster.a.admin("DELETE", "/upstreams/u").status == 204


def conditional(given, field, text):
    sentence = f"failed conditional validation given value of field '{given}'"
    return violation({"@entity": [sentence], field: text}, sentence, f"{field}: {text}")


def distinct(*names):
    sentence = "values of these fields must be distinct: " + ", ".join(f"'{name}'" for name in names)
    return violation({"@entity": [sentence]}, sentence)


def fallbacks(*choices):
    return "expected one of: " + ", ".join(choices)


REQUIRED = "required field missing"
HASHES = ("none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture")
REFUSED = [
    ({"name": None}, wrong("name", REQUIRED)),
    ({"name": "x y"}, wrong("name", "Invalid name ('x y'); must be a valid hostname")),
    ({"name": "10.0.0.1"}, wrong("name", "Invalid name ('10.0.0.1'); no ip addresses allowed")),
    ({"name": "::1"}, wrong("name", "Invalid name ('::1'); no ip addresses allowed")),
    ({"name": "a.test:80"}, wrong("name", "Invalid name ('a.test:80'); no port allowed")),
    ({"slots": 9}, wrong("slots", "value should be between 10 and 65536")),
    ({"slots": 65537}, wrong("slots", "value should be between 10 and 65536")),
    ({"algorithm": "x"}, wrong("algorithm", "expected one of: consistent-hashing, least-connections, round-robin, latency")),
    ({"hash_on": "x"}, wrong("hash_on", fallbacks(*HASHES))),
    ({"hash_on": "consumer", "hash_fallback": "x"},
     conditional("hash_on", "hash_fallback", fallbacks("none", "ip", "header", "cookie", "path", "query_arg", "uri_capture"))),
    ({"hash_on": "header", "hash_on_header": "A", "hash_fallback": "x"}, wrong("hash_fallback", fallbacks(*HASHES))),
    ({"hash_on": "consumer", "hash_fallback": "consumer"},
     conditional("hash_on", "hash_fallback", fallbacks("none", "ip", "header", "cookie", "path", "query_arg", "uri_capture"))),
    ({"hash_on": "ip", "hash_fallback": "ip"},
     conditional("hash_on", "hash_fallback", fallbacks("none", "consumer", "header", "cookie", "path", "query_arg", "uri_capture"))),
    ({"hash_on": "path", "hash_fallback": "path"},
     conditional("hash_on", "hash_fallback", fallbacks("none", "consumer", "header", "cookie", "query_arg", "ip", "uri_capture"))),
    ({"hash_fallback": "ip"}, conditional("hash_on", "hash_fallback", fallbacks("none"))),
    ({"hash_on": "cookie", "hash_on_cookie": "c", "hash_fallback": "ip"}, conditional("hash_on", "hash_fallback", fallbacks("none"))),
    ({"hash_on": "header"}, conditional("hash_on", "hash_on_header", REQUIRED)),
    ({"hash_on": "cookie"}, conditional("hash_on", "hash_on_cookie", REQUIRED)),
    ({"hash_on": "query_arg"}, conditional("hash_on", "hash_on_query_arg", REQUIRED)),
    ({"hash_on": "uri_capture"}, conditional("hash_on", "hash_on_uri_capture", REQUIRED)),
    ({"hash_on": "consumer", "hash_fallback": "header"}, conditional("hash_fallback", "hash_fallback_header", REQUIRED)),
    ({"hash_on": "consumer", "hash_fallback": "cookie"}, conditional("hash_fallback", "hash_on_cookie", REQUIRED)),
    ({"hash_on": "consumer", "hash_fallback": "query_arg"}, conditional("hash_fallback", "hash_fallback_query_arg", REQUIRED)),
    ({"hash_on": "consumer", "hash_fallback": "uri_capture"}, conditional("hash_fallback", "hash_fallback_uri_capture", REQUIRED)),
    ({"hash_on": "header", "hash_on_header": "A", "hash_fallback": "header", "hash_fallback_header": "A"}, distinct("hash_on_header", "hash_fallback_header")),
    ({"hash_on": "query_arg", "hash_on_query_arg": "a", "hash_fallback": "query_arg", "hash_fallback_query_arg": "a"},
     distinct("hash_on_query_arg", "hash_fallback_query_arg")),
    ({"hash_on": "uri_capture", "hash_on_uri_capture": "a", "hash_fallback": "uri_capture", "hash_fallback_uri_capture": "a"},
     distinct("hash_on_uri_capture", "hash_fallback_uri_capture")),
    ({"hash_on": "header", "hash_on_header": "not a header"},
     wrong("hash_on_header", "bad header name 'not a header', allowed characters are A-Z, a-z, 0-9, '_', and '-'")),
    ({"hash_on": "consumer", "hash_fallback": "header", "hash_fallback_header": "no header"},
     wrong("hash_fallback_header", "bad header name 'no header', allowed characters are A-Z, a-z, 0-9, '_', and '-'")),
    ({"hash_on": "cookie", "hash_on_cookie": "not a cookie"},
     wrong("hash_on_cookie", "bad cookie name 'not a cookie', allowed characters are A-Z, a-z, 0-9, '_', and '-'")),
    ({"hash_on": "cookie", "hash_on_cookie": "c", "hash_on_cookie_path": "x"}, wrong("hash_on_cookie_path", "should start with: /")),
    ({"host_header": "a b"}, wrong("host_header", "invalid hostname: a b")),
    ({"host_header": "a:99999"}, wrong("host_header", "invalid port number")),
    ({"healthchecks": {"threshold": 101}}, violation({"healthchecks": {"threshold": "value should be between 0 and 100"}},
                                                     "healthchecks.threshold: value should be between 0 and 100")),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given, expected", REFUSED)
def test_what_is_wrong_is_told_to_the_letter(cluster, kind, given, expected):
    body = {"name": "u"} | given
    if kind != "json":
        body = {name: value for name, value in body.items() if value is not None}
    assert_answer(send(cluster.a, kind, "POST", "/upstreams", body), 400, expected)
    assert cluster.a.admin("GET", "/upstreams").json["data"] == []


BAD_CHECKS = [
    ({"passive": {"healthy": {"successes": 256}}}, "value should be between 0 and 255"),
    ({"passive": {"unhealthy": {"http_statuses": [99]}}}, "value should be between 100 and 999"),
    ({"passive": {"type": "x"}}, "expected one of: tcp, http, https, grpc, grpcs"),
    ({"active": {"concurrency": 0}}, "value should be between 1 and 2147483648"),
    ({"active": {"timeout": -1}}, "value should be between 0 and 65535"),
    ({"active": {"healthy": {"interval": 65536}}}, "value should be between 0 and 65535"),
    ({"active": {"http_path": "x"}}, "should start with: /"),
    ({"active": {"https_sni": "1.2.3.4"}}, "must not be an IP"),
    ({"active": {"headers": {"a b": ["x"]}}}, "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"),
    ({"active": {"headers": {"a": "x"}}}, "expected an array"),
    ({"active": {"unknown": 1}}, "unknown field"),
]


@pytest.mark.parametrize("checks, text", BAD_CHECKS)
def test_health_checks_have_bounds(cluster, checks, text):
    answer = cluster.a.admin("POST", "/upstreams", json={"name": "u", "healthchecks": checks})
    assert answer.status == 400 and text in answer.json["message"], answer


def test_health_checks_merge_deeply(cluster):
    make(cluster, name="u")
    answer = cluster.a.admin("PATCH", "/upstreams/u", json={"healthchecks": {"active": {"healthy": {"interval": 0.5}}, "threshold": 99.5}})
    expected = HEALTHCHECKS | {"threshold": 99.5, "active": HEALTHCHECKS["active"] | {"healthy": HEALTHCHECKS["active"]["healthy"] | {"interval": 0.5}}}
    assert answer.json["healthchecks"] == expected
    assert cluster.b.admin("GET", "/upstreams/u").json["healthchecks"] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_put_of_an_upstream(cluster, kind):
    made = send(cluster.a, kind, "PUT", "/upstreams/u.test", {"slots": 100})
    assert (made.status, made.json["name"], made.json["slots"]) == (200, "u.test", 100)
    again = send(cluster.a, kind, "PUT", f"/upstreams/{made.json['id']}", {"name": "new", "slots": 123})
    assert (again.status, again.json["id"], again.json["name"], again.json["slots"]) == (200, made.json["id"], "new", 123)
    assert_answer(send(cluster.a, kind, "PUT", f"/upstreams/{new_id()}", {}), 400, wrong("name", REQUIRED))
    assert_answer(send(cluster.a, kind, "PUT", "/upstreams/1.2.3.4", {}), 400, impossible("name", "Invalid name ('1.2.3.4'); no ip addresses allowed"))
    assert_answer(send(cluster.a, kind, "POST", "/upstreams", {"name": "new"}), 409, clash('{name="new"}', {"name": "new"}))


def test_lists_of_upstreams(cluster):
    assert_answer(cluster.a.admin("GET", "/upstreams", headers={"Content-Type": "application/json"}, data="{junk"), 200, {"data": [], "next": None})
    made = sorted(make(cluster, name=f"u{number}")["id"] for number in range(10))
    assert [row["id"] for row in cluster.a.admin("GET", "/upstreams?foo=bar").json["data"]] == made
    page = cluster.a.admin("GET", "/upstreams?size=4").json
    assert [row["id"] for row in page["data"]] == made[:4]
    assert [row["id"] for row in cluster.a.admin("GET", page["next"]).json["data"]] == made[4:8]
    assert_answer(cluster.a.admin("DELETE", "/upstreams"), 405, NO_METHOD)
    assert_answer(cluster.a.admin("POST", "/upstreams", headers={"Content-Type": "application/json"}, data='{"name"'), 400, BAD_JSON)
    assert_answer(cluster.a.admin("PATCH", "/upstreams/nobody", json={}), 404, missing("name", "nobody"))


@pytest.mark.parametrize("key", ["id", "name"])
def test_delete_takes_the_targets_along(cluster, key):
    made = make(cluster, name="u")
    for target in ("a", "b"):
        make(cluster, "/upstreams/u/targets", target=target)
    before = cluster.a.applied()
    assert cluster.a.admin("DELETE", f"/upstreams/{made[key]}").status == 204
    assert cluster.sql(f"SELECT entity FROM cluster_log WHERE pos = {before + 1} ORDER BY entity").split() == ["targets", "targets", "upstreams"]
    assert_answer(cluster.a.admin("GET", "/upstreams/u/targets"), 404, NOT_FOUND)


# ---- targets ----

STORED = [
    ("a.test", "a.test:8000"), ("a.test:80", "a.test:80"), ("1.2.3.4", "1.2.3.4:8000"), ("01.002.3.4:99", "1.2.3.4:99"),
    ("[::1]:80", "[0000:0000:0000:0000:0000:0000:0000:0001]:80"), ("::1", "[0000:0000:0000:0000:0000:0000:0000:0001]:8000"),
    ("[2001:DB8::a]", "[2001:0db8:0000:0000:0000:0000:0000:000a]:8000"), ("a.test:0", "a.test:0"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given, stored", STORED)
def test_a_target_has_one_form(cluster, kind, given, stored):
    upstream = make(cluster, name="u")
    made = make(cluster, "/upstreams/u/targets", kind, target=given)
    assert list(made) == ["id", "created_at", "updated_at", "upstream", "target", "weight", "tags"]
    assert without(made, "id", "created_at", "updated_at") == {"upstream": {"id": upstream["id"]}, "target": stored, "weight": 100, "tags": None}
    assert made["created_at"] == made["updated_at"] > 1700000000
    assert_stored(cluster, f"/upstreams/u/targets/{stored}", made)
    assert_stored(cluster, f"/upstreams/{upstream['id']}/targets/{made['id']}", made)
    answer = cluster.a.admin("GET", f"/upstreams/u/targets/{made['id']}")
    assert answer.headers["X-Cache-Key"].startswith(f"targets:{upstream['id']}:")
    assert_answer(send(cluster.a, kind, "POST", "/upstreams/u/targets", {"target": stored}), 409,
                  clash(f'{{target="{stored}",upstream={{id="{upstream["id"]}"}}}}', {"target": stored, "upstream": {"id": upstream["id"]}}))


@pytest.mark.parametrize("kind", KINDS)
def test_weights(cluster, kind):
    make(cluster, name="u")
    for weight in (0, 99, 65535):
        made = make(cluster, "/upstreams/u/targets", kind, target=f"w{weight}", weight=weight, tags=["t"])
        assert (made["weight"], made["tags"]) == (weight, ["t"])
        assert_stored(cluster, f"/upstreams/u/targets/{made['target']}", made)


INVALID = "Invalid target; not a valid hostname or ip address"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_target(cluster, kind):
    make(cluster, name="u")
    path = "/upstreams/u/targets"
    assert_answer(send(cluster.a, kind, "POST", path, {}), 400, wrong("target", REQUIRED))
    for bad in ("a b", "a.test:99999", "1.2.3.400", "1.2.3", "[a.test]:80", "a.test:", "a..b", "[::1", "[::1]80x", ":80"):
        assert_answer(send(cluster.a, kind, "POST", path, {"target": bad}), 400, wrong("target", INVALID))
    assert_answer(send(cluster.a, kind, "POST", path, {"target": "a", "weight": 65536}), 400, wrong("weight", "value should be between 0 and 65535"))
    made = make(cluster, path, target="a")
    for method in ("PATCH", "PUT"):
        assert_answer(send(cluster.a, kind, method, f"{path}/{made['id']}", {"target": "a b"}), 400,
                      wrong("target", "Invalid target ('a b'); not a valid hostname or ip address"))
    assert_answer(cluster.a.admin("POST", path, headers={"Content-Type": "application/json"}, data='{"target"'), 400, BAD_JSON)


def test_targets_are_reached_through_their_upstream_alone(cluster):
    make(cluster, name="u")
    made = make(cluster, "/upstreams/u/targets", target="a")
    for path in ("/targets", f"/targets/{made['id']}", f"/targets/{made['id']}/upstream"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            assert_answer(cluster.a.admin(method, path), 404, NOT_FOUND)
    for method in ("PUT", "PATCH", "DELETE"):
        assert_answer(cluster.a.admin(method, "/upstreams/u/targets", json={}), 405, NO_METHOD)
    assert_answer(cluster.a.admin("POST", "/upstreams/u/targets/all", json={}), 405, NO_METHOD)


def test_the_same_target_of_two_upstreams(cluster):
    make(cluster, name="u")
    make(cluster, name="v")
    of_u, of_v = (make(cluster, f"/upstreams/{name}/targets", target="a") for name in "uv")
    for name, own, other in (("u", of_u, of_v), ("v", of_v, of_u)):
        assert_answer(cluster.a.admin("GET", f"/upstreams/{name}/targets/a:8000"), 200, own)
        assert_answer(cluster.a.admin("GET", f"/upstreams/{name}/targets/{other['id']}"), 404, NOT_FOUND)
        assert_answer(cluster.a.admin("PUT", f"/upstreams/{name}/targets/{other['id']}", json={}), 404, NOT_FOUND)
    assert cluster.a.admin("DELETE", "/upstreams/u/targets/a:8000").status == 204
    assert_answer(cluster.a.admin("DELETE", "/upstreams/u/targets/a:8000"), 404, NOT_FOUND)
    assert_answer(cluster.a.admin("GET", "/upstreams/v/targets/a:8000"), 200, of_v)


@pytest.mark.parametrize("kind", KINDS)
def test_put_and_patch_change_a_target(cluster, kind):
    make(cluster, name="u")
    made = make(cluster, "/upstreams/u/targets", target="a", tags=["t"])
    for method, key, weight in (("PATCH", made["id"], 1), ("PUT", made["id"], 2), ("PUT", "a:8000", 3), ("PATCH", "a:8000", 4)):
        answer = send(cluster.a, kind, method, f"/upstreams/u/targets/{key}", {"weight": weight})
        assert (answer.status, without(answer.json, "updated_at")) == (200, without(made, "updated_at") | {"weight": weight})
        assert answer.json["updated_at"] >= made["updated_at"]
        assert_stored(cluster, "/upstreams/u/targets/a:8000", answer.json)
    moved = send(cluster.a, kind, "PATCH", "/upstreams/u/targets/a:8000", {"target": "b:1"})
    assert (moved.status, moved.json["target"]) == (200, "b:1")
    for key in ("nobody:1", NOWHERE):
        for method in ("PUT", "PATCH"):
            assert_answer(send(cluster.a, kind, method, f"/upstreams/u/targets/{key}", {"weight": 1}), 404, NOT_FOUND)
    assert len(cluster.a.admin("GET", "/upstreams/u/targets").json["data"]) == 1


def test_lists_of_targets(cluster):
    make(cluster, name="u")
    for path in ("/upstreams/u/targets", "/upstreams/u/targets/", "/upstreams/u/targets/all"):
        assert_answer(cluster.a.admin("GET", path), 200, {"data": [], "next": None})
    made = [make(cluster, "/upstreams/u/targets", target=f"t{number}", weight=number, created_at=1700000000.25 + number) for number in range(10)]
    newest = [row["id"] for row in reversed(made)]

    def ids(path):
        answer = cluster.a.admin("GET", path)
        assert answer.status == 200, answer
        return [row["id"] for row in answer.json["data"]], answer.json

    assert ids("/upstreams/u/targets")[0] == ids("/upstreams/u/targets/")[0] == newest
    found, page = ids("/upstreams/u/targets?size=4")
    assert (found, page["offset"], page["next"]) == (newest[:4], "4", "/upstreams/u/targets?offset=4")
    assert ids("/upstreams/u/targets?size=4&offset=8")[0] == newest[8:]
    assert ids("/upstreams/u/targets?size=5000")[0] == newest
    assert ids("/upstreams/u/targets?size=0")[0] == newest[:1]
    for offset in ("x", "-1", "", "99999999999999999999"):
        answer = cluster.a.admin("GET", f"/upstreams/u/targets?offset={offset}")
        assert (answer.status, answer.json["code"]) == (400, 7)

    by_id, all_of_them = sorted(newest), []
    path, sizes = "/upstreams/u/targets/all?size=3", []
    while path:
        found, page = ids(path)
        all_of_them += found
        sizes.append(len(found))
        if page["next"]:
            assert isinstance(page["offset"], str)
            assert page["next"].startswith("/upstreams/u/targets/all?offset=") and "size" not in page["next"]
        path = page["next"] and page["next"] + "&size=3"
    assert (sizes, all_of_them) == ([3, 3, 3, 1], by_id)
    answer = cluster.a.admin("GET", "/upstreams/u/targets/all?foo=bar", headers={"Content-Type": "application/json"}, data="{junk")
    assert [row["id"] for row in answer.json["data"]] == by_id
