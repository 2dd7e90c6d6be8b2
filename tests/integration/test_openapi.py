"""GET /openapi.json: a valid document, of exactly the paths and methods there are; and the check of every answer by it.

That the answers of all other tests fit it is seen to by conftest.py.
"""

import json
import os
import re

import pytest
from jsonschema import Draft202012Validator

import openapi
from admin_api import CREDENTIALS, RSA, RSA_KEY, RSA_PUBLIC, CA, least_credentials, new_id
from support import ROOT, Answer

METHODS = ("get", "put", "post", "patch", "delete")
ONE = "00000000-0000-4000-8000-0000000a9e{:02x}"


@pytest.fixture(scope="module")
def document(shared_cluster):
    shared_cluster.ensure_running()
    return shared_cluster.a.admin("GET", "/openapi.json").json


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


# ---- the document ----

def test_it_is_a_valid_openapi_document(document):
    with open(os.path.join(ROOT, "tests", "vendor", "openapi-3.1.json"), encoding="utf-8") as file:
        meta = json.load(file)
    faults = [f"{fault.json_path}: {fault.message[:300]}" for fault in Draft202012Validator(meta).iter_errors(document)]
    assert not faults, faults[:5]


def test_its_schemas_are_valid_and_every_reference_leads_somewhere(document):
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    made = openapi.Document(json.dumps(document))
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))):
        assert made.resolve({"$ref": reference}), reference


def test_each_operation_has_a_name_of_its_own_and_its_tag_is_explained(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) and all(re.fullmatch(r"[a-z]\w*", name) for name in names)
    tags = {tag["name"] for tag in document["tags"]}
    assert {tag for _, _, operation in operations(document) for tag in operation["tags"]} == tags


def test_parameters_are_those_of_the_path(document):
    for path, item in document["paths"].items():
        assert [parameter["name"] for parameter in item.get("parameters", [])] == re.findall(r"{(\w+)}", path)
    lists = document["paths"]["/consumers"]["get"]["parameters"]
    assert [parameter.get("name") or parameter["$ref"].rsplit("/", 1)[1] for parameter in lists] == ["size", "offset", "tags", "custom_id", "Freshet-Min-Position"]


def test_every_endpoint_that_is_no_entity_is_told_of(document):
    """A row of routes.c without rows in openapi_answers.c, and the other way round."""
    for path, method, operation in operations(document):
        assert operation.get("summary"), f"{method} {path} has no summary in admin/openapi_answers.c"
        own = [status for status, response in operation["responses"].items() if "$ref" not in response]
        assert own, f"{method} {path} has no answer in admin/openapi_answers.c"
    with open(os.path.join(ROOT, "admin", "openapi_answers.c"), encoding="utf-8") as file:
        told = re.findall(r'\{METHOD_(\w+), +"([^"]+)"', file.read())
    for method, path in told:
        assert path in document["paths"] and (method == "OTHER" or method.lower() in document["paths"][path]), f"{method} {path} is no row of routes.c"


