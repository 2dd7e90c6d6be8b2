"""udp-log, tcp-log, syslog (plugin reference, 20), statsd (21) and datadog (24), with real servers on the other end."""

import json
import os
import re
import socket
import time

import pytest

from sinks import LocalSink, TcpSink, UdpSink
from support import ask, eventually, free_ports

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.service()
    cluster.route()
    return cluster


def figure(node, name):
    text = ask(node.status_port, "GET", "/metrics").text
    found = re.search(rf"^{name} (\d+)", text, flags=re.M)
    return int(found.group(1)) if found else 0


# ---- udp-log ----


def test_a_request_is_a_datagram(routed):
    with UdpSink() as sink:
        routed.plugin("udp-log", {"host": "127.0.0.1", "port": sink.port})
        assert routed.a.proxy("GET", "/r?x=1").status == 200
        (text,) = sink.take()
        record = json.loads(text)
        assert not text.endswith("\n")
        assert record["request"]["method"] == "GET" and record["request"]["uri"] == "/r?x=1"
        assert record["response"]["status"] == 200 and record["service"]["name"] == "s" and record["route"]["name"] == "r"
        assert routed.a.proxy("GET", "/nowhere").status == 404
        record = json.loads(sink.take()[0])
        assert record["response"]["status"] == 404 and "service" not in record
        assert sink.is_silent()


def test_hosts_have_names(routed):
    with UdpSink() as sink:
        routed.plugin("udp-log", {"host": "localhost", "port": sink.port})
        assert routed.a.proxy("GET", "/r").status == 200
        assert json.loads(sink.take()[0])["response"]["status"] == 200


def test_what_is_too_large_for_a_datagram_is_dropped_and_told(routed):
    with UdpSink() as sink:
        routed.plugin("udp-log", {"host": "127.0.0.1", "port": sink.port})
        lost = figure(routed.a, "freshet_delivery_lost_total")
        many = {f"x-{i}": "\u00e9" * 3000 for i in range(9)}  # each byte takes six in JSON
        assert routed.a.proxy("GET", "/r", headers=many).status == 200
        assert routed.a.proxy("GET", "/r?small").status == 200
        assert json.loads(sink.take()[0])["request"]["uri"] == "/r?small"
        eventually(lambda: figure(routed.a, "freshet_delivery_lost_total") == lost + 1, what="a loss that is counted")
        eventually(lambda: "too large for a datagram" in routed.a.log(), what="a line about it")


@pytest.mark.parametrize("plugin", ["udp-log", "tcp-log", "statsd", "datadog"])
def test_a_sink_that_is_dead_costs_requests_nothing(routed, plugin):
    (port,) = free_ports(1)
    routed.plugin(plugin, {"host": "127.0.0.1", "port": port})
    began = time.monotonic()
    for _ in range(30):
        assert routed.a.proxy("GET", "/r").status == 200
    assert time.monotonic() - began < 5


def test_a_host_that_does_not_exist_costs_requests_nothing(routed):
    routed.plugin("tcp-log", {"host": "nowhere.invalid", "port": 1, "timeout": 300})
    assert routed.a.proxy("GET", "/r").status == 200
    eventually(lambda: "the host has no address" in routed.a.log(), what="a line about it")


# ---- tcp-log ----


def lines(sink, count):
    return [json.loads(line)["request"]["uri"] for line in sink.take(count)]


def test_lines_share_a_connection(routed):
    with TcpSink() as sink:
        routed.plugin("tcp-log", {"host": "127.0.0.1", "port": sink.port})
        for i in range(5):
            assert routed.a.proxy("GET", f"/r?{i}").status == 200
        assert sorted(lines(sink, 5)) == [f"/r?{i}" for i in range(5)]  # of two loops
        assert len(sink.connections) == 1


def test_a_connection_idle_for_longer_than_keepalive_is_not_used(routed):
    with TcpSink() as sink:
        routed.plugin("tcp-log", {"host": "127.0.0.1", "port": sink.port, "keepalive": 50})
        for i in range(2):
            assert routed.a.proxy("GET", f"/r?{i}").status == 200
            assert lines(sink, 1) == [f"/r?{i}"]
            time.sleep(0.3)
        assert len(sink.connections) == 2


