"""Bodies for the Admin API in every form it takes, and the error objects it answers with."""

import json
import re
import uuid
from urllib.parse import quote, urlencode  # noqa: F401

import openapi
from pems import CA, RSA, RSA_KEY, RSA_PUBLIC
from plugin_settings import RUNNING
from support import Answer, raw

KINDS = ("json", "form", "multipart")
BOUNDARY = "----freshet-test"
NOWHERE = "00000000-0000-4000-8000-00000000dead"
NOT_FOUND = {"message": "Not found"}
NO_METHOD = {"message": "Method not allowed"}
BAD_JSON = {"message": "Cannot parse JSON body"}
PARENT = "00000000-0000-4000-8000-0000000ce127"  # a certificate of make_parents()
# The least a client has to send to make one, and where, for the tests that visit every entity.
MORE_LEAST = {"upstreams": {"name": "up"}, "ca_certificates": {"cert": CA}, "key_sets": {}, "keys": {"kid": "k", "pem": {"public_key": RSA_PUBLIC}},
              "vaults": {"prefix": "own", "name": "env"},
              "certificates": {"cert": RSA, "key": RSA_KEY}, "snis": {"name": "n.test", "certificate": {"id": PARENT}},
              "targets": {"target": "t.test", "upstream": {"id": NOWHERE}}}
CREDENTIALS = {"keyauth_credentials": "/key-auths", "basicauth_credentials": "/basic-auths", "acls": "/acls", "jwt_secrets": "/jwts",
               "hmacauth_credentials": "/hmac-auths"}
MORE_PATHS = {"key_sets": "/key-sets", "targets": "/upstreams/parent/targets"}


def least_credentials(owner):
    """The least that each credential of this consumer must have."""
    more = {"basicauth_credentials": {"username": "u", "password": "p"}, "acls": {"group": "g"}, "hmacauth_credentials": {"username": "u"}}
    return {entity: {"consumer": {"username": owner}} | more.get(entity, {}) for entity in CREDENTIALS}


def not_run(plugin, why="this gateway does not run it yet", running=", ".join(RUNNING)):
    """What is said of a plugin that is known and does not run."""
    return f"plugin '{plugin}' not enabled: {why}; plugins that run here: {running}"


def make_parents(cluster):
    """What MORE_PATHS lead through."""
    assert cluster.a.admin("PUT", "/upstreams/parent", json={}).status == 200
    assert cluster.a.admin("PUT", f"/certificates/{PARENT}", json={"cert": RSA, "key": RSA_KEY}).status == 200


def text_of(value):
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def arguments(value, name=""):
    """The (name, text) pairs of a form that means `value`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from arguments(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, (list, tuple)):
        for position, inner in enumerate(value, 1):
            yield from arguments(inner, f"{name}[{position}]")
    else:
        yield name, text_of(value)


def multipart(pairs):
    """Headers and bytes of a multipart body."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in pairs]
    return {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, ("".join(parts) + f"--{BOUNDARY}--\r\n").encode()


def encode(kind, value):
    """Headers and bytes of a body."""
    if kind == "json":
        return {"Content-Type": "application/json"}, json.dumps(value).encode()
    if kind == "form":
        return {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(list(arguments(value))).encode()
    return multipart(arguments(value))


def send(node, kind, method, path, value):
    headers, data = encode(kind, value)
    return node.admin(method, path, headers=headers, data=data)


def exchange(node, data):
    """Sends bytes as they are; the answer to them."""
    head, _, body = raw(node.admin_port, data).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    answer = Answer(int(first.split()[1]), [tuple(line.split(": ", 1)) for line in lines], body)
    asked = re.match(rb"([A-Z]+) (/\S*) HTTP/1", data)
    if asked:
        openapi.note(node.admin_port, *(part.decode("latin-1") for part in asked.groups()), answer)
    return answer


def get_as_it_is(node, path):
    """GET of a path that may have any bytes in it."""
    return exchange(node, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())


def new_id():
    return str(uuid.uuid4())


def violation(fields, *clauses):
    """The object of code 2; a clause is "field: what is wrong" or the text of a rule over several fields."""
    start = "schema violation" if len(clauses) == 1 else f"{len(clauses)} schema violations"
    return {"code": 2, "name": "schema violation", "message": f"{start} ({'; '.join(clauses)})", "fields": fields}


def wrong(name, text):
    """A violation of one field on the top level."""
    return violation({name: text}, f"{name}: {text}")


def rule(text):
    """A violation of one rule over several fields."""
    return violation({"@entity": [text]}, text)


def clash(key, fields):
    return {"code": 5, "name": "unique constraint violation", "message": f"UNIQUE violation detected on '{key}'", "fields": fields}


def missing(name, value):
    """The object of code 6, for a PATCH of what is not there."""
    how = "primary key " if name == "id" else ""
    return {"code": 6, "name": "not found", "message": f"could not find the entity with {how}'{{{name}=\"{value}\"}}'", "fields": {name: value}}


def impossible(name, text):
    """The object of code 10."""
    return {"code": 10, "name": f"invalid unique {name}", "message": text}


def assert_answer(answer, status, body):
    assert answer.status == status, answer
    assert answer.json == body, json.dumps(answer.json)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def assert_stored(cluster, path, entity):
    """Both nodes show the entity as it was answered."""
    for node in cluster.nodes:
        assert_answer(node.admin("GET", path), 200, entity)


def without(entity, *names):
    return {name: value for name, value in entity.items() if name not in names}
