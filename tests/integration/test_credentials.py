"""Credentials and groups of consumers (Admin API reference 2.14, 2.15, 4; plugins 0.3, 2-5)."""

import hashlib
import re

import pytest

from admin_api import (CREDENTIALS, KINDS, NOT_FOUND, NOWHERE, assert_answer, assert_stored, clash, new_id, rule, send, violation, without, wrong)
from pems import ECDSA, RSA_PUBLIC

pytestmark = pytest.mark.usefixtures("clean")

WORKSPACE = "5b1e0000-0000-4000-8000-000000000001"
MADE = re.compile(r"[0-9A-Za-z]{32}")
# Entity -> path below a consumer, the least body, the field that URLs may name it by, fields made by the server, the rest.
ENTITIES = {
    "basicauth_credentials": ("basic-auth", {"username": "bob", "password": "pw"}, "username", (), {}),
    "acls": ("acls", {"group": "gold"}, "group", (), {}),
    "jwt_secrets": ("jwt", {"key": "bob"}, "key", ("secret",), {"rsa_public_key": None, "algorithm": "HS256"}),
    "hmacauth_credentials": ("hmac-auth", {"username": "bob"}, "username", ("secret",), {}),
}
ORDER = {
    "basicauth_credentials": ["id", "created_at", "consumer", "username", "password", "tags"],
    "acls": ["id", "created_at", "consumer", "group", "tags"],
    "jwt_secrets": ["id", "created_at", "consumer", "key", "secret", "rsa_public_key", "algorithm", "tags"],
    "hmacauth_credentials": ["id", "created_at", "consumer", "username", "secret", "tags"],
}


def hashed(password, consumer):
    return hashlib.sha1((password + consumer["id"]).encode()).hexdigest()


def shown(body, consumer):
    return body | ({"password": hashed(body["password"], consumer)} if "password" in body else {})


@pytest.fixture
def owner(cluster):
    return cluster.consumer("c")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entity", ENTITIES)
def test_life(cluster, owner, entity, kind):
    nested, body, key, made_fields, rest = ENTITIES[entity]
    plural = CREDENTIALS[entity]
    made = send(cluster.a, kind, "POST", f"/consumers/c/{nested}", body | {"tags": ["t"]})
    assert made.status == 201, made
    made = made.json
    assert list(made) == ORDER[entity]
    assert without(made, "id", "created_at", *made_fields) == shown(body, owner) | rest | {"consumer": {"id": owner["id"]}, "tags": ["t"]}
    assert all(MADE.fullmatch(made[name]) for name in made_fields)
    for path in (f"/consumers/c/{nested}/{made['id']}", f"/consumers/{owner['id']}/{nested}/{body[key]}", f"{plural}/{made['id']}"):
        assert_stored(cluster, path, made)
    for path in (plural, f"{plural}?tags=t", f"/consumers/c/{nested}"):
        assert_answer(cluster.a.admin("GET", path), 200, {"data": [made], "next": None})
    assert cluster.a.admin("GET", f"{plural}?tags=u").json["data"] == []
    assert cluster.a.admin("GET", f"{plural}/{made['id']}/consumer").json["id"] == owner["id"]
    changed = send(cluster.a, kind, "PATCH", f"/consumers/c/{nested}/{body[key]}", {key: "eve", "tags": ["u"]})
    assert changed.status == 200, changed
    assert changed.json == made | {key: "eve", "tags": ["u"]}
    for method in ("GET", "PATCH", "DELETE"):
        data = {"json": {}} if method == "PATCH" else {}
        assert cluster.a.admin(method, f"/consumers/c/{nested}/{body[key]}", **data).status == 404
    assert cluster.a.admin("DELETE", f"/consumers/c/{nested}/eve").status == 204
    assert_answer(cluster.a.admin("GET", f"{plural}/{made['id']}"), 404, NOT_FOUND)
    assert cluster.a.admin("DELETE", f"{plural}/{made['id']}").status == 204


