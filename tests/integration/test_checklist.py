"""The checklist of the Admin API reference (section 5): each of its rows is asserted somewhere, and what no other test asserts is here;
sentences of sections 1 to 4 beside it.

checklist.tsv says where each row is. A row of ROWS is one request to entities that stay as they are; one of STEPS is a few, which make
what they need.
"""

import ast
import os
import re

import pytest

from admin_api import (BAD_JSON, KINDS, NO_METHOD, NOT_FOUND, NOWHERE, assert_answer, assert_stored, exchange, missing, send, violation, without, wrong)
from plugin_settings import IDLE
from support import default_entities

HERE = os.path.dirname(__file__)
WORKSPACE = "5b1e0000-0000-4000-8000-000000000001"
JUNK = {"headers": {"Content-Type": "application/json"}, "data": '{"hello": "world"'}
NO_WASM = {"message": "this endpoint is only available when wasm is enabled"}
NO_CONTROL = {"message": "this endpoint is only available when Kong is configured to run as Control Plane for the cluster"}
NO_FILE = {"message": "this endpoint is only available when Kong is configured to not use a database"}
VALID = {"message": "schema validation successful"}
PRIORITIES = {
    "pre-function": 1000000, "zipkin": 100000, "bot-detection": 2500, "cors": 2000, "session": 1900, "acme": 1705, "jwt": 1450, "oauth2": 1400,
    "key-auth": 1250, "ldap-auth": 1200, "basic-auth": 1100, "hmac-auth": 1030, "grpc-gateway": 998, "ip-restriction": 990, "request-size-limiting": 951,
    "acl": 950, "rate-limiting": 910, "response-ratelimiting": 900, "request-transformer": 801, "response-transformer": 800, "aws-lambda": 750,
    "azure-functions": 749, "proxy-cache": 100, "opentelemetry": 14, "prometheus": 13, "http-log": 12, "statsd": 11, "datadog": 10, "file-log": 9,
    "udp-log": 8, "tcp-log": 7, "loggly": 6, "syslog": 4, "grpc-web": 3, "request-termination": 2, "correlation-id": 1, "post-function": -1000}
ENTITIES = ("consumers", "services", "routes", "plugins", "certificates", "ca_certificates", "snis", "upstreams", "targets", "tags", "vaults", "keys", "key_sets",
            "workspaces", "filter_chains", "clustering_data_planes", "parameters", "keyauth_credentials", "basicauth_credentials", "hmacauth_credentials",
            "jwt_secrets", "acls")


# ---- what an answer must be, where it is more than one value ----

def schema(answer):
    assert list(answer.json) == ["fields", "entity_checks"] and isinstance(answer.json["entity_checks"], list)
    assert answer.json["fields"] and all(len(one) == 1 for one in answer.json["fields"])
    for one in answer.json["fields"]:
        nested(*one.values())


def nested(field):
    assert isinstance(field["type"], str) and field.get("default") != {}
    for inner in field.get("fields", []):
        nested(*inner.values())
    for part in ("elements", "keys", "values"):
        if part in field:
            nested(field[part])
    assert ("fields" in field) == (field["type"] == "record")


def timers(answer):
    assert set(answer.json) == {"worker", "stats"} and answer.json["worker"] == {"id": 0, "count": 2}
    assert set(answer.json["stats"]) == {"sys", "flamegraph", "timers"} and answer.json["stats"]["timers"] == {}
    assert {name: int for name in ("total", "runs", "running", "pending", "waiting")} == {name: type(value) for name, value in answer.json["stats"]["sys"].items()}
    assert {name: str for name in ("running", "pending", "elapsed_time")} == {name: type(value) for name, value in answer.json["stats"]["flamegraph"].items()}


def workspace(answer):
    one = answer.json["data"][0] if "data" in answer.json else answer.json
    assert without(one, "created_at", "updated_at") == {"id": WORKSPACE, "name": "default", "comment": None, "config": {}, "meta": {}}
    assert one["created_at"] == one["updated_at"] > 1700000000
    assert "data" not in answer.json or answer.json == {"data": [one], "next": None}


def text(expected):
    def check(answer):
        assert answer.text == expected and answer.headers["Content-Type"].startswith("text/plain")
    return check


def same(path):
    """What GET of that path answers."""
    return lambda answer, world: assert_answer(answer, 200, world.cluster.a.admin("GET", path.format(**world.names)).json)


