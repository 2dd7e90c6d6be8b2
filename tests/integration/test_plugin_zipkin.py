"""zipkin (plugin reference, 24): traces are passed on, and a Zipkin server is told of requests."""

import json
import re

import pytest

from collector import Collector
from support import eventually, free_ports, got

pytestmark = pytest.mark.usefixtures("clean")

LONG, SHORT, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
ID = "[0-9a-f]{16}"


class ZipkinServer(Collector):
    def spans(self):
        return [span for body in self.bodies for span in json.loads(body)]


@pytest.fixture(name="server")
def made_server():
    made = ZipkinServer()
    yield made
    made.stop()


@pytest.fixture(name="told")
def made_told(cluster, clean, server):
    cluster.service()
    cluster.route()
    configure(cluster, server)
    return cluster


def configure(cluster, server, **config):
    for plugin in cluster.a.admin("GET", "/plugins").json["data"]:
        if plugin["name"] == "zipkin":
            assert cluster.a.admin("DELETE", f"/plugins/{plugin['id']}").status == 204
    return cluster.plugin("zipkin", {"http_endpoint": server.url + "/api/v2/spans", "sample_ratio": 1} | config)


def told_of(server, count=1):
    """All spans, once `count` requests have been told of."""
    eventually(lambda: sum(span["kind"] == "SERVER" for span in server.spans()) >= count, 10, what="being told")
    return server.spans()


def parts(server):
    """Request, proxy and tries of the one request that was told of."""
    spans = told_of(server)
    (request,) = [span for span in spans if span["kind"] == "SERVER"]
    (proxy,) = [span for span in spans if span["name"].endswith("(proxy)")]
    return request, proxy, [span for span in spans if "(balancer try" in span["name"]]


def test_a_request_is_told(told, server):
    answer = told.a.proxy("GET", "/r/x?q=1", headers={"Host": "shop.test:8000"})
    request, proxy, (tried,) = parts(server)
    node = told.a.admin("GET", "/").json["node_id"]
    service, route = told.a.admin("GET", "/services/s").json["id"], told.a.admin("GET", "/routes/r").json["id"]
    assert request["name"] == "GET" and "parentId" not in request
    assert request["tags"] == {"lc": "kong", "http.method": "GET", "http.host": "shop.test", "http.path": "/r/x", "http.protocol": "HTTP/1.1",
                               "http.status_code": "200", "kong.node.id": node}
    assert request["localEndpoint"] == {"serviceName": "kong"}
    assert request["remoteEndpoint"]["ipv4"] == "127.0.0.1" and request["remoteEndpoint"]["port"] > 1023
    where = {"kong.service": service, "kong.service_name": "s", "kong.route": route, "kong.route_name": "r"}
    assert proxy["tags"] == where | {"peer.hostname": "127.0.0.1"}
    assert tried["tags"] == where | {"kong.balancer.try": "1"}
    for span in (proxy, tried):
        assert span["kind"] == "CLIENT" and span["parentId"] == request["id"] and span["traceId"] == request["traceId"]
        assert span["remoteEndpoint"] == {"serviceName": "s", "ipv4": "127.0.0.1", "port": told.upstream.port}
        assert request["timestamp"] <= span["timestamp"]
        assert span["timestamp"] + span["duration"] <= request["timestamp"] + request["duration"] + 1
    assert got(answer, "x-b3-traceid") == [request["traceId"]] and got(answer, "x-b3-spanid") == [proxy["id"]]
    assert got(answer, "x-b3-parentspanid") == [request["id"]] and got(answer, "x-b3-sampled") == ["1"]
    path, head = server.heads[0]
    assert path == "/api/v2/spans" and head["Content-Type"] == "application/json"


def test_phases_are_annotations_in_the_order_of_time(told, server):
    told.a.proxy("GET", "/r")
    request, proxy, _ = parts(server)
    assert [one["value"] for one in request["annotations"]] == ["krs", "krf"]
    assert [one["value"] for one in proxy["annotations"]] == ["kas", "kaf", "khs", "khf", "kbs", "kbf"]
    times = [one["timestamp"] for one in request["annotations"] + proxy["annotations"]]
    assert times == sorted(times)


def test_phases_are_tags(told, server):
    configure(told, server, phase_duration_flavor="tags")
    told.a.proxy("GET", "/r")
    request, proxy, _ = parts(server)
    assert "annotations" not in request and "annotations" not in proxy
    assert float(request["tags"]["kong.rewrite.duration_ms"]) >= 0
    for phase in ("access", "header_filter", "body_filter"):
        assert float(proxy["tags"][f"kong.{phase}.duration_ms"]) >= 0


