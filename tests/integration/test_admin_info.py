"""What a node says about itself, and settings that change it (Admin API reference 3.1-3.3, 3.5; checklist 1-24, 42, 99, 371-377, 506-512)."""

import os
import re
import signal
import socket
import uuid

import pytest

from admin_api import NO_METHOD, assert_answer, wrong
from pems import RSA, RSA_KEY
from plugin_settings import RUNNING
from support import ask, eventually, free_ports

ENTITIES = {"services": "services", "routes": "routes", "consumers": "consumers", "plugins": "plugins", "key-auths": "keyauth_credentials",
            "basic-auths": "basicauth_credentials", "acls": "acls", "jwts": "jwt_secrets", "hmac-auths": "hmacauth_credentials",
            "upstreams": "upstreams", "targets": "targets", "ca_certificates": "ca_certificates", "key-sets": "key_sets", "keys": "keys",
            "certificates": "certificates", "snis": "snis", "vaults": "vaults"}
CHILDREN = [("services", "routes", "routes"), ("services", "plugins", "plugins"), ("routes", "plugins", "plugins"), ("consumers", "plugins", "plugins"),
            ("consumers", "key-auth", "keyauth_credentials"), ("consumers", "basic-auth", "basicauth_credentials"), ("consumers", "acls", "acls"),
            ("consumers", "jwt", "jwt_secrets"), ("consumers", "hmac-auth", "hmacauth_credentials"), ("upstreams", "targets", "targets"), ("key-sets", "keys", "keys"),
            ("certificates", "snis", "snis"), ("certificates", "services", "services"), ("certificates", "upstreams", "upstreams")]
PARENTS = ["/routes/{routes}/service", "/plugins/{plugins}/service", "/plugins/{plugins}/route", "/plugins/{plugins}/consumer",
           "/key-auths/{keyauth_credentials}/consumer", "/basic-auths/{basicauth_credentials}/consumer", "/acls/{acls}/consumer",
           "/jwts/{jwt_secrets}/consumer", "/hmac-auths/{hmacauth_credentials}/consumer", "/keys/{keys}/set", "/targets/{targets}/upstream", "/upstreams/{upstreams}/targets/all",
           "/snis/{snis}/certificate", "/services/{services}/client_certificate", "/upstreams/{upstreams}/client_certificate"]
NOTED = {"/schemas/filters/{name}", "/debug/node/log-level", "/debug/node/log-level/{log_level}", "/debug/cluster/log-level/{log_level}", "/timers", "/config",
         "/workspaces", "/workspaces/{workspaces}", "/clustering/data-planes", "/clustering/status", "/cluster/position", "/cluster/positions/{position}", "/cluster/events", "/cluster/nodes", "/filter-chains", "/filter-chains/{filter_chains}",
         *(f"/filter-chains/{{filter_chains}}/{name}" for name in ("route", "service")), *(f"/routes/{{routes}}/filters/{name}" for name in ("all", "disabled", "enabled")),
         *(f"/{parent}/{{{parent}}}/filter-chains{rest}" for parent in ("routes", "services") for rest in ("", "/{filter_chains}")),
         "/upstreams/{upstreams}/health", *(f"/upstreams/{{upstreams}}/targets/{{targets}}{rest}" for rest in ("/healthy", "/unhealthy", "/{address}/healthy", "/{address}/unhealthy"))}
CLOSED = ("/targets", "/targets/x", "/targets/x/upstream", "/snis/x/certificate")  # listed, as clients know them; nothing is there


@pytest.fixture
def alone(own_cluster, postgres):
    """One node with settings of the test's own, on the shared server."""
    def make(**settings):
        return own_cluster(redis=False, postgres=postgres, settings=settings, names=("a",)).a
    return make


def test_root(cluster, clean):
    answer = cluster.a.admin("GET", "/").json
    assert (answer["tagline"], answer["version"], answer["hostname"]) == ("Welcome to kong", "3.5.0", socket.gethostname())
    assert str(uuid.UUID(answer["node_id"])) == answer["node_id"]
    assert answer["node_id"] != cluster.b.admin("GET", "/").json["node_id"]
    assert answer["lua_version"].startswith("LuaJIT")
    assert all(isinstance(answer["timers"][name], int) for name in ("running", "pending"))
    assert answer["pids"] == {"master": cluster.a.process.pid, "workers": [cluster.a.worker_pid]}
    available = answer["plugins"]["available_on_server"]
    assert sorted(available) == sorted(RUNNING) and available["key-auth"] == {"version": "3.5.0", "priority": 1250}
    assert sorted(available, key=lambda name: -available[name]["priority"]) == RUNNING
    assert "prng_seeds" not in answer


