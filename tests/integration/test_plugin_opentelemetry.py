"""opentelemetry (plugin reference, 22): traces are passed on, and a collector is told of requests."""

import json
import re
import socket

import pytest

from collector import Collector
from otlp import CLIENT, INTERNAL, SERVER, OtlpCollector
from support import Cluster, default_entities, eventually, free_ports, got

LONG, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
W3C = rf"00-({'[0-9a-f]' * 32})-({'[0-9a-f]' * 16})-(0[01])"


@pytest.fixture(name="traced", scope="module")
def made_traced(workspace, postgres, upstream):
    """A node that records everything and samples all."""
    made = Cluster(f"{workspace}/traced", postgres, None, upstream,
                   {"tracing_instrumentations": "all", "tracing_sampling_rate": 1, "allow_debug_header": "on"}, ("a",)).start()
    yield made
    made.stop()
    made.check_logs()


@pytest.fixture(name="collector")
def made_collector():
    made = OtlpCollector()
    yield made
    made.stop()


@pytest.fixture(name="told")
def made_told(traced, collector):
    """A route whose requests the collector hears of."""
    default_entities(traced)
    traced.service()
    traced.route()
    configure(traced, collector)
    yield traced
    default_entities(traced)


def configure(cluster, collector, **config):
    for plugin in cluster.a.admin("GET", "/plugins").json["data"]:
        if plugin["name"] == "opentelemetry":
            assert cluster.a.admin("DELETE", f"/plugins/{plugin['id']}").status == 204
    return cluster.plugin("opentelemetry", {"endpoint": collector.url + "/v1/traces"} | config)


def told_of(collector, count=1):
    """Spans by name, once `count` requests have been told of; those of several tries as a list."""
    eventually(lambda: sum(span["name"] == "kong" for span in collector.spans()) >= count, 10, what="being told")
    return collector.spans()


def one(spans, name):
    (span,) = [span for span in spans if span["name"] == name]
    return span


def attributes(span, *names):
    return [span["attributes"].get(name) for name in names]


def test_a_request_is_a_tree_of_spans(told, collector):
    told.plugin("correlation-id", {"echo_downstream": True})
    answer = told.a.proxy("GET", "/r/x?q=1", headers={"Host": "shop.test:8000"})
    spans = told_of(collector)
    root = one(spans, "kong")
    assert root["kind"] == SERVER and root["parent"] is None and not root["failed"]
    assert attributes(root, "http.method", "http.scheme", "http.host", "http.flavor", "http.status_code", "http.route", "http.client_ip", "net.peer.ip",
                      "http.url") == ["GET", "http", "shop.test:8000", "1.1", 200, "/r", "127.0.0.1", "127.0.0.1", "http://shop.test:8000/r/x?q=1"]
    names = sorted(span["name"] for span in spans)
    assert names == ["kong", "kong.access.plugin.correlation-id", "kong.access.plugin.opentelemetry", "kong.balancer",
                     "kong.header_filter.plugin.correlation-id", "kong.header_filter.plugin.opentelemetry", "kong.router"]
    for span in spans:
        assert span["trace"] == root["trace"]
        if span is not root:
            assert span["parent"] == root["id"] and root["start"] <= span["start"] and span["end"] <= root["end"]
    assert len({span["id"] for span in spans}) == len(spans)
    assert one(spans, "kong.router")["kind"] == INTERNAL
    balancer = one(spans, "kong.balancer")
    assert balancer["kind"] == CLIENT
    assert attributes(balancer, "try_count", "net.peer.ip", "net.peer.port", "net.peer.name", "http.status_code") == [
        1, "127.0.0.1", told.upstream.port, "127.0.0.1", 200]
    trace, sender, sampled = re.fullmatch(W3C, got(answer, "traceparent")[0]).groups()
    assert (trace, sender, sampled) == (root["trace"], balancer["id"], "01")


def test_who_tells(told, collector):
    told.a.proxy("GET", "/r")
    span = told_of(collector)[0]
    node = told.a.admin("GET", "/").json["node_id"]
    assert collector.resources()[0] == {"service.name": "kong", "service.version": "3.5.0", "service.instance.id": node}
    assert span["scope"] == {"name": "kong-internal", "version": "0.1.0"}
    path, head = collector.heads[0]
    assert path == "/v1/traces" and head["Content-Type"] == "application/x-protobuf"


