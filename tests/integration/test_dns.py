"""Names of services: what the name server says is where requests go."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import name_server
from name_server import A, AAAA, CNAME, SRV, NameServer
from sinks import TcpSink, UdpSink
from support import PATIENCE, PROGRAM, Cluster, Upstream, default_entities, eventually


@pytest.fixture(scope="module")
def names():
    server = NameServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def other():
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def hosts(workspace):
    path = os.path.join(workspace, "dns-hosts")
    with open(path, "w", encoding="ascii") as file:
        file.write("127.0.0.1 hosted.test\n")
    return path


@pytest.fixture(scope="module")
def module_cluster(workspace, postgres, upstream, names, hosts):
    with pytest.MonkeyPatch.context() as patch:  # read by c-ares, in place of resolv.conf's
        patch.setenv("LOCALDOMAIN", "nowhere.test inside.test")
        patch.setenv("RES_OPTIONS", "ndots:1")
        made = Cluster(os.path.join(workspace, "dns"), postgres, None, upstream, names=("a",), settings={
            "dns_resolver": names.address, "dns_hostsfile": hosts, "dns_stale_ttl": 1, "dns_not_found_ttl": 1})
        made.start()
    yield made
    made.stop()
    made.check_logs()


@pytest.fixture
def cluster(module_cluster, names):
    yield module_cluster
    default_entities(module_cluster)
    names.odd.clear()


def serve(cluster, host, port=80, name="s"):
    answer = cluster.a.admin("PUT", f"/services/{name}", json={"host": host, "port": port, "retries": 0})
    assert answer.status == 200, answer
    cluster.route(name, service=name)


def hosts_seen(cluster, path, count=1):
    found = []
    for _ in range(count):
        answer = cluster.a.proxy("GET", path)
        assert answer.status == 200, answer
        found.append(dict(answer.json["headers"])["Host"])
    return found


def test_ports_and_weights_of_srv_records_are_used(cluster, names, other):
    names.set("one.test", A, ["127.0.0.1"])
    names.set("two.test", A, ["127.0.0.1"])
    names.set("srv.test", SRV, [(5, 30, cluster.upstream.port, "one.test"), (5, 0, other.port, "two.test"),
                                (6, 100, 9, "two.test")])
    serve(cluster, "srv.test", port=1)
    before = other.requests
    found = hosts_seen(cluster, "/s", 124)
    assert set(found) == {f"srv.test:{cluster.upstream.port}", f"srv.test:{other.port}"}
    assert 2 <= other.requests - before <= 7, "weights are 30 and 1, in place of 0"


def test_a_port_of_zero_is_the_port_of_the_service(cluster, names):
    names.set("one.test", A, ["127.0.0.1"])
    names.set("portless.test", SRV, [(0, 1, 0, "one.test")])
    serve(cluster, "portless.test", cluster.upstream.port)
    assert hosts_seen(cluster, "/s") == [f"portless.test:{cluster.upstream.port}"]


def test_traffic_moves_when_a_record_expires(cluster, names, other):
    names.set("one.test", A, ["127.0.0.1"])
    names.set("moves.test", SRV, [(0, 1, cluster.upstream.port, "one.test")], ttl=1)
    serve(cluster, "moves.test")
    assert hosts_seen(cluster, "/s") == [f"moves.test:{cluster.upstream.port}"]
    names.set("moves.test", SRV, [(0, 1, other.port, "one.test")], ttl=1)
    eventually(lambda: hosts_seen(cluster, "/s") == [f"moves.test:{other.port}"], 5, what="traffic at the new port")


def test_a_ttl_of_zero_is_asked_for_with_each_request(cluster, names):
    names.set("zero.test", A, ["127.0.0.1"], ttl=0)
    serve(cluster, "zero.test", cluster.upstream.port)
    hosts_seen(cluster, "/s")
    before = names.count("zero.test")
    hosts_seen(cluster, "/s", 5)
    assert names.count("zero.test") == before + 5


def test_requests_at_once_share_a_question(cluster, names):
    names.set("shared.test", A, ["127.0.0.1"])
    names.odd["shared.test"] = name_server.late_and_again
    serve(cluster, "shared.test", cluster.upstream.port)
    threads = [threading.Thread(target=hosts_seen, args=(cluster, "/s")) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names.count("shared.test") == 2  # SRV, A


def test_the_search_list_and_aliases(cluster, names):
    names.set("real.test", A, ["127.0.0.1"])
    names.set("short.inside.test", A, ["127.0.0.1"])
    names.set("alias.test", CNAME, ["real.test"])
    serve(cluster, "short", cluster.upstream.port)
    serve(cluster, "alias.test", cluster.upstream.port, name="t")
    assert hosts_seen(cluster, "/s") == [f"short:{cluster.upstream.port}"]
    assert hosts_seen(cluster, "/t") == [f"alias.test:{cluster.upstream.port}"]


def test_the_hosts_file_comes_first_and_is_read_again(cluster, names, hosts):
    names.set("hosted.test", A, ["127.0.0.3"])
    serve(cluster, "hosted.test", cluster.upstream.port)
    serve(cluster, "added.test", cluster.upstream.port, name="t")
    hosts_seen(cluster, "/s", 2)
    assert names.count("hosted.test") == 0
    assert cluster.a.proxy("GET", "/t").status == 503
    with open(hosts, "a", encoding="ascii") as file:
        file.write("127.0.0.1 added.test\n")
    eventually(lambda: cluster.a.proxy("GET", "/t").status == 200, 15, what="the new line of the hosts file")


def test_localhost_needs_no_name_server(cluster, names):
    serve(cluster, "localhost", cluster.upstream.port)
    hosts_seen(cluster, "/s")
    assert names.count("localhost") == 0


def test_a_missing_name_is_503_until_it_is_there(cluster, names):
    serve(cluster, "missing.test", cluster.upstream.port)
    answer = cluster.a.proxy("GET", "/s")
    assert (answer.status, answer.json["message"]) == (503, "name resolution failed")
    names.set("missing.test", A, ["127.0.0.1"])
    eventually(lambda: cluster.a.proxy("GET", "/s").status == 200, 10, what="the name that is there now")
    assert 'dns: a name does not resolve; name=missing.test reason="there is no such name"' in cluster.a.log()


@pytest.mark.parametrize("odd", name_server.BAD, ids=lambda odd: odd.__name__)
def test_a_bad_name_server_costs_bounded_time_and_no_more(cluster, names, odd):
    host = f"{odd.__name__.replace('_', '-')}.test"
    names.set(host, A, ["127.0.0.1"])
    names.odd[host] = odd
    serve(cluster, host, cluster.upstream.port)
    began = time.monotonic()
    answer = cluster.a.proxy("GET", "/s")
    assert (answer.status, answer.json["message"]) == (503, "name resolution failed")
    assert time.monotonic() - began < 11 + 3 * PATIENCE
    names.odd.clear()
    eventually(lambda: cluster.a.proxy("GET", "/s").status == 200, 10, what="the name server that behaves now")


def test_what_is_cut_is_asked_for_over_tcp(cluster, names):
    names.set("cut.test", A, [f"127.0.0.{i}" for i in range(1, 201)])
    names.odd["cut.test"] = name_server.cut
    serve(cluster, "cut.test", cluster.upstream.port)
    eventually(lambda: cluster.a.proxy("GET", "/s").status == 200, 10, what="one of the addresses")
    assert names.count("cut.test") >= 2


def test_a_name_in_use_outlives_failures_for_as_long_as_it_may_be_stale(cluster, names):
    names.set("stale.test", A, ["127.0.0.1"], ttl=1)
    serve(cluster, "stale.test", cluster.upstream.port)
    hosts_seen(cluster, "/s")
    names.odd["stale.test"] = name_server.fails
    time.sleep(1.2)
    hosts_seen(cluster, "/s")
    eventually(lambda: cluster.a.proxy("GET", "/s").status == 503, 5, what="an answer that is too old")
    names.odd.clear()
    eventually(lambda: cluster.a.proxy("GET", "/s").status == 200, 5, what="the name again")
    eventually(lambda: "dns: a name resolves again; name=stale.test" in cluster.a.log(), 5)  # a thread writes it


class SixServer(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


class SixHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"six")

    def log_message(self, *_):
        pass


def test_ipv6_addresses_are_used_where_the_order_lists_them(own_cluster, postgres, names):
    with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 on loopback")
    server = SixServer(("::1", 0), SixHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names.set("six.test", AAAA, ["::1"])
    cluster = own_cluster(redis=False, postgres=postgres, names=("a",), settings={
        "dns_resolver": names.address, "dns_order": "last, srv, a, aaaa"})
    serve(cluster, "six.test", server.server_address[1])
    assert cluster.a.proxy("GET", "/s").text == "six"
    assert cluster.a.admin("GET", "/").json["configuration"]["dns_order"] == ["last", "srv", "a", "aaaa"]
    server.shutdown()


def test_a_wrong_order_is_refused_with_a_reason(tmp_path):
    conf = tmp_path / "x.conf"
    conf.write_text("dns_order = LAST,MX\ndns_no_sync = on\n", encoding="ascii")
    run = subprocess.run([PROGRAM, "check", str(conf)], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "dns_order: 'MX': not one of: LAST SRV A AAAA CNAME" in (run.stdout + run.stderr).replace('"', "'")


# ---- names of sinks ----

def test_a_sink_that_moves_is_followed(cluster, names):
    serve(cluster, "127.0.0.1", cluster.upstream.port)
    with UdpSink() as first, UdpSink(first.port, "127.0.0.2") as second:
        names.set("sink.test", A, ["127.0.0.1"], ttl=1)
        cluster.plugin("udp-log", {"host": "sink.test", "port": first.port})
        assert cluster.a.proxy("GET", "/s").status == 200
        first.take()
        names.set("sink.test", A, ["127.0.0.2"], ttl=1)

        def has_moved():
            cluster.a.proxy("GET", "/s")
            return not second.is_silent(0.1)

        eventually(has_moved, 10, what="datagrams at the new address")


@pytest.mark.parametrize("alive", ["127.0.0.1", "127.0.0.3"])
def test_a_sink_has_several_addresses_and_one_is_dead(cluster, names, alive):
    serve(cluster, "127.0.0.1", cluster.upstream.port)
    with TcpSink(address=alive) as sink:
        names.set("two.test", A, ["127.0.0.3", "127.0.0.1"])
        cluster.plugin("tcp-log", {"host": "two.test", "port": sink.port, "keepalive": 0})
        for _ in range(4):
            assert cluster.a.proxy("GET", "/s").status == 200
        assert len(sink.take(4)) == 4


def test_a_record_of_a_service_has_the_port_of_a_sink(cluster, names):
    serve(cluster, "127.0.0.1", cluster.upstream.port)
    with TcpSink() as sink:
        names.set("service.test", SRV, [(1, 1, sink.port, "target.test")])
        names.set("target.test", A, ["127.0.0.1"])
        cluster.plugin("tcp-log", {"host": "service.test", "port": 1})
        assert cluster.a.proxy("GET", "/s").status == 200
        assert len(sink.take()) == 1
