"""What hostile clients and upstreams may cost: memory, processor time and time until they are dropped, each measured."""

import contextlib
import os
import resource
import socket
import time

import pytest

from raw_upstream import RawUpstream
from support import PATIENCE, Cluster, eventually, raw

CLIENT_TIMEOUT = 2
WRITE_TIMEOUT = 2
BODY_LIMIT = 1_000_000
SETTINGS = {
    "client_timeout": CLIENT_TIMEOUT,
    "client_write_timeout": WRITE_TIMEOUT,
    "nginx_http_client_max_body_size": BODY_LIMIT,
    "nginx_worker_processes": 1,
    "max_connections": 100,
}


@pytest.fixture(scope="module")
def node(workspace, postgres, upstream):
    """One node with short timeouts and low limits. ASan keeps what was freed for a while: here only a little of it."""
    before = os.environ.get("ASAN_OPTIONS")
    os.environ["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=0:quarantine_size_mb=1"
    made = Cluster(os.path.join(workspace, "bounds"), postgres, None, upstream, SETTINGS, ("a",))
    made.start()
    made.service()
    made.route("all", paths=["/"])
    yield made.a
    made.stop()
    made.check_logs()
    if before is None:
        del os.environ["ASAN_OPTIONS"]
    else:
        os.environ["ASAN_OPTIONS"] = before


@pytest.fixture
def hostile(node):
    """hostile(serve) puts an upstream behind the path it returns."""
    made = []

    def make(serve):
        server = RawUpstream(serve)
        made.append(server)
        name = f"hostile{server.port}"
        answer = node.admin("PUT", f"/services/{name}", json={"url": f"http://127.0.0.1:{server.port}", "retries": 0,
                                                             "read_timeout": 3000})
        assert answer.status == 200, answer
        node.cluster.route(name, service=name)
        return server, f"/{name}"

    yield make
    for server in made:
        server.stop()


def cpu_seconds(node):
    with open(f"/proc/{node.worker_pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(port, receive_buffer=None):
    link = socket.socket()
    if receive_buffer:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    link.settimeout(20)
    link.connect(("127.0.0.1", port))
    return link


def get(path="/", more=b""):
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n"


def status(answer):
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.") else 0


def is_serving(node):
    return node.proxy("GET", "/").status == 200


def test_a_slow_client_costs_no_memory_for_a_large_answer(node, hostile):
    total = 400_000_000
    block = b"x" * 1_000_000

    def serve(server, link):
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        for _ in range(total // len(block)):
            server.send(link, block)

    server, path = hostile(serve)
    assert is_serving(node)
    before = node.rss_kb()
    link = connect(node.proxy_port, receive_buffer=65536)
    link.sendall(get(path))
    received, most, peak_ahead = 0, before, 0
    while received < total:
        part = link.recv(1 << 20)
        assert part
        received += len(part)
        if received < 3_000_000:
            time.sleep(0.01)  # slow at first: by then the gateway has taken what it wants to take
            peak_ahead = max(peak_ahead, server.sent - received)
            most = max(most, node.rss_kb())
    link.close()
    most = max(most, node.rss_kb())
    assert most - before < 30_000, f"{before} kB, then {most} kB"
    assert peak_ahead < 30_000_000, f"{peak_ahead} bytes were read ahead of the client"


def test_a_client_that_stops_reading_is_dropped(node, hostile):
    def serve(server, link):
        link.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while not server.stopping:
                server.send(link, b"x" * 100_000)
        server.ended = time.monotonic()

    server, path = hostile(serve)
    link = connect(node.proxy_port, receive_buffer=4096)
    link.sendall(get(path))
    begun = time.monotonic()
    eventually(lambda: hasattr(server, "ended"), WRITE_TIMEOUT * 4 + 5, what="the upstream connection being closed")
    assert server.ended - begun >= WRITE_TIMEOUT * 0.5
    link.close()
    assert is_serving(node)


UNFINISHED = (
    b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\nX: a",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
)


def test_requests_that_do_not_end_are_cut_at_the_timeout(node):
    links = [connect(node.proxy_port) for _ in UNFINISHED]
    begun = time.monotonic()
    for link, data in zip(links, UNFINISHED):
        link.sendall(data)
    for link in links:
        with contextlib.suppress(ConnectionResetError):
            while link.recv(65536):
                pass
        took = time.monotonic() - begun
        assert CLIENT_TIMEOUT * 0.9 <= took < CLIENT_TIMEOUT + 1.5 * PATIENCE, took


def test_a_trickle_does_not_prolong_the_timeout(node):
    links = [connect(node.proxy_port) for _ in range(40)]
    begun = time.monotonic()
    for number, link in enumerate(links):
        link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" if number % 2 else b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n")
    left = list(links)
    while left and time.monotonic() - begun < 10:
        for link in list(left):
            try:
                link.sendall(b"x")
            except OSError:
                left.remove(link)
        time.sleep(0.1)
    assert not left and time.monotonic() - begun < CLIENT_TIMEOUT + 2 * PATIENCE
    assert is_serving(node)


def test_bodies_at_the_limit(node):
    for size, sent, expected in ((BODY_LIMIT - 1, BODY_LIMIT - 1, 200), (BODY_LIMIT, BODY_LIMIT, 200),
                                 (BODY_LIMIT + 1, BODY_LIMIT + 1, 413), (BODY_LIMIT + 2, 0, 413)):  # the last by its head alone
        head = b"POST /status/200/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
        assert status(raw(node.proxy_port, head + b"x" * sent)) == expected, size
    chunked = b"POST /status/200/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    for size, expected in ((BODY_LIMIT - 1, 200), (BODY_LIMIT, 200), (BODY_LIMIT + 1, 413)):
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size)
        assert status(raw(node.proxy_port, chunked + body)) == expected, size


def test_a_hundred_connections_and_no_more(node):
    """The cap: those beyond it wait in the kernel, nothing spins, and service goes on when others leave."""
    links = [connect(node.proxy_port) for _ in range(200)]
    with contextlib.suppress(OSError):
        for link in links:
            link.sendall(b"GET /")
    time.sleep(0.3)
    before = cpu_seconds(node)
    time.sleep(1)
    assert cpu_seconds(node) - before < 0.3
    for link in links:
        link.close()
    eventually(lambda: is_serving(node), 10, what="an answer after the crowd")


def test_a_shortage_of_descriptors_does_not_spin(node):
    assert is_serving(node)
    soft, hard = resource.prlimit(node.worker_pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{node.worker_pid}/fd"))
    resource.prlimit(node.worker_pid, resource.RLIMIT_NOFILE, (used + 5, hard))
    logged = node.log().count("no connection can be accepted")
    try:
        links = [connect(node.proxy_port) for _ in range(40)]
        time.sleep(0.3)
        before = cpu_seconds(node)
        time.sleep(1)
        assert cpu_seconds(node) - before < 0.3
        assert 1 <= node.log().count("no connection can be accepted") - logged <= 2
        for link in links:
            link.close()
    finally:
        resource.prlimit(node.worker_pid, resource.RLIMIT_NOFILE, (soft, hard))
    eventually(lambda: is_serving(node), 10, what="an answer after the shortage")


def flood(data):
    def serve(server, link):
        with contextlib.suppress(OSError):
            while server.sent < 100_000_000:
                server.send(link, data)
    return serve


def after(head, data):
    def serve(server, link):
        link.sendall(head)
        flood(data)(server, link)
    return serve


ENDLESS = {
    "head line": (after(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 10_000), 502),
    "head lines": (after(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000), 502),
    "interim answers": (flood(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), 502),
    "interim answers in one piece": (flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), 502),
    "chunk extension": (after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x" * 10_000), 200),
    "chunk size": (after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 10_000), 200),
    "trailers": (after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1000), 200),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_answers_end(node, hostile, name):
    serve, expected = ENDLESS[name]
    server, path = hostile(serve)
    before, begun = node.rss_kb(), time.monotonic()
    answer = raw(node.proxy_port, get(path, b"Connection: close\r\n"))
    assert status(answer) == expected
    if expected == 200:
        assert not answer.endswith(b"0\r\n\r\n"), "a body that broke off looks whole"
    assert time.monotonic() - begun < 2 * PATIENCE
    assert server.sent < 50_000_000 and node.rss_kb() - before < 10_000
    assert is_serving(node)


def test_an_interim_trickle_ends_at_the_read_timeout(node, hostile):
    def serve(server, link):
        while not server.stopping:
            link.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.4)

    _, path = hostile(serve)
    begun = time.monotonic()
    assert status(raw(node.proxy_port, get(path, b"Connection: close\r\n"), timeout=15)) in (502, 504)
    assert time.monotonic() - begun < 3 + 2 * PATIENCE


