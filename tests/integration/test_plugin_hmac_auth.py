"""hmac-auth (plugin reference 4; data plane 9.4)."""

import datetime
import hashlib
import hmac
import time

import pytest

from auth import assert_refused, b64, credential, date, digest, identity, protect, signed, upstream_headers
from support import eventually

pytestmark = pytest.mark.usefixtures("clean")

NO_DATE = "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication"
NO_PROOF, WRONG = "HMAC signature cannot be verified", "HMAC signature does not match"
SECRET = "s3cret"


@pytest.fixture
def bob(cluster):
    made = cluster.consumer("bob")
    for name in ("bob", 'b"o,b'):
        credential(cluster, "hmac-auth", "bob", username=name, secret=SECRET)
    return made


def ask(cluster, authorization=None, when=None, method="GET", path="/r", data=None, node=None, **headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()} | ({"Authorization": authorization} if authorization is not None else {})
    return (node or cluster.a).proxy(method, path, headers=({"Date": when} if when else {}) | sent, data=data)


def request(cluster, path="/r", method="GET", names="date request-line", lines=None, when=None, secret=SECRET, algorithm="hmac-sha256", user="bob", node=None, **more):
    """A request that is signed over its date and its first line, or over these lines."""
    when = when or date()
    text = "\n".join(lines) if lines is not None else f"date: {when}\n{method} {path} HTTP/1.1"
    return ask(cluster, signed(text, user, secret, algorithm, names), when, method, path, node=node, **more)


