"""/schemas: what clients fill defaults from is what is stored (Admin API reference 3.4, 3.5; checklist 25-35, 122-124)."""

import pytest

from admin_api import (BAD_JSON, CREDENTIALS, KINDS, MORE_LEAST, MORE_PATHS, NOT_FOUND, assert_answer, encode, least_credentials, make_parents, send,
                       violation, wrong)
import plugin_settings
from pems import RSA_PUBLIC

pytestmark = pytest.mark.usefixtures("clean")

ENTITIES = ("services", "routes", "consumers", "plugins", *CREDENTIALS, *MORE_LEAST)
PLUGINS = [name for name in plugin_settings.RUNNING if not plugin_settings.LEAST[name]]  # those that need to be told nothing
TYPES = {"string", "integer", "number", "boolean", "array", "set", "map", "record", "foreign"}
VALID = {"message": "schema validation successful"}
# The least a client has to send, and what it asks for beyond the schema.
LEAST = {"services": {"host": "h"}, "routes": {"paths": ["/r"]}, "consumers": {"username": "c"}, "plugins": {"name": "key-auth"}} | (
    least_credentials("c") | MORE_LEAST)
COMPUTED = {"cert_digest"}
# What some choices ask for.
HASHING = {"hash_on": "query_arg", "hash_on_query_arg": "q", "hash_fallback_query_arg": "r", "hash_on_header": "A", "hash_fallback_header": "B",
           "hash_on_cookie": "c", "hash_on_uri_capture": "u", "hash_fallback_uri_capture": "v"}
PATHS = CREDENTIALS | MORE_PATHS


def get(cluster, path):
    answer = cluster.a.admin("GET", f"/schemas/{path}")
    assert answer.status == 200, answer
    return answer.json


def walk(field):
    """Every description below and with this one."""
    yield field
    for part in ("elements", "keys", "values"):
        if part in field:
            yield from walk(field[part])
    for one in field.get("fields", []):
        yield from walk(one[next(iter(one))])


def defaults(fields):
    """As clients do it: the default of each field, records by their fields."""
    filled = {}
    for one in fields:
        (name, field), = one.items()
        filled[name] = field.get("default")
        if field["type"] == "record" and filled[name] is None:
            filled[name] = defaults(field["fields"]) if field.get("required") else None
    return filled


@pytest.mark.parametrize("path", [*ENTITIES, *(f"plugins/{name}" for name in plugin_settings.LEAST)])
def test_form(cluster, path):
    schema = get(cluster, path)
    assert set(schema) == {"fields", "entity_checks"}
    assert isinstance(schema["entity_checks"], list)
    for one in schema["fields"]:
        assert len(one) == 1
        for field in walk(one[next(iter(one))]):
            assert field["type"] in TYPES
            assert "schema" not in field
            assert ("elements" in field) == (field["type"] in ("array", "set"))
            assert ("keys" in field and "values" in field) == (field["type"] == "map")
            assert ("fields" in field) == (field["type"] == "record")
            assert ("reference" in field) == (field["type"] == "foreign")
            assert field["type"] not in ("array", "set") or field.get("default") != {}
            assert all(len(inner) == 1 for inner in field.get("fields", []))


@pytest.mark.parametrize("entity", ENTITIES)
def test_defaults_are_what_is_stored(cluster, entity):
    cluster.consumer("c")
    make_parents(cluster)
    shown = {next(iter(one)): one[next(iter(one))] for one in get(cluster, entity)["fields"]}
    body = LEAST[entity] if entity != "consumers" else {"username": "other"}
    answer = cluster.a.admin("POST", PATHS.get(entity, f"/{entity}"), json=body)
    assert answer.status == 201, answer
    stored = answer.json
    beside = {"keyauth_credentials": ["ttl"], "certificates": ["snis"]}.get(entity, [])
    assert list(stored) == list(shown) + beside, "in the order of the schema"
    filled = defaults(get(cluster, entity)["fields"])
    for name, field in shown.items():
        if name in body or field.get("auto") or name in COMPUTED:
            assert stored[name] is not None
        elif not field.get("abstract"):  # of them the record is another schema's
            assert stored[name] == filled[name], name
    assert cluster.a.admin("GET", f"{PATHS.get(entity, f'/{entity}')}/{stored['id']}").json == stored


CHECKS = {"jwt": [{"conditional": {"if_field": "config.maximum_expiration", "if_match": {"gt": 0}, "then_field": "config.claims_to_verify",
                                   "then_match": {"contains": "exp"}}}]}