def test_configured_plugins(cluster, clean):
    assert b'"enabled_in_cluster":[]' in cluster.a.admin("GET", "/").body
    cluster.service()
    for path in ("/plugins", "/services/s/plugins"):
        assert cluster.a.admin("POST", path, json={"name": "request-termination"}).status == 201
    assert cluster.b.admin("GET", "/").json["plugins"]["enabled_in_cluster"] == ["request-termination"]
    assert cluster.a.admin("GET", "/plugins/enabled").json == {"enabled_plugins": RUNNING}


def test_configuration(cluster):
    shown = cluster.a.admin("GET", "/").json["configuration"]
    assert (shown["database"], shown["role"], shown["router_flavor"]) == ("postgres", "traditional", "traditional_compatible")
    assert (shown["plugins"], shown["log_level"], shown["pg_port"]) == (["bundled"], "info", cluster.postgres.port)
    assert shown["loaded_plugins"] == dict.fromkeys(RUNNING, True)
    assert shown["proxy_listen"] == [f"127.0.0.1:{cluster.a.proxy_port} reuseport", f"127.0.0.1:{cluster.a.tls_port} ssl reuseport"]
    listener = shown["admin_listeners"][0]
    assert (listener["ip"], listener["port"], listener["ssl"], listener["http2"]) == ("127.0.0.1", cluster.a.admin_port, False, False)
    assert [one["ssl"] for one in shown["proxy_listeners"]] == [False, True]
    assert shown["status_listeners"][0]["port"] == cluster.a.status_port
    assert isinstance(shown["headers"], list)


def test_secrets_are_not_shown(alone, tmp_path):
    for name, text in (("crt", RSA), ("and-me.key", RSA_KEY)):
        (tmp_path / name).write_text(text)
    node = alone(pg_password="hide-me", redis_password="hide-me-too", redis_secret="and-me", ssl_cert=tmp_path / "crt", ssl_cert_key=tmp_path / "and-me.key")
    answer = node.admin("GET", "/")
    for name in ("pg_password", "redis_password", "redis_secret", "ssl_cert_key"):
        assert answer.json["configuration"][name] == "******"
    assert b"hide-me" not in answer.body and b"and-me" not in answer.body
    assert "hide-me" not in node.log() and "and-me" not in node.log()


def test_a_configured_node_id(alone):
    chosen = "9a4c7b7e-43f7-4dd5-9c5d-1a4f1c0b8a55"
    assert alone(node_id=chosen).admin("GET", "/").json["node_id"] == chosen


@pytest.mark.parametrize("value, expected", [("bundled", RUNNING), ("off", []), ("off, key-auth", []),
                                             ("key-auth, off, request-termination", ["key-auth", "request-termination"]), ("key-auth", ["key-auth"])])
def test_the_plugins_setting(alone, value, expected):
    node = alone(plugins=value)
    answer = node.admin("GET", "/")
    assert sorted(answer.json["plugins"]["available_on_server"]) == sorted(expected)
    assert answer.json["configuration"]["loaded_plugins"] == {name: True for name in expected}
    assert node.admin("GET", "/plugins/enabled").json == {"enabled_plugins": expected}
    for name in ("key-auth", "request-termination"):
        posted = node.admin("POST", "/plugins", json={"name": name})
        if name in expected:
            assert posted.status == 201
            assert node.admin("DELETE", f"/plugins/{posted.json['id']}").status == 204
        else:
            assert_answer(posted, 400, wrong("name", f"plugin '{name}' not enabled; add it to the 'plugins' configuration property"))
            assert node.admin("GET", f"/schemas/plugins/{name}").status == 404


