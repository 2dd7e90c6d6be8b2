"""Keys and their sets (Admin API reference 2.12; checklist 482-489)."""

import json

import pytest

from admin_api import KINDS, NO_METHOD, NOT_FOUND, NOWHERE, assert_answer, assert_stored, clash, missing, new_id, rule, send, without, wrong
from pems import ECDSA, RSA_KEY, RSA_PUBLIC, jwk_of_rsa

pytestmark = pytest.mark.usefixtures("clean")

LOAD = "could not load JWK, likely not a valid key"


def make(cluster, path, kind="json", **fields):
    answer = send(cluster.a, kind, "POST", path, fields)
    assert answer.status == 201, answer
    return answer.json


@pytest.mark.parametrize("kind", KINDS)
def test_key_sets(cluster, kind):
    made = make(cluster, "/key-sets", kind, name="a set", tags=["t"])
    assert list(made) == ["id", "name", "tags", "created_at", "updated_at"]
    assert without(made, "id", "created_at", "updated_at") == {"name": "a set", "tags": ["t"]}
    assert_stored(cluster, f"/key-sets/{made['id']}", made)
    assert_stored(cluster, "/key-sets/a%20set", made)
    assert_answer(send(cluster.a, kind, "POST", "/key-sets", {"name": "a set"}), 409, clash('{name="a set"}', {"name": "a set"}))
    renamed = send(cluster.a, kind, "PATCH", f"/key-sets/{made['id']}", {"name": "changed"})
    assert (renamed.status, renamed.json["name"]) == (200, "changed")
    put = send(cluster.a, kind, "PUT", "/key-sets/other", {"tags": ["x"]})
    assert (put.status, put.json["name"], put.json["tags"]) == (200, "other", ["x"])
    assert cluster.a.admin("DELETE", "/key-sets/other").status == 204
    assert make(cluster, "/key-sets")["name"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_in_pem(cluster, kind):
    made = make(cluster, "/keys", kind, name="p", kid="p", pem={"public_key": RSA_PUBLIC, "private_key": RSA_KEY})
    assert list(made) == ["id", "set", "name", "kid", "jwk", "pem", "tags", "created_at", "updated_at"]
    assert (made["set"], made["jwk"], made["pem"]) == (None, None, {"private_key": RSA_KEY, "public_key": RSA_PUBLIC})
    assert_stored(cluster, "/keys/p", made)
    changed = send(cluster.a, kind, "PATCH", f"/keys/{made['id']}", {"name": "q"})
    assert without(changed.json, "name", "updated_at") == without(made, "name", "updated_at")
    assert cluster.a.admin("GET", "/keys/q").headers["X-Cache-Key"] == "keys:p:"


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_as_jwk(cluster, kind):
    jwk = jwk_of_rsa("j")
    made = make(cluster, "/keys", kind, name="j", kid="j", jwk=jwk)
    assert (made["jwk"], made["pem"]) == (jwk, None)
    assert_stored(cluster, f"/keys/{made['id']}", made)
    assert send(cluster.a, kind, "PATCH", "/keys/j", {"name": "changed"}).json["jwk"] == jwk


JWKS = [
    ({"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}, True),
    ({"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
      "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}, True),
    ({"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"}, False),
    ({"kty": "EC", "crv": "P-999", "x": "MKBC", "y": "4Etl"}, False),
    ({"kty": "EC", "crv": "P-256", "x": "M" * 400, "y": "4Etl"}, False),
    ({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, True),
    ({"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, True),
    ({"kty": "OKP", "crv": "Ed25519", "x": "11qY"}, False),
    ({"kty": "RSA", "n": "AQAB"}, False),
    ({"kty": "RSA", "e": "AQAB", "n": "not base64url!"}, False),
    ({"kty": "RSA", "e": "AQAB", "n": 7}, False),
    ({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}, False),
    ({"kty": 7}, False),
    ({}, False),
]


@pytest.mark.parametrize("jwk, good", JWKS)
def test_which_jwks_are_keys(cluster, jwk, good):
    answer = cluster.a.admin("POST", "/keys", json={"kid": "k", "jwk": json.dumps(jwk | {"kid": "k"})})
    if good:
        assert answer.status == 201, answer
    else:
        assert_answer(answer, 400, rule(LOAD))


REFUSED = [
    ({}, {"kid": "required field missing"}),
    ({"kid": "k"}, rule("at least one of these fields must be non-empty: 'pem', 'jwk'")),
    ({"kid": "k", "jwk": "{", "pem": {"public_key": RSA_PUBLIC}}, None),
    ({"kid": "k", "jwk": "{"}, rule("could not json decode jwk string")),
    ({"kid": "k", "jwk": "[]x"}, rule("could not json decode jwk string")),
    ({"kid": "k", "jwk": '{"kty":"RSA"}'}, rule("kid in jwk.kid must be equal to keys.kid")),
    ({"kid": "k", "jwk": jwk_of_rsa("other")}, rule("kid in jwk.kid must be equal to keys.kid")),
    ({"kid": "k", "jwk": {"kid": "k"}}, wrong("jwk", "expected a string")),
    ({"kid": "k", "pem": {"public_key": "x"}}, wrong("pem", "could not load public key")),
    ({"kid": "k", "pem": {"public_key": ECDSA}}, wrong("pem", "could not load public key")),
    ({"kid": "k", "pem": {"private_key": RSA_KEY}}, wrong("pem", "could not load public key")),
    ({"kid": "k", "pem": {"public_key": RSA_PUBLIC, "private_key": RSA_PUBLIC}}, wrong("pem", "could not load private key")),
]


@pytest.mark.parametrize("body, expected", REFUSED)
def test_what_is_no_key(cluster, body, expected):
    answer = cluster.a.admin("POST", "/keys", json=body)
    assert answer.status == 400
    if expected is not None and "code" in expected:
        assert_answer(answer, 400, expected)
    elif expected is not None:
        assert answer.json["fields"]["kid"] == "required field missing"
    else:
        assert "only one or none of these fields must be set: 'pem', 'jwk'" in answer.json["fields"]["@entity"]
    assert cluster.a.admin("GET", "/keys").json["data"] == []


def test_references_to_secrets_are_stored_as_they_are(cluster):
    for body in ({"jwk": "{vault://env/jwk}"}, {"pem": {"public_key": "{vault://env/a}", "private_key": "{vault://env/b}"}}):
        made = make(cluster, "/keys", kid=new_id(), **body)
        assert {name: made[name] for name in body} == body


def test_a_kid_is_unique_within_its_set(cluster):
    make(cluster, "/key-sets", name="s")
    key = {"kid": "k", "pem": {"public_key": RSA_PUBLIC}}
    make(cluster, "/keys", **key)
    assert_answer(cluster.a.admin("POST", "/keys", json=key), 409, clash('{kid="k",set=null}', {"kid": "k", "set": None}))
    inner = make(cluster, "/key-sets/s/keys", **key)
    assert_answer(cluster.a.admin("GET", f"/keys/{inner['id']}/set"), 200, cluster.a.admin("GET", "/key-sets/s").json)
    again = cluster.a.admin("POST", "/keys", json=key | {"set": {"name": "s"}})
    assert_answer(again, 409, clash(f'{{kid="k",set={{id="{inner["set"]["id"]}"}}}}', {"kid": "k", "set": inner["set"]}))
    assert cluster.a.admin("GET", f"/keys/{inner['id']}").headers["X-Cache-Key"] == f"keys:k:{inner['set']['id']}"


def test_lists_and_what_goes_with_a_set(cluster):
    make(cluster, "/key-sets", name="s")
    make(cluster, "/key-sets", name="other")
    keys = [make(cluster, path, kid=kid, pem={"public_key": RSA_PUBLIC})["id"]
            for path, kid in (("/key-sets/s/keys", "a"), ("/key-sets/s/keys", "b"), ("/key-sets/other/keys", "a"), ("/keys", "a"))]
    assert len(cluster.a.admin("GET", "/key-sets").json["data"]) == 2
    assert {row["id"] for row in cluster.a.admin("GET", "/keys").json["data"]} == set(keys)
    assert {row["id"] for row in cluster.a.admin("GET", "/key-sets/s/keys").json["data"]} == set(keys[:2])
    before = cluster.a.applied()
    assert cluster.a.admin("DELETE", "/key-sets/s").status == 204
    rows = cluster.sql(f"SELECT entity FROM cluster_log WHERE pos = {before + 1} ORDER BY entity").split()
    assert rows == ["key_sets", "keys", "keys"]
    assert {row["id"] for row in cluster.a.admin("GET", "/keys").json["data"]} == set(keys[2:])


def test_what_is_not_there(cluster):
    for path, name in (("/keys", "name"), ("/key-sets", "name")):
        assert_answer(cluster.a.admin("GET", f"{path}/{NOWHERE}"), 404, NOT_FOUND)
        assert_answer(cluster.a.admin("PATCH", f"{path}/{NOWHERE}", json={}), 404, missing("id", NOWHERE))
        assert_answer(cluster.a.admin("PATCH", f"{path}/x", json={}), 404, missing(name, "x"))
        assert cluster.a.admin("DELETE", f"{path}/x").status == 204
        for method in ("PUT", "PATCH", "DELETE"):
            assert_answer(cluster.a.admin(method, path, json={}), 405, NO_METHOD)
    assert_answer(cluster.a.admin("GET", "/key-sets/x/keys"), 404, NOT_FOUND)


def test_private_keys_do_not_reach_a_log(cluster):
    secret = RSA_KEY.splitlines()[3]
    make(cluster, "/keys", kid="k", pem={"public_key": RSA_PUBLIC, "private_key": RSA_KEY})
    cluster.a.admin("POST", "/keys", json={"kid": "k", "pem": {"public_key": "x", "private_key": RSA_KEY}})
    cluster.a.admin("POST", "/keys", json={"kid": "k", "pem": {"public_key": RSA_PUBLIC, "private_key": RSA_KEY}})
    for node in cluster.nodes:
        assert secret not in node.log()
