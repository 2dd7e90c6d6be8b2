"""Consumers and their key-auth credentials (Admin API reference 2.3, 2.14; checklist 43-79)."""

import secrets
import string
import time

import pytest

from admin_api import (KINDS, NOT_FOUND, NOWHERE, assert_answer, assert_stored, clash, get_as_it_is, impossible, missing, new_id, quote,
                       rule, send, violation, without, wrong)
from support import eventually

pytestmark = pytest.mark.usefixtures("clean")

NAMELESS = "at least one of these fields must be non-empty: 'custom_id', 'username'"


def make(cluster, kind="json", **fields):
    answer = send(cluster.a, kind, "POST", "/consumers", fields or {"username": "ann"})
    assert answer.status == 201, answer
    return answer.json


@pytest.mark.parametrize("kind", KINDS)
def test_post(cluster, kind):
    made = make(cluster, kind, username="ann lee", custom_id="7", tags=["a", "b"])
    assert without(made, "id", "created_at", "updated_at") == {"username": "ann lee", "custom_id": "7", "tags": ["a", "b"]}
    assert made["created_at"] == made["updated_at"]
    assert_stored(cluster, f"/consumers/{made['id']}", made)
    assert without(make(cluster, kind, custom_id="only"), "id", "created_at", "updated_at") == {"username": None, "custom_id": "only", "tags": None}


@pytest.mark.parametrize("kind", KINDS)
def test_post_refuses(cluster, kind):
    ann = make(cluster, username="ann", custom_id="7")
    assert_answer(send(cluster.a, kind, "POST", "/consumers", {}), 400, rule(NAMELESS))
    assert_answer(send(cluster.a, kind, "POST", "/consumers", {"username": None, "tags": ["t"]}), 400, rule(NAMELESS))
    assert_answer(send(cluster.a, kind, "POST", "/consumers", {"username": "ann"}), 409, clash('{username="ann"}', {"username": "ann"}))
    assert_answer(send(cluster.a, kind, "POST", "/consumers", {"username": "bob", "custom_id": "7"}), 409, clash('{custom_id="7"}', {"custom_id": "7"}))
    assert_answer(send(cluster.a, kind, "POST", "/consumers", {"username": "bob", "foo": "bar"}), 400, wrong("foo", "unknown field"))
    assert [row["id"] for row in cluster.a.admin("GET", "/consumers").json["data"]] == [ann["id"]]


def test_texts_are_not_guessed_from_numbers(cluster):
    assert_answer(cluster.a.admin("POST", "/consumers", json={"username": 7}), 400, wrong("username", "expected a string"))
    assert_answer(cluster.a.admin("POST", "/consumers", json={"username": ""}), 400, wrong("username", "length must be at least 1"))
    assert make(cluster, "form", username=7)["username"] == "7"


STRANGE = ["ann lee", "円", "a/b", "a+b", "100%", "a?b", 'quote"d', "back\\slash", "~!@$&*()'", "x" * 300, "#1", "..", "a.b:c"]


@pytest.mark.parametrize("name", STRANGE)
def test_any_text_is_a_username(cluster, name):
    made = make(cluster, username=name)
    path = f"/consumers/{quote(name, safe='')}"
    assert_stored(cluster, path, made)
    assert_answer(cluster.a.admin("PATCH", path, json={"custom_id": "1"}), 200, cluster.a.admin("GET", path).json)
    shown = f'"{name}"' if not any(c in name for c in '"\\\n') else f"[[{name}]]"
    assert_answer(cluster.a.admin("POST", "/consumers", json={"username": name}), 409, clash(f"{{username={shown}}}", {"username": name}))
    assert cluster.a.admin("PUT", path, json={}).json["id"] == made["id"]
    assert cluster.a.admin("DELETE", path).status == 204
    assert_answer(cluster.a.admin("GET", path), 404, NOT_FOUND)


def test_long_texts(cluster):
    made = make(cluster, username="円" * 30000)
    assert_stored(cluster, f"/consumers/{made['id']}", made)
    make(cluster)
    short = cluster.a.admin("POST", "/consumers/ann/key-auth", json={"key": "x" * 1000})
    assert short.headers["X-Cache-Key"] == f"keyauth_credentials:{'x' * 1000}:::::5b1e0000-0000-4000-8000-000000000001"
    long = cluster.a.admin("POST", "/consumers/ann/key-auth", json={"key": "x" * 30000})
    assert long.status == 201 and "X-Cache-Key" not in long.headers, "no client takes a header as long"