def test_attributes_and_headers_of_ones_own(told, collector):
    configure(told, collector, resource_attributes={"service.name": "edge", "zone": "north"}, headers={"X-Token": "secret", "content-type": "application/x-own", "Content-Length": "1"})
    told.a.proxy("GET", "/r")
    told_of(collector)
    resource = collector.resources()[0]
    assert resource["service.name"] == "edge" and resource["zone"] == "north" and resource["service.version"] == "3.5.0"
    head = collector.heads[0][1]
    assert head["X-Token"] == "secret" and head.get_all("Content-Type") == ["application/x-own"] and len(head.get_all("Content-Length")) == 1


CAME = {
    "w3c": ({"traceparent": f"00-{LONG}-{SPAN}-01", "tracestate": "a=1"}, "traceparent", rf"00-{LONG}-([0-9a-f]{{16}})-01"),
    "b3": ({"x-b3-traceid": LONG, "x-b3-spanid": SPAN, "x-b3-sampled": "1"}, "x-b3-spanid", r"([0-9a-f]{16})"),
    "b3-single": ({"b3": f"{LONG}-{SPAN}-1"}, "b3", rf"{LONG}-([0-9a-f]{{16}})-1-[0-9a-f]{{16}}"),
    "jaeger": ({"uber-trace-id": f"{LONG}:{SPAN}:0:1"}, "uber-trace-id", rf"{LONG}:([0-9a-f]{{16}}):[0-9a-f]{{16}}:01"),
    "ot": ({"ot-tracer-traceid": LONG, "ot-tracer-spanid": SPAN, "ot-tracer-sampled": "1"}, "ot-tracer-spanid", r"([0-9a-f]{16})"),
    "aws": ({"x-amzn-trace-id": f"Root=1-{LONG[:8]}-{LONG[8:]};Parent={SPAN};Sampled=1"}, "x-amzn-trace-id",
            rf"Root=1-{LONG[:8]}-{LONG[8:]};Parent=([0-9a-f]{{16}});Sampled=1"),
    "gcp": ({"x-cloud-trace-context": f"{LONG}/{int(SPAN, 16)};o=1"}, "x-cloud-trace-context", rf"{LONG}/(\d+);o=1"),
}


@pytest.mark.parametrize("kind", CAME)
def test_a_clients_trace_goes_on_in_its_own_format(told, collector, kind):
    sent, name, form = CAME[kind]
    answer = told.a.proxy("GET", "/r", headers=sent)
    root = one(told_of(collector), "kong")
    (line,) = got(answer, name)
    passed = re.fullmatch(form, line).group(1)
    passed = f"{int(passed):016x}" if kind == "gcp" else passed
    assert root["trace"] == LONG and root["parent"] == SPAN
    assert passed == one(collector.spans(), "kong.balancer")["id"]
    assert (got(answer, "traceparent") == []) == (kind != "w3c")
    assert got(answer, "tracestate") == (["a=1"] if kind == "w3c" else [])


@pytest.mark.parametrize("setting", ["w3c", "b3", "b3-single", "jaeger", "ot", "aws", "gcp"])
def test_header_type_is_written_besides_what_came(told, collector, setting):
    configure(told, collector, header_type=setting)
    name, form = CAME[setting][1], CAME[setting][2].replace(LONG, "[0-9a-f]{32}").replace(f"{LONG[:8]}-{LONG[8:]}", "[0-9a-f]{8}-[0-9a-f]{24}")
    form = form.replace("-[0-9a-f]{16}", "(-[0-9a-f]{16})?") if setting == "b3-single" else form
    answer = told.a.proxy("GET", "/r")
    assert re.fullmatch(form, got(answer, name)[0])
    assert (got(answer, "traceparent") == []) == (setting != "w3c")
    answer = told.a.proxy("GET", "/r", headers={"uber-trace-id": f"{LONG}:{SPAN}:0:1"})
    assert re.fullmatch(form, got(answer, name)[0]) and got(answer, "uber-trace-id")[0] != f"{LONG}:{SPAN}:0:1"


def test_w3c_counts_before_b3(told, collector):
    told.a.proxy("GET", "/r", headers={"traceparent": f"00-{LONG}-{SPAN}-01", "b3": f"{SPAN}-{SPAN}-0"})
    assert one(told_of(collector), "kong")["trace"] == LONG