@pytest.mark.parametrize("settings, names", [({"tls_sni": "logs.test"}, ["logs.test"]), ({}, [None]), ({"host": "localhost"}, ["localhost"])])
def test_tls_with_a_certificate_nobody_has_signed(routed, settings, names):
    with TcpSink(tls=True) as sink:
        routed.plugin("tcp-log", {"host": "127.0.0.1", "port": sink.port, "tls": True} | settings)
        for i in range(3):
            assert routed.a.proxy("GET", f"/r?{i}").status == 200
        assert lines(sink, 3) == [f"/r?{i}" for i in range(3)]
        assert len(sink.connections) == 1
        assert sink.names == names


def test_a_sink_without_tls_fails_and_is_told(routed):
    with TcpSink() as sink:
        routed.plugin("tcp-log", {"host": "127.0.0.1", "port": sink.port, "tls": True, "timeout": 200})
        assert routed.a.proxy("GET", "/r").status == 200
        eventually(lambda: f"tcp-log 127.0.0.1:{sink.port}" in routed.a.log(), what="a line about it")


def test_a_sink_that_comes_later_gets_what_has_waited(routed):
    (port,) = free_ports(1)
    routed.plugin("tcp-log", {"host": "127.0.0.1", "port": port})
    for i in range(3):
        assert routed.a.proxy("GET", f"/r?{i}").status == 200
    with TcpSink(port) as sink:
        assert lines(sink, 3) == [f"/r?{i}" for i in range(3)]


def test_a_sink_that_hangs_holds_up_no_other(routed):
    with TcpSink(reads=False) as hanging, UdpSink() as fine, TcpSink(tls=True, reads=False) as mute:
        routed.plugin("tcp-log", {"host": "127.0.0.1", "port": mute.port, "tls": True}, path="/routes/r/plugins")
        routed.route("other")
        routed.plugin("tcp-log", {"host": "127.0.0.1", "port": hanging.port}, path="/routes/other/plugins")
        routed.plugin("udp-log", {"host": "127.0.0.1", "port": fine.port})
        for i in range(10):
            assert routed.a.proxy("GET", f"/r?{i}").status == 200
            assert routed.a.proxy("GET", f"/other?{i}").status == 200
        assert len(fine.take(20, seconds=2)) == 20


# ---- syslog ----

SEVERITIES = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]


def syslog_of(node):
    return LocalSink(os.path.join(node.cluster.directory, f"{node.name}.syslog"))


def messages(sink, count):
    found = [re.fullmatch(r"<(\d+)>([A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d) kong: (\{.*\})", text) for text in sink.take(count)]
    return [(divmod(int(match.group(1)), 8), json.loads(match.group(3))) for match in found]


def test_severity_follows_the_status(routed):
    with syslog_of(routed.a) as sink:
        plugin = routed.plugin("syslog")
        assert routed.a.proxy("GET", "/r").status == 200
        ((facility, severity), record), = messages(sink, 1)
        assert (facility, severity) == (1, SEVERITIES.index("info")) and record["response"]["status"] == 200
        stop = routed.plugin("request-termination", {"status_code": 200})
        routed.configure(plugin, {"successful_severity": "notice", "client_errors_severity": "warning", "server_errors_severity": "crit",
                                  "log_level": "debug", "facility": "local3"})
        for status, severity in ((200, "notice"), (399, "notice"), (400, "warning"), (499, "warning"), (500, "crit"), (599, "crit")):
            routed.configure(stop, {"status_code": status})
            assert routed.a.proxy("GET", "/r").status == status
            (numbers, record), = messages(sink, 1)
            assert numbers == (19, SEVERITIES.index(severity)) and record["response"]["status"] == status