def test_unique_texts_that_no_index_takes(cluster):
    """PostgreSQL refuses index entries above 2704 bytes once they are compressed."""
    noise = "".join(secrets.choice(string.ascii_letters) for _ in range(9000))
    make(cluster)
    for path, body in (("/consumers", {"username": noise}), ("/consumers", {"username": "b", "custom_id": noise}),
                       ("/consumers", {"username": "b", "tags": [noise]}), ("/consumers/ann/key-auth", {"key": noise}),
                       ("/services", {"host": "h", "name": noise})):
        assert_answer(cluster.a.admin("POST", path, json=body), 400, rule("a name, key or tag is too long to be stored"))
    assert_answer(cluster.a.admin("PATCH", "/consumers/ann", json={"username": noise}), 400, rule("a name, key or tag is too long to be stored"))
    assert cluster.a.admin("GET", "/consumers?tags=" + noise[:4000]).status == 200


def test_utf8_names_work_raw_and_encoded(cluster):
    made = make(cluster, username="円")
    for sent in ("円", quote("円")):
        assert_answer(get_as_it_is(cluster.a, f"/consumers/{sent}"), 200, made)


def test_usernames_that_are_no_text_are_refused(cluster):
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        data = {"json": {}} if method in ("PUT", "PATCH") else {}
        assert_answer(cluster.a.admin(method, "/consumers/a%ff", **data), 400,
                      impossible("username", "invalid utf-8 character sequence detected at position 2"))


def test_a_username_that_looks_like_an_id_is_not_found_by_it(cluster):
    name = new_id()
    make(cluster, username=name)
    assert_answer(cluster.a.admin("GET", f"/consumers/{name}"), 404, NOT_FOUND)


def test_search_by_custom_id(cluster):
    like_an_id = new_id()
    ann, bob = make(cluster, username="ann", custom_id="wo w"), make(cluster, username="bob", custom_id=like_an_id)
    for sent, found in (("wo%20w", [ann]), ("wo+w", [ann]), (like_an_id, [bob]), ("nobody", []), ("wo", []), ("%ff", [])):
        assert_answer(cluster.a.admin("GET", f"/consumers?custom_id={sent}"), 200, {"data": found, "next": None})
    for query in ("custom_id=", "custom_id"):
        assert_answer(cluster.a.admin("GET", f"/consumers?{query}"), 400, {"message": "custom_id must be an unempty string"})
    assert len(cluster.a.admin("GET", "/consumers?username=ann&foo=bar").json["data"]) == 2
    assert cluster.a.admin("GET", "/services?custom_id=").status == 200


@pytest.mark.parametrize("kind", KINDS)
def test_patch(cluster, kind):
    made = make(cluster, username="ann", custom_id="7")
    for key, change in ((made["id"], {"username": "bob"}), ("bob", {"custom_id": "8"}), ("bob", {"username": "bob", "custom_id": "8"}),
                        ("bob", {"tags": ["x"]})):
        answer = send(cluster.a, kind, "PATCH", f"/consumers/{key}", change)
        assert without(answer.json, "updated_at") == without(made, "updated_at") | change
        assert answer.json["updated_at"] >= made["updated_at"]
        made = answer.json
        assert_stored(cluster, "/consumers/bob", made)
    for key, name in ((NOWHERE, "id"), ("nobody", "username")):
        assert_answer(send(cluster.a, kind, "PATCH", f"/consumers/{key}", {"username": "x"}), 404, missing(name, key))


def test_patch_judges_the_merged_entity(cluster):
    make(cluster, username="ann")
    assert_answer(cluster.a.admin("PATCH", "/consumers/ann", json={"username": None}), 400, rule("when updating, " + NAMELESS))
    swapped = cluster.a.admin("PATCH", "/consumers/ann", json={"username": None, "custom_id": "7"})
    assert (swapped.json["username"], swapped.json["custom_id"]) == (None, "7")


def test_updated_at_grows(cluster):
    made = make(cluster)
    time.sleep(1.1)
    answer = cluster.a.admin("PATCH", "/consumers/ann", json={})
    assert answer.json["updated_at"] > made["updated_at"]
    assert answer.json["created_at"] == made["created_at"]