CAME = {
    "w3c": ({"traceparent": f"00-{LONG}-{SPAN}-01"}, {"traceparent": rf"00-{LONG}-(?P<span>{ID})-01"}, False),
    "b3": ({"x-b3-traceid": LONG, "x-b3-spanid": SPAN, "x-b3-parentspanid": PARENT, "x-b3-sampled": "1"},
           {"x-b3-traceid": LONG, "x-b3-spanid": f"(?P<span>{ID})", "x-b3-parentspanid": SPAN, "x-b3-sampled": "1"}, True),
    "b3-single": ({"b3": f"{LONG}-{SPAN}-1-{PARENT}"}, {"b3": rf"{LONG}-(?P<span>{ID})-1-{SPAN}"}, True),
    "jaeger": ({"uber-trace-id": f"{LONG}:{SPAN}:{PARENT}:1"}, {"uber-trace-id": rf"{LONG}:(?P<span>{ID}):{SPAN}:01"}, True),
    "ot": ({"ot-tracer-traceid": LONG, "ot-tracer-spanid": SPAN, "ot-tracer-sampled": "1"},
           {"ot-tracer-traceid": LONG, "ot-tracer-spanid": f"(?P<span>{ID})", "ot-tracer-sampled": "1"}, False),
    "aws": ({"x-amzn-trace-id": f"Root=1-{LONG[:8]}-{LONG[8:]};Parent={SPAN};Sampled=1"},
            {"x-amzn-trace-id": rf"Root=1-{LONG[:8]}-{LONG[8:]};Parent=(?P<span>{ID});Sampled=1"}, False),
    "gcp": ({"x-cloud-trace-context": f"{LONG}/{int(SPAN, 16)};o=1"}, {"x-cloud-trace-context": rf"{LONG}/(?P<number>\d+);o=1"}, False),
}


@pytest.mark.parametrize("kind", CAME)
def test_a_clients_trace_goes_on_in_its_own_format(told, server, kind):
    sent, wanted, shares = CAME[kind]
    answer = told.a.proxy("GET", "/r", headers=sent)
    request, proxy, _ = parts(server)
    assert request["traceId"] == LONG
    assert (request["id"], request.get("parentId")) == (SPAN, PARENT) if shares else request["parentId"] == SPAN
    for name, form in wanted.items():
        (line,) = got(answer, name)
        match = re.fullmatch(form, line)
        assert match, line
        if "span" in match.groupdict():
            assert match["span"] == proxy["id"]
        if "number" in match.groupdict():
            assert int(match["number"]) == int(proxy["id"], 16)
    assert (got(answer, "x-b3-traceid") == []) == (kind != "b3")


@pytest.mark.parametrize("setting", ["b3", "b3-single", "w3c", "jaeger", "ot", "aws", "gcp"])
def test_formats_by_setting(told, server, setting):
    names = set(CAME[setting][1])
    configure(told, server, default_header_type=setting)
    answer = told.a.proxy("GET", "/r")
    every = {name for _, wanted, _ in CAME.values() for name in wanted}
    assert {name for name in every if got(answer, name)} == names
    configure(told, server, header_type=setting)
    answer = told.a.proxy("GET", "/r")
    assert {name for name in every if got(answer, name)} == names
    answer = told.a.proxy("GET", "/r", headers={"ot-tracer-traceid": LONG, "ot-tracer-spanid": SPAN})
    assert {name for name in every if got(answer, name)} == names | set(CAME["ot"][1])


def test_ignore(told, server):
    configure(told, server, header_type="ignore")
    answer = told.a.proxy("GET", "/r", headers={"uber-trace-id": f"{LONG}:{SPAN}:0:0"})
    request, *_ = parts(server)
    assert request["traceId"] != LONG and "parentId" not in request
    assert got(answer, "x-b3-traceid") == [request["traceId"]] and got(answer, "uber-trace-id") == [f"{LONG}:{SPAN}:0:0"]


def test_b3_counts_before_w3c(told, server):
    told.a.proxy("GET", "/r", headers={"traceparent": f"00-{LONG}-{SPAN}-00", "b3": f"{SHORT}-{PARENT}-1"})
    request, *_ = parts(server)
    assert request["traceId"] == SHORT and request["id"] == PARENT


@pytest.mark.parametrize("count", [8, 16])
def test_sizes_of_ids(told, server, count):
    configure(told, server, traceid_byte_count=count)
    told.a.proxy("GET", "/r")
    request, *_ = parts(server)
    assert len(request["traceId"]) == 2 * count and len(request["id"]) == 16


@pytest.mark.parametrize("sent, sampled", [({"x-b3-sampled": "0"}, "0"), ({"b3": "0"}, None), ({"traceparent": f"00-{LONG}-{SPAN}-00"}, None)])
def test_the_client_may_decide_against_it(told, server, sent, sampled):
    answer = told.a.proxy("GET", "/r", headers=sent)
    assert got(answer, "x-b3-sampled") == ([sampled] if sampled else [])
    told.a.proxy("GET", "/r/second")
    request, *_ = parts(server)
    assert request["tags"]["http.path"] == "/r/second"