@pytest.mark.parametrize("algorithm", ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"])
@pytest.mark.parametrize("user", ["bob", 'b"o,b'])
def test_a_signed_request_names_its_consumer(cluster, bob, algorithm, user):
    protect(cluster, "hmac-auth")
    for _ in range(2):
        answer = request(cluster, algorithm=algorithm, user=user, X_Consumer_Custom_ID="forged")
        assert identity(answer) == {"consumer-id": bob["id"], "consumer-username": "bob", "credential-identifier": user}
    assert_refused(request(cluster, algorithm=algorithm, secret="other"), 401, WRONG)
    assert_refused(request(cluster, algorithm=algorithm, user="nobody"), 401, NO_PROOF)


@pytest.mark.parametrize("names, lines", [
    ("date", ["date: DATE"]), ("Date", ["Date: DATE"]), ("x-date", ["x-date: DATE"]), ("request-line", ["POST /r/a%20b?x=1&y HTTP/1.1"]),
    ("@request-target", ["@request-target: post /r/a%20b?x=1&y"]), ("date @request-target", ["date: DATE", "@request-target: post /r/a%20b?x=1&y"]),
    ("x-missing", ["x-missing:"]), ("x-missing date", ["x-missing:", "date: DATE"]), ("host", ["host: 127.0.0.1:PORT"]), ("content-length", ["content-length: 4"]),
    ("x-one", ["x-one: a  b"]), ("X-oNe", ["X-oNe: a  b"]), ("date  x-one", ["date: DATE", "x-one: a  b"]), ("date date", ["date: DATE", "date: DATE"]),
    (" ".join(["date"] * 100), ["date: DATE"] * 100)])
def test_what_is_signed(cluster, bob, names, lines):
    protect(cluster, "hmac-auth")
    when = date()
    lines = [line.replace("DATE", when).replace("PORT", str(cluster.a.proxy_port)) for line in lines]
    more = {"when": when, "path": "/r/a%20b?x=1&y", "method": "POST", "data": b"body", "X_One": "a  b", "X_Date": when}
    assert request(cluster, names=names, lines=lines, **more).status == 200
    assert_refused(request(cluster, names=names, lines=[*lines, ""], **more), 401, WRONG)
    assert_refused(request(cluster, names=names, lines=lines[:-1] + [lines[-1] + " "], **more), 401, WRONG)


def test_a_changed_request_does_not_match(cluster, bob):
    protect(cluster, "hmac-auth")
    when = date()
    line = signed(f"date: {when}\nGET /r?a=1 HTTP/1.1")
    assert ask(cluster, line, when, path="/r?a=1").status == 200
    for method, path, moment in (("GET", "/r?a=2", when), ("POST", "/r?a=1", when), ("GET", "/r", when), ("GET", "/r?a=1", date(-5))):
        assert_refused(ask(cluster, line, moment, method, path), 401, WRONG)


@pytest.mark.parametrize("line", [
    'HMAC username="bob", algorithm="hmac-sha256", headers="date", signature="eA=="', 'username="bob", algorithm="hmac-sha256", headers="date", signature="eA=="',
    'hmac username="", algorithm="hmac-sha256", headers="date", signature="eA=="', 'hmac username="bob", algorithm="", headers="date", signature="eA=="',
    'hmac username="bob", algorithm="hmac-sha256", headers="", signature="eA=="', 'hmac username="bob", algorithm="hmac-sha256", headers="date", signature=""',
    'hmac username="bob", algorithm="hmac-sha256", signature="eA==", headers="date"', 'hmac username="bob", algorithm="hmac-sha256", headers="date"',
    'hmac username="bob" algorithm="hmac-sha256" headers="date" signature="eA=="', "hmac username=bob, algorithm=hmac-sha256, headers=date, signature=eA==",
    'hmac username="bob", algorithm="hmac-sha256", headers="date", signature="eA==', 'hmac username="bob", algorithm="md5", headers="date", signature="eA=="',
    'hmac username="bob", algorithm="hmac-sha256", headers=" ", signature="eA=="', "hmac", "", "Basic eDp5", "x" * 5000,
    f'hmac username="bob", algorithm="hmac-sha256", headers="{"date " * 101}", signature="eA=="'])
def test_what_is_no_signature(cluster, bob, line):
    protect(cluster, "hmac-auth")
    assert_refused(ask(cluster, line, date()), 401, NO_PROOF)
    assert_refused(ask(cluster, line), 401, NO_DATE)  # first of all


def test_a_long_header_is_not_to_be_signed_often(cluster, bob):
    protect(cluster, "hmac-auth")
    line = 'hmac username="bob", algorithm="hmac-sha256", headers="' + "x " * 90 + '", signature="eA=="'
    assert_refused(ask(cluster, line, date(), X="y" * 2000), 401, NO_PROOF)
    assert_refused(ask(cluster, line, date(), X="y" * 100), 401, WRONG)


@pytest.mark.parametrize("line", ["hmac  {0}", "Hmac {0}", " hmac {0}", "hmac{0}"])
@pytest.mark.parametrize("comma", [",", ", ", ",   "])
def test_blanks_in_the_line(cluster, bob, line, comma):
    protect(cluster, "hmac-auth")
    when = date()
    parameters = signed(f"date: {when}", names="date").removeprefix("hmac ").replace(", ", comma)
    assert ask(cluster, line.format(parameters), when).status == 200


def test_without_a_header(cluster, bob):
    protect(cluster, "hmac-auth")
    assert_refused(ask(cluster), 401, "Unauthorized")
    assert_refused(ask(cluster, when=date()), 401, "Unauthorized")


def old_dates(offset=0):
    at = datetime.datetime.fromtimestamp(time.time() + offset, datetime.timezone.utc)
    return [at.strftime("%A, %d-%b-%y %H:%M:%S GMT"), at.strftime("%a %b %e %H:%M:%S %Y")]


@pytest.mark.parametrize("date_header, x_date, passes", [
    (date, None, True), (None, date, True), (lambda: date(-290), None, True), (lambda: date(290), None, True), (lambda: date(-310), None, False),
    (lambda: date(320), None, False), (lambda: date(-310), date, True), (date, lambda: date(-310), True), (lambda: "yesterday", None, False),
    (lambda: "yesterday", date, True), (None, None, False), (lambda: "", lambda: "x" * 100, False), (lambda: date() + "x", None, False),
    (lambda: "1795646276", None, False), (lambda: old_dates()[0], None, True), (lambda: old_dates()[1], None, True), (lambda: old_dates(-400)[0], None, False)])
def test_the_date_is_about_now(cluster, bob, date_header, x_date, passes):
    protect(cluster, "hmac-auth")
    headers = ({"Date": date_header()} if date_header else {}) | ({"X-Date": x_date()} if x_date else {})
    answer = ask(cluster, signed("GET /r HTTP/1.1", names="request-line"), **headers)
    if passes:
        assert answer.status == 200, answer
    else:
        assert_refused(answer, 401, NO_DATE)


def test_how_far_a_date_may_be_away(cluster, bob):
    protect(cluster, "hmac-auth", {"clock_skew": 5.5})
    assert request(cluster, when=date(-3)).status == 200
    assert_refused(request(cluster, when=date(-9)), 401, NO_DATE)


def test_algorithms_can_be_left_out(cluster, bob):
    protect(cluster, "hmac-auth", {"algorithms": ["hmac-sha512"]})
    assert request(cluster, algorithm="hmac-sha512").status == 200
    assert_refused(request(cluster, algorithm="hmac-sha1"), 401, NO_PROOF)


@pytest.mark.parametrize("names, status", [("date request-line", 200), ("request-line x date", 200), ("Date Request-Line", 200), ("date", 401), ("request-line", 401),
                                           ("date @request-target", 401)])
def test_headers_that_must_be_signed(cluster, bob, names, status):
    protect(cluster, "hmac-auth", {"enforce_headers": ["date", "request-line"]})
    when = date()
    lines = [{"date": f"{name}: {when}", "request-line": "GET /r HTTP/1.1", "@request-target": "@request-target: get /r"}.get(name.lower(), f"{name}:")
             for name in names.split()]
    answer = request(cluster, names=names, lines=lines, when=when)
    if status == 200:
        assert answer.status == 200, answer
    else:
        assert_refused(answer, 401, NO_PROOF)


@pytest.mark.parametrize("body, header, passes", [
    (b"hello", "right", True), (b"", "right", True), (b"", None, True), (None, None, True), (b"hello", None, False), (b"hello", "wrong", False),
    (b"hello", "SHA-1=qvTGHdzF6KLavt4PO0gs2a6pQ00=", False), (b"hello", "SHA-256=", False), (b"hello", "SHA-256=x", False), (b"\0\xff" * 1000, "right", True),
    (b"x" * 1024 * 1024, "right", True), (b"x" * (1024 * 1024 + 1), "right", False)])
def test_the_digest_of_the_body(cluster, bob, body, header, passes):
    protect(cluster, "hmac-auth", {"validate_request_body": True})
    headers = {} if header is None else {"Digest": {"right": digest(body or b""), "wrong": digest(b"other")}.get(header, header)}
    answer = request(cluster, method="POST", data=body, **headers)
    if passes:
        assert answer.status == 200, answer
    else:
        assert_refused(answer, 401, WRONG)


def test_the_body_is_not_looked_at_unless_asked_for(cluster, bob):
    protect(cluster, "hmac-auth")
    assert request(cluster, method="POST", data=b"x", Digest="SHA-256=nonsense").status == 200


def test_the_proxys_header_comes_first(cluster, bob):
    protect(cluster, "hmac-auth")
    protect(cluster, "hmac-auth", {"hide_credentials": True}, "hides")
    when = date()
    line, other = (signed(f"date: {when}", secret=secret, names="date") for secret in (SECRET, "other"))
    assert ask(cluster, other, when, Proxy_Authorization=line).status == 200
    assert_refused(ask(cluster, line, when, Proxy_Authorization=other), 401, WRONG)
    assert ask(cluster, line, when, Proxy_Authorization="Basic x").status == 200
    assert upstream_headers(ask(cluster, line, when))["authorization"] == line
    assert "authorization" not in upstream_headers(ask(cluster, line, when, path="/hides"))
    assert upstream_headers(ask(cluster, "Other x", when, path="/hides", Proxy_Authorization=line))["authorization"] == "Other x"


def test_strangers_can_be_somebody(cluster, bob):
    nobody = cluster.consumer("nobody")
    protect(cluster, "hmac-auth", {"anonymous": "nobody", "hide_credentials": True})
    for answer in (ask(cluster), ask(cluster, "x", date()), request(cluster, secret="other"), request(cluster, user="who"), request(cluster, when=date(-400))):
        assert identity(answer) == {"consumer-id": nobody["id"], "consumer-username": "nobody", "anonymous-consumer": "true"}
    assert identity(request(cluster))["consumer-id"] == bob["id"]
    protect(cluster, "hmac-auth", {"anonymous": "who is that"}, "broken")
    failed = ask(cluster, path="/broken")
    assert failed.status == 500 and failed.json == {"message": "An unexpected error occurred"}


def test_a_revoked_secret_is_refused_everywhere(cluster, bob):
    protect(cluster, "hmac-auth")
    cluster.settle()
    for node in cluster.nodes:
        assert request(cluster, node=node).status == 200
        assert node.admin("GET", "/cache/hmacauth_credentials:bob:::::5b1e0000-0000-4000-8000-000000000001").json["secret"] == SECRET
    assert cluster.a.admin("PATCH", "/consumers/bob/hmac-auth/bob", json={"secret": "new"}).status == 200
    assert request(cluster).status == 401 and request(cluster, secret="new").status == 200
    eventually(lambda: request(cluster, node=cluster.b).status == 401 and request(cluster, secret="new", node=cluster.b).status == 200, 3)
    assert cluster.a.admin("DELETE", "/consumers/bob/hmac-auth/bob").status == 204
    assert_refused(request(cluster, secret="new"), 401, NO_PROOF)
    eventually(lambda: request(cluster, secret="new", node=cluster.b).status == 401, 3)


def test_what_the_reference_signs(cluster, bob):
    """A line made by hand: nothing of it comes from the helpers."""
    protect(cluster, "hmac-auth")
    when = date()
    proof = b64(hmac.new(b"s3cret", b"date: " + when.encode() + b"\nGET /r/x?y=z HTTP/1.1", hashlib.sha512).digest())
    line = 'hmac username="bob", algorithm="hmac-sha512", headers="date request-line", signature="' + proof + '"'
    assert ask(cluster, line, when, path="/r/x?y=z").status == 200