@pytest.mark.parametrize("kind", KINDS)
def test_put(cluster, kind):
    key = new_id()
    made = send(cluster.a, kind, "PUT", f"/consumers/{key}", {"username": "ann", "custom_id": "7"})
    assert (made.status, made.json["id"]) == (200, key)
    replaced = send(cluster.a, kind, "PUT", f"/consumers/{key}", {"username": "bob"})
    assert without(replaced.json, "created_at", "updated_at") == {"id": key, "username": "bob", "custom_id": None, "tags": None}
    named = send(cluster.a, kind, "PUT", "/consumers/bob", {"custom_id": "9", "username": "ignored"})
    assert without(named.json, "created_at", "updated_at") == {"id": key, "username": "bob", "custom_id": "9", "tags": None}
    fresh = send(cluster.a, kind, "PUT", "/consumers/carl", {})
    assert (fresh.status, fresh.json["username"]) == (200, "carl")
    assert_answer(send(cluster.a, kind, "PUT", f"/consumers/{key}", {}), 400, rule(NAMELESS))
    assert_answer(send(cluster.a, kind, "PUT", f"/consumers/{key}", {"username": "carl"}), 409, clash('{username="carl"}', {"username": "carl"}))
    assert_stored(cluster, "/consumers/bob", named.json)


def test_delete(cluster):
    for key in ("id", "username"):
        made = make(cluster)
        answer = cluster.a.admin("DELETE", f"/consumers/{made[key]}")
        assert (answer.status, answer.body) == (204, b"")
        assert_answer(cluster.a.admin("GET", "/consumers/ann"), 404, NOT_FOUND)
    assert cluster.a.admin("DELETE", "/consumers/ann").status == 204


# ---- key-auth ----

@pytest.mark.parametrize("kind", KINDS)
def test_credentials(cluster, kind):
    ann = make(cluster)
    made = send(cluster.a, kind, "POST", "/consumers/ann/key-auth", {"key": "k1", "tags": ["t"]})
    assert made.status == 201
    assert without(made.json, "id", "created_at") == {"consumer": {"id": ann["id"]}, "key": "k1", "tags": ["t"], "ttl": None}
    for path in (f"/consumers/ann/key-auth/{made.json['id']}", "/consumers/ann/key-auth/k1", "/key-auths/k1", f"/key-auths/{made.json['id']}"):
        assert_stored(cluster, path, made.json)
    assert_answer(cluster.a.admin("GET", "/consumers/ann/key-auth"), 200, {"data": [made.json], "next": None})
    assert_answer(cluster.a.admin("GET", "/key-auths"), 200, {"data": [made.json], "next": None})
    assert_answer(cluster.a.admin("GET", "/key-auths/k1/consumer"), 200, ann)
    assert_answer(send(cluster.a, kind, "POST", "/consumers/ann/key-auth", {"key": "k1"}), 409, clash('{key="k1"}', {"key": "k1"}))
    changed = send(cluster.a, kind, "PATCH", "/consumers/ann/key-auth/k1", {"key": "k2"})
    assert without(changed.json, "key") == without(made.json, "key")
    replaced = send(cluster.a, kind, "PUT", f"/consumers/ann/key-auth/{made.json['id']}", {"key": "k3", "created_at": made.json["created_at"]})
    assert replaced.json == made.json | {"key": "k3", "tags": None}
    assert cluster.a.admin("DELETE", "/consumers/ann/key-auth/k3").status == 204
    assert_answer(cluster.a.admin("DELETE", "/consumers/ann/key-auth/k3"), 404, NOT_FOUND)


def test_keys_are_made_when_none_is_given(cluster):
    make(cluster)
    keys = set()
    for sent in ({"json": {}}, {"json": {"key": None}}, {}):
        answer = cluster.a.admin("POST", "/consumers/ann/key-auth", **sent)
        assert answer.status == 201, answer
        assert len(answer.json["key"]) == 32 and answer.json["key"].isalnum() and answer.json["key"].isascii()
        keys.add(answer.json["key"])
    assert len(keys) == 3


def test_a_credential_needs_a_consumer(cluster):
    ann = make(cluster)
    assert_answer(cluster.a.admin("POST", "/key-auths", json={"key": "k"}), 400, wrong("consumer", "required field missing"))
    assert_answer(cluster.a.admin("POST", "/consumers/nobody/key-auth", json={"key": "k"}), 404, NOT_FOUND)
    assert_answer(cluster.a.admin("POST", f"/consumers/{NOWHERE}/key-auth", json={"key": "k"}), 404, NOT_FOUND)
    assert_answer(cluster.a.admin("POST", "/key-auths", json={"key": "k", "consumer": {"id": NOWHERE}}), 400,
                  {"code": 4, "name": "foreign key violation", "fields": {"consumer": {"id": NOWHERE}},
                   "message": f"the foreign key '{{id=\"{NOWHERE}\"}}' does not reference an existing 'consumers' entity."})
    for reference in ({"id": ann["id"]}, {"username": "ann"}):
        answer = cluster.a.admin("POST", "/key-auths", json={"consumer": reference})
        assert (answer.status, answer.json["consumer"]) == (201, {"id": ann["id"]})
    cluster.a.admin("PATCH", "/consumers/ann", json={"custom_id": "7"})
    assert cluster.a.admin("POST", "/key-auths", json={"consumer": {"custom_id": "7"}}).status == 201
    assert_answer(cluster.a.admin("POST", "/consumers/ann/key-auth", json={"key": ""}), 400, wrong("key", "length must be at least 1"))
    assert_answer(cluster.a.admin("POST", "/consumers/ann/key-auth", json={"updated_at": 1}), 400, wrong("updated_at", "unknown field"))