@pytest.mark.parametrize("sent", [{"x-b3-sampled": "1"}, {"x-b3-flags": "1"}, {"b3": "d"}, {"traceparent": f"00-{LONG}-{SPAN}-01"}])
def test_the_client_may_decide_for_it(told, server, sent):
    configure(told, server, sample_ratio=0)
    answer = told.a.proxy("GET", "/r/not")
    assert got(answer, "x-b3-sampled") == ["0"]
    answer = told.a.proxy("GET", "/r/told", headers=sent)
    request, *_ = parts(server)
    assert request["tags"]["http.path"] == "/r/told"
    assert got(answer, "x-b3-flags") == (["1"] if "x-b3-flags" in sent else [])


def test_a_share_is_sampled(told, server):
    configure(told, server, sample_ratio=0.5, queue={"max_batch_size": 1000, "max_coalescing_delay": 0.5})
    flags = [got(told.a.proxy("GET", "/r"), "x-b3-sampled")[0] for _ in range(200)]
    assert 60 <= flags.count("1") <= 140
    assert len([span for span in told_of(server, flags.count("1")) if span["kind"] == "SERVER"]) == flags.count("1")
    assert len(server.bodies) < 60


def test_tags_of_clients_and_of_the_setting(told, server):
    configure(told, server, tags_header="X-Tags", static_tags=[{"name": "zone", "value": "north"}])
    told.a.proxy("GET", "/r", headers={"X-Tags": "user=ann; zone=south ;kong.consumer=forged;http.method=X;bad"})
    tags = parts(server)[0]["tags"]
    assert (tags["zone"], tags["user"], tags["http.method"]) == ("north", "ann", "GET")
    assert "kong.consumer" not in tags and "bad" not in tags


def test_the_usual_tags_header(told, server):
    told.a.proxy("GET", "/r", headers={"Zipkin-Tags": "a=1;b=2"})
    tags = parts(server)[0]["tags"]
    assert (tags["a"], tags["b"]) == ("1", "2")


def test_names(told, server):
    assert told.a.admin("PATCH", "/services/s", json={"name": None}).status == 200
    configure(told, server, local_service_name="edge", default_service_name="somebody", http_span_name="method_path")
    told.a.proxy("POST", "/r/x?y", data=b"")
    request, proxy, (tried,) = parts(server)
    assert (request["name"], proxy["name"], tried["name"]) == ("POST /r/x", "POST /r/x (proxy)", "POST /r/x (balancer try 1)")
    assert {span["localEndpoint"]["serviceName"] for span in (request, proxy, tried)} == {"edge"}
    assert proxy["remoteEndpoint"]["serviceName"] == "somebody" and "kong.service_name" not in proxy["tags"]


@pytest.mark.parametrize("shown", [True, False])
def test_who_asks(told, server, shown):
    told.plugin("key-auth")
    consumer, key = told.consumer(), told.key("k")
    configure(told, server, include_credential=shown)
    assert told.a.proxy("GET", "/r", headers={"apikey": "k"}).status == 200
    tags = parts(server)[0]["tags"]
    assert tags["kong.consumer"] == consumer["id"] and tags.get("kong.credential") == (key["id"] if shown else None)


def test_the_id_is_shown(told, server):
    configure(told, server, http_response_header_for_traceid="X-Trace")
    assert told.a.proxy("GET", "/r", headers={"b3": f"{SHORT}-{SPAN}-1"}).all("X-Trace") == [SHORT]


def test_answers_of_the_gateway_are_told(told, server):
    configure(told, server, http_response_header_for_traceid="X-Trace")
    answer = told.a.proxy("GET", "/nowhere", headers={"traceparent": f"00-{LONG}-{SPAN}-01"})
    request, proxy, tries = parts(server)
    assert answer.status == 404 and answer.all("X-Trace") == [LONG]
    assert request["tags"]["http.status_code"] == "404" and request["parentId"] == SPAN and tries == []
    assert "remoteEndpoint" not in proxy and "kong.service" not in proxy["tags"]
    server.forget()
    told.plugin("request-termination", {"status_code": 418})
    assert told.a.proxy("GET", "/r").status == 418
    assert parts(server)[0]["tags"]["http.status_code"] == "418"


def test_tries_that_failed(told, server):
    (closed,) = free_ports(1)
    assert told.a.admin("PATCH", "/services/s", json={"url": f"http://127.0.0.1:{closed}", "retries": 2}).status == 200
    assert told.a.proxy("GET", "/r").status == 502
    request, _, tries = parts(server)
    assert request["tags"]["http.status_code"] == "502"
    assert [one["tags"]["kong.balancer.try"] for one in tries] == ["1", "2", "3"]
    for one in tries:
        assert (one["tags"]["error"], one["tags"]["kong.balancer.state"], one["tags"]["http.status_code"]) == ("true", "failed", "502")
        assert one["remoteEndpoint"]["port"] == closed


def test_without_a_server_traces_are_passed_on(told, server):
    plugin = configure(told, server)
    told.configure(plugin, {"sample_ratio": 1})
    assert got(told.a.proxy("GET", "/r"), "x-b3-sampled") == ["1"]
    assert server.heads == []


def test_a_server_that_refuses_gets_it_again(told, server):
    server.refusals = [500]
    told.a.proxy("GET", "/r")
    told_of(server)
    assert len(server.heads) == 2 and len(server.bodies) == 1