@pytest.mark.parametrize("level", SEVERITIES)
def test_what_is_less_severe_than_the_level_is_not_told(routed, level):
    with syslog_of(routed.a) as sink:
        plugin = routed.plugin("syslog", {"log_level": level, "successful_severity": level})
        assert routed.a.proxy("GET", "/r?told").status == 200
        assert messages(sink, 1)[0][1]["request"]["uri"] == "/r?told"
        if level != "debug":
            routed.configure(plugin, {"log_level": level, "successful_severity": SEVERITIES[SEVERITIES.index(level) + 1]})
            assert routed.a.proxy("GET", "/r").status == 200
            assert sink.is_silent()


def test_a_daemon_that_starts_again_is_found(routed):
    routed.plugin("syslog")
    for i in range(2):
        assert routed.a.proxy("GET", f"/r?{i}").status == 200
        with syslog_of(routed.a) as sink:
            assert messages(sink, 1)[0][1]["request"]["uri"] == f"/r?{i}"


# ---- statsd ----

HOST = socket.gethostname().replace(".", "_")
NUMBER = r"\d+"
SIX = {"request.count": ("1", "c"), "request.size": (NUMBER, "c"), "response.size": (NUMBER, "c"), "latency": (NUMBER, "ms"),
       "upstream_latency": (NUMBER, "ms"), "kong_latency": (NUMBER, "ms")}
WORKSPACE = "[0-9a-f-]{36}"


def assert_packets(sink, patterns, seconds=10):
    """One each, whatever the order; nothing else."""
    packets = sink.take(len(patterns), seconds) + sink.take_all()
    left = list(packets)
    for pattern in patterns:
        fitting = [packet for packet in left if re.fullmatch(pattern, packet)]
        assert len(fitting) == 1, (pattern, packets)
        left.remove(fitting[0])
    assert left == []


def pools(prefix=rf"kong\.node\.{HOST}\."):
    return [rf"{prefix}shdict\.kong_db_cache\.{what}:{NUMBER}\|g" for what in ("free_space", "capacity")]


def six(scope, without=()):
    return [rf"kong\.{scope}{re.escape(name)}:{value}\|{kind}" for name, (value, kind) in SIX.items() if name not in without]


def test_default_metrics(routed):
    routed.plugin("key-auth", path="/services/s/plugins")
    consumer = routed.a.admin("PUT", "/consumers/ann", json={"custom_id": "my.id"}).json
    assert consumer["custom_id"] == "my.id"
    routed.key("k", "ann")
    route = routed.a.admin("GET", "/routes/r").json
    with UdpSink() as sink:
        routed.plugin("statsd", {"host": "127.0.0.1", "port": sink.port})
        assert routed.a.proxy("GET", "/r", headers={"apikey": "k"}).status == 200
        assert_packets(sink, six(r"service\.s\.") + pools() + [
            r"kong\.service\.s\.status\.200:1\|c", r"kong\.service\.s\.user\.uniques:my\.id\|s",
            r"kong\.service\.s\.user\.my\.id\.request\.count:1\|c", r"kong\.service\.s\.user\.my\.id\.status\.200:1\|c",
            rf"kong\.service\.s\.workspace\.{WORKSPACE}\.status\.200:1\|c", rf"kong\.route\.{route['id']}\.user\.my\.id\.status\.200:1\|c"])
        # nobody: no metrics of users; no upstream: no latency of it; a minute has not passed: nothing about memory
        assert routed.a.proxy("GET", "/r").status == 401
        assert_packets(sink, six(r"service\.s\.", ["upstream_latency"]) + [
            r"kong\.service\.s\.status\.401:1\|c", rf"kong\.service\.s\.workspace\.{WORKSPACE}\.status\.401:1\|c"])
        assert routed.a.proxy("GET", "/nowhere").status == 404
        assert_packets(sink, six(r"global\.unmatched\.", ["upstream_latency"]) + [
            r"kong\.global\.unmatched\.status\.404:1\|c", rf"kong\.global\.unmatched\.workspace\.{WORKSPACE}\.status\.404:1\|c"])