def test_ignore_begins_a_trace_of_its_own(told, collector):
    configure(told, collector, header_type="ignore")
    answer = told.a.proxy("GET", "/r", headers={"traceparent": f"00-{LONG}-{SPAN}-00", "tracestate": "a=1"})
    root = one(told_of(collector), "kong")
    assert root["trace"] != LONG and root["parent"] is None
    assert re.fullmatch(W3C, got(answer, "traceparent")[0]).group(1) == root["trace"] and got(answer, "tracestate") == []


def test_the_client_decides_what_is_sampled(told, collector):
    answer = told.a.proxy("GET", "/r", headers={"traceparent": f"00-{LONG}-{SPAN}-00"})
    assert got(answer, "traceparent")[0].endswith("-00")
    told.a.proxy("GET", "/r/second")
    roots = [span for span in told_of(collector) if span["name"] == "kong"]
    assert len(roots) == 1 and roots[0]["attributes"]["http.url"].endswith("/r/second")


def test_the_rate_decides_where_the_client_does_not(told, collector):
    told.settings["tracing_sampling_rate"] = 0
    assert told.a.reload().returncode == 0
    try:
        eventually(lambda: got(told.a.proxy("GET", "/r"), "traceparent")[0].endswith("-00"), 10, what="the rate being in force")
        collector.forget()
        answer = told.a.proxy("GET", "/r")
        assert got(answer, "traceparent")[0].endswith("-00")
        told.a.proxy("GET", "/r", headers={"traceparent": f"00-{LONG}-{SPAN}-01"})
        assert {span["trace"] for span in told_of(collector)} == {LONG}
    finally:
        told.settings["tracing_sampling_rate"] = 1
        assert told.a.reload().returncode == 0
        eventually(lambda: got(told.a.proxy("GET", "/r"), "traceparent")[0].endswith("-01"), 10, what="the rate being back")


def test_only_what_is_asked_for(told, collector):
    told.settings["tracing_instrumentations"] = "router, balancer"
    assert told.a.reload().returncode == 0
    try:
        def names():
            collector.forget()
            told.a.proxy("GET", "/r")
            return sorted(span["name"] for span in told_of(collector)) == ["kong", "kong.balancer", "kong.router"]
        eventually(names, 10, what="the setting being in force")
    finally:
        told.settings["tracing_instrumentations"] = "all"
        assert told.a.reload().returncode == 0


def test_off_passes_on_and_tells_nothing(cluster, clean, collector):
    cluster.service()
    cluster.route()
    configure(cluster, collector)
    assert re.fullmatch(W3C, got(cluster.a.proxy("GET", "/r"), "traceparent")[0]).group(3) == "01"
    answer = cluster.a.proxy("GET", "/r", headers={"traceparent": f"00-{LONG}-{SPAN}-00"})
    trace, sender, sampled = re.fullmatch(W3C, got(answer, "traceparent")[0]).groups()
    assert trace == LONG and sender != SPAN and sampled == "00"
    assert collector.heads == []


def test_the_id_is_shown_in_a_header_and_in_the_log(told, collector):
    configure(told, collector, http_response_header_for_traceid="X-Trace-Id")
    answer = told.a.proxy("GET", "/r", headers={"traceparent": f"00-{LONG}-{SPAN}-01"})
    assert answer.all("X-Trace-Id") == [LONG]
    unknown = told.a.proxy("GET", "/nowhere")
    assert unknown.status == 404
    spans = told_of(collector, 2)
    root = next(span for span in spans if span["name"] == "kong" and span["attributes"]["http.status_code"] == 404)
    assert unknown.all("X-Trace-Id") == [root["trace"]] and not root["failed"]


def test_loggers_tell_the_id_as_each_format_has_it(told, collector):
    log = Collector()
    try:
        told.plugin("http-log", {"http_endpoint": log.url})
        configure(told, collector, header_type="aws")
        told.a.proxy("GET", "/r", headers={"traceparent": f"00-{LONG}-{SPAN}-01"})
        (record,) = eventually(lambda: [json.loads(body) for body in log.bodies], what="a record")
        assert record["trace_id"] == {"w3c": LONG, "aws": f"1-{LONG[:8]}-{LONG[8:]}"}
    finally:
        log.stop()


