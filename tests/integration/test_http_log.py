"""http-log: what is told of a request, and that it arrives: in batches, again after failures, within bounds, and never at the cost of who is served."""

import base64
import json
import os
import re
import subprocess
import time

import pytest

from log_sink import LogSink
from support import eventually, free_ports, raw


@pytest.fixture
def sink():
    made = LogSink()
    yield made
    made.stop()


@pytest.fixture
def node(cluster, clean):
    cluster.service()
    cluster.route()
    return cluster.a


def log_to(cluster, endpoint, path="/routes/r/plugins", **config):
    queue = config.pop("queue", None)
    made = cluster.plugin("http-log", {"http_endpoint": endpoint} | config | ({"queue": queue} if queue else {}), path)
    cluster.settle()
    return made


def entry_of(sink, mark):
    """The one entry of the request whose target has the mark."""
    found = eventually(lambda: [entry for entry in sink.entries if mark in entry["request"]["uri"]], what=f"the entry of {mark}")
    assert len(found) == 1
    return found[0]


def metric(node, name):
    return node.admin("GET", "/status").json["freshet"]["metrics"][f"freshet_delivery_{name}_total"]


# ---- the record ----

def test_a_request_is_told_whole(cluster, node, sink):
    cluster.plugin("correlation-id", {"header_name": "X-Number"})
    cluster.plugin("key-auth", {}, "/routes/r/plugins")
    consumer = cluster.consumer("ann")
    key = cluster.key("secret", "ann")
    log_to(cluster, f"{sink.url}/in?token=1")
    before = time.time()
    answer = node.proxy("POST", "/r/whole?a=1&a=2&b", data=b"12345", headers={"Host": "Example.test:1234", "apikey": "secret", "Authorization": "Basic x",
                                                                              "X-Answer": "X-Twice=1", "X-More": "ä"})
    assert answer.status == 200
    entry = entry_of(sink, "/r/whole")
    request, response = entry["request"], entry["response"]
    assert request["id"] == answer.headers["X-Kong-Request-Id"]
    assert request["uri"] == "/r/whole?a=1&a=2&b"
    assert request["url"] == f"http://example.test:{node.proxy_port}/r/whole?a=1&a=2&b"
    assert request["querystring"] == {"a": ["1", "2"], "b": True}
    assert request["method"] == "POST"
    assert request["headers"]["host"] == "Example.test:1234"
    assert request["headers"]["authorization"] == "REDACTED"
    assert request["headers"]["content-length"] == "5"
    assert request["headers"]["x-consumer-username"] == "ann"
    assert 200 < request["size"] < 800 and "tls" not in request
    assert entry["upstream_uri"] == "/whole?a=1&a=2&b" and entry["upstream_status"] == "200"
    assert response["status"] == 200 and response["size"] > len(answer.body)
    assert response["headers"]["x-twice"] == "1" and response["headers"]["content-type"] == "application/json"
    times = entry["latencies"]
    assert 0 <= times["proxy"] <= times["request"] and 0 <= times["kong"] <= times["request"]
    assert before * 1000 - 1500 < entry["started_at"] < time.time() * 1000 + 1500
    one, = entry["tries"]
    assert (one["ip"], one["port"]) == ("127.0.0.1", cluster.upstream.port) and "state" not in one
    assert abs(one["balancer_start"] - entry["started_at"]) < 5000
    assert entry["client_ip"] == "127.0.0.1"
    assert entry["correlation_id"] == next(value for name, value in answer.json["headers"] if name.lower() == "x-number")
    assert entry["authenticated_entity"] == {"id": key["id"], "consumer_id": consumer["id"]}


def test_entities_are_those_of_the_admin_api(cluster, node, sink):
    log_to(cluster, sink.url)
    cluster.a.admin("PATCH", "/routes/r", json={"tags": ["t"], "headers": {"x-h": ["1"]}})
    cluster.settle()
    node.proxy("GET", "/r/entities", headers={"x-h": "1"})
    entry = entry_of(sink, "/r/entities")
    for kind, path in (("route", "/routes/r"), ("service", "/services/s")):
        shown = {name: value for name, value in node.admin("GET", path).json.items() if value is not None}
        told = dict(entry[kind])
        told.pop("ws_id")
        assert {name: told[name] for name in told if name in shown} == {name: shown[name] for name in told if name in shown}
        assert set(shown) - set(told) <= {"path_handling", "destinations", "sources", "tls_verify"}, set(shown) - set(told)
        assert set(told) <= set(shown)
    assert "consumer" not in entry and "authenticated_entity" not in entry