def root(answer):
    shown = answer.json["configuration"]
    assert answer.json["edition"] == "community" and re.fullmatch(r"\d+\.\d+\.\d+", answer.json["freshet"]["version"])
    assert re.fullmatch(r"3\.5\.\d+", answer.json["version"]), "clients take it apart"
    assert (shown["vaults"], shown["loaded_vaults"], shown["plugins"]) == (["bundled"], {"env": True}, ["bundled"])
    for name in ("kong_env", "nginx_err_logs", "nginx_pid"):
        assert os.path.exists(shown[name]) or name == "nginx_err_logs"
    for name, kind in (("pg_port", int), ("pg_ssl", bool), ("proxy_listen", list), ("headers", list), ("trusted_ips", list), ("mem_cache_size", str),
                       ("db_update_frequency", (int, float)), ("prefix", str), ("proxy_listeners", list), ("loaded_plugins", dict)):
        assert isinstance(shown[name], kind), name
    assert [shown[name] for name in ("mem_cache_size", "nginx_admin_client_max_body_size", "client_header_limit", "nginx_http_client_max_body_size")] == [
        "128m", "10m", "32k", "0"]
    for listener in shown["proxy_listeners"] + shown["admin_listeners"]:
        assert {"ip", "port", "ssl", "http2", "proxy_protocol", "reuseport"} <= set(listener)
    for name, plugin in answer.json["plugins"]["available_on_server"].items():
        assert plugin == {"version": "0.1.0" if name == "opentelemetry" else "3.5.0", "priority": PRIORITIES[name]}


class World:
    """One of each, which nobody changes: service s, route r, consumer c, plugin p of s, upstream u with target t:1, key k, set ks, vault v."""

    def __init__(self, cluster):
        default_entities(cluster)
        self.cluster, self.names = cluster, {"nowhere": NOWHERE, "workspace": WORKSPACE}
        self.add("service", "/services/s", {"host": "h.test"})
        self.add("route", "/services/s/routes/r", {"paths": ["/r"], "tags": ["t"]})
        self.add("consumer", "/consumers/c", {})
        self.add("plugin", "/services/s/plugins/p", {"name": "request-termination"})
        self.add("own", "/consumers/c/plugins/of-c", {"name": "request-termination"})
        self.add("upstream", "/upstreams/u", {})
        self.add("target", "/upstreams/u/targets", {"target": "t:1"}, "POST")
        self.add("vault", "/vaults/v1", {"name": "env"})

    def add(self, name, path, body, method="PUT"):
        answer = self.cluster.a.admin(method, path, json=body)
        assert answer.status in (200, 201), answer
        self.names[name] = answer.json["id"]


@pytest.fixture(scope="module")
def world(shared_cluster):
    shared_cluster.ensure_running()
    yield World(shared_cluster)
    default_entities(shared_cluster)


COLLECTIONS = ("/consumers", "/routes", "/services", "/plugins", "/upstreams", "/certificates", "/ca_certificates", "/snis", "/vaults", "/keys", "/key-sets",
               "/key-auths", "/upstreams/u/targets", "/services/s/routes", "/consumers/c/plugins")
