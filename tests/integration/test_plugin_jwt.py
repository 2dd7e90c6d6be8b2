"""jwt (plugin reference 3; data plane 9.4)."""

import json
import time

import pytest

from auth import assert_exit, b64, credential, identity, make_key, protect, token, upstream_headers, url64
from support import eventually

pytestmark = pytest.mark.usefixtures("clean")

SECRET = "s3cret"
WORKSPACE = "5b1e0000-0000-4000-8000-000000000001"


def message(text):
    return {"message": text}


@pytest.fixture
def ann(cluster):
    made = cluster.consumer("ann")
    credential(cluster, "jwt", "ann", key="k", secret=SECRET)
    return made


@pytest.fixture(scope="module")
def keys():
    return {kind: make_key(kind) for kind in ("RSA", "P-256", "P-384", "P-521", "secp256k1")}


def ask(cluster, bearer=None, query="", node=None, method="GET", path="/r", **headers):
    sent = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
    return (node or cluster.a).proxy(method, path + query, headers=sent | {name.replace("_", "-"): value for name, value in headers.items()})


def good(**claims):
    return token({"iss": "k"} | claims, SECRET)


def test_a_signed_token_names_its_consumer(cluster, ann):
    protect(cluster, "jwt")
    answer = ask(cluster, good(), X_Consumer_Custom_ID="forged", X_Anonymous_Consumer="true")
    assert identity(answer) == {"consumer-id": ann["id"], "consumer-username": "ann", "credential-identifier": "k"}
    assert upstream_headers(answer)["authorization"] == f"Bearer {good()}"
    assert identity(ask(cluster, None, Authorization=f"bearer  {good()}"))["consumer-id"] == ann["id"]


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384"])
def test_each_algorithm(cluster, ann, keys, algorithm):
    kind = {"RS": "RSA", "HS": None, "ES": f"P-{algorithm[2:]}"}[algorithm[:2]]
    private, public = keys[kind] if kind else ("geheim", None)
    other = {"RSA": make_key("RSA")[0] if kind == "RSA" else None, None: "wrong"}.get(kind) or make_key(kind)[0]
    credential(cluster, "jwt", "ann", key=algorithm, algorithm=algorithm, **({"rsa_public_key": public} if public else {"secret": private}))
    protect(cluster, "jwt")
    claims = {"iss": algorithm, "text": "\u00fc", "list": [1, {"a": None}]}
    for _ in range(2):
        assert identity(ask(cluster, token(claims, private, algorithm)))["credential-identifier"] == algorithm
    assert_exit(ask(cluster, token(claims, other, algorithm)), message("Invalid signature"))
    whole = token(claims, private, algorithm)
    head, body, proof = whole.split(".")
    for spoilt in (f"{head}.{body}.{url64(b'')}", f"{head}.{body}.{proof[:-4]}", f"{head}.{body}.{proof}AAAA", f"{head}.{url64(json.dumps(claims | {'x': 1}))}.{proof}",
                   f"{url64(json.dumps({'alg': algorithm}))}.{body}.{proof}"):
        assert_exit(ask(cluster, spoilt), message("Invalid signature"))


def test_the_credential_says_which_algorithm_it_is(cluster, ann, keys):
    private, public = keys["RSA"]
    credential(cluster, "jwt", "ann", key="rsa", algorithm="RS256", rsa_public_key=public, secret=SECRET)
    protect(cluster, "jwt")
    assert ask(cluster, token({"iss": "rsa"}, private, "RS256")).status == 200
    for forged in (token({"iss": "rsa"}, public, "HS256"), token({"iss": "rsa"}, SECRET, "HS256"), token({"iss": "rsa"}, private, "RS512"),
                   token({"iss": "k"}, private, "RS256"), token({"iss": "k"}, SECRET, "HS512")):
        assert_exit(ask(cluster, forged), message("Invalid algorithm"))


