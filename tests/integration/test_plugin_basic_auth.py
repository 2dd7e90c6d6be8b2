"""basic-auth (plugin reference 2; data plane 9.4)."""

import hashlib

import pytest

from auth import add_plugin, assert_refused, b64, basic, credential, identity, protect, upstream_headers
from support import eventually

pytestmark = pytest.mark.usefixtures("clean")

WRONG = "Invalid authentication credentials"


@pytest.fixture
def ann(cluster):
    made = cluster.consumer("ann")
    for name, password in (("ann", "open"), ("colon", "a:b:c"), ("über", "ß"), ("plain", "x" * 300)):
        credential(cluster, "basic-auth", "ann", username=name, password=password)
    return made


def ask(cluster, authorization=None, node=None, **headers):
    sent = {"Authorization": authorization} if authorization is not None else {}
    return (node or cluster.a).proxy("GET", "/r", headers=sent | {name.replace("_", "-"): value for name, value in headers.items()})


GOOD = [basic("ann", "open"), basic("colon", "a:b:c"), basic("über", "ß"), basic("plain", "x" * 300), "basic " + b64("ann:open"), "Basic   " + b64("ann:open"),
        "Basic" + b64("ann:open"), "Basic " + b64("ann:open").rstrip("=")]


@pytest.mark.parametrize("line", GOOD)
def test_who_knows_name_and_password_passes(cluster, ann, line):
    protect(cluster, "basic-auth")
    for headers in ({"authorization": line}, {"authorization": None, "Proxy_Authorization": line}):
        answer = ask(cluster, headers.pop("authorization"), **headers)
        told = identity(answer)
        assert told["consumer-id"] == ann["id"] and told["consumer-username"] == "ann" and "anonymous-consumer" not in told
    assert upstream_headers(ask(cluster, line))["authorization"] == line
    assert identity(ask(cluster, basic("ann", "open"), X_Consumer_Custom_Id="forged"))["credential-identifier"] == "ann"
    assert "consumer-custom-id" not in identity(ask(cluster, basic("ann", "open"), X_Consumer_Custom_Id="forged"))


BAD = [basic("ann", "wrong"), basic("ann", ""), basic("nobody", "open"), basic("", "open"), "Basic " + b64("ann"), "Basic ***", "Basic", "Basic ", "",
       "Bearer " + b64("ann:open"), "BASIC " + b64("ann:open"), basic("ANN", "open"), basic("ann", "open\0"), basic("ann\0", "open"), "Basic " + b64(b"\xff\xfe:x"),
       "Basic " + b64("a" * 6000 + ":x")]


@pytest.mark.parametrize("line", BAD)
def test_everybody_else_is_refused(cluster, ann, line):
    protect(cluster, "basic-auth")
    assert_refused(ask(cluster, line), 401, WRONG)
    assert_refused(ask(cluster, Proxy_Authorization=line), 401, WRONG)


def test_without_a_header_there_is_a_challenge(cluster, ann):
    protect(cluster, "basic-auth")
    assert_refused(ask(cluster), 401, "Unauthorized", 'Basic realm="kong"')


def test_the_proxys_header_comes_first(cluster, ann):
    protect(cluster, "basic-auth")
    assert ask(cluster, basic("ann", "wrong"), Proxy_Authorization=basic("ann", "open")).status == 200
    assert_refused(ask(cluster, basic("ann", "open"), Proxy_Authorization=basic("ann", "wrong")), 401, WRONG)
    assert ask(cluster, basic("ann", "open"), Proxy_Authorization="Basic nonsense").status == 200


def test_what_was_looked_at_can_be_hidden(cluster, ann):
    protect(cluster, "basic-auth", {"hide_credentials": True})
    assert "authorization" not in upstream_headers(ask(cluster, basic("ann", "open")))
    assert upstream_headers(ask(cluster, "Other x", Proxy_Authorization=basic("ann", "open")))["authorization"] == "Other x"


def test_what_is_stored_is_the_hash_that_other_gateways_know(cluster, ann):
    protect(cluster, "basic-auth")
    row = "00000000-0000-4000-8000-00000000ba51"
    hashed = hashlib.sha1(("from elsewhere" + ann["id"]).encode()).hexdigest()
    assert cluster.a.admin("POST", "/consumers/ann/basic-auth", json={"id": row, "username": "old", "password": "x"}).status == 201
    assert ask(cluster, basic("old", hashed)).status == 401
    shown = cluster.a.admin("PATCH", "/consumers/ann/basic-auth/old", json={"password": "from elsewhere"}).json
    assert shown["password"] == hashed
    assert ask(cluster, basic("old", "from elsewhere")).status == 200 and ask(cluster, basic("old", hashed)).status == 401