# Number in the checklist or section of the reference, method, path, body, status, what the answer is (None: only its status counts).
ROWS = [
    *(("25", "GET", f"/schemas/{name}", None, 200, schema) for name in ENTITIES),
    *(("30", "GET", f"/schemas/plugins/{name}", None, 200, schema) for name in PRIORITIES),
    *(("59", method, "/consumers", {"json": {}}, 405, NO_METHOD) for method in ("PUT", "PATCH", "DELETE")),
    *(("64", "GET", f"/consumers/{key}", None, 404, NOT_FOUND) for key in (NOWHERE, "nobody")),
    *(("76", "PUT", f"/consumers/{key}", JUNK, 400, BAD_JSON) for key in (NOWHERE, "c")),
    *(("89", "GET", f"/consumers/c/plugins/{key}", JUNK, 200, same("/plugins/of-c")) for key in ("of-c", "{own}")),
    ("122", "GET", "/plugins/schema/key-auth", None, 200, schema),
    ("123", "GET", "/schemas/plugins/request-transformer", None, 200, schema),
    ("250", "POST", "/routes", JUNK, 400, BAD_JSON),
    *(("259", method, "/routes", {"json": {}}, 405, NO_METHOD) for method in ("PUT", "PATCH", "DELETE")),
    ("266", "GET", "/routes/{route}", JUNK, 200, same("/routes/r")),
    ("267", "GET", "/routes/r", JUNK, 200, same("/routes/{route}")),
    ("337", "GET", "/services/{service}", JUNK, 200, same("/services/s")),
    ("338", "GET", "/services/s", JUNK, 200, same("/services/{service}")),
    ("379", "GET", "/robots.txt", None, 200, text("User-agent: *\nDisallow: /\n")),
    ("481", "GET", "/timers", None, 200, timers),
    # Beside the checklist: sentences of sections 1 to 4.
    ("1.1", "GET", "/plugins/enabled", None, 200, lambda answer: answer.json["enabled_plugins"]),
    ("1.1", "GET", "/upstreams/u/targets/all", None, 200, same("/upstreams/u/targets")),
    *(("1.1", "GET", path + "/", None, 200, same(path)) for path in ("/services", "/services/s", "/consumers/c/plugins", "/schemas/services", "/cache")),
    *(("1.1", method, "/default/services", None, 404, NOT_FOUND) for method in ("GET", "POST", "OPTIONS")),
    ("1.1", "GET", "/services?foo=bar&size=1000&name=x", None, 200, same("/services")),
    *(("1.3", method, path, {"json": {}}, 405, NO_METHOD) for path in COLLECTIONS for method in ("PUT", "PATCH", "DELETE", "BREW")),
    *(("1.3", method, "/services/s", None, 405, NO_METHOD) for method in ("POST", "BREW")),
    ("1.3", "OPTIONS", "/nope/x", None, 404, NOT_FOUND),
    ("1.5", "POST", "/consumers", {"headers": {"Content-Type": "text/yaml"}, "data": "username: x"}, 415, None),
    ("1.7", "POST", "/services", {"json": {"id": "{service}", "host": "h"}}, 400,
     {"code": 3, "name": "primary key violation", "message": "primary key violation on key '{id=\"{service}\"}'", "fields": {"id": "{service}"}}),
    ("1.7", "GET", "/ca_certificates/x", None, 400,
     {"code": 1, "name": "invalid primary key", "message": "invalid primary key: '{id=\"expected a valid UUID\"}'", "fields": {"id": "expected a valid UUID"}}),
    ("1.7", "PATCH", "/services/nobody", {"json": {"host": 7}}, 404, missing("name", "nobody")),
    ("1.10", "POST", "/services", {"json": {"host": "h", "port": 80.5}}, 400, wrong("port", "expected an integer")),
    ("1.10", "POST", "/services", {"json": {"host": "h", "name": "a\u00e9 b"}}, 400,
     wrong("name", "invalid value 'aé b': the only accepted ascii characters are alphanumerics or ., -, _, and ~")),
    ("1.16", "POST", "/routes", {"json": {"paths": ["/x"], "service": {"id": NOWHERE}}}, 400,
     {"code": 4, "name": "foreign key violation", "fields": {"service": {"id": NOWHERE}},
      "message": f"the foreign key '{{id=\"{NOWHERE}\"}}' does not reference an existing 'services' entity."}),
    ("1.17", "GET", "/services?size=1&size=2", None, 400, {"code": 9, "name": "invalid size", "message": "size must be a number"}),
    ("1.18", "GET", "/services?tags=", None, 200, same("/services")),
    ("1.19", "GET", "/consumers?custom_id=nobody", None, 200, {"data": [], "next": None}),
    *(("2.13", method, path, {"json": {}}, 400, NO_WASM) for method in ("GET", "POST", "PUT", "PATCH", "DELETE") for path in (
        "/filter-chains", "/filter-chains/x", "/services/s/filter-chains", "/services/nobody/filter-chains/x", "/routes/r/filter-chains",
        "/routes/r/filter-chains/x", "/routes/r/filters/all", "/routes/r/filters/enabled", "/routes/r/filters/disabled", "/filter-chains/x/route")),
    *(("2.13", "GET", f"/clustering/{name}", None, 400, NO_CONTROL) for name in ("data-planes", "status")),
    *(("2.13", "GET", f"/workspaces{key}", None, 200, workspace) for key in ("", "/default", "/{workspace}")),
    *(("2.13", "GET", f"/workspaces/{key}", None, 404, NOT_FOUND) for key in (NOWHERE, "other")),
    *(("2.13", "GET", path, None, 404, NOT_FOUND) for path in (
        "/kong", "/consumer_groups", "/licenses", "/licenses/report", "/rbac/users", "/event-hooks", "/admins", "/developers", "/files", "/portal", "/parameters",
        "/default/kong", "/default/workspaces", "/default", "/upstreams/u/filter-chains", "/consumers/c/filter-chains", "/keyring", "/groups", "/audit/requests")),
    ("3.1", "GET", "/", None, 200, root),
    ("3.2", "GET", "/status?unit=V", None, 400, {"message": "invalid unit 'V' (expected 'k/K', 'm/M', or 'g/G')"}),
    ("3.4", "GET", "/schemas/nope", None, 404, {"message": "No entity named 'nope'"}),
    *(("3.5", "POST", f"/schemas/{name}/validate", {"json": body}, 200, VALID) for name, body in (
        ("workspaces", {"name": "x"}), ("filter_chains", {"route": {"id": NOWHERE}, "filters": []}), ("tags", {"tag": "t", "entity_name": "s", "entity_id": "x"}))),
    ("3.5", "POST", "/schemas/filter_chains/validate", {"json": {"filters": [{}]}}, 400,
     violation({"@entity": ["at least one of these fields must be non-empty: 'service', 'route'"], "filters": [{"name": "required field missing"}]},
               "at least one of these fields must be non-empty: 'service', 'route'", "filters.1: {\n  name = \"required field missing\"\n}")),
    *(("3.5", "GET", f"/schemas/filters/{name}", None, 404, {"message": f"Filter '{name}' not found"}) for name in ("x", "validate")),
    *(("3.5", method, path, {"json": {}}, 405, NO_METHOD) for method in ("PUT", "PATCH", "DELETE") for path in (
        "/schemas/services", "/schemas/plugins/key-auth", "/schemas/plugins/validate", "/schemas/vaults/env", "/plugins/schema/key-auth", "/schemas/filters/x",
        "/schemas/services/validate", "/endpoints", "/plugins/enabled", "/timers", "/workspaces", "/workspaces/default", "/status", "/config")),
    *(("3.6", method, "/cache/x", None, status, None) for method, status in (("GET", 404), ("DELETE", 204))),
    *(("3.8", method, "/config", body, 400, NO_FILE) for method, body in (
        ("GET", None), ("POST", None), ("POST", JUNK), ("POST", {"json": {"_format_version": "3.0"}}),
        ("POST", {"headers": {"Content-Type": "text/yaml"}, "data": "_format_version: '3.0'"}))),
    ("2.13", "POST", "/filter-chains", JUNK, 400, NO_WASM),
]