def test_each_try_is_a_span(told, collector):
    (closed,) = free_ports(1)
    assert told.a.admin("POST", "/upstreams", json={"name": "tries.test"}).status == 201
    for port, weight in ((closed, 1000), (told.upstream.port, 1)):
        assert told.a.admin("POST", "/upstreams/tries.test/targets", json={"target": f"127.0.0.1:{port}", "weight": weight}).status == 201
    assert told.a.admin("PUT", "/services/s", json={"host": "tries.test", "retries": 5}).status == 200

    def retried():
        collector.forget()
        answer = told.a.proxy("GET", "/r")
        assert answer.status == 200
        tries = sorted((span for span in told_of(collector) if span["name"] == "kong.balancer"), key=lambda span: span["start"])
        return (answer, tries) if len(tries) > 1 else None
    answer, tries = eventually(retried, 20, what="a try that failed")
    assert [span["attributes"]["try_count"] for span in tries] == list(range(1, len(tries) + 1))
    assert [span["failed"] for span in tries] == [True] * (len(tries) - 1) + [False]
    assert tries[0]["attributes"]["net.peer.port"] == closed and tries[0]["attributes"]["http.status_code"] == 502
    assert tries[-1]["attributes"]["net.peer.port"] == told.upstream.port and tries[-1]["attributes"]["http.status_code"] == 200
    assert got(answer, "traceparent")[0].split("-")[2] == tries[-1]["id"]


def test_an_upstream_that_cannot_be_reached_is_an_error(told, collector):
    (closed,) = free_ports(1)
    assert told.a.admin("PATCH", "/services/s", json={"url": f"http://127.0.0.1:{closed}", "retries": 0}).status == 200
    assert told.a.proxy("GET", "/r").status == 502
    spans = told_of(collector)
    assert one(spans, "kong")["failed"] and one(spans, "kong.balancer")["failed"]
    assert one(spans, "kong")["attributes"]["http.status_code"] == 502


def test_waiting_for_entities_and_names_is_told(told, collector):
    told.plugin("key-auth")
    told.a.proxy("GET", "/r", headers={"apikey": "nobody has it"})
    spans = told_of(collector)
    assert attributes(one(spans, "kong.database.query"), "db.system", "db.sql.table") == ["postgresql", "keyauth_credentials"]
    assert one(spans, "kong.database.query")["kind"] == CLIENT
    access = one(spans, "kong.access.plugin.key-auth")
    assert access["start"] <= one(spans, "kong.database.query")["start"] and one(spans, "kong.database.query")["end"] <= access["end"]
    assert one(spans, "kong")["attributes"]["http.status_code"] == 401
    assert [span for span in spans if span["name"] == "kong.balancer"] == []


def test_looking_up_a_name_is_told(told, collector):
    assert told.a.admin("PATCH", "/services/s", json={"host": "nothing.invalid"}).status == 200
    assert told.a.proxy("GET", "/r").status == 503
    spans = told_of(collector)
    dns = one(spans, "kong.dns")
    assert dns["end"] < one(spans, "kong")["end"]
    assert dns["kind"] == CLIENT and dns["attributes"] == {"dns.record.domain": "nothing.invalid"}


def test_bytes_of_a_client_stay_text(told, collector):
    link = socket.create_connection(("127.0.0.1", told.a.proxy_port), timeout=10)
    link.sendall(b"GET /r/\xff\xc3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    while link.recv(65536):
        pass
    link.close()
    assert one(told_of(collector), "kong")["attributes"]["http.url"].startswith("http://a/r/")


def test_batches_hold_several_requests(told, collector):
    configure(told, collector, queue={"max_batch_size": 3, "max_coalescing_delay": 30})
    for number in range(3):
        told.a.proxy("GET", f"/r/{number}")
    told_of(collector, 3)
    assert len(collector.bodies) == 1


def test_old_names_of_the_rules_of_batches_go_first(told, collector):
    configure(told, collector, queue={"max_batch_size": 1000, "max_coalescing_delay": 600}, batch_span_count=2, batch_flush_delay=30)
    told.a.proxy("GET", "/r/1")
    told.a.proxy("GET", "/r/2")
    told_of(collector, 2)
    assert len(collector.bodies) == 1


def test_a_collector_that_refuses_gets_it_again(told, collector):
    collector.refusals = [503, 500]
    told.a.proxy("GET", "/r")
    told_of(collector)
    assert len(collector.heads) == 3 and len(collector.bodies) == 1


def test_a_collector_that_is_gone_holds_up_nobody(told, collector):
    (closed,) = free_ports(1)
    configure(told, collector, endpoint=f"http://127.0.0.1:{closed}/v1/traces", queue={"max_retry_time": 1})
    assert [told.a.proxy("GET", "/r").status for _ in range(20)] == [200] * 20