@pytest.mark.parametrize("more", [
    b"".join(b"Connection: %s\r\n" % b",".join(b"a%d" % number for number in range(1300)) for _ in range(3)),
    b"".join(b"Accept: %s\r\n" % (b"a/b;q=0.1," * 750) for _ in range(3)),
    b"".join(b"TE: %s\r\n" % (b"a;b," * 1800) for _ in range(3)),
    b"".join(b"X-Forwarded-For: %s\r\n" % (b"1.2.3.4, " * 800) for _ in range(3)),
    b"".join(b"Cookie: %s\r\n" % (b"a=b; " * 1400) for _ in range(3)),
    b"".join(b"Accept%d: %s\r\n" % (number, b"," * 200) for number in range(90)),
], ids=["connection", "accept", "te", "forwarded", "cookie", "many"])
def test_long_lists_in_headers_are_cheap(node, more):
    before = cpu_seconds(node)
    for _ in range(20):
        assert status(raw(node.proxy_port, get("/", more + b"Connection: close\r\n"))) == 200
    assert cpu_seconds(node) - before < 1 * PATIENCE


def test_patterns_that_backtrack_are_given_up(node):
    """20 requests, each of which would take hours without a limit of matching."""
    node.cluster.route("catastrophe", paths=["~/cat/(a+)+$", "~/cat/(a|aa)+$", "~/cat/(.*)*x$", "~/cat/([a-z]+)*\\d$"])
    before = cpu_seconds(node)
    for _ in range(20):
        answer = raw(node.proxy_port, get("/cat/" + "a" * 3000 + "!", b"Connection: close\r\n"))
        assert status(answer) == 200  # by the route of everything
    spent = cpu_seconds(node) - before
    assert node.admin("DELETE", "/routes/catastrophe").status == 204
    assert spent < 2 * PATIENCE, spent