def test_rows_of_a_plugin_that_is_not_enabled(own_cluster, postgres):
    """Its entities are not to be seen, but they go with their parents, and other nodes hear of it."""
    cluster = own_cluster(redis=False, postgres=postgres, names=("a",))
    consumer = cluster.consumer("c")
    cluster.key("k")
    cluster.a.stop()
    cluster.a.settings["plugins"] = "request-termination"
    cluster.a.start()
    for path in ("/key-auths", "/key-auths/k", "/key-auths/k/consumer", "/consumers/c/key-auth", "/consumers/c/key-auth/k"):
        assert_answer(cluster.a.admin("GET", path), 404, {"message": "Not found"})
    assert_answer(cluster.a.admin("GET", "/schemas/keyauth_credentials"), 404, {"message": "No entity named 'keyauth_credentials'"})
    assert not any("key-auth" in path for path in cluster.a.admin("GET", "/endpoints").json["data"])
    assert cluster.a.admin("DELETE", f"/consumers/{consumer['id']}").status == 204
    assert cluster.sql("SELECT count(*) FROM keyauth_credentials") == "0"
    rows = cluster.sql("SELECT entity FROM cluster_log WHERE pos = (SELECT max(pos) FROM cluster_log)").splitlines()
    assert sorted(rows) == ["consumers", "keyauth_credentials"]


def test_admin_listen_off_and_twice(own_cluster, postgres):
    one = own_cluster(redis=False, postgres=postgres, settings={"admin_listen": "off"}, names=("a",)).a
    assert ask(one.status_port, "GET", "/status/ready").status == 200
    with pytest.raises(ConnectionRefusedError):
        one.admin("GET", "/")
    ports = free_ports(2)
    two = own_cluster(redis=False, postgres=postgres, settings={"admin_listen": f"127.0.0.1:{ports[0]}, 127.0.0.1:{ports[1]}"}, names=("a",)).a
    ids = {ask(port, "GET", "/").json["node_id"] for port in ports}
    assert len(ids) == 1
    assert two.process.poll() is None


def test_cors_with_a_gui(alone):
    node = alone(admin_gui_url="http://manager.test:8002/path")
    for method, path in (("GET", "/"), ("GET", "/nope"), ("OPTIONS", "/services"), ("POST", "/services")):
        for headers in ({}, {"Origin": "http://other.test"}):
            assert node.admin(method, path, headers=headers).headers["Access-Control-Allow-Origin"] == "http://manager.test:8002"


def test_headers_setting_off(alone):
    answer = alone(headers="off").admin("GET", "/services")
    assert answer.status == 200
    assert "X-Kong-Admin-Latency" not in answer.headers and "Server" not in answer.headers


# ---- /status ----

COUNTERS = ("connections_accepted", "connections_active", "connections_handled", "connections_reading", "connections_writing", "connections_waiting",
            "total_requests")


@pytest.mark.parametrize("api", ["admin", "status"])
def test_status(cluster, api):
    answer = getattr(cluster.a, api)("GET", "/status").json
    assert answer["database"] == {"reachable": True}
    assert all(isinstance(answer["server"][name], int) for name in COUNTERS)
    assert "configuration_hash" not in answer
    for zone in ("kong", "kong_db_cache", "kong_core_db_cache"):
        for member in ("allocated_slabs", "capacity"):
            assert re.fullmatch(r"\d+\.\d\d MiB", answer["memory"]["lua_shared_dicts"][zone][member])
    workers = answer["memory"]["workers_lua_vms"]
    assert [worker["pid"] for worker in workers] == sorted(worker["pid"] for worker in workers)
    assert all(re.fullmatch(r"\d+\.\d\d MiB", worker["http_allocated_gc"]) for worker in workers)
    before = answer["server"]["total_requests"]
    assert getattr(cluster.a, api)("GET", "/status").json["server"]["total_requests"] > before


@pytest.mark.parametrize("query, form", [("unit=k", r"\d+\.\d\d KiB"), ("unit=K", r"\d+\.\d\d KiB"), ("unit=m", r"\d+\.\d\d MiB"), ("unit=g", r"\d+\.\d\d GiB"),
                                         ("scale=3", r"\d+\.\d{3} MiB"), ("scale=0", r"\d+ MiB"), ("unit=k&scale=1", r"\d+\.\d KiB"), ("unit=b", None),
                                         ("unit=B&scale=4", None), ("scale=x", r"\d+\.\d\d MiB")])