def counter(**more):
    return {"name": "request_count", "stat_type": "counter", "sample_rate": 1} | more


@pytest.mark.parametrize("config, packets", [
    ({"metrics": [counter()]}, [r"kong\.service\.s\.request\.count:1\|c"]),
    ({"metrics": [counter(service_identifier="service_host")]}, [r"kong\.service\.127_0_0_1\.request\.count:1\|c"]),
    ({"metrics": [counter(service_identifier="service_id")]}, [rf"kong\.service\.{WORKSPACE}\.request\.count:1\|c"]),
    ({"metrics": [counter()], "prefix": "my.own"}, [r"my\.own\.service\.s\.request\.count:1\|c"]),
    ({"metrics": [counter()], "hostname_in_prefix": True}, [rf"kong\.node\.{HOST}\.service\.s\.request\.count:1\|c"]),
    ({"metrics": [{"name": "status_count_per_workspace", "stat_type": "counter", "sample_rate": 1, "workspace_identifier": "workspace_name"}]},
     [r"kong\.service\.s\.workspace\.default\.status\.200:1\|c"]),
    ({"metrics": [counter(), counter(name="status_count")], "udp_packet_size": 1000},
     [r"kong\.service\.s\.request\.count:1\|c\nkong\.service\.s\.status\.200:1\|c"]),
    ({"metrics": [counter(), counter(name="status_count")], "udp_packet_size": 40},
     [r"kong\.service\.s\.request\.count:1\|c", r"kong\.service\.s\.status\.200:1\|c"]),
    ({"metrics": [counter()], "allow_status_codes": ["200-299"]}, [r"kong\.service\.s\.request\.count:1\|c"]),
    ({"metrics": [counter()], "allow_status_codes": ["300-399", "200-200"]}, [r"kong\.service\.s\.request\.count:1\|c"]),
    ({"metrics": [counter()], "allow_status_codes": ["201-599"]}, []),
    ({"metrics": [counter(), counter(name="status_count")], "tag_style": "dogstatsd"},
     [rf"kong\.request\.count:1\|c\|#service:s,route:r,workspace:{WORKSPACE},node:{HOST},status:200"]),
    ({"metrics": [counter()], "tag_style": "influxdb"},
     [rf"kong\.request\.count,service=s,route=r,workspace={WORKSPACE},node={HOST},status=200:1\|c"]),
    ({"metrics": [counter()], "tag_style": "librato"},
     [rf"kong\.request\.count#service=s,route=r,workspace={WORKSPACE},node={HOST},status=200:1\|c"]),
    ({"metrics": [counter()], "tag_style": "signalfx"},
     [rf"kong\.request\.count\[service=s,route=r,workspace={WORKSPACE},node={HOST},status=200\]:1\|c"]),
    ({"metrics": None, "tag_style": "dogstatsd"},
     [rf"kong\.{re.escape(name)}:{value}\|{kind}\|#service:s,route:r,.*" for name, (value, kind) in SIX.items()]
     + [rf"kong\.shdict\.{what}:{NUMBER}\|g\|#node:{HOST},shdict:kong_db_cache" for what in ("free_space", "capacity")]),
], ids=lambda value: None if isinstance(value, list) else str(sorted(value))[:60])
def test_names_and_packets(routed, config, packets):
    with UdpSink() as sink:
        routed.plugin("statsd", {"host": "127.0.0.1", "port": sink.port} | config)
        assert routed.a.proxy("GET", "/r").status == 200
        assert_packets(sink, packets)


def test_a_part_of_requests_is_sent(routed):
    with UdpSink() as sink:
        routed.plugin("statsd", {"host": "127.0.0.1", "port": sink.port, "metrics": [counter(sample_rate=0.5)]})
        for _ in range(200):
            assert routed.a.proxy("GET", "/r").status == 200
        packets = sink.take_all()
        assert set(packets) == {"kong.service.s.request.count:1|c|@0.5"}
        assert 60 < len(packets) < 140  # six standard deviations