@pytest.mark.parametrize("query", ["offset=" + "A" * 7000, "offset=" + "%ff" * 2000, "tags=" + "a" * 7000, "tags=" + "," * 7000,
                                   "tags=" + "a/" * 3000, "size=" + "9" * 5000, "&" * 7000, "a=b&" * 1500])
def test_long_queries_are_answered(node, query):
    begun = time.monotonic()
    answer = node.admin("GET", "/services?" + query)
    assert answer.status in (200, 400), answer
    assert time.monotonic() - begun < 1 * PATIENCE


JSON = "application/json"
LARGE = {
    "numbers in a set": (JSON, b'{"tags":[%s]}', lambda n: b"%d" % n, b","),
    "objects in a set": (JSON, b'{"tags":[%s]}', lambda n: b'{"a":%d}' % n, b","),
    "unknown members": (JSON, b"{%s}", lambda n: b'"a%d":1' % n, b","),
    "deep": (JSON, b"{%s", lambda n: b'"a":{', b""),
    "form fields": ("application/x-www-form-urlencoded", b"%s", lambda n: b"a%d=1" % n, b"&"),
    "parts": ("multipart/form-data; boundary=x", b"%s\r\n--x--",
              lambda n: b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1' % n, b"\r\n"),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_admin_bodies_are_refused_in_time(node, name):
    kind, frame, unit, joint = LARGE[name]
    for size in (400_000, 9_500_000):
        parts, length = [], 0
        while length < size:
            parts.append(unit(len(parts)))
            length += len(parts[-1]) + len(joint)
        begun = time.monotonic()
        answer = node.admin("PATCH", "/services/s", headers={"Content-Type": kind}, data=frame % joint.join(parts))
        assert answer.status in (400, 413), answer
        assert time.monotonic() - begun < 20 * PATIENCE, f"{size} bytes"  # what is quadratic takes minutes
    assert node.admin("GET", "/services/s").status == 200


def test_other_protocols_on_each_port(node):
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 600
    for port in (node.proxy_port, node.tls_port, node.admin_port, node.status_port):
        for data in (hello, b"\x16\x03\x01\xff\xff" + b"\0" * 70_000, get(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 500_000,
                     b"SSH-2.0-x\r\n", b"*1\r\n$4\r\nPING\r\n"):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                raw(port, data, timeout=0.1)
    assert is_serving(node) and node.process.poll() is None