def test_what_nobody_was_asked_for_is_told(cluster, node, sink):
    log_to(cluster, sink.url, "/plugins")
    assert node.proxy("GET", "/nowhere").status == 404
    entry = entry_of(sink, "/nowhere")
    assert (entry["upstream_uri"], entry["upstream_status"], entry["tries"], entry["latencies"]["proxy"]) == ("", "", [], -1)
    assert entry["response"]["status"] == 404 and "route" not in entry and "service" not in entry


def test_tries_that_failed_are_told(cluster, node, sink):
    dead = free_ports(1)[0]
    node.admin("PUT", "/services/dead", json={"url": f"http://127.0.0.1:{dead}", "retries": 2})
    cluster.route("dead", service="dead")
    log_to(cluster, sink.url, "/routes/dead/plugins")
    assert node.proxy("GET", "/dead/x").status == 502
    entry = entry_of(sink, "/dead/x")
    assert [(one["state"], one["port"], one["code"]) for one in entry["tries"]] == [("failed", dead, 502)] * 3
    assert entry["upstream_status"] == "502, 502, 502" and entry["latencies"]["proxy"] == -1


def test_tls_is_told(cluster, node, sink):
    log_to(cluster, sink.url)
    subprocess.run(["curl", "-sk", f"https://127.0.0.1:{node.tls_port}/r/tls"], check=True, capture_output=True)
    entry = entry_of(sink, "/r/tls")
    assert entry["request"]["url"].startswith("https://127.0.0.1:")
    tls = entry["request"]["tls"]
    assert tls["version"].startswith("TLSv1.") and tls["cipher"] and tls["client_verify"] == "NONE"


def test_hostile_requests_stay_json(cluster, node, sink):
    """Those that pass, and those that the door refuses."""
    log_to(cluster, sink.url, "/plugins")
    for target in (b"/r/hostile?%0a=%22&'", b"/r/refused\xff\"\\"):
        raw(node.proxy_port, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nX-A: \"\\\t\xff\xc2\x85\r\nConnection: close\r\n\r\n")
    eventually(lambda: len(sink.got) == 2, what="both entries")
    passed, = [entry for entry in sink.entries if "hostile" in entry["request"]["uri"]]
    assert passed["request"]["querystring"] == {"\n": "\"", "'": True}


# ---- how it is sent ----

def test_one_entry_is_an_object_and_a_batch_an_array(cluster, node, sink):
    plugin = log_to(cluster, sink.url)
    node.proxy("GET", "/r/one")
    entry_of(sink, "/r/one")
    assert isinstance(sink.got[0].json, dict)
    sink.clear()
    cluster.configure(plugin, {"http_endpoint": sink.url, "queue": {"max_batch_size": 3, "max_coalescing_delay": 0.5}})
    cluster.settle()
    for number in range(4):
        node.proxy("GET", f"/r/many-{number}")
    entry_of(sink, "/r/many-3")
    assert [len(delivery.json) for delivery in sink.got] == [3, 1] and isinstance(sink.got[1].json, list)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_method_type_and_headers_are_the_configured(cluster, node, sink, method):
    log_to(cluster, f"{sink.url}/a%20b/c?d=e&f", method=method, content_type="application/json; charset=utf-8",
           headers={"X-One": "1", "Authorization": "Bearer t"})
    node.proxy("GET", "/r/how")
    entry_of(sink, "/r/how")
    got = sink.got[0]
    assert (got.method, got.path) == (method, "/a%20b/c?d=e&f")
    assert got.headers.get_all("Content-Type") == ["application/json; charset=utf-8"]
    assert got.headers.get_all("Content-Length") == [str(len(got.body))]
    assert got.headers.get_all("Host") == [f"127.0.0.1:{sink.port}"]
    assert (got.headers["X-One"], got.headers["Authorization"]) == ("1", "Bearer t")
    assert "Expect" not in got.headers and "Transfer-Encoding" not in got.headers