def test_credentials_of_somebody_else(cluster):
    make(cluster)
    bob = make(cluster, username="bob")
    assert cluster.a.admin("POST", "/consumers/ann/key-auth", json={"key": "k"}).status == 201
    for method in ("GET", "PATCH", "DELETE"):
        data = {"json": {}} if method == "PATCH" else {}
        assert_answer(cluster.a.admin(method, "/consumers/bob/key-auth/k", **data), 404, NOT_FOUND)
    taken = cluster.a.admin("PUT", "/consumers/bob/key-auth/k", json={})
    assert (taken.status, taken.json["key"], taken.json["consumer"]) == (200, "k", {"id": bob["id"]})
    assert_answer(cluster.a.admin("GET", "/consumers/ann/key-auth/k"), 404, NOT_FOUND)


def test_put_of_a_new_credential(cluster):
    ann = make(cluster)
    key = new_id()
    made = cluster.a.admin("PUT", f"/consumers/ann/key-auth/{key}", json={"key": "k"})
    assert (made.status, made.json["id"], made.json["key"]) == (200, key, "k")
    by_key = cluster.a.admin("PUT", "/consumers/ann/key-auth/other", json={"ttl": 100})
    assert (by_key.json["key"], by_key.json["consumer"]) == ("other", {"id": ann["id"]})
    assert by_key.json["ttl"] in (99, 100)


TTL = "must be an integer between 0 and 100000000"
BAD_TTL = {"code": 11, "name": "invalid options", "message": f"invalid option (ttl: {TTL})", "options": {"ttl": TTL}}


def test_ttl(cluster):
    make(cluster)
    for value in (-1, 1.5, 100000001, "10", "x", True, [], {}, 1e300):
        assert_answer(cluster.a.admin("POST", "/consumers/ann/key-auth", json={"ttl": value}), 400, BAD_TTL)
    for kind in ("form", "multipart"):
        assert_answer(send(cluster.a, kind, "POST", "/consumers/ann/key-auth", {"ttl": "x"}), 400, BAD_TTL)
        assert send(cluster.a, kind, "POST", "/consumers/ann/key-auth", {"ttl": 50}).json["ttl"] in (49, 50)
    for value in (0, None):
        assert cluster.a.admin("POST", "/consumers/ann/key-auth", json={"ttl": value}).json["ttl"] is None
    made = cluster.a.admin("POST", "/consumers/ann/key-auth", json={"key": "k", "ttl": 100000000})
    assert made.json["ttl"] in (99999999, 100000000)
    assert cluster.a.admin("PATCH", "/key-auths/k", json={"tags": ["t"]}).json["ttl"] > 99999000
    assert cluster.a.admin("PATCH", "/key-auths/k", json={"ttl": 0}).json["ttl"] is None
    assert cluster.a.admin("PATCH", "/key-auths/k", json={"ttl": 60}).json["ttl"] in (59, 60)
    assert cluster.a.admin("PUT", "/consumers/ann/key-auth/k", json={}).json["ttl"] is None


def test_what_has_expired_does_not_exist(cluster):
    ann = make(cluster)
    made = cluster.a.admin("POST", "/consumers/ann/key-auth", json={"key": "short", "ttl": 1}).json
    eventually(lambda: cluster.a.admin("GET", "/key-auths/short").status == 404, 5)
    assert_answer(cluster.a.admin("GET", "/consumers/ann/key-auth"), 200, {"data": [], "next": None})
    assert_answer(cluster.a.admin("PATCH", f"/key-auths/{made['id']}", json={}), 404, missing("id", made["id"]))
    again = cluster.a.admin("POST", "/consumers/ann/key-auth", json={"key": "short", "id": made["id"]})
    assert (again.status, again.json["consumer"]) == (201, {"id": ann["id"]})


def test_an_unknown_member_of_a_credential(cluster):
    make(cluster)
    assert_answer(cluster.a.admin("POST", "/consumers/ann/key-auth", json={"key": 1, "foo": 2}), 400,
                  violation({"foo": "unknown field", "key": "expected a string"}, "foo: unknown field", "key: expected a string"))