def test_strangers_can_be_somebody(cluster, ann):
    nobody = cluster.consumer("nobody")
    for number, name in enumerate(("nobody", nobody["id"])):
        protect(cluster, "basic-auth", {"anonymous": name}, name=f"r{number}")
        for headers in ({}, {"Authorization": basic("ann", "wrong"), "X-Credential-Identifier": "forged"}):
            told = identity(cluster.a.proxy("GET", f"/r{number}", headers=headers))
            assert told == {"consumer-id": nobody["id"], "consumer-username": "nobody", "anonymous-consumer": "true"}
        assert identity(cluster.a.proxy("GET", f"/r{number}", headers={"Authorization": basic("ann", "open")}))["consumer-username"] == "ann"
    protect(cluster, "basic-auth", {"anonymous": "who is that"}, name="broken")
    failed = cluster.a.proxy("GET", "/broken")
    assert failed.status == 500 and failed.json == {"message": "An unexpected error occurred"}


def test_a_changed_password_and_a_name_that_came_late_are_known_everywhere(cluster, ann):
    protect(cluster, "basic-auth")
    cluster.settle()
    for node in cluster.nodes:
        assert ask(cluster, basic("ann", "open"), node).status == 200
        assert [ask(cluster, basic("late", "x"), node).status for _ in range(2)] == [401, 401]
    assert cluster.a.admin("PATCH", "/consumers/ann/basic-auth/ann", json={"password": "new"}).status == 200
    credential(cluster, "basic-auth", "ann", username="late", password="x")
    assert ask(cluster, basic("ann", "open")).status == 401 and ask(cluster, basic("late", "x")).status == 200
    eventually(lambda: ask(cluster, basic("ann", "open"), cluster.b).status == 401, 3)
    assert ask(cluster, basic("ann", "new"), cluster.b).status == 200
    eventually(lambda: ask(cluster, basic("late", "x"), cluster.b).status == 200, 3)


def test_no_consumer_can_be_the_scope(cluster, ann):
    answer = cluster.a.admin("POST", "/consumers/ann/plugins", json={"name": "basic-auth"})
    assert answer.status == 400 and answer.json["fields"] == {"consumer": "value must be null"}


# ---- several at once (9.4) ----

@pytest.mark.parametrize("key, login, status", [("k", "open", 200), (None, "open", 401), ("k", None, 401), ("wrong", "open", 401), ("k", "wrong", 401)])
def test_two_that_are_not_optional_both_decide(cluster, ann, key, login, status):
    protect(cluster, "key-auth")
    add_plugin(cluster, "basic-auth")
    bob = cluster.consumer("bob")
    cluster.key("k", "bob")
    headers = ({"apikey": key} if key else {}) | ({"Authorization": basic("ann", login)} if login else {})
    answer = cluster.a.proxy("GET", "/r", headers=headers)
    assert answer.status == status, answer
    if status == 200:  # the last one says who it is
        assert identity(answer)["consumer-id"] == ann["id"] != bob["id"]


@pytest.mark.parametrize("key, login, who", [("k", "open", "bob"), ("k", "wrong", "bob"), ("wrong", "open", "ann"), (None, "open", "ann"), ("k", None, "bob"),
                                             ("wrong", "wrong", "nobody"), (None, None, "nobody")])
def test_one_of_two_optional_ones_is_enough(cluster, ann, key, login, who):
    for name in ("nobody", "bob"):
        cluster.consumer(name)
    cluster.key("k", "bob")
    protect(cluster, "key-auth", {"anonymous": "nobody"})
    add_plugin(cluster, "basic-auth", {"anonymous": "nobody"})
    headers = ({"apikey": key} if key else {}) | ({"Authorization": basic("ann", login)} if login else {})
    told = identity(cluster.a.proxy("GET", "/r", headers=headers))
    assert told["consumer-username"] == who and ("anonymous-consumer" in told) == (who == "nobody") == ("credential-identifier" not in told)


def test_strangers_can_be_told_to_go(cluster, ann):
    cluster.consumer("nobody")
    protect(cluster, "basic-auth", {"anonymous": "nobody"})
    assert cluster.a.admin("POST", "/consumers/nobody/plugins", json={"name": "request-termination", "config": {"status_code": 403, "message": "go"}}).status == 201
    cluster.settle()
    assert ask(cluster, basic("ann", "open")).status == 200
    assert ask(cluster).status == 403 and ask(cluster, basic("ann", "x")).json == {"message": "go"}