def test_the_defaults(cluster, node, sink):
    log_to(cluster, sink.url)
    node.proxy("GET", "/r/defaults")
    entry_of(sink, "/r/defaults")
    got = sink.got[0]
    assert (got.method, got.path, got.headers["Content-Type"]) == ("POST", "/", "application/json")


def test_user_information_becomes_a_header(cluster, node, sink):
    log_to(cluster, f"http://ann:p%40ss@127.0.0.1:{sink.port}/x")
    node.proxy("GET", "/r/user")
    entry_of(sink, "/r/user")
    got = sink.got[0]
    assert got.headers.get_all("Authorization") == ["Basic " + base64.b64encode(b"ann:p%40ss").decode()]
    assert got.headers["Host"] == f"127.0.0.1:{sink.port}"


def test_connections_are_kept(cluster, node, sink):
    log_to(cluster, sink.url)
    for number in range(5):
        node.proxy("GET", f"/r/kept-{number}")
        entry_of(sink, f"/r/kept-{number}")
    assert len({delivery.peer for delivery in sink.got}) <= 2  # the sink may see an entry before the connection is free again


def test_a_connection_that_has_ended_is_no_failure(cluster, node, sink):
    plugin = log_to(cluster, sink.url, queue={"max_retry_time": -1})
    sink.headers = {"Connection": "close"}
    for number in range(3):
        node.proxy("GET", f"/r/closed-{number}")
        entry_of(sink, f"/r/closed-{number}")
    assert plugin["config"]["queue"]["max_retry_time"] == -1