def without_nulls(value):
    """Records in a default list what they have; stored ones, all members."""
    if isinstance(value, list):
        return [{key: item for key, item in one.items() if item is not None} if isinstance(one, dict) else one for one in value]
    return {key: without_nulls(item) if isinstance(item, list) else item for key, item in value.items()}


@pytest.mark.parametrize("name", PLUGINS)
def test_defaults_of_configs_are_what_is_stored(cluster, name):
    schema = get(cluster, f"plugins/{name}")
    stored = cluster.a.admin("POST", "/plugins", json={"name": name}).json
    filled = defaults(schema["fields"])
    assert without_nulls(stored["config"]) == without_nulls(filled["config"])
    assert list(stored["config"]) == list(filled["config"])
    assert stored["protocols"] == filled["protocols"]
    assert schema["entity_checks"] == CHECKS.get(name, [])
    older = cluster.a.admin("GET", f"/plugins/schema/{name}").json
    config = next(one["config"] for one in schema["fields"] if "config" in one)
    assert older == {"fields": config["fields"], "entity_checks": config.get("entity_checks", [])}


@pytest.mark.parametrize("entity", ENTITIES)
def test_what_a_schema_calls_required_is(cluster, entity):
    cluster.consumer("c")
    make_parents(cluster)
    path = PATHS.get(entity, f"/{entity}")
    for one in get(cluster, entity)["fields"]:
        (name, field), = one.items()
        if not field.get("required") or field.get("auto") or (entity, name) == ("targets", "upstream"):
            continue  # the path says which upstream
        answer = cluster.a.admin("POST", path, json=LEAST[entity] | {name: None})
        assert answer.status == 400 and answer.json["fields"].get(name) == "required field missing", (name, answer)


@pytest.mark.parametrize("entity", ENTITIES)
def test_what_a_schema_allows_is_allowed(cluster, entity):
    """Bounds and choices, taken from the schema: the outermost values pass, those behind them do not."""
    cluster.consumer("c")
    path = f"/schemas/{entity}/validate"
    least = LEAST[entity] | ({"consumer": {"id": cluster.a.admin("GET", "/consumers/c").json["id"]}} if entity in CREDENTIALS else {})
    for one in get(cluster, entity)["fields"]:
        (name, field), = one.items()
        if "between" in field:
            low, high = field["between"]
            extra = {"protocol": "https"} if name == "tls_verify_depth" else {}
            for value, status in ((low, 200), (high, 200), (low - 1, 400), (high + 1, 400)):
                answer = cluster.a.admin("POST", path, json=least | extra | {name: value})
                assert answer.status == status, (name, value, answer)
            assert answer.json["fields"][name] == f"value should be between {low} and {high}"
        if "one_of" in field:
            extra = {"upstreams": HASHING, "jwt_secrets": {"rsa_public_key": RSA_PUBLIC}}.get(entity, {})
            for value in field["one_of"]:
                assert cluster.a.admin("POST", path, json=least | extra | {name: value}).status == 200, (name, value)
            bad = "x" if field["type"] == "string" else 12345
            assert_answer(cluster.a.admin("POST", path, json=least | extra | {name: bad}), 400,
                          wrong(name, "expected one of: " + ", ".join(map(str, field["one_of"]))))


