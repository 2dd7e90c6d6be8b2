"""Health of upstream peers: probes, what they count, what the Admin API shows, and health set by hand."""

import contextlib
import itertools
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from name_server import A, AAAA, SRV, NameServer
from support import PATIENCE, Cluster, default_entities, eventually, free_ports

pytestmark = pytest.mark.usefixtures("clean")

FAST = 0.2  # seconds between probes


class Peer:
    """A server that answers `status` and remembers what it was asked: (version, path, headers, time)."""

    def __init__(self, tls=None, host="127.0.0.1", family=socket.AF_INET):
        self.asked, self.status, self.delay, self.raw, self.most = [], 200, 0, None, 0
        self.names = []  # of TLS handshakes
        self.lock, self.now = threading.Lock(), 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked.append((self.request_version, self.path, self.headers.items(), time.monotonic()))
                with outer.lock:
                    outer.now += 1
                    outer.most = max(outer.most, outer.now)
                time.sleep(outer.delay)
                with outer.lock:
                    outer.now -= 1
                with contextlib.suppress(OSError):
                    if outer.raw is not None:
                        self.wfile.write(outer.raw)
                        self.close_connection = True
                        return
                    self.send_response(outer.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 1024
            address_family = family

            def handle_error(self, request, client_address):
                pass

            def get_request(self):
                link, address = super().get_request()
                if tls is not None:
                    link.settimeout(5)
                    link = tls.wrap_socket(link, server_side=True)
                return link, address

        if tls is not None:
            tls.sni_callback = lambda _link, name, _context: self.names.append(name)
        self.server = Server((host, 0), Handler)
        self.port = self.server.server_address[1]
        self.at = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def probes(self):
        return [entry for entry in self.asked if entry[0] == "HTTP/1.0"]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def peers():
    made = []

    def make(count=1, **options):
        for _ in range(count):
            made.append(Peer(**options))
        return made[-count:]

    yield make
    for peer in made:
        with contextlib.suppress(OSError):
            peer.stop()


def dead():
    return f"127.0.0.1:{free_ports(1)[0]}"


def checks(interval=FAST, successes=1, failures=1, **active):
    """Active checks that follow quickly, both ways; on a busy machine nothing is too slow."""
    active.setdefault("timeout", 20)
    healthy = {"interval": interval, "successes": successes} | active.pop("healthy", {})
    unhealthy = {"interval": interval, "http_failures": failures, "tcp_failures": failures, "timeouts": failures}
    return {"active": {"healthy": healthy, "unhealthy": unhealthy | active.pop("unhealthy", {}), **active}}


def upstream(cluster, targets, name="up.test", **more):
    assert cluster.a.admin("POST", "/upstreams", json={"name": name, **more}).status == 201
    made = []
    for target in targets:
        target, weight = target if isinstance(target, tuple) else (target, 100)
        answer = cluster.a.admin("POST", f"/upstreams/{name}/targets", json={"target": target, "weight": weight})
        assert answer.status == 201, answer
        made.append(answer.json)
    return made


def patch(cluster, name="up.test", **fields):
    answer = cluster.a.admin("PATCH", f"/upstreams/{name}", json=fields)
    assert answer.status == 200, answer
    return answer.json


def listed(node, name="up.test"):
    answer = node.admin("GET", f"/upstreams/{name}/health")
    assert answer.status == 200, answer
    return answer.json["data"]


def health(node, target=None, name="up.test"):
    """Of the target, or of the only one."""
    rows = listed(node, name)
    return next((row.get("health") for row in rows if target in (None, row["target"])), None)


def becomes(node, state, target=None, name="up.test", seconds=15):
    eventually(lambda: health(node, target, name) == state, seconds, what=f"{target} {state}")


def stays(node, state, seconds=1.0, target=None, name="up.test"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert health(node, target, name) == state
        time.sleep(0.05)


def logged(node, text):
    """Lines are written by a thread of their own."""
    eventually(lambda: text in node.log(), what=f"{text} in the log")


# ---- the list ----

def test_checks_off(cluster):
    made = upstream(cluster, [f"127.0.0.1:{port}" for port in range(8080, 8084)] + [("127.0.0.2:80", 0)])
    answer = cluster.a.admin("GET", "/upstreams/up.test/health")
    assert answer.status == 200
    rows = answer.json["data"]
    assert [row["id"] for row in rows] == [row["id"] for row in reversed(made)]
    assert {row["health"] for row in rows} == {"HEALTHCHECKS_OFF"}
    assert answer.json["node_id"] == cluster.a.admin("GET", "/").json["node_id"]
    assert answer.json["next"] is None and "offset" not in answer.json
    row = rows[1]
    assert {name: value for name, value in row.items() if name not in ("health", "data")} == made[3]
    assert row["data"] == {
        "host": "127.0.0.1", "port": 8083, "dns": "A", "nodeWeight": 100,
        "weight": {"total": 100, "available": 100, "unavailable": 0},
        "addresses": [{"ip": "127.0.0.1", "port": 8083, "weight": 100, "health": "HEALTHCHECKS_OFF"}]}


def test_pages(cluster):
    made = [row["id"] for row in upstream(cluster, [f"127.0.0.1:{port}" for port in range(8000, 8010)])]
    path, seen = "/upstreams/up.test/health?size=4", []
    while path is not None:
        answer = cluster.a.admin("GET", path)
        assert answer.status == 200
        seen += [row["id"] for row in answer.json["data"]]
        assert all(row["health"] == "HEALTHCHECKS_OFF" for row in answer.json["data"])
        path = answer.json["next"]
        if path is not None:
            assert path == f"/upstreams/up.test/health?offset={answer.json['offset']}"
            path += "&size=4"
    assert seen == made[::-1]
    assert cluster.a.admin("GET", "/upstreams/up.test/health?offset=x").json["code"] == 7
    assert cluster.a.admin("GET", "/upstreams/up.test/health?size=x").json["code"] == 9


def test_an_upstream_without_targets_and_one_that_is_not_there(cluster):
    upstream(cluster, [])
    assert listed(cluster.a) == []
    for name in ("nobody.test", str(uuid.uuid4()), "%20"):
        answer = cluster.a.admin("GET", f"/upstreams/{name}/health")
        assert (answer.status, answer.json) == (404, {"message": "Not found"})
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert cluster.a.admin(method, "/upstreams/up.test/health").status == 405


@pytest.mark.parametrize("on", [False, True])
def test_a_name_that_does_not_resolve(cluster, on):
    made = upstream(cluster, ["does-not-exist.invalid:80"])
    before = cluster.a.admin("GET", "/upstreams/up.test").json
    if on:
        time.sleep(1.1)
        assert patch(cluster, healthchecks=checks(interval=10))["updated_at"] > before["updated_at"]
    becomes(cluster.a, "DNS_ERROR", seconds=30)
    (row,) = listed(cluster.a)
    assert row["id"] == made[0]["id"]
    assert row["data"]["addresses"] == []
    assert row["data"]["weight"] == {"total": 0, "available": 0, "unavailable": 0}
    assert row["data"]["host"] == "does-not-exist.invalid"


def test_weight_zero(cluster, peers):
    (one,) = peers()
    upstream(cluster, [(one.at, 0)], healthchecks=checks())
    becomes(cluster.a, "HEALTHCHECKS_OFF")
    for _ in range(3):
        (row,) = listed(cluster.a)
        assert {entry["health"] for entry in row["data"]["addresses"]} == {"HEALTHCHECKS_OFF"}
        time.sleep(0.3)
    assert one.asked == []  # nor is it probed
    assert cluster.a.admin("PATCH", f"/upstreams/up.test/targets/{one.at}", json={"weight": 10}).status == 200
    (row,) = listed(cluster.a)
    assert [entry["health"] for entry in row["data"]["addresses"]] == ["HEALTHY"]
    assert row["data"]["nodeWeight"] == 10
    eventually(one.probes, what="probes of a target that has a weight now")


def test_the_balancer_as_a_whole(cluster, peers):
    one, two = peers(2)
    upstream(cluster, [one.at, (two.at, 300)])
    def whole():
        answer = cluster.a.admin("GET", "/upstreams/up.test/health?balancer_health=1")
        assert answer.status == 200 and answer.json["next"] is None
        assert answer.json["node_id"] == cluster.a.admin("GET", "/").json["node_id"]
        return answer.json["data"]
    assert (whole()["health"], whole()["balancer_health"]) == ("HEALTHCHECKS_OFF", "HEALTHY")
    patch(cluster, healthchecks=checks() | {"threshold": 25})
    assert (whole()["health"], whole()["balancer_health"]) == ("HEALTHY", "HEALTHY")
    two.status = 500
    eventually(lambda: whole()["health"] == "UNHEALTHY", what="25 percent is not more than the threshold")
    data = whole()
    assert data["id"] == cluster.a.admin("GET", "/upstreams/up.test").json["id"]
    assert data["details"]["healthy"] is False
    assert data["details"]["weight"] == {"total": 400, "available": 100, "unavailable": 300}
    hosts = {host["port"]: host for host in data["details"]["hosts"]}
    assert hosts[two.port] == {"host": "127.0.0.1", "port": two.port, "dns": "A", "nodeWeight": 300,
                               "weight": {"total": 300, "available": 0, "unavailable": 300},
                               "addresses": [{"ip": "127.0.0.1", "port": two.port, "weight": 300, "healthy": False}]}
    patch(cluster, healthchecks={"threshold": 24})
    eventually(lambda: whole()["health"] == "HEALTHY", what="25 percent is more than the threshold")


# ---- probes ----

def test_what_a_probe_asks(cluster, peers):
    (one,) = peers()
    upstream(cluster, [f"localhost:{one.port}"], healthchecks=checks(
        http_path="/status?deep=1", headers={"X-Probe": ["a", "b"], "x-Other": ["c\r\nx-evil: 1"]}))
    version, path, headers, _ = eventually(one.probes, what="a probe")[0]
    assert (version, path) == ("HTTP/1.0", "/status?deep=1")
    assert ("Host", "localhost") in headers
    assert [value for name, value in headers if name == "X-Probe"] == ["a", "b"]
    assert not [name for name, _ in headers if name.lower() == "x-evil"]
    patch(cluster, host_header="inner.example")
    eventually(lambda: ("Host", "inner.example") in one.probes()[-1][2], what="the new host")


def test_the_host_of_an_address_is_the_address(cluster, peers):
    (one,) = peers()
    upstream(cluster, [one.at], healthchecks=checks())
    assert ("Host", "127.0.0.1") in eventually(one.probes, what="a probe")[0][2]


def test_the_first_probe_comes_after_one_interval_and_others_follow(cluster, peers):
    (one,) = peers()
    begun = time.monotonic()
    upstream(cluster, [one.at], healthchecks=checks(interval=1))
    times = [entry[3] for entry in eventually(lambda: len(one.probes()) >= 6 and one.probes(), 20, what="six probes")]
    assert times[0] - begun >= 0.95  # both nodes ask
    assert len(times) <= 2 * (times[-1] - begun) + 2


def test_healthy_then_failing_then_healthy(cluster, peers):
    (one,) = peers()
    upstream(cluster, [one.at], healthchecks=checks())
    becomes(cluster.a, "HEALTHY")
    one.status = 503
    becomes(cluster.a, "UNHEALTHY")
    (row,) = listed(cluster.a)
    assert row["data"]["weight"] == {"total": 100, "available": 0, "unavailable": 100}
    assert [entry["health"] for entry in row["data"]["addresses"]] == ["UNHEALTHY"]
    becomes(cluster.b, "UNHEALTHY")  # for itself
    one.status = 200
    becomes(cluster.a, "HEALTHY")
    def lines():
        return [line for line in cluster.a.log().splitlines() if "balancer: a peer is" in line and one.at in line]
    flips = eventually(lambda: len(lines()) >= 2 and lines(), what="two lines")
    assert len(flips) == 2, flips
    assert re.search(r"\[notice\].*unhealthy; upstream=up.test target=" + one.at + f" address={one.at} cause=\"probe: bad answer\"", flips[0])
    assert re.search(r"\[notice\].*healthy again; upstream=up.test .* cause=\"probe: success\"", flips[1])


def test_traffic_follows(cluster, peers):
    one, two = peers(2)
    upstream(cluster, [one.at, two.at], healthchecks=checks())
    cluster.a.admin("POST", "/services", json={"name": "s", "host": "up.test"})
    cluster.route("all", paths=["/"])
    one.status = 500
    becomes(cluster.a, "UNHEALTHY", one.at)
    assert {cluster.a.proxy("GET", "/").status for _ in range(10)} == {200}
    two.status = 500
    becomes(cluster.a, "UNHEALTHY", two.at)
    assert cluster.a.proxy("GET", "/").status == 503


def test_lists_of_statuses(cluster, peers):
    (one,) = peers()
    upstream(cluster, [one.at], healthchecks=checks(healthy={"http_statuses": [418]}, unhealthy={"http_statuses": [200]}))
    becomes(cluster.a, "UNHEALTHY")
    one.status = 204  # in neither list
    asked = len(one.probes())
    eventually(lambda: len(one.probes()) > asked + 6, what="more probes")
    assert health(cluster.a) == "UNHEALTHY"
    one.status = 418
    becomes(cluster.a, "HEALTHY")
    one.status = 500
    stays(cluster.a, "HEALTHY")


def test_thresholds_of_failures_and_successes(cluster, peers):
    (one,) = peers()
    one.status = 500
    upstream(cluster, [one.at], healthchecks=checks(interval=1, successes=2, failures=3))
    begun = time.monotonic()
    becomes(cluster.a, "UNHEALTHY")
    assert time.monotonic() - begun > 2.5  # three probes
    one.status = 200
    begun = time.monotonic()
    becomes(cluster.a, "HEALTHY")
    assert time.monotonic() - begun > 1  # two


def test_a_counter_of_zero_never_counts(cluster):
    upstream(cluster, [dead()], healthchecks=checks(unhealthy={"tcp_failures": 0}))
    stays(cluster.a, "HEALTHY")


def test_a_refused_connection_is_a_tcp_failure(cluster):
    upstream(cluster, [dead()], healthchecks=checks(unhealthy={"http_failures": 0, "timeouts": 0}))
    becomes(cluster.a, "UNHEALTHY")
    logged(cluster.a, 'cause="probe: connection failed"')


def test_an_answer_that_does_not_come_is_a_timeout(cluster, peers):
    (one,) = peers()
    one.delay = 2
    upstream(cluster, [one.at], healthchecks=checks(timeout=0.3, unhealthy={"http_failures": 0, "tcp_failures": 0}))
    becomes(cluster.a, "UNHEALTHY")
    one.delay = 0
    becomes(cluster.a, "HEALTHY")


@pytest.mark.parametrize("raw,counter", [(b"what?\r\n\r\n", "http_failures"), (b"HTTP/1.1 OK\r\n\r\n", "http_failures"),
                                         (b"x" * 5000, "http_failures"), (b"", "tcp_failures"), (b"HTTP/1.1 2", "tcp_failures")])
def test_answers_that_are_none(cluster, peers, raw, counter):
    (one,) = peers()
    one.raw = raw
    others = {name: 0 for name in ("http_failures", "tcp_failures", "timeouts") if name != counter}
    upstream(cluster, [one.at], healthchecks=checks(unhealthy=others))
    becomes(cluster.a, "UNHEALTHY")
    one.raw = b"HTTP/1.0 200\n"
    becomes(cluster.a, "HEALTHY")


@pytest.mark.parametrize("kind", ["tcp", "grpc", "grpcs"])
def test_a_connection_is_enough(cluster, peers, kind):
    (one,) = peers()
    closed = dead()
    upstream(cluster, [one.at, closed], healthchecks=checks(type=kind))
    becomes(cluster.a, "UNHEALTHY", closed)
    assert health(cluster.a, one.at) == "HEALTHY"
    assert one.asked == []


def test_intervals_of_each_state(cluster, peers):
    (one,) = peers()
    one.status = 500
    upstream(cluster, [one.at], healthchecks=checks(unhealthy={"interval": 0}))  # who is down stays so
    becomes(cluster.a, "UNHEALTHY")
    becomes(cluster.b, "UNHEALTHY")
    asked = len(one.probes())
    one.status = 200
    stays(cluster.a, "UNHEALTHY", 1.5)
    assert len(one.probes()) == asked
    patch(cluster, healthchecks={"active": {"unhealthy": {"interval": FAST}}})
    becomes(cluster.a, "HEALTHY")
    patch(cluster, healthchecks={"active": {"healthy": {"interval": 0}}})
    cluster.settle()
    time.sleep(0.5)
    asked = len(one.probes())
    time.sleep(1)
    assert len(one.probes()) == asked  # who is up is left alone


def test_no_more_at_a_time_than_the_upstream_allows(cluster):
    with contextlib.ExitStack() as stack:
        wide = Peer(host="0.0.0.0")
        stack.callback(wide.stop)
        wide.delay = 0.3
        names = [f"127.0.{i}.1:{wide.port}" for i in range(12)]
        upstream(cluster, names, healthchecks=checks(concurrency=2, timeout=5))
        eventually(lambda: len({dict(entry[2])["Host"] for entry in wide.probes()}) == 12, 30, what="each had its turn")
        assert wide.most <= 4  # two nodes


def test_an_edit_is_in_force_at_once_and_forgets_nothing(cluster, peers):
    one, two = peers(2)
    one.status = 500
    upstream(cluster, [one.at], healthchecks=checks())
    becomes(cluster.a, "UNHEALTHY")
    patch(cluster, tags=["t"], slots=100, healthchecks=checks(http_path="/new"))
    assert health(cluster.a) == "UNHEALTHY"
    eventually(lambda: one.probes()[-1][1] == "/new", what="the new path")
    cluster.a.admin("POST", "/upstreams/up.test/targets", json={"target": two.at})
    assert health(cluster.a, one.at) == "UNHEALTHY"
    eventually(two.probes, what="probes of the new target")
    assert cluster.a.admin("DELETE", f"/upstreams/up.test/targets/{one.at}").status == 204
    cluster.settle()
    time.sleep(0.3)
    asked = len(one.probes())
    time.sleep(1)
    assert len(one.probes()) == asked  # who is gone is not asked
    cluster.a.admin("POST", "/upstreams/up.test/targets", json={"target": one.at})
    becomes(cluster.a, "UNHEALTHY", one.at, seconds=0.1)  # what was known is remembered for a while


def test_without_the_upstream_nobody_is_asked(cluster, peers):
    (one,) = peers()
    upstream(cluster, [one.at], healthchecks=checks())
    eventually(one.probes, what="a probe")
    assert cluster.a.admin("DELETE", "/upstreams/up.test").status == 204
    cluster.settle()
    time.sleep(0.3)
    asked = len(one.probes())
    time.sleep(1)
    assert len(one.probes()) == asked


def test_checks_switched_off_make_everybody_healthy(cluster, peers):
    one, two = peers(2)
    one.status = 500
    upstream(cluster, [one.at, two.at], healthchecks=checks())
    cluster.a.admin("POST", "/services", json={"name": "s", "host": "up.test"})
    cluster.route("all", paths=["/"])
    becomes(cluster.a, "UNHEALTHY", one.at)
    patch(cluster, healthchecks={"active": {"healthy": {"interval": 0}, "unhealthy": {"interval": 0}}})
    assert health(cluster.a, one.at) == "HEALTHCHECKS_OFF"
    assert 500 in {cluster.a.proxy("GET", "/").status for _ in range(10)}
    asked = len(one.probes())
    patch(cluster, healthchecks={"passive": {"unhealthy": {"http_failures": 255}}})
    assert health(cluster.a, one.at) == "HEALTHY"
    time.sleep(0.6)
    assert len(one.probes()) == asked


def test_passive_flips_are_shown_and_told_without_probes(cluster, peers):
    (one,) = peers()
    one.status = 500
    upstream(cluster, [one.at], healthchecks={"passive": {"unhealthy": {"http_failures": 2}}})
    cluster.a.admin("POST", "/services", json={"name": "s", "host": "up.test", "retries": 0})
    cluster.route("all", paths=["/"])
    assert [cluster.a.proxy("GET", "/").status for _ in range(3)] == [500, 500, 503]
    assert health(cluster.a) == "UNHEALTHY"
    assert health(cluster.b) == "HEALTHY"  # nodes do not share what they see
    logged(cluster.a, f'target={one.at} address={one.at} cause="traffic: bad answer"')


def test_flapping_peers_do_not_lose_a_state(cluster, peers):
    some = peers(8)
    upstream(cluster, [peer.at for peer in some], healthchecks=checks(interval=0.1))
    for turn in range(6):
        for number, peer in enumerate(some):
            peer.status = 500 if (number + turn) % 2 else 200
        for number, peer in enumerate(some):
            becomes(cluster.a, "UNHEALTHY" if (number + turn) % 2 else "HEALTHY", peer.at)
        patch(cluster, tags=[f"t{turn}"])


def test_an_unwritten_timeout_is_a_second(cluster, peers):
    (one,) = peers()
    one.delay = 3 * PATIENCE
    settings = checks()
    del settings["active"]["timeout"]
    upstream(cluster, [one.at], healthchecks=settings)
    becomes(cluster.a, "UNHEALTHY")
    logged(cluster.a, 'cause="probe: timeout"')


# ---- TLS ----

def openssl(directory, *words):
    subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(workspace):
    """An authority, and a certificate by it for good.test and 127.0.0.1."""
    directory = os.path.join(workspace, "health-tls")
    os.makedirs(directory)
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(directory, "req", "-x509", *new, "-days", "2", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca")
    openssl(directory, "req", *new, "-keyout", "peer.key", "-out", "peer.csr", "-subj", "/CN=peer")
    with open(os.path.join(directory, "names"), "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:good.test,DNS:localhost,IP:127.0.0.1\n")
    openssl(directory, "x509", "-req", "-in", "peer.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "peer.crt")
    return directory


def serving_tls(certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(certificates, "peer.crt"), os.path.join(certificates, "peer.key"))
    return context


@pytest.fixture(scope="module")
def tls_cluster(workspace, postgres, upstream, certificates):
    made = Cluster(os.path.join(workspace, "health"), postgres, None, upstream, names=("a",),
                   settings={"lua_ssl_trusted_certificate": os.path.join(certificates, "ca.crt")})
    made.start()
    yield made
    made.stop()
    made.check_logs()


@pytest.fixture
def trusting(tls_cluster):
    yield tls_cluster
    default_entities(tls_cluster)


def test_probes_by_tls(trusting, peers, certificates):
    (one,) = peers(tls=serving_tls(certificates))
    upstream(trusting, [f"localhost:{one.port}"], healthchecks=checks(type="https"))
    eventually(one.probes, what="a probe")
    assert one.names[-1] == "localhost"
    assert health(trusting.a) == "HEALTHY"
    patch(trusting, healthchecks={"active": {"https_sni": "good.test"}})
    eventually(lambda: one.names[-1] == "good.test", what="the name of the settings")
    stays(trusting.a, "HEALTHY")
    patch(trusting, healthchecks={"active": {"https_sni": "bad.test"}})
    becomes(trusting.a, "UNHEALTHY")
    logged(trusting.a, 'cause="probe: connection failed"')
    patch(trusting, healthchecks={"active": {"https_verify_certificate": False}})
    becomes(trusting.a, "HEALTHY")
    assert one.names[-1] == "bad.test"


def test_the_address_is_verified_where_there_is_no_name(trusting, peers, certificates):
    (one,) = peers(tls=serving_tls(certificates))
    upstream(trusting, [one.at], healthchecks=checks(type="https"))
    eventually(one.probes, what="a probe")
    assert one.names[-1] is None  # an address is no name to be sent
    stays(trusting.a, "HEALTHY")
    patch(trusting, healthchecks={"active": {"https_sni": "good.test"}})
    eventually(lambda: one.names[-1] == "good.test", what="the name of the settings")


def test_an_address_that_is_not_in_the_certificate_fails(trusting, peers, certificates):
    (one,) = peers(tls=serving_tls(certificates), host="127.0.0.2")
    upstream(trusting, [one.at], healthchecks=checks(type="https"))
    becomes(trusting.a, "UNHEALTHY")


def test_who_asks_for_a_certificate_gets_the_upstreams(trusting, peers, certificates):
    context = serving_tls(certificates)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(os.path.join(certificates, "ca.crt"))
    (one,) = peers(tls=context)
    upstream(trusting, [one.at], healthchecks=checks(type="https"))
    becomes(trusting.a, "UNHEALTHY")
    pair = {}
    for member, file in (("cert", "peer.crt"), ("key", "peer.key")):
        with open(os.path.join(certificates, file), encoding="ascii") as text:
            pair[member] = text.read()
    made = trusting.a.admin("POST", "/certificates", json=pair)
    assert made.status == 201, made
    patch(trusting, client_certificate={"id": made.json["id"]})
    becomes(trusting.a, "HEALTHY")


def test_who_speaks_no_tls_fails(trusting, peers):
    (one,) = peers()
    upstream(trusting, [one.at], healthchecks=checks(type="https", unhealthy={"http_failures": 0, "timeouts": 0}))
    becomes(trusting.a, "UNHEALTHY")


def test_an_unknown_authority_fails(cluster, peers, certificates):
    (one,) = peers(tls=serving_tls(certificates))
    upstream(cluster, [one.at], healthchecks=checks(type="https"))
    becomes(cluster.a, "UNHEALTHY")
    patch(cluster, healthchecks={"active": {"https_verify_certificate": False}})
    becomes(cluster.a, "HEALTHY")


# ---- by hand ----

def put(node, path):
    return node.admin("PUT", f"/upstreams/{path}")


PASSIVE = {"passive": {"unhealthy": {"http_failures": 1}}}


@pytest.mark.parametrize("target", ["127.0.0.1:8080", "[::1]:8080", "localhost:8080"])
def test_by_hand_on_both_nodes(cluster, target):
    (made,) = upstream(cluster, [target], healthchecks=PASSIVE)
    stored = made["target"]
    becomes(cluster.a, "HEALTHY")
    becomes(cluster.b, "HEALTHY")
    upstream_id = made["upstream"]["id"]
    ways = itertools.cycle(itertools.product(("up.test", upstream_id), (stored, made["id"])))
    for turn in range(4):
        name, key = next(ways)
        state = "UNHEALTHY" if turn % 2 == 0 else "HEALTHY"
        answer = put(cluster.a, f"{name}/targets/{quote(key)}/{state.lower()}")
        assert (answer.status, answer.body) == (204, b"")
        assert "Freshet-Position" in answer.headers
        assert health(cluster.a) == state  # with the very answer
        becomes(cluster.b, state)


def test_one_address_by_hand(own_dns, names):
    names.set("many.test", A, ["127.0.0.1", "127.0.0.2"])
    upstream(own_dns, ["many.test:8080"], healthchecks=PASSIVE)
    def states():
        (row,) = listed(own_dns.a)
        return row.get("health"), {entry["ip"]: entry["health"] for entry in row.get("data", {}).get("addresses", [])}
    eventually(lambda: len(states()[1]) == 2, what="two addresses")
    assert put(own_dns.a, "up.test/targets/many.test:8080/127.0.0.2:8080/unhealthy").status == 204
    assert states() == ("HEALTHY", {"127.0.0.1": "HEALTHY", "127.0.0.2": "UNHEALTHY"})
    assert listed(own_dns.a)[0]["data"]["weight"] == {"total": 200, "available": 100, "unavailable": 100}
    assert put(own_dns.a, "up.test/targets/many.test:8080/unhealthy").status == 204
    assert states() == ("UNHEALTHY", {"127.0.0.1": "UNHEALTHY", "127.0.0.2": "UNHEALTHY"})
    assert put(own_dns.a, "up.test/targets/many.test:8080/127.0.0.1:8080/healthy").status == 204
    assert states() == ("HEALTHY", {"127.0.0.1": "HEALTHY", "127.0.0.2": "UNHEALTHY"})


def test_what_may_be_set_by_hand(cluster):
    (one,) = upstream(cluster, ["127.0.0.1:8080"])
    (other,) = upstream(cluster, ["127.0.0.1:8081"], name="other.test")
    for target, address in (("127.0.0.1:8080", "127.0.0.1:8080"), ("[::1]:8080", "[::1]:8080"), ("localhost:8080", "10.0.0.7:8080")):
        made = one
        if target != one["target"]:
            made = cluster.a.admin("POST", "/upstreams/up.test/targets", json={"target": target}).json
        for name, key in itertools.product(("up.test", made["upstream"]["id"]), (quote(made["target"]), made["id"])):
            assert put(cluster.a, f"{name}/targets/{key}/healthy").status == 204
            assert put(cluster.a, f"{name}/targets/{key}/unhealthy").status == 204
            assert put(cluster.a, f"{name}/targets/{key}/{quote(address)}/healthy").status == 204
    for path in (f"up.test/targets/{other['id']}", "up.test/targets/127.0.0.1:8081", f"nobody.test/targets/{one['id']}",
                 f"{uuid.uuid4()}/targets/{one['id']}", f"up.test/targets/{uuid.uuid4()}", "up.test/targets/127.0.0.1",
                 "up.test/targets/all", "other.test/targets/127.0.0.1:8080", f"up.test/targets/{one['id']}/127.0.0.1:8081"):
        for state in ("healthy", "unhealthy"):
            answer = put(cluster.a, f"{path}/{state}")
            assert (answer.status, answer.json) == (404, {"message": "Not found"}), path
    for address in ("127.0.0.1", "x", "127.0.0.1:0", "127.0.0.1:65536", "[::1]", ":80"):
        answer = put(cluster.a, f"up.test/targets/{one['id']}/{address}/healthy")
        assert (answer.status, answer.json) == (400, {"message": "invalid address: expected ip:port"}), address
    for method in ("POST", "GET", "PATCH", "DELETE"):
        assert cluster.a.admin(method, f"/upstreams/up.test/targets/{one['id']}/healthy").status == 405
        assert cluster.a.admin(method, f"/upstreams/up.test/targets/{one['id']}/127.0.0.1:8080/unhealthy").status == 405
    assert cluster.a.admin("PUT", f"/upstreams/up.test/targets/{one['id']}/sick").status == 404


def test_probes_go_on_after_a_hand(cluster, peers):
    (one,) = peers()
    upstream(cluster, [one.at], healthchecks=checks(interval=1))
    becomes(cluster.b, "HEALTHY")
    assert put(cluster.a, f"up.test/targets/{one.at}/unhealthy").status == 204
    assert health(cluster.a) == "UNHEALTHY"
    becomes(cluster.a, "HEALTHY")
    becomes(cluster.b, "HEALTHY")


def test_a_hand_takes_a_target_out_even_without_checks(cluster, peers):
    one, two = peers(2)
    upstream(cluster, [one.at, two.at])
    cluster.a.admin("POST", "/services", json={"name": "s", "host": "up.test"})
    cluster.route("all", paths=["/"])
    assert put(cluster.b, f"up.test/targets/{one.at}/unhealthy").status == 204
    cluster.settle()
    eventually(lambda: [cluster.a.proxy("GET", "/").status for _ in range(4)] and not spread(cluster.a, one, 6), what="the word heard")
    assert health(cluster.a, one.at) == "HEALTHCHECKS_OFF"
    patch(cluster, tags=["t"])
    assert spread(cluster.a, one, 6) == 0
    assert put(cluster.a, f"up.test/targets/{one.at}/healthy").status == 204
    assert spread(cluster.a, one, 6) > 0


def spread(node, peer, requests):
    before = len(peer.asked)
    for _ in range(requests):
        assert node.proxy("GET", "/").status == 200
    return len(peer.asked) - before


def test_a_target_and_a_word_about_it_in_one_batch(own_cluster):
    """A node that was stopped meanwhile comes to both at once."""
    cluster = own_cluster(settings={"db_update_frequency": 30})
    cluster.b.signal(signal.SIGSTOP)
    try:
        upstream(cluster, ["127.0.0.1:8080"], healthchecks=PASSIVE)
        assert put(cluster.a, "up.test/targets/127.0.0.1:8080/unhealthy").status == 204
    finally:
        cluster.b.signal(signal.SIGCONT)
    becomes(cluster.b, "UNHEALTHY")


def test_a_node_that_has_missed_words_is_not_wrong_for_ever(own_cluster, peers):
    """It slept for longer than the log is kept: what only a hand could undo starts over, what is probed stays."""
    (one,) = peers()
    one.status = 500
    cluster = own_cluster(settings={"db_update_frequency": 0.1, "cluster_log_retention": 2, "cluster_lease": 1})
    upstream(cluster, ["127.0.0.1:8080"], healthchecks=PASSIVE)
    upstream(cluster, [one.at], name="probed.test", healthchecks=checks())
    assert put(cluster.a, "up.test/targets/127.0.0.1:8080/unhealthy").status == 204
    becomes(cluster.b, "UNHEALTHY")
    becomes(cluster.b, "UNHEALTHY", name="probed.test")
    cluster.b.signal(signal.SIGSTOP)
    try:
        assert put(cluster.a, "up.test/targets/127.0.0.1:8080/healthy").status == 204
        position = cluster.a.applied()
        def trimmed():
            cluster.service(path=f"/{time.time_ns()}")
            return int(cluster.sql("SELECT floor_pos FROM cluster_head")) >= position
        eventually(trimmed, 30, step=0.3, what="the log being trimmed past the word")
    finally:
        cluster.b.signal(signal.SIGCONT)
    becomes(cluster.b, "HEALTHY")
    logged(cluster.b, 'cause="started over"')
    assert health(cluster.b, name="probed.test") == "UNHEALTHY"
    assert "probed.test" not in "".join(line for line in cluster.b.log().splitlines() if "started over" in line)


def test_a_node_that_starts_later_begins_with_everybody_healthy(own_cluster):
    cluster = own_cluster(names=("a",))
    upstream(cluster, ["127.0.0.1:8080"], healthchecks=PASSIVE)
    assert put(cluster.a, "up.test/targets/127.0.0.1:8080/unhealthy").status == 204
    assert health(cluster.a) == "UNHEALTHY"
    cluster.a.stop()
    cluster.a.start()
    becomes(cluster.a, "HEALTHY")


def test_the_audit_log_has_it(own_cluster):
    cluster = own_cluster(redis=False, settings={"audit_log": "stdout"}, names=("a",))
    upstream(cluster, ["127.0.0.1:8080"])
    assert put(cluster.a, "up.test/targets/127.0.0.1:8080/unhealthy").status == 204
    assert put(cluster.a, "up.test/targets/127.0.0.1:8080/127.0.0.1:8080/healthy").status == 204
    assert put(cluster.a, "up.test/targets/127.0.0.1:8081/healthy").status == 404
    lines = eventually(lambda: [line for line in cluster.a.log().splitlines() if '"health of a target"' in line][1:] and
                       [line for line in cluster.a.log().splitlines() if '"health of a target"' in line], what="two lines")
    assert len(lines) == 2
    assert '"what":"127.0.0.1:8080 unhealthy"' in lines[0]
    assert '"what":"127.0.0.1:8080 127.0.0.1:8080 healthy"' in lines[1]


# ---- names ----

@pytest.fixture(scope="module")
def names():
    server = NameServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def dns_cluster(workspace, postgres, upstream, names):
    made = Cluster(os.path.join(workspace, "health-dns"), postgres, None, upstream, names=("a",),
                   settings={"dns_resolver": names.address, "dns_not_found_ttl": 1, "dns_order": "LAST,SRV,A,AAAA,CNAME"})
    made.start()
    yield made
    made.stop()
    made.check_logs()


@pytest.fixture
def own_dns(dns_cluster):
    yield dns_cluster
    default_entities(dns_cluster)


def test_addresses_of_names(own_dns, names):
    names.set("four.test", A, ["127.0.0.1", "127.0.0.2"])
    names.set("six.test", AAAA, ["::1"])
    names.set("srv.test", SRV, [(1, 30, 8081, "four.test"), (2, 1, 8082, "four.test")])
    upstream(own_dns, [("four.test:80", 7), "six.test:80", "srv.test:80"])
    def rows():
        return {row["target"]: row for row in listed(own_dns.a) if "data" in row}
    eventually(lambda: len(rows()) == 3, what="three names")
    found = rows()
    assert found["four.test:80"]["data"]["dns"] == "A"
    assert found["four.test:80"]["data"]["weight"]["total"] == 14
    assert {entry["ip"] for entry in found["four.test:80"]["data"]["addresses"]} == {"127.0.0.1", "127.0.0.2"}
    assert found["six.test:80"]["data"]["dns"] == "AAAA"
    assert found["six.test:80"]["data"]["addresses"] == [{"ip": "[::1]", "port": 80, "weight": 100, "health": "HEALTHCHECKS_OFF"}]
    assert found["srv.test:80"]["data"]["dns"] == "SRV"
    assert {(entry["port"], entry["weight"]) for entry in found["srv.test:80"]["data"]["addresses"]} == {(8081, 30)}


def test_by_hand_before_the_name_is_known(own_dns, names):
    names.set("late.test", A, ["127.0.0.1"])
    upstream(own_dns, ["late.test:80"])  # without checks or traffic nobody has asked for it
    assert put(own_dns.a, "up.test/targets/late.test:80/unhealthy").status == 204
    def details():
        return own_dns.a.admin("GET", "/upstreams/up.test/health?balancer_health=1").json["data"]["details"]
    eventually(lambda: details()["weight"]["total"] == 100, what="the name's address")
    eventually(lambda: details()["weight"]["available"] == 0, 2, what="what was said of it")


def test_a_peer_that_dns_takes_away_is_not_asked_any_more(own_dns, names):
    with contextlib.ExitStack() as stack:
        wide = Peer(host="0.0.0.0")
        stack.callback(wide.stop)
        names.set("moves.test", A, ["127.0.0.1", "127.0.0.2"], ttl=1)
        upstream(own_dns, [f"moves.test:{wide.port}"], healthchecks=checks())
        eventually(wide.probes, what="probes")
        assert ("Host", "moves.test") in wide.probes()[0][2]
        names.set("moves.test", A, ["127.0.0.9"], ttl=1)
        eventually(lambda: [entry["ip"] for row in listed(own_dns.a) for entry in row["data"]["addresses"]] == ["127.0.0.9"], 20,
                   what="the new address")


# ---- many ----

def test_many_targets_are_asked_without_a_burst(cluster):
    with contextlib.ExitStack() as stack:
        wide = Peer(host="0.0.0.0")
        stack.callback(wide.stop)
        upstream(cluster, [], healthchecks=checks(interval=4 * PATIENCE, concurrency=1000))
        for i in range(200):
            assert cluster.a.admin("POST", "/upstreams/up.test/targets", json={"target": f"127.1.{i // 200}.{i % 200 + 1}:{wide.port}"}).status == 201
        eventually(lambda: len({dict(entry[2])["Host"] for entry in wide.probes()}) == 200, 60, what="each had its turn")
        times = sorted(entry[3] for entry in wide.probes())
        most = max(sum(1 for other in times if 0 <= other - at < 0.1) for at in times)
        assert most < 100  # two nodes