def test_memory_is_told_once_a_minute_by_all_loops_together(routed):
    with UdpSink() as sink:
        routed.plugin("statsd", {"host": "127.0.0.1", "port": sink.port, "metrics": [{"name": "shdict_usage", "stat_type": "gauge", "sample_rate": 1}]})
        for _ in range(20):  # each over a connection of its own
            assert routed.a.proxy("GET", "/r").status == 200
        assert_packets(sink, pools())


def test_lines_over_tcp(routed):
    with TcpSink() as sink:
        routed.plugin("statsd", {"host": "127.0.0.1", "port": sink.port, "use_tcp": True, "metrics": [counter(), counter(name="status_count")]})
        for _ in range(3):
            assert routed.a.proxy("GET", "/r").status == 200
        assert sink.take(6) == ["kong.service.s.request.count:1|c", "kong.service.s.status.200:1|c"] * 3
        assert len(sink.connections) == 1 and sink.is_silent()


@pytest.mark.parametrize("queue", [{"queue": {"max_batch_size": 3, "max_coalescing_delay": 5}}, {"queue_size": 3, "flush_timeout": 5}])
def test_a_queue_makes_batches_of_requests(routed, queue):
    with UdpSink() as sink:
        routed.plugin("statsd", {"host": "127.0.0.1", "port": sink.port, "metrics": [counter()], "udp_packet_size": 65507} | queue)
        for _ in range(3):
            assert routed.a.proxy("GET", "/r").status == 200
        assert sink.take() == ["\n".join(["kong.service.s.request.count:1|c"] * 3)]


@pytest.mark.parametrize("end", ["the plugin", "the node"])
def test_what_waits_for_company_is_sent_at_the_end(routed, end):
    with UdpSink() as sink:
        plugin = routed.plugin("statsd", {"host": "localhost", "port": sink.port, "metrics": [counter()],
                                          "queue": {"max_batch_size": 100, "max_coalescing_delay": 3600}})
        assert routed.a.proxy("GET", "/r").status == 200
        assert sink.is_silent()
        if end == "the plugin":
            assert routed.a.admin("DELETE", f"/plugins/{plugin['id']}").status == 204
        else:
            routed.a.stop()
            routed.ensure_running()
        assert sink.take() == ["kong.service.s.request.count:1|c"]


# ---- datadog ----


def test_datadog_has_tags(routed):
    routed.plugin("key-auth", path="/services/s/plugins")
    routed.a.admin("PUT", "/consumers/ann", json={"custom_id": "id-1"})
    routed.key("k", "ann")
    with UdpSink() as sink:
        plugin = routed.plugin("datadog", {"host": "127.0.0.1", "port": sink.port})
        kinds = {"request.count": "c"}
        tags = r"\|#name:s,status:{},app:kong"
        assert routed.a.proxy("GET", "/r", headers={"apikey": "k"}).status == 200
        assert_packets(sink, [rf"kong\.{re.escape(name)}:{value}\|{kinds.get(name, 'ms')}\|#name:s,status:200,consumer:id-1,app:kong"
                              for name, (value, _) in SIX.items()])
        assert routed.a.proxy("GET", "/r").status == 401
        assert_packets(sink, [rf"kong\.{re.escape(name)}:{value}\|{kinds.get(name, 'ms')}{tags.format(401)}"
                              for name, (value, _) in SIX.items() if name != "upstream_latency"])
        assert routed.a.proxy("GET", "/nowhere").status == 404  # no service
        assert sink.is_silent()
        routed.configure(plugin, {"host": "127.0.0.1", "port": sink.port, "prefix": "p", "service_name_tag": "svc", "status_tag": "code",
                                  "consumer_tag": "who", "metrics": [{"name": "request_count", "stat_type": "distribution", "tags": ["a:b", "c"],
                                                                      "sample_rate": 1, "consumer_identifier": "username"}]})
        assert routed.a.proxy("GET", "/r", headers={"apikey": "k"}).status == 200
        assert_packets(sink, [r"p\.request\.count:1\|d\|#svc:s,code:200,who:ann,a:b,c"])