def test_units(cluster, query, form):
    memory = cluster.a.admin("GET", f"/status?{query}").json["memory"]
    values = [zone[name] for zone in memory["lua_shared_dicts"].values() for name in zone] + [one["http_allocated_gc"] for one in memory["workers_lua_vms"]]
    assert values
    for value in values:
        assert isinstance(value, int) if form is None else re.fullmatch(form, value)


def test_units_that_are_none(cluster):
    for unit in ("V", "kk", "", "kb"):
        assert_answer(cluster.a.admin("GET", f"/status?unit={unit}"), 400, {"message": f"invalid unit '{unit}' (expected 'k/K', 'm/M', or 'g/G')"})
    assert_answer(cluster.a.admin("GET", "/status?scale=-1"), 400, {"message": "scale must be equal or greater than 0"})


def test_status_without_a_database(own_cluster):
    node = own_cluster(redis=False, names=("a",)).a
    assert node.admin("PUT", "/services/s", json={"host": "h"}).status == 200
    node.cluster.postgres.stop("immediate")
    answer = node.admin("GET", "/status")
    assert (answer.status, answer.json["database"]) == (200, {"reachable": False})
    for method, path in (("GET", "/services"), ("GET", "/services/s"), ("POST", "/services"), ("PUT", "/services/s"), ("DELETE", "/services/s"), ("GET", "/")):
        refused = node.admin(method, path, **({"json": {"host": "h"}} if method in ("POST", "PUT") else {}))
        assert_answer(refused, 500, {"message": "An unexpected error occurred"})
    for path in ("/schemas/services", "/endpoints", "/cache", "/plugins/enabled"):
        assert node.admin("GET", path).status == 200
    node.cluster.postgres.run()
    eventually(lambda: node.admin("GET", "/services/s").status == 200, 15)
    assert node.admin("GET", "/status").json["database"] == {"reachable": True}


def test_ready(cluster):
    assert_answer(cluster.a.status("GET", "/status/ready"), 200, {"message": "ready"})
    assert_answer(cluster.a.status("DELETE", "/status/ready"), 405, NO_METHOD)


def test_live(cluster):
    assert_answer(cluster.a.status("GET", "/status/live"), 200, {"message": "alive"})
    assert_answer(cluster.a.status("DELETE", "/status/live"), 405, NO_METHOD)
    assert cluster.a.admin("GET", "/status/live").status == 404


def test_a_node_whose_database_hangs_is_alive_and_ready(own_cluster):
    node = own_cluster(redis=False, names=("a",)).a
    processes = node.cluster.postgres.pids()
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    # Each keeps a thread of the store waiting for its turn with the database.
    crowd = [socket.create_connection(("127.0.0.1", node.status_port)) for _ in range(40)]
    for client in crowd:
        client.sendall(b"GET /status HTTP/1.1\r\nHost: h\r\n\r\n")
    try:
        for path in ("/status/live", "/status/ready"):
            assert ask(node.status_port, "GET", path, timeout=2).status == 200
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
        for client in crowd:
            client.close()


# ---- /endpoints ----

def test_endpoints(cluster):
    listed = cluster.a.admin("GET", "/endpoints").json["data"]
    expected = {"/", "/status", "/metrics", "/endpoints", "/schemas/{name}", "/schemas/{db_entity_name}/validate", "/schemas/plugins/{name}", "/schemas/plugins/validate", "/schemas/vaults/{name}", "/tags", "/tags/{tags}",
                "/cache", "/cache/{key}", "/plugins/enabled", "/plugins/schema/{name}", "/proxy-cache", "/proxy-cache/{cache_key}",
                "/proxy-cache/{plugin_id}/caches/{cache_key}", *PARENTS, *NOTED}
    for path, parameter in ENTITIES.items():
        expected |= {f"/{path}", f"/{path}/{{{parameter}}}"}
    for parent, child, parameter in CHILDREN:
        expected |= {f"/{parent}/{{{ENTITIES[parent]}}}/{child}", f"/{parent}/{{{ENTITIES[parent]}}}/{child}/{{{parameter}}}"}
    assert set(listed) == expected
    assert listed == sorted(set(listed), key=lambda path: path.replace("/", "\0"))


def test_every_endpoint_answers(cluster):
    for path in cluster.a.admin("GET", "/endpoints").json["data"]:
        filled = re.sub(r"\{\w+\}", "x", path)
        assert cluster.a.admin("OPTIONS", filled).status == (404 if filled in CLOSED else 204), path