@pytest.mark.parametrize("entity", ENTITIES)
def test_by_themselves(cluster, owner, entity):
    _, body, key, _, rest = ENTITIES[entity]
    plural = CREDENTIALS[entity]
    missing = cluster.a.admin("POST", plural, json=body)
    assert_answer(missing, 400, wrong("consumer", "required field missing"))
    made = cluster.a.admin("POST", plural, json=body | {"consumer": {"username": "c"}})
    assert made.status == 201, made
    other = cluster.consumer("other")
    assert cluster.a.admin("GET", f"/consumers/other/{ENTITIES[entity][0]}/{made.json['id']}").status == 404
    assert cluster.a.admin("GET", f"/consumers/nobody/{ENTITIES[entity][0]}").status == 404
    child = new_id()
    put = cluster.a.admin("PUT", f"{plural}/{child}", json=body | {key: "new", "consumer": {"id": other["id"]}})
    assert (put.status, put.json["id"], put.json["consumer"]) == (200, child, {"id": other["id"]})
    again = cluster.a.admin("PUT", f"{plural}/{child}", json=body | {key: "newer", "consumer": {"id": owner["id"]}})
    assert without(again.json, "created_at", "secret") == {"id": child, "consumer": {"id": owner["id"]}, "tags": None} | rest | shown(body, owner) | {key: "newer"}
    assert_answer(cluster.a.admin("POST", plural, json=body | {"consumer": {"id": NOWHERE}, key: "z"}), 400,
                  {"code": 4, "name": "foreign key violation", "fields": {"consumer": {"id": NOWHERE}},
                   "message": f"the foreign key '{{id=\"{NOWHERE}\"}}' does not reference an existing 'consumers' entity."})
    unknown = cluster.a.admin("POST", plural, json=body | {"consumer": {"id": owner["id"]}, "ttl": 1})
    assert_answer(unknown, 400, wrong("ttl", "unknown field"))


@pytest.mark.parametrize("entity", ENTITIES)
def test_put_below_a_consumer(cluster, owner, entity):
    """By id, and by what URLs may name it by: the URL wins, what is there keeps its id."""
    nested, body, key, made_fields, rest = ENTITIES[entity]
    others = {name: value for name, value in body.items() if name != key}
    first = cluster.a.admin("PUT", f"/consumers/c/{nested}/x1", json=others)
    assert first.status == 200, first
    assert without(first.json, "id", "created_at", *made_fields) == shown(others, owner) | rest | {key: "x1", "consumer": {"id": owner["id"]}, "tags": None}
    second = cluster.a.admin("PUT", f"/consumers/c/{nested}/x1", json=others | {"tags": ["t"]})
    assert (second.json["id"], second.json["tags"]) == (first.json["id"], ["t"])
    third = cluster.a.admin("PUT", f"/consumers/c/{nested}/{first.json['id']}", json=body | {key: "x2"})
    assert (third.json["id"], third.json[key]) == (first.json["id"], "x2")
    assert_answer(cluster.a.admin("GET", CREDENTIALS[entity]), 200, {"data": [third.json], "next": None})


@pytest.mark.parametrize("entity", [name for name in ENTITIES if name != "acls"])
def test_names_are_unique_over_all_consumers(cluster, owner, entity):
    nested, body, key, _, _ = ENTITIES[entity]
    assert cluster.a.admin("POST", f"/consumers/c/{nested}", json=body).status == 201
    cluster.consumer("other")
    assert_answer(cluster.a.admin("POST", f"/consumers/other/{nested}", json=body), 409, clash(f'{{{key}="{body[key]}"}}', {key: body[key]}))
    made = cluster.a.admin("POST", f"/consumers/other/{nested}", json=body | {key: "b"}).json
    assert cluster.a.admin("PATCH", f"/consumers/other/{nested}/{made['id']}", json={key: body[key]}).status == 409


def test_groups_are_unique_for_one_consumer(cluster, owner):
    other = cluster.consumer("other")
    first = cluster.a.admin("POST", "/consumers/c/acls", json={"group": "g"}).json
    second = cluster.a.admin("POST", "/consumers/other/acls", json={"group": "g"}).json
    key = f'{{consumer={{id="{owner["id"]}"}},group="g"}}'
    assert_answer(cluster.a.admin("POST", "/consumers/c/acls", json={"group": "g"}), 409, clash(key, {"consumer": {"id": owner["id"]}, "group": "g"}))
    assert_answer(cluster.a.admin("GET", "/consumers/c/acls/g"), 200, first)
    assert_answer(cluster.a.admin("GET", "/consumers/other/acls/g"), 200, second)
    assert cluster.a.admin("PUT", "/consumers/other/acls/g", json={"tags": ["t"]}).json == second | {"tags": ["t"]}
    assert cluster.a.admin("DELETE", "/consumers/other/acls/g").status == 204
    assert_answer(cluster.a.admin("GET", "/consumers/c/acls/g"), 200, first)
    moved = cluster.a.admin("PATCH", f"/acls/{first['id']}", json={"consumer": {"id": other["id"]}})
    assert (moved.status, moved.json["consumer"]) == (200, {"id": other["id"]})
    for name in ("a b", "caf\u00e9", "x.y"):
        assert cluster.a.admin("POST", "/consumers/c/acls", json={"group": name}).json["group"] == name
    assert cluster.a.admin("GET", "/consumers/c/acls/a%20b").json["group"] == "a b"


