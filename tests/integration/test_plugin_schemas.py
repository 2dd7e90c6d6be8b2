"""Settings of the plugins of the bundle, and those that are known and do not run: clients can ask for their settings and try them, and nobody can believe one to be in force
(Admin API reference 3.5 and appendix A; checklist 30-35, 122-124, 372-377)."""

import pytest

from admin_api import KINDS, NOWHERE, assert_answer, new_id, not_run, rule, send, violation, wrong
from plugin_settings import ABSENT, IDLE, LEAST, NEVER, RUNNING

pytestmark = pytest.mark.usefixtures("clean")

VALID = {"message": "schema validation successful"}
BAD = [
    ("acl", {"allow": ["a"], "deny": ["b"]}, rule("exactly one of these fields must be non-empty: 'config.allow', 'config.deny'")),
    ("cors", {"origins": ["("]}, violation({"config": {"origins": ["'(' is not a valid regex"]}}, "config.origins: {\n  \"'(' is not a valid regex\"\n}")),
    ("http-log", {"http_endpoint": "x"}, violation({"config": {"http_endpoint": "missing scheme in url"}}, "config.http_endpoint: missing scheme in url")),
    ("ip-restriction", {}, rule("at least one of these fields must be non-empty: 'config.allow', 'config.deny'")),
    ("jwt", {"maximum_expiration": 60, "claims_to_verify": ["nbf"]},
     violation({"@entity": ["failed conditional validation given value of field 'config.maximum_expiration'"],
                "config": {"claims_to_verify": "expected to contain: exp"}},
               "failed conditional validation given value of field 'config.maximum_expiration'", "config.claims_to_verify: expected to contain: exp")),
    ("rate-limiting", {"minute": 5, "policy": "redis"},
     violation({"@entity": ["failed conditional validation given value of field 'config.policy'"], "config": {"redis_host": "required field missing"}},
               "failed conditional validation given value of field 'config.policy'", "config.redis_host: required field missing")),
    ("rate-limiting", {"second": 20, "hour": 10}, wrong("config", "The limit for hour(10.0) cannot be lower than the limit for second(20.0)")),
    ("response-ratelimiting", {"limits": {"video": {}}},
     violation({"config": {"limits": {"@entity": ["at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', 'year'"]}}},
               "config.limits: {\n  [\"@entity\"] = {\n    \"at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', "
               "'year'\"\n  }\n}")),
    ("zipkin", {"nope": 1}, violation({"config": {"nope": "unknown field"}}, "config.nope: unknown field")),
]


def reason(name):
    return not_run(name, *([NEVER[name]] if name in NEVER else []))


@pytest.mark.parametrize("name", LEAST)
def test_settings_can_be_asked_for_and_tried(cluster, name):
    schema = cluster.a.admin("GET", f"/schemas/plugins/{name}")
    assert schema.status == 200
    config = next(one["config"] for one in schema.json["fields"] if "config" in one)
    older = cluster.a.admin("GET", f"/plugins/schema/{name}").json
    assert older == {"fields": config["fields"], "entity_checks": config.get("entity_checks", [])}
    assert_answer(cluster.a.admin("POST", "/schemas/plugins/validate", json={"name": name, "config": LEAST[name]}), 200, VALID)
    scoped = cluster.a.admin("POST", "/schemas/plugins/validate", json={"name": name, "config": LEAST[name], "consumer": {"id": NOWHERE}})
    refuses = any("consumer" in one for one in schema.json["fields"])
    assert_answer(scoped, 400 if refuses else 200, wrong("consumer", "value must be null") if refuses else VALID)


@pytest.mark.parametrize("name, config, expected", BAD)
def test_what_is_wrong_with_settings_is_told(cluster, name, config, expected):
    assert_answer(cluster.a.admin("POST", "/schemas/plugins/validate", json={"name": name, "config": config}), 400, expected)


def test_names_with_dots_in_maps(cluster):
    for name, config in (("response-ratelimiting", {"limits": {"video.hd": {"minute": 5}}}), ("opentelemetry", LEAST["opentelemetry"] | {
            "resource_attributes": {"service.name": "x"}})):
        assert_answer(cluster.a.admin("POST", "/schemas/plugins/validate", json={"name": name, "config": config}), 200, VALID)


def test_none_of_them_can_be_configured(cluster):
    cluster.service("s")
    made = cluster.a.admin("POST", "/plugins", json={"name": "key-auth"}).json
    for name, config in IDLE.items():
        expected = wrong("name", reason(name))
        body = {"name": name, "config": config}
        assert_answer(cluster.a.admin("POST", "/plugins", json=body), 400, expected)
        assert_answer(cluster.a.admin("POST", "/services/s/plugins", json=body), 400, expected)
        assert_answer(cluster.a.admin("PUT", f"/plugins/{new_id()}", json=body), 400, expected)
        assert_answer(cluster.a.admin("PATCH", f"/plugins/{made['id']}", json=body), 400, expected)
    for kind in KINDS:
        assert_answer(send(cluster.a, kind, "POST", "/plugins", {"name": "oauth2", "config": {}}), 400, wrong("name", reason("oauth2")))
    assert cluster.a.admin("GET", "/plugins").json["data"] == [made]


def test_lists_name_what_runs(cluster):
    assert cluster.a.admin("GET", "/plugins/enabled").json == {"enabled_plugins": RUNNING}
    root = cluster.a.admin("GET", "/").json
    assert set(root["plugins"]["available_on_server"]) == set(RUNNING)
    assert set(root["configuration"]["loaded_plugins"]) == set(RUNNING)


def test_the_setting_decides_what_is_known(own_cluster, postgres):
    node = own_cluster(redis=False, postgres=postgres, settings={"plugins": "key-auth, acl, oauth2, pre-function"}, names=("a",)).a
    log = node.log()
    assert "plugins: 'oauth2' is listed, but this gateway does not have it; it cannot be configured" in log
    assert "plugins: 'pre-function' is listed, but it runs Lua, which this gateway does not do" in log
    assert "'cors'" not in log and "'key-auth'" not in log
    assert_answer(node.admin("POST", "/plugins", json={"name": "oauth2"}), 400,
                  wrong("name", not_run("oauth2", ABSENT, running=", ".join(name for name in RUNNING if name in ("key-auth", "acl")))))
    assert_answer(node.admin("POST", "/plugins", json={"name": "cors"}), 400,
                  wrong("name", "plugin 'cors' not enabled; add it to the 'plugins' configuration property"))
    assert node.admin("GET", "/schemas/plugins/oauth2").status == 200
    assert_answer(node.admin("GET", "/schemas/plugins/cors"), 404, {"message": "No plugin named 'cors'"})
    assert_answer(node.admin("POST", "/schemas/plugins/validate", json={"name": "cors"}), 400,
                  wrong("name", "plugin 'cors' not enabled; add it to the 'plugins' configuration property"))
    assert node.admin("GET", "/acls").json == {"data": [], "next": None}
    for path in ("/jwts", "/basic-auths", "/hmac-auths"):
        assert_answer(node.admin("GET", path), 404, {"message": "Not found"})