def test_a_key_that_cannot_be_used(cluster, ann, keys):
    protect(cluster, "jwt")
    protect(cluster, "jwt", {"secret_is_base64": True}, "base64")
    p256, p384 = keys["P-256"], keys["P-384"]
    for number, (algorithm, public) in enumerate([("ES256", None), ("ES256", "no key"), ("ES256", keys["RSA"][1]), ("ES256", p384[1]),
                                                  ("ES256", keys["secp256k1"][1]), ("ES384", p256[1]), ("ES384", keys["P-521"][1]), ("RS256", p256[1])]):
        credential(cluster, "jwt", "ann", key=f"bad{number}", algorithm=algorithm, rsa_public_key=public)
        forged = token({"iss": f"bad{number}"}, "", algorithm, signature=b"\1" * (256 if algorithm == "RS256" else int(algorithm[2:]) // 4))
        answer = ask(cluster, forged)
        assert_exit(answer, message("Invalid signature" if public == keys["secp256k1"][1] else "Invalid key/secret"))
    assert_exit(ask(cluster, token({"iss": "k"}, SECRET), path="/base64"), message("Invalid signature"))
    credential(cluster, "jwt", "ann", key="odd", secret="not base64!")
    assert_exit(ask(cluster, token({"iss": "odd"}, "not base64!"), path="/base64"), message("Invalid key/secret"))


@pytest.mark.parametrize("size", [0, 1, 63, 65, 70, 71, 72, 128])
def test_a_signature_of_the_wrong_size_is_wrong(cluster, ann, keys, size):
    credential(cluster, "jwt", "ann", key="ec", algorithm="ES256", rsa_public_key=keys["P-256"][1])
    protect(cluster, "jwt")
    assert_exit(ask(cluster, token({"iss": "ec"}, "", "ES256", signature=b"\1" * size)), message("Invalid signature"))
    assert_exit(ask(cluster, token({"iss": "ec"}, "", "ES256", signature=b"\0" * 64)), message("Invalid signature"))
    assert_exit(ask(cluster, token({"iss": "ec"}, "", "ES256", signature=b"\xff" * 64)), message("Invalid signature"))


def test_secrets_can_be_base64(cluster, ann, keys):
    protect(cluster, "jwt", {"secret_is_base64": True})
    key = b"\0\xff" + b"binary" * 7
    for name, text in (("plain", b64(key)), ("url", url64(key)), ("bare", b64(key).rstrip("="))):
        credential(cluster, "jwt", "ann", key=name, secret=text)
        assert ask(cluster, token({"iss": name}, key)).status == 200
        assert_exit(ask(cluster, token({"iss": name}, text)), message("Invalid signature"))
    for name, public in (("pem", keys["P-256"][1]), ("pem64", b64(keys["P-256"][1]))):
        credential(cluster, "jwt", "ann", key=name, algorithm="ES256", rsa_public_key=public)
        assert ask(cluster, token({"iss": name}, keys["P-256"][0], "ES256")).status == 200


HEAD, BODY = url64('{"alg":"HS256"}'), url64('{"iss":"k"}')


@pytest.mark.parametrize("text, words", [
    ("x", "invalid JSON"), ("a.b", "invalid JSON"), (f"{HEAD}.{BODY}", "invalid JSON"), (f"{HEAD}.!.x", "invalid JSON"), (f"!.{BODY}.x", "invalid JSON"),
    (f"{url64('{')}.{BODY}.", "invalid JSON"), (f"{HEAD}.{url64('{} x')}.", "invalid JSON"), (f"{HEAD}..", "invalid JSON"), ("..", "invalid JSON"),
    (f"{url64('{}')}.{BODY}.", "invalid alg"), (f"{url64('[]')}.{BODY}.", "invalid alg"), (f"{url64('1')}.{BODY}.", "invalid alg"),
    (f"{HEAD}.{url64('[]')}.", "invalid claims"), (f"{HEAD}.{url64('null')}.", "invalid claims"), (f"{HEAD}.{BODY}.!", "invalid signature"),
    (f"{HEAD}.{BODY}.a.b", "invalid signature"), (f"{HEAD}.{BODY}.A", "invalid signature"),
    *[(f"{url64(json.dumps({'alg': alg}))}.{BODY}.", "invalid alg") for alg in ("none", "None", "hs256", "HS1", "PS256", "ES512", "EdDSA", "", 1, None, ["HS256"])]])
def test_what_is_no_token(cluster, ann, text, words):
    protect(cluster, "jwt")
    assert_exit(ask(cluster, text), message(f"Bad token; {words}"))


@pytest.mark.parametrize("claims, header, words", [
    ({}, {}, "No mandatory '%s' in claims"), ({"KEY": None}, {}, "No mandatory '%s' in claims"), ({"KEY": ""}, {}, "Invalid '%s' in claims"),
    ({"KEY": 7}, {}, "Invalid '%s' in claims"), ({"KEY": ["k"]}, {}, "Invalid '%s' in claims"), ({"KEY": "nobody"}, {}, "No credentials found for given '%s'"),
    ({"KEY": "K"}, {}, "No credentials found for given '%s'"), ({}, {"KEY": "nobody"}, "No credentials found for given '%s'"),
    ({"KEY": "nobody"}, {"KEY": "k"}, "No credentials found for given '%s'"), ({"KEY": "k" * 5000}, {}, "No credentials found for given '%s'"),
    ({"KEY": "k"}, {}, None), ({}, {"KEY": "k"}, None), ({"KEY": None}, {"KEY": "k"}, None), ({"KEY": "k"}, {"KEY": "nobody"}, None)])
@pytest.mark.parametrize("name", ["iss", "kid"])
def test_the_claim_that_names_the_credential(cluster, ann, claims, header, words, name):
    protect(cluster, "jwt", {} if name == "iss" else {"key_claim_name": name})
    made = token({key.replace("KEY", name): value for key, value in claims.items()}, SECRET, header={key.replace("KEY", name): value for key, value in header.items()})
    answer = ask(cluster, made)
    if words is None:
        assert identity(answer)["credential-identifier"] == "k"
    else:
        assert_exit(answer, message(words % name))


NUMBER, EXPIRED, EARLY = "must be a number", "token expired", "token not valid yet"


@pytest.mark.parametrize("verify, claims, wrong", [
    (["exp"], {"exp": 60}, None), (["exp"], {"exp": -1}, {"exp": EXPIRED}), (["exp"], {"exp": 0}, {"exp": EXPIRED}), (["exp"], {}, {"exp": NUMBER}),
    (["exp"], {"exp": "soon"}, {"exp": NUMBER}), (["exp"], {"exp": 60.5}, None), (["nbf"], {"nbf": -1}, None), (["nbf"], {"nbf": 60}, {"nbf": EARLY}),
    (["nbf"], {}, {"nbf": NUMBER}), (["exp", "nbf"], {}, {"exp": NUMBER, "nbf": NUMBER}), (["nbf", "exp"], {"exp": -5, "nbf": 60}, {"exp": EXPIRED, "nbf": EARLY}),
    (["exp", "nbf"], {"exp": 60, "nbf": -60}, None), ([], {"exp": -5, "nbf": 60}, None), (None, {"exp": "x"}, None)])
def test_claims_about_time(cluster, ann, verify, claims, wrong):
    protect(cluster, "jwt", {"claims_to_verify": verify} if verify is not None else {})
    now = int(time.time())
    at = {name: value if isinstance(value, str) else now + value for name, value in claims.items()}
    answer = ask(cluster, good(**at))
    if wrong is None:
        assert answer.status == 200, answer
    else:
        assert_exit(answer, wrong)
        assert_exit(ask(cluster, token({"iss": "k"} | at, "wrong")), message("Invalid signature"))  # before anything else


@pytest.mark.parametrize("ahead, passes", [(30, True), (55, True), (70, False), (10**9, False)])
def test_how_long_a_token_may_be_good(cluster, ann, ahead, passes):
    protect(cluster, "jwt", {"claims_to_verify": ["exp"], "maximum_expiration": 60})
    answer = ask(cluster, good(exp=int(time.time()) + ahead))
    if passes:
        assert answer.status == 200, answer
    else:
        assert_exit(answer, {"exp": "exceeds maximum allowed expiration"})


def test_what_is_good_for_ever_is_good_for_too_long(cluster, ann):
    protect(cluster, "jwt", {"maximum_expiration": 60})
    for claims in ({}, {"exp": "x"}, {"exp": 10**12}):
        assert_exit(ask(cluster, good(**claims)), {"exp": "exceeds maximum allowed expiration"})


@pytest.mark.parametrize("config, query, headers, passes", [
    ({}, "?jwt=T", {}, True), ({}, "?a=1&jwt=T&b", {}, True), ({}, "?JWT=T", {}, False), ({}, "?jwt=", {}, False), ({}, "?jwt", {}, False),
    ({}, "", {"Cookie": "jwt=T"}, False), ({"cookie_names": ["c", "d"]}, "", {"Cookie": "a=b; d=T"}, True), ({"cookie_names": ["c"]}, "", {"Cookie": "C=T"}, False),
    ({"uri_param_names": ["p", "q"]}, "?q=T", {}, True), ({"uri_param_names": ["p"]}, "?jwt=T", {}, False), ({"uri_param_names": []}, "?jwt=T", {}, False),
    ({"header_names": ["X-Token"]}, "", {"x-token": "Bearer T"}, True), ({"header_names": ["X-Token"]}, "", {"Authorization": "Bearer T"}, False),
    ({}, "", {"Authorization": "T"}, False), ({}, "", {"Authorization": "Basic T"}, False), ({}, "", {"Authorization": "BEARER T"}, False),
    ({}, "", {"Authorization": "BearerT"}, False), ({}, "", {"Authorization": "Bearer "}, False), ({"header_names": []}, "", {"Authorization": "Bearer T"}, False),
    ({"cookie_names": ["c"]}, "?jwt=T&jwt=T", {"Cookie": "c=T", "Authorization": "Bearer T"}, True)])
def test_where_tokens_are_looked_for(cluster, ann, config, query, headers, passes):
    protect(cluster, "jwt", config)
    answer = ask(cluster, None, query.replace("T", good()) if "JWT" not in query else "?JWT=" + good(), **{k: v.replace("T", good()) for k, v in headers.items()})
    if passes:
        assert identity(answer)["credential-identifier"] == "k"
    else:
        assert_exit(answer, message("Unauthorized"))


@pytest.mark.parametrize("query, headers", [("?jwt=T&jwt=U", {}), ("?jwt=U&jwt=T", {}), ("?jwt=T", {"Cookie": "c=U"}), ("?jwt=T", {"Authorization": "Bearer U"}),
                                            ("", {"Cookie": "c=T", "Authorization": "Bearer U"}), ("?" + "jwt=T&" * 5 + "jwt=U", {})])
def test_different_tokens_contradict_each_other(cluster, ann, query, headers):
    protect(cluster, "jwt", {"cookie_names": ["c"]})
    fill = lambda text: text.replace("T", good()).replace("U", "u.u.u")
    assert_exit(ask(cluster, None, fill(query), **{name: fill(value) for name, value in headers.items()}), message("Multiple tokens provided"))


def test_preflight(cluster, ann):
    protect(cluster, "jwt", name="asks")
    protect(cluster, "jwt", {"run_on_preflight": False}, "passes")
    assert (ask(cluster, method="OPTIONS", path="/asks").status, ask(cluster, method="OPTIONS", path="/passes").status, ask(cluster, path="/passes").status) == (401, 200, 401)


def test_strangers_can_be_somebody(cluster, ann):
    nobody = cluster.consumer("nobody")
    protect(cluster, "jwt", {"anonymous": "nobody", "claims_to_verify": ["exp"]})
    for bearer in (None, "x", "a.b.c", token({"iss": "k"}, "wrong"), token({"iss": "nobody"}, SECRET), good(exp=1)):
        assert identity(ask(cluster, bearer)) == {"consumer-id": nobody["id"], "consumer-username": "nobody", "anonymous-consumer": "true"}
    assert identity(ask(cluster, good(exp=int(time.time()) + 60)))["consumer-id"] == ann["id"]
    protect(cluster, "jwt", {"anonymous": "who is that"}, "broken")
    failed = ask(cluster, path="/broken")
    assert failed.status == 500 and failed.json == message("An unexpected error occurred")


def test_a_revoked_or_rotated_key_is_refused_everywhere(cluster, ann, keys):
    protect(cluster, "jwt")
    credential(cluster, "jwt", "ann", key="rsa", algorithm="RS256", rsa_public_key=keys["RSA"][1])
    cluster.settle()
    key = f"/cache/jwt_secrets:k:::::{WORKSPACE}"
    for node in cluster.nodes:
        for _ in range(3):  # what is in use is read again with the change itself
            assert ask(cluster, good(), node=node).status == ask(cluster, token({"iss": "rsa"}, keys["RSA"][0], "RS256"), node=node).status == 200
        shown = node.admin("GET", key).json
        assert (shown["key"], shown["secret"], shown["algorithm"]) == ("k", SECRET, "HS256")
        assert node.admin("GET", key.replace(":k:", ":rsa:")).json["rsa_public_key"] == keys["RSA"][1]
    other = make_key("RSA")
    assert cluster.a.admin("PATCH", "/consumers/ann/jwt/rsa", json={"rsa_public_key": other[1]}).status == 200
    assert cluster.a.admin("DELETE", "/consumers/ann/jwt/k").status == 204
    old, new = token({"iss": "rsa"}, keys["RSA"][0], "RS256"), token({"iss": "rsa"}, other[0], "RS256")
    assert_exit(ask(cluster, good()), message("No credentials found for given 'iss'"))
    assert (ask(cluster, old).status, ask(cluster, new).status) == (401, 200)
    eventually(lambda: ask(cluster, good(), node=cluster.b).status == 401, 3)
    eventually(lambda: (ask(cluster, old, node=cluster.b).status, ask(cluster, new, node=cluster.b).status) == (401, 200), 3)


@pytest.mark.parametrize("config, field", [({"maximum_expiration": 60, "claims_to_verify": ["nbf"]}, "@entity"), ({"claims_to_verify": ["iat"]}, "config"), ({"maximum_expiration": 31536001}, "config")])
def test_settings_that_make_no_sense(cluster, config, field):
    answer = cluster.a.admin("POST", "/plugins", json={"name": "jwt", "config": config})
    assert answer.status == 400 and field in answer.json["fields"], answer