def test_particular_attributes(cluster):
    services = {next(iter(one)): one[next(iter(one))] for one in get(cluster, "services")["fields"]}
    assert list(services) == ["id", "created_at", "updated_at", "name", "retries", "protocol", "host", "port", "path", "connect_timeout", "write_timeout",
                              "read_timeout", "tags", "client_certificate", "tls_verify", "tls_verify_depth", "ca_certificates", "enabled"]
    assert "url" not in services
    assert (services["id"]["uuid"], services["id"]["auto"]) == (True, True)
    assert services["name"]["unique"] is True
    assert "default" in services["tls_verify_depth"] and services["tls_verify_depth"]["default"] is None
    assert services["client_certificate"] == {"type": "foreign", "reference": "certificates"}
    routes = {next(iter(one)): one[next(iter(one))] for one in get(cluster, "routes")["fields"]}
    assert list(routes)[4:] == ["protocols", "methods", "hosts", "paths", "headers", "https_redirect_status_code", "regex_priority", "strip_path",
                                "path_handling", "preserve_host", "request_buffering", "response_buffering", "snis", "sources", "destinations", "tags",
                                "service"]
    assert routes["service"] == {"type": "foreign", "reference": "services"}
    assert get(cluster, "consumers")["entity_checks"] == [{"at_least_one_of": ["custom_id", "username"]}]
    plugins = {next(iter(one)): one[next(iter(one))] for one in get(cluster, "plugins")["fields"]}
    assert list(plugins) == ["id", "name", "instance_name", "created_at", "updated_at", "route", "service", "consumer", "config", "protocols", "enabled", "tags"]
    assert plugins["config"]["abstract"] is True
    assert (plugins["route"]["on_delete"], plugins["route"]["default"]) == ("cascade", None)
    key_auth = {next(iter(one)): one[next(iter(one))] for one in get(cluster, "plugins/key-auth")["fields"]}
    assert key_auth["consumer"] == {"type": "foreign", "reference": "consumers", "eq": None}
    assert key_auth["protocols"]["default"] == ["grpc", "grpcs", "http", "https"]
    assert key_auth["protocols"]["elements"]["one_of"] == ["grpc", "grpcs", "http", "https"]


def test_names_that_are_none(cluster):
    assert_answer(cluster.a.admin("GET", "/schemas/not-there"), 404, {"message": "No entity named 'not-there'"})
    assert_answer(cluster.a.admin("POST", "/schemas/not-there/validate", json={}), 404, {"message": "No entity named 'not-there'"})
    assert_answer(cluster.a.admin("GET", "/schemas/plugins/not-present"), 404, {"message": "No plugin named 'not-present'"})
    assert_answer(cluster.a.admin("GET", "/plugins/schema/not-present"), 404, {"message": "No plugin named 'not-present'"})
    assert_answer(cluster.a.admin("GET", "/schemas"), 404, NOT_FOUND)


@pytest.mark.parametrize("kind", KINDS)
def test_validate_entities(cluster, kind):
    for entity, body in LEAST.items():
        if entity not in CREDENTIALS:
            assert_answer(send(cluster.a, kind, "POST", f"/schemas/{entity}/validate", body), 200, VALID)
    assert_answer(send(cluster.a, kind, "POST", "/schemas/services/validate", {"host": "h", "url": "http://x"}), 200, VALID)
    assert_answer(send(cluster.a, kind, "POST", "/schemas/services/validate", {"name": "x"}), 400, wrong("host", "required field missing"))
    assert_answer(send(cluster.a, kind, "POST", "/schemas/routes/validate", {"paths": ["/x"], "service": {"name": "s"}}), 400,
                  violation({"service": {"id": "missing primary key"}}, "service.id: missing primary key"))
    assert cluster.a.admin("GET", "/services").json["data"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_validate_plugins(cluster, kind):
    path = "/schemas/plugins/validate"
    assert_answer(send(cluster.a, kind, "POST", path, {"name": "key-auth", "config": {"key_names": ["x"]}}), 200, VALID)
    assert_answer(send(cluster.a, kind, "POST", path, {"name": "key-auth", "config": {"key_in_body": "x"}}), 400,
                  violation({"config": {"key_in_body": "expected a boolean"}}, "config.key_in_body: expected a boolean"))
    assert_answer(send(cluster.a, kind, "POST", path, {"name": "nope"}), 400,
                  wrong("name", "plugin 'nope' not enabled; add it to the 'plugins' configuration property"))
    assert_answer(send(cluster.a, kind, "POST", path, {}), 400, wrong("name", "required field missing"))


def test_validate_does_not_guess_numbers_of_configs(cluster):
    headers, data = encode("form", {"name": "request-termination", "config": {"status_code": 418}})
    answer = cluster.a.admin("POST", "/schemas/plugins/validate", headers=headers, data=data)
    assert_answer(answer, 400, violation({"config": {"status_code": "expected an integer"}}, "config.status_code: expected an integer"))
    assert cluster.a.admin("POST", "/plugins", headers=headers, data=data).status == 201


def test_validate_reads_bodies_as_usual(cluster):
    for path in ("/schemas/services/validate", "/schemas/plugins/validate"):
        assert_answer(cluster.a.admin("POST", path, headers={"Content-Type": "application/json"}, data="{"), 400, BAD_JSON)
        assert cluster.a.admin("POST", path, headers={"Content-Type": "text/plain"}, data="x").status == 415
        assert cluster.a.admin("POST", path).status == 400