def filled(value, names):
    """`value` with {names} in its texts."""
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda match: names.get(match.group(1), match.group(0)), value)
    if isinstance(value, dict):
        return {filled(key, names): filled(inner, names) for key, inner in value.items()}
    return [filled(inner, names) for inner in value] if isinstance(value, list) else value


def name_of(row):
    return f"{row[0]}-{row[1]}-{row[2]}"


@pytest.mark.parametrize("number, method, path, sent, status, expected", ROWS, ids=map(name_of, ROWS))
def test_rows(world, number, method, path, sent, status, expected):
    sent = sent or {}
    if "json" in sent:
        sent = {"json": filled(sent["json"], world.names)}
    answer = world.cluster.a.admin(method, filled(path, world.names), **sent)
    assert answer.status == status, answer
    assert answer.headers["Server"] == "kong/3.5.0" and answer.headers["X-Kong-Admin-Latency"].isdigit()
    assert answer.headers["Access-Control-Allow-Origin"] == "*" and answer.headers["Access-Control-Allow-Credentials"] == "true"
    if isinstance(expected, dict):
        assert_answer(answer, status, filled(expected, world.names))
    elif expected is not None:
        expected(*(answer, world)[:expected.__code__.co_argcount])


def test_nothing_is_left_of_the_rows(world):
    for name in ("services", "routes", "consumers", "plugins", "upstreams", "vaults"):
        rows = world.cluster.a.admin("GET", f"/{name}").json["data"]
        assert len(rows) == (2 if name == "plugins" else 1), name
    assert exchange(world.cluster.a, b"GET /robots.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").text == "User-agent: *\nDisallow: /\n"


# ---- several requests each ----

