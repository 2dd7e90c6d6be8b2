"""What tests of authentication have in common: protected routes, credentials as clients send them, answers and what the upstream was told."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import tempfile
import time
from email.utils import formatdate

SCHEME = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512", "RS256": "sha256", "RS384": "sha384", "RS512": "sha512", "ES256": "sha256",
          "ES384": "sha384"}
IDENTITY = ("x-consumer-id", "x-consumer-username", "x-consumer-custom-id", "x-credential-identifier", "x-anonymous-consumer")


def protect(cluster, plugin, config=None, name="r", **route):
    """A route under /name with the plugin, on a service that shows what it got."""
    cluster.service()
    cluster.route(name, **route)
    return add_plugin(cluster, plugin, config, name)


def add_plugin(cluster, plugin, config=None, name="r"):
    answer = cluster.a.admin("POST", f"/routes/{name}/plugins", json={"name": plugin, "config": config or {}})
    assert answer.status == 201, answer
    return answer.json


def credential(cluster, kind, consumer="c", **fields):
    answer = cluster.a.admin("POST", f"/consumers/{consumer}/{kind}", json=fields)
    assert answer.status == 201, answer
    return answer.json


def upstream_headers(answer):
    assert answer.status == 200, answer
    return {name.lower(): value for name, value in answer.json["headers"]}


def identity(answer):
    """Who the upstream was told asks."""
    told = upstream_headers(answer)
    return {name[2:]: told[name] for name in IDENTITY if name in told}


def assert_refused(answer, status, message, challenge=None):
    """Family A: negotiated, with the id of the request."""
    assert answer.status == status, answer
    assert answer.json["message"] == message and set(answer.json) == {"message", "request_id"}, answer
    assert answer.headers.get("WWW-Authenticate") == challenge


def assert_exit(answer, body):
    """401, family B: compact JSON without the id."""
    assert answer.status == 401 and answer.body == json.dumps(body, separators=(",", ":")).encode(), answer
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8" and "WWW-Authenticate" not in answer.headers


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def url64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def basic(user, password):
    return "Basic " + b64(f"{user}:{password}")


# ---- tokens ----

def run_openssl(*words, data=b""):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout


def make_key(kind):
    """(private, public) in PEM of "RSA" or a curve."""
    what = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if kind == "RSA" else ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{kind}"]
    private = run_openssl("genpkey", *what)
    return private.decode(), run_openssl("pkey", "-pubout", data=private).decode()


def raw_ecdsa(der, size):
    """r and s of fixed size out of SEQUENCE { INTEGER, INTEGER }."""
    numbers, at = b"", 2
    for _ in range(2):
        length = der[at + 1]
        numbers += der[at + 2 : at + 2 + length].lstrip(b"\0").rjust(size, b"\0")
        at += 2 + length
    return numbers


def sign(algorithm, key, text):
    if algorithm.startswith("HS"):
        return hmac.new(key if isinstance(key, bytes) else key.encode(), text, SCHEME[algorithm]).digest()
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
        file.write(key)
        file.flush()
        made = run_openssl("dgst", f"-{SCHEME[algorithm]}", "-sign", os.path.abspath(file.name), data=text)
    return made if algorithm.startswith("RS") else raw_ecdsa(made, int(algorithm[2:]) // 8)


def token(claims, key, algorithm="HS256", header=None, signature=None):
    head = {"alg": algorithm, "typ": "JWT"} | (header or {})
    text = f"{url64(json.dumps(head))}.{url64(json.dumps(claims))}"
    return f"{text}.{url64(sign(algorithm, key, text.encode()) if signature is None else signature)}"


# ---- signed requests ----

def date(offset=0):
    return formatdate(time.time() + offset, usegmt=True)


def signed(text, user="bob", secret="s3cret", algorithm="hmac-sha256", names="date request-line"):
    """The header for a text that has the named lines."""
    proof = b64(hmac.new(secret.encode(), text.encode(), algorithm.removeprefix("hmac-")).digest())
    return f'hmac username="{user}", algorithm="{algorithm}", headers="{names}", signature="{proof}"'


def digest(body):
    return "SHA-256=" + b64(hashlib.sha256(body).digest())