def test_fields_become_schemas(document):
    schemas = document["components"]["schemas"]
    service = schemas["services"]["properties"]
    assert service["retries"] == {"type": ["integer", "null"], "description": service["retries"]["description"], "default": 5, "minimum": 0, "maximum": 32767}
    assert (service["id"]["type"], service["id"]["format"], service["updated_at"]["readOnly"]) == ("string", "uuid", True)
    assert service["protocol"]["enum"] == ["grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"]
    assert service["path"]["pattern"] and schemas["routes"]["properties"]["methods"]["items"]["pattern"] == "^[A-Z]+$"
    assert set(schemas["services"]["required"]) == set(service) and "url" in schemas["services.body"]["properties"]
    sent = {path: document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"] for path in ("/plugins", "/key-auths", "/acls", "/consumers/{consumers}/acls")}
    assert [sent[path].get("required") for path in sent] == [["name"], ["consumer"], ["consumer", "group"], ["group"]]
    assert "required" not in schemas["plugins.change"]
    assert "consumer" in schemas["keyauth_credentials"]["properties"] and "ttl" in schemas["keyauth_credentials"]["properties"]


def test_settings_follow_from_the_name(document):
    made = openapi.Document(json.dumps(document))
    made.validate({"$ref": "#/components/schemas/plugins.body"}, {"name": "key-auth", "config": {"key_names": ["k"]}})
    made.validate({"$ref": "#/components/schemas/plugins.change"}, {"config": {"key_names": ["k"]}})
    for wrong in ({"name": 5}, {"name": "key-auth", "config": {"minute": 5}}, {"name": "key-auth", "consumer": {"id": new_id()}},
                  {"name": "rate-limiting", "config": {"minute": "five"}}):
        with pytest.raises(openapi.fastjsonschema.JsonSchemaValueException):
            made.validate({"$ref": "#/components/schemas/plugins.body"}, wrong)


def test_it_is_the_same_each_time_and_its_memory_is_reported(cluster):
    first, second = (cluster.a.admin("GET", "/openapi.json") for _ in range(2))
    assert first.body == second.body and first.headers["Content-Type"] == "application/json; charset=utf-8"
    assert cluster.a.admin("GET", "/status").json["freshet"]["openapi_bytes"] == len(first.body) < 2 ** 20
    assert first.json["info"]["version"] == "3.5.0"


def test_entities_of_plugins_that_are_off_are_not_in_it(own_cluster, postgres):
    node = own_cluster(redis=False, postgres=postgres, settings={"plugins": "off"}, names=("a",)).a
    document = node.admin("GET", "/openapi.json").json
    assert not any("keyauth" in name for name in [*document["paths"], *document["components"]["schemas"]])


# ---- the paths there are ----

class Prepared:
    """One of each entity, all connected; made again when it has gone."""

    def __init__(self, node):
        self.node, self.ids = node, {}
        order = ["certificates", "snis", "ca_certificates", "services", "routes", "consumers", "plugins", "upstreams", "targets", "key_sets", "keys", "vaults",
                 *CREDENTIALS]
        self.ids = {name: ONE.format(number) for number, name in enumerate(order)}
        self.make()

    def bodies(self):
        one = {name: {"id": text} for name, text in self.ids.items()}
        bodies = {
            "certificates": {"cert": RSA, "key": RSA_KEY}, "snis": {"name": "n.test", "certificate": one["certificates"]}, "ca_certificates": {"cert": CA},
            "services": {"name": "s", "url": "https://127.0.0.1:1", "client_certificate": one["certificates"], "tags": ["t"]},
            "routes": {"name": "r", "paths": ["/r"], "service": one["services"]}, "consumers": {"username": "c"},
            "plugins": {"name": "request-termination", "route": one["routes"], "service": one["services"], "consumer": one["consumers"]},
            "upstreams": {"name": "u", "client_certificate": one["certificates"]}, "targets": {"target": "127.0.0.1:1"},
            "key_sets": {"name": "set"}, "keys": {"kid": "k", "set": one["key_sets"], "pem": {"public_key": RSA_PUBLIC}}, "vaults": {"prefix": "own", "name": "env"},
        }
        return bodies | least_credentials("c")

    def make(self):
        for name, path, body in self.collections():
            if name == "targets":
                answer = self.node.admin("POST", path, json=body | {"id": self.ids[name]})
                assert answer.status in (201, 400, 409), answer  # 400: it is there
            else:
                answer = self.node.admin("PUT", f"{path}/{self.ids[name]}", json=body)
                assert answer.status == 200, answer

    def collections(self):
        """Name, where one is made, a body."""
        paths = {"key_sets": "/key-sets", "targets": f"/upstreams/{self.ids['upstreams']}/targets", **CREDENTIALS}
        return [(name, paths.get(name, "/" + name), body) for name, body in self.bodies().items()]

    def path(self, form):
        more = {"name": "services", "tags": "t", "key": "x", "db_entity_name": "services", "log_level": "info", "workspaces": "default", "filter_chains": "x", "address": "127.0.0.1:1", "position": "1", "cache_key": "0" * 64, "plugin_id": "x"}
        if form in ("/schemas/plugins/{name}", "/plugins/schema/{name}"):
            more["name"] = "key-auth"
        if form == "/schemas/vaults/{name}":
            more["name"] = "env"
        return re.sub(r"{(\w+)}", lambda match: self.ids.get(match.group(1)) or more[match.group(1)], form)


@pytest.fixture
def prepared(cluster, clean):
    return Prepared(cluster.a)


def test_bodies_that_are_taken_fit_it_and_lesser_ones_do_not(cluster, prepared, document):
    made = openapi.Document(json.dumps(document))
    for name, path, body in prepared.collections():
        schema = made.item(path)["post"]["requestBody"]["content"]["application/json"]["schema"]
        made.validate(schema, body)
        wrong = [body | {"nothing_known": 1}, *({key: value for key, value in body.items() if key != needed} for needed in schema.get("required", []))]
        for worse in wrong:
            with pytest.raises(openapi.fastjsonschema.JsonSchemaValueException):
                made.validate(schema, worse)
            assert cluster.a.admin("POST", path, json=worse).status == 400, (name, worse)


# There, as clients know it, and with nothing behind it.
NOT_THERE = {"/cache/{key}", "/schemas/filters/{name}", "/proxy-cache/{cache_key}", "/proxy-cache/{plugin_id}/caches/{cache_key}"}


def test_every_path_and_method_in_it_answers(cluster, prepared, document):
    for path, method, operation in sorted(operations(document), key=lambda row: METHODS.index(row[1])):
        answer = cluster.a.admin(method.upper(), prepared.path(path), json={} if "requestBody" in operation else None)
        assert answer.status not in (405, 501), (method, path, answer)
        assert answer.status != 404 or path in NOT_THERE, (method, path, answer)
        assert answer.status != 400 or method != "get" or "200" not in operation["responses"], (method, path, answer)
        if method == "delete" and answer.status == 204 and not path.startswith("/cache"):
            prepared.make()


def test_every_path_and_method_that_answers_is_in_it(cluster, prepared, document):
    listed = set(cluster.a.admin("GET", "/endpoints").json["data"]) | {"/robots.txt", "/openapi.json", "/schemas/vaults/validate"}
    assert set(document["paths"]) <= listed
    for form in listed:
        answer = cluster.a.admin("OPTIONS", prepared.path(form) if form not in ("/targets/{targets}/upstream", "/snis/{snis}/certificate") else form)
        if answer.status == 404:
            assert form not in document["paths"], form
            continue
        allowed = {name.lower() for name in answer.headers["Allow"].split(", ")} - {"head", "options"}
        assert ("get" in allowed) == ("HEAD" in answer.headers["Allow"])
        missing = allowed - set(document["paths"][form])
        # A parent is not deleted through its child: 405, whatever OPTIONS says.
        assert missing == set() or (missing == {"delete"} and cluster.a.admin("DELETE", prepared.path(form)).status == 405), form
        assert set(document["paths"][form]) & set(METHODS) <= allowed, form


# ---- the check of answers ----

def json_answer(status, value):
    return Answer(status, [("Content-Type", "application/json; charset=utf-8")], json.dumps(value).encode())


def test_answers_that_do_not_fit_are_found(cluster, clean, document):
    made = openapi.Document(json.dumps(document))
    service = cluster.service()
    assert made.fault("GET", "/services/s", json_answer(200, service)) is None
    wrong = [{"retries": "5"}, {"host": None}, {"protocol": "gopher"}, {"port": 70000}, {"more": 1}, {"tags": ["a", "a"]}, {"client_certificate": {"id": "x"}}]
    for change in wrong:
        assert made.fault("GET", "/services/s", json_answer(200, service | change)), change
    without_host = {name: value for name, value in service.items() if name != "host"}
    assert made.fault("GET", "/services/s", json_answer(200, without_host))
    assert made.fault("GET", "/services", json_answer(200, {"data": [service], "next": None})) is None
    assert made.fault("GET", "/services", json_answer(200, {"data": [service]}))
    assert made.fault("POST", "/services", json_answer(200, service)) == "the status is not in the document"
    assert made.fault("GET", "/nowhere", json_answer(200, {})) == "the document does not have it"
    assert made.fault("GET", "/services/s", json_answer(404, {"message": "Not found", "more": 1}))
    assert made.fault("DELETE", "/services/s", json_answer(204, {}))
    assert made.fault("GET", "/services/s", Answer(200, [("Content-Type", "text/plain")], b"{}"))


def test_an_answer_that_does_not_fit_fails_the_test_that_saw_it(cluster):
    openapi.note(cluster.a.admin_port, "GET", "/status", json_answer(200, {}))
    found = openapi.take_deviations()
    assert len(found) == 1 and found[0].startswith("GET /status 200")