def test_a_group_says_nothing_without_its_consumer(cluster, owner):
    assert cluster.a.admin("POST", "/consumers/c/acls", json={"group": "g"}).status == 201
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        data = {"json": {"group": "g"}} if method in ("PATCH", "PUT") else {}
        answer = cluster.a.admin(method, "/acls/g", **data)
        assert (answer.status, answer.json["code"]) == (400, 1)


@pytest.mark.parametrize("entity, key", [(entity, key) for entity, (_, _, key, _, _) in ENTITIES.items() if entity != "acls"])
def test_urls_name_credentials(cluster, owner, entity, key):
    nested, body, _, _, _ = ENTITIES[entity]
    plural = CREDENTIALS[entity]
    made = cluster.a.admin("POST", f"/consumers/c/{nested}", json=body).json
    assert_answer(cluster.a.admin("GET", f"{plural}/{body[key]}"), 200, made)
    assert cluster.a.admin("GET", f"{plural}/{body[key]}/consumer").json["id"] == owner["id"]
    assert cluster.a.admin("PATCH", f"{plural}/{body[key]}", json={"tags": ["t"]}).json == made | {"tags": ["t"]}
    assert cluster.a.admin("DELETE", f"{plural}/{body[key]}").status == 204


REFUSED = [
    ("basicauth_credentials", {}, violation({"username": "required field missing", "password": "required field missing"}, "password: required field missing",
                                            "username: required field missing")),
    ("basicauth_credentials", {"username": "u"}, wrong("password", "required field missing")),
    ("basicauth_credentials", {"username": "u", "password": ""}, wrong("password", "length must be at least 1")),
    ("basicauth_credentials", {"username": "u", "password": 7}, wrong("password", "expected a string")),
    ("acls", {}, wrong("group", "required field missing")),
    ("acls", {"group": ["g"]}, wrong("group", "expected a string")),
    ("hmacauth_credentials", {}, wrong("username", "required field missing")),
    ("hmacauth_credentials", {"username": "u", "secret": ""}, wrong("secret", "length must be at least 1")),
    ("jwt_secrets", {"algorithm": "none"}, wrong("algorithm", "expected one of: HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384")),
    ("jwt_secrets", {"foo": "bar"}, wrong("foo", "unknown field")),
] + [("jwt_secrets", {"algorithm": name} | more, violation(
    {"@entity": ["failed conditional validation given value of field 'algorithm'"], "rsa_public_key": text},
    "failed conditional validation given value of field 'algorithm'", f"rsa_public_key: {text}"))
     for name in ("RS256", "RS384", "RS512") for more, text in (({}, "required field missing"), ({"rsa_public_key": "x"}, "invalid key"),
                                                               ({"rsa_public_key": ECDSA}, "invalid key"))]


@pytest.mark.parametrize("entity, body, expected", REFUSED)
def test_what_is_wrong_is_told_to_the_letter(cluster, owner, entity, body, expected):
    nested = ENTITIES[entity][0]
    assert_answer(cluster.a.admin("POST", f"/consumers/c/{nested}", json=body), 400, expected)
    assert_answer(cluster.a.admin("PUT", f"/consumers/c/{nested}/{NOWHERE}", json=body), 400, expected)
    assert cluster.a.admin("GET", CREDENTIALS[entity]).json["data"] == []


def test_jwt_keys(cluster, owner):
    made = cluster.a.admin("POST", "/consumers/c/jwt", json={}).json
    assert MADE.fullmatch(made["key"]) and MADE.fullmatch(made["secret"]) and made["key"] != made["secret"]
    for name in ("RS256", "RS384", "RS512", "ES256", "ES384"):
        answer = cluster.a.admin("POST", "/consumers/c/jwt", json={"algorithm": name, "rsa_public_key": RSA_PUBLIC})
        assert (answer.status, answer.json["algorithm"], answer.json["rsa_public_key"]) == (201, name, RSA_PUBLIC)
    for name in ("HS512", "ES256"):
        assert cluster.a.admin("POST", "/consumers/c/jwt", json={"algorithm": name}).json["rsa_public_key"] is None
    assert_answer(cluster.a.admin("PATCH", f"/consumers/c/jwt/{made['id']}", json={"algorithm": "RS256"}), 400,
                  violation({"@entity": ["failed conditional validation given value of field 'algorithm'"], "rsa_public_key": "required field missing"},
                            "failed conditional validation given value of field 'algorithm'", "rsa_public_key: required field missing"))