def patch_of_a_plugin(cluster, kind):
    """110, 112, 113, 115, 116"""
    service = cluster.service()
    made = cluster.a.admin("POST", "/plugins", json={"name": "request-termination", "service": {"id": service["id"]}, "config": {"message": "m"}}).json
    path = f"/plugins/{made['id']}"
    for change in ({"enabled": False}, without(made, "created_at", "updated_at"), {"service": None}):
        answer = send(cluster.a, kind, "PATCH", path, change)
        assert answer.status == 200, answer
        made = without(made, "updated_at") | change
        assert without(answer.json, "updated_at") == made
        assert_stored(cluster, path, answer.json)
    stored = answer.json
    for change, expected in (({"foo": "bar"}, wrong("foo", "unknown field")), ({"config": "bar"}, wrong("config", "expected a record"))):
        assert_answer(send(cluster.a, kind, "PATCH", path, change), 400, expected)
        assert_stored(cluster, path, stored)


def delete_after_the_targets(cluster, kind):
    """203, 239"""
    assert send(cluster.a, kind, "POST", "/upstreams", {"name": "gone"}).status == 201
    target = send(cluster.a, kind, "POST", "/upstreams/gone/targets", {"target": "t"}).json
    answer = cluster.a.admin("DELETE", f"/upstreams/gone/targets/{target['id']}")
    assert (answer.status, answer.body) == (204, b"")
    for path in ("/upstreams/gone/targets", "/upstreams/gone/targets/all"):
        assert_answer(cluster.a.admin("GET", path), 200, {"data": [], "next": None})
    assert cluster.a.admin("DELETE", "/upstreams/gone").status == 204
    assert_answer(cluster.a.admin("GET", "/upstreams/gone"), 404, NOT_FOUND)


def grpc_routes(cluster, kind):
    """245, 247, 249"""
    service = cluster.service()
    shown = {"protocols": ["grpc", "grpcs"], "hosts": ["g.test"], "paths": ["/p"], "strip_path": False, "methods": None}
    for scope, stored in (({}, None), ({"service": {"name": "s"}}, {"id": service["id"]})):
        answer = send(cluster.a, kind, "POST", "/routes", {"protocols": ["grpc", "grpcs"], "hosts": ["g.test"], "paths": ["/p"]} | scope)
        assert answer.status == 201, answer
        assert {name: answer.json[name] for name in (*shown, "service")} == shown | {"service": stored}
        assert_stored(cluster, f"/routes/{answer.json['id']}", answer.json)


STEPS = [patch_of_a_plugin, delete_after_the_targets, grpc_routes]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", STEPS, ids=lambda steps: steps.__name__)
def test_steps(cluster, clean, steps, kind):
    steps(cluster, kind)


def test_plugins_of_the_bundle(cluster):
    """371, 372: every plugin of the bundle runs here or is known; those that run have the priority clients know."""
    running = cluster.a.admin("GET", "/").json["plugins"]["available_on_server"]
    assert {*running, *IDLE} == set(PRIORITIES) and not {*running} & {*IDLE}
    assert set(cluster.a.admin("GET", "/plugins/enabled").json["enabled_plugins"]) == set(running)


# ---- checklist.tsv ----

def numbers(words):
    for part in words.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def checklist():
    """Number of each row -> what the file says."""
    with open(os.path.join(HERE, "checklist.tsv"), encoding="ascii") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    found = [(number, where) for words, where in lines for number in numbers(words)]
    assert len(dict(found)) == len(found), "a row is there twice"
    return dict(found)


def names_in(module):
    with open(os.path.join(HERE, f"{module}.py"), encoding="utf-8") as file:
        return {node.name for node in ast.parse(file.read()).body if isinstance(node, ast.FunctionDef)}


def test_every_row_is_asserted_somewhere():
    rows = checklist()
    assert sorted(rows) == list(range(1, 513))
    words = [where.split(":")[0] for where in rows.values()]
    assert [words.count(word) for word in ("out", "never", "differs")] == [46, 2, 4]
    for number, where in rows.items():
        if where.split(":")[0] in ("out", "never", "differs", "waits"):
            continue
        for one in where.split():
            module, test = one.split("::")
            assert test in names_in(module), (number, one)


def test_rows_of_this_file_are_those_it_is_said_to_have():
    rows = checklist()
    for test, here in (("test_rows", {int(row[0]) for row in ROWS if row[0].isdigit()}),
                       ("test_steps", {int(number) for steps in STEPS for number in steps.__doc__.split(", ")})):
        assert {number for number, where in rows.items() if where == f"test_checklist::{test}"} == here