def test_certificates_are_not_verified(cluster, node, tmp_path):
    paths = [str(tmp_path / "c.crt"), str(tmp_path / "c.key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=nobody", "-days", "2",
                    "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
    sink = LogSink(certificate=paths)
    log_to(cluster, sink.url)
    node.proxy("GET", "/r/https")
    entry_of(sink, "/r/https")
    sink.stop()


def test_names_are_resolved_and_the_environment_is_no_proxy(cluster, node, sink):
    log_to(cluster, f"http://localhost:{sink.port}")
    node.proxy("GET", "/r/named")
    entry_of(sink, "/r/named")
    assert sink.got[0].headers["Host"] == f"localhost:{sink.port}"


@pytest.mark.parametrize("old, sizes", [({"queue_size": 2}, [2, 1]), ({"queue_size": 1}, [1, 1, 1]), ({"queue": {"max_batch_size": 3}, "flush_timeout": 2}, [3])])
def test_older_fields_stand_instead_of_the_queue(cluster, node, sink, old, sizes):
    log_to(cluster, sink.url, **({"queue": {"max_coalescing_delay": 0.3}} | old))
    for number in range(3):
        node.proxy("GET", f"/r/old-{number}")
    entry_of(sink, "/r/old-2")
    eventually(lambda: sorted(len(delivery.entries) for delivery in sink.got) == sorted(sizes), what=f"batches of {sizes}")


# ---- failures ----

@pytest.mark.parametrize("status", [300, 302, 400, 404, 500, 503])
def test_other_statuses_are_tried_again(cluster, node, sink, status):
    sink.answer = lambda number: status if number < 2 else 200
    sink.headers = {"Location": "/elsewhere"}
    log_to(cluster, f"{sink.url}/first", queue={"initial_retry_delay": 0.05})
    node.proxy("GET", "/r/again")
    eventually(lambda: len(sink.got) == 3, what="the third try")
    time.sleep(0.3)
    assert len(sink.got) == 3 and {delivery.body for delivery in sink.got} == {sink.got[0].body} and {delivery.path for delivery in sink.got} == {"/first"}
    assert sink.got[1].at - sink.got[0].at >= 0.045 and sink.got[2].at - sink.got[1].at >= 0.095


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_below_300_is_taken(cluster, node, sink, status):
    sink.answer = status
    log_to(cluster, sink.url, queue={"initial_retry_delay": 0.05})
    sent = metric(node, "sent")
    node.proxy("GET", "/r/taken")
    eventually(lambda: metric(node, "sent") == sent + 1, what="the entry being taken")
    time.sleep(0.2)
    assert len(sink.got) == 1


def test_a_sink_that_was_not_there_gets_it_later(cluster, node):
    port = free_ports(1)[0]
    log_to(cluster, f"http://127.0.0.1:{port}", queue={"max_batch_size": 100, "max_coalescing_delay": 0.1, "max_retry_delay": 0.2})
    for number in range(5):
        node.proxy("GET", f"/r/later-{number}")
    time.sleep(0.5)
    sink = LogSink(port)
    eventually(lambda: len(sink.entries) == 5, what="five entries")
    sink.stop()


def test_it_is_given_up_after_max_retry_time(cluster, node, sink):
    sink.answer = 500
    url = f"http://ann:hush@127.0.0.1:{sink.port}/hooks/hush?key=hush"
    log_to(cluster, url, queue={"initial_retry_delay": 0.1, "max_retry_delay": 0.1, "max_retry_time": 0.5})
    lost = metric(node, "lost")
    node.proxy("GET", "/r/given-up")
    eventually(lambda: metric(node, "lost") == lost + 1, what="the entry being lost")
    assert 5 <= len(sink.got) <= 8
    eventually(lambda: "entries lost" in node.log() and "status 500" in node.log(), what="the line about it")
    assert f"queue=http-log to 127.0.0.1:{sink.port} " in node.log() and "hush" not in node.log()


def test_without_retries_there_is_one_try(cluster, node, sink):
    sink.answer = 500
    log_to(cluster, sink.url, queue={"max_retry_time": -1})
    lost = metric(node, "lost")
    node.proxy("GET", "/r/once")
    eventually(lambda: metric(node, "lost") == lost + 1, what="the entry being lost")
    assert len(sink.got) == 1


def test_a_sink_that_hangs_is_left_after_the_timeout(cluster, node, sink):
    sink.delay = 30
    log_to(cluster, sink.url, timeout=300, queue={"initial_retry_delay": 0.05})
    node.proxy("GET", "/r/hang")
    eventually(lambda: len(sink.got) >= 2, what="the second try")
    assert sink.got[1].at - sink.got[0].at >= 0.3


def test_the_oldest_are_dropped_and_one_line_a_second_says_so(cluster, node, sink):
    sink.delay = 60
    log_to(cluster, sink.url, timeout=60000, queue={"max_entries": 10})
    lost, lines = metric(node, "lost"), node.log().count("entries lost")
    began = time.monotonic()
    for number in range(60):
        node.proxy("GET", f"/r/full-{number}")
    took = time.monotonic() - began
    assert metric(node, "lost") == lost + 50
    eventually(lambda: node.log().count("entries lost") > lines, what="the line about it")
    assert node.log().count("entries lost") <= lines + 2 + took
    sink.delay = 0
    sink.free.set()
    eventually(lambda: len(sink.entries) == 10, what="the ten that were kept")
    assert {entry["request"]["uri"] for entry in sink.entries} >= {f"/r/full-{number}" for number in range(54, 60)}


def test_one_dead_sink_does_not_delay_another(cluster, node, sink):
    hanging = LogSink()
    hanging.delay = 60
    log_to(cluster, hanging.url, "/plugins", timeout=60000)
    cluster.route("other")
    log_to(cluster, sink.url, "/routes/other/plugins")
    for number in range(20):
        node.proxy("GET", f"/r/dead-{number}")
    began = time.monotonic()
    node.proxy("GET", "/other/alive")
    entry_of(sink, "/other/alive")
    assert time.monotonic() - began < 3
    hanging.stop()


def test_nobody_who_is_served_waits_for_a_dead_sink(cluster, node, sink):
    """Refused, hanging and unresolvable sinks, under load for a while."""
    def slowest():
        times = []
        for number in range(150):
            began = time.monotonic()
            assert node.proxy("GET", f"/r/load-{number}").status == 200
            times.append(time.monotonic() - began)
        return sorted(times)[len(times) * 9 // 10]

    without = slowest()
    sink.delay = 60
    for endpoint in (f"http://127.0.0.1:{free_ports(1)[0]}", sink.url, "http://nobody.invalid", "http://192.0.2.1"):
        plugin = log_to(cluster, endpoint, queue={"max_entries": 50})
        assert slowest() < without * 3 + 0.02, endpoint
        assert node.admin("DELETE", f"/plugins/{plugin['id']}").status == 204


# ---- ends ----

def test_what_is_queued_is_sent_when_the_plugin_goes(cluster, node, sink):
    plugin = log_to(cluster, sink.url, queue={"max_batch_size": 100, "max_coalescing_delay": 3600})
    for number in range(3):
        node.proxy("GET", f"/r/gone-{number}")
    time.sleep(0.2)
    assert not sink.got
    assert node.admin("DELETE", f"/plugins/{plugin['id']}").status == 204
    eventually(lambda: len(sink.entries) == 3, what="the three entries")


def test_what_is_queued_is_sent_when_the_plugin_changes(cluster, node, sink):
    plugin = log_to(cluster, f"{sink.url}/old", queue={"max_batch_size": 100, "max_coalescing_delay": 3600})
    node.proxy("GET", "/r/before")
    cluster.configure(plugin, {"http_endpoint": f"{sink.url}/new"})
    cluster.settle()
    node.proxy("GET", "/r/after")
    entry_of(sink, "/r/before")
    entry_of(sink, "/r/after")
    assert {delivery.path: delivery.entries[0]["request"]["uri"] for delivery in sink.got} == {"/old": "/r/before", "/new": "/r/after"}


def test_what_is_queued_is_sent_before_the_node_ends(cluster, node, sink):
    log_to(cluster, sink.url, queue={"max_batch_size": 100, "max_coalescing_delay": 3600})
    for number in range(3):
        node.proxy("GET", f"/r/end-{number}")
    node.stop()
    assert len(sink.entries) == 3
    node.start()


def test_a_dead_sink_does_not_keep_a_node_from_ending(cluster, node, sink):
    sink.delay = 60
    log_to(cluster, sink.url, timeout=60000)
    node.proxy("GET", "/r/stuck")
    eventually(lambda: sink.got, what="the try")
    began = time.monotonic()
    node.stop()
    assert 2.5 < time.monotonic() - began < 20
    assert re.search(r"entries lost; queue=http-log to 127\.0\.0\.1:\d+ full=0 given_up=1", node.log())
    node.start()


def test_secrets_are_not_in_the_log(cluster, node, sink):
    sink.answer = 500
    log_to(cluster, f"http://ann:hidden-word@127.0.0.1:{sink.port}/p?key=hidden-query", queue={"max_retry_time": -1})
    lost = metric(node, "lost")
    node.proxy("GET", "/r/secret")
    eventually(lambda: metric(node, "lost") > lost, what="the entry being lost")
    time.sleep(1.2)
    assert "hidden-" not in node.log()


# ---- settings ----

@pytest.mark.parametrize("config, field, text", [
    ({}, "http_endpoint", "required field missing"),
    ({"http_endpoint": "x"}, "http_endpoint", "missing scheme in url"),
    ({"http_endpoint": "http://h", "method": "GET"}, "method", "expected one of: POST, PUT, PATCH"),
    ({"http_endpoint": "http://h", "headers": {"Host": "x"}}, "headers", "cannot contain 'Host' header"),
    ({"http_endpoint": "http://h", "headers": {"content-length": "1"}}, "headers", "cannot contain 'Content-Length' header"),
    ({"http_endpoint": "http://h", "headers": {"Content-type": "x"}}, "headers", "cannot contain 'Content-Type' header"),
    ({"http_endpoint": "http://h", "content_type": "text/plain"}, "content_type", "expected one of"),
    ({"http_endpoint": "http://h", "custom_fields_by_lua": {"a": "return 1"}}, "custom_fields_by_lua", "Lua"),
    ({"http_endpoint": "http://a:b@h", "headers": {"Authorization": "x"}}, None, "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed"),
    ({"http_endpoint": "http://h", "queue": {"max_batch_size": 0}}, "queue", "value should be between 1 and 1000000"),
])
def test_settings_that_cannot_be_are_refused(node, config, field, text):
    answer = node.admin("POST", "/plugins", json={"name": "http-log", "config": config})
    assert answer.status == 400
    told = answer.json["fields"]["config"]
    assert text in json.dumps(told if field is None else told[field])


def test_headers_that_cannot_be_sent_are_no_headers(cluster, node):
    """A line break in a value would begin a header of its own."""
    node.admin("POST", "/routes/r/plugins", json={"name": "http-log", "config": {"http_endpoint": "http://127.0.0.1:1", "headers": {"X-A": "1\r\nX-B: 2"}}})
    assert node.proxy("GET", "/r/x").status == 200
    assert os.path.exists(node.log_path)