def test_passwords(cluster, owner):
    """Every write that brings a password hashes it; one that does not leaves it alone."""
    made = cluster.a.admin("POST", "/consumers/c/basic-auth", json={"username": "u", "password": "pw"}).json
    assert made["password"] == hashed("pw", owner)
    assert cluster.a.admin("PATCH", "/consumers/c/basic-auth/u", json={"tags": ["t"]}).json["password"] == made["password"]
    assert cluster.a.admin("PATCH", "/basic-auths/u", json={"username": "v"}).json["password"] == made["password"]
    assert cluster.a.admin("PATCH", "/consumers/c/basic-auth/v", json={"password": "\u00fcber"}).json["password"] == hashed("\u00fcber", owner)
    shown_hash = hashed("\u00fcber", owner)
    assert cluster.a.admin("PUT", "/basic-auths/v", json={"password": shown_hash, "consumer": {"username": "c"}}).json["password"] == hashed(shown_hash, owner)
    together = rule("all or none of these fields must be set: 'password', 'consumer.id'")
    assert_answer(cluster.a.admin("PATCH", "/basic-auths/v", json={"password": "x"}), 400, together)
    other = cluster.consumer("other")
    assert_answer(cluster.a.admin("PATCH", "/basic-auths/v", json={"consumer": {"id": other["id"]}}), 400, together)
    moved = cluster.a.admin("PATCH", "/basic-auths/v", json={"consumer": {"username": "other"}, "password": "x"})
    assert (moved.json["consumer"], moved.json["password"]) == ({"id": other["id"]}, hashed("x", other))
    assert "pw" not in "".join(node.log() for node in cluster.nodes)


@pytest.mark.parametrize("entity", ENTITIES)
def test_answers_name_the_cache_key(cluster, owner, entity):
    nested, body, key, _, _ = ENTITIES[entity]
    answer = cluster.a.admin("POST", f"/consumers/c/{nested}", json=body)
    expected = f"{owner['id']}:{body[key]}:" if entity == "acls" else f"{body[key]}::"
    assert answer.headers["X-Cache-Key"] == f"{entity}:{expected}:::{WORKSPACE}"


def test_all_go_with_their_consumer(cluster, owner):
    for nested, body, _, _, _ in ENTITIES.values():
        assert cluster.a.admin("POST", f"/consumers/c/{nested}", json=body).status == 201
    assert cluster.a.admin("POST", "/consumers/c/acls", json={"group": "silver"}).status == 201
    cluster.key("k")
    assert cluster.a.admin("DELETE", "/consumers/c").status == 204
    rows = cluster.sql("SELECT entity, kind FROM cluster_log WHERE pos = (SELECT max(pos) FROM cluster_log)").splitlines()
    assert sorted(row.split("|")[0] for row in rows) == sorted(["consumers", "keyauth_credentials", *ENTITIES, "acls"])
    for entity, plural in CREDENTIALS.items():
        assert cluster.b.admin("GET", plural).json["data"] == []
        assert cluster.sql(f"SELECT count(*) FROM {entity}") == "0"


def test_rows_of_plugins_that_are_switched_off(own_cluster, postgres):
    cluster = own_cluster(redis=False, postgres=postgres, names=("a",))
    cluster.consumer("c")
    for nested, body, _, _, _ in ENTITIES.values():
        assert cluster.a.admin("POST", f"/consumers/c/{nested}", json=body).status == 201
    cluster.a.stop()
    cluster.a.settings["plugins"] = "off"
    cluster.a.start()
    for entity, (nested, _, _, _, _) in ENTITIES.items():
        for path in (CREDENTIALS[entity], f"/consumers/c/{nested}"):
            assert_answer(cluster.a.admin("GET", path), 404, NOT_FOUND)
        assert_answer(cluster.a.admin("GET", f"/schemas/{entity}"), 404, {"message": f"No entity named '{entity}'"})
    assert cluster.a.admin("DELETE", "/consumers/c").status == 204
    assert all(cluster.sql(f"SELECT count(*) FROM {entity}") == "0" for entity in ENTITIES)
