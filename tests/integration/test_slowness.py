"""Slow clients and slow upstreams: who is given how much time, and what waiting for them costs."""

import contextlib
import os
import resource
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from disorder import make_certificate
from raw_upstream import RawUpstream
from support import PATIENCE, Cluster, eventually, free_ports, raw

READ, WRITE, CONNECT = 1.0, 1.0, 1.0
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def node(workspace, postgres, upstream):
    made = Cluster(os.path.join(workspace, "slow"), postgres, None, upstream,
                   {"nginx_worker_processes": 1, "client_write_timeout": 20}, ("a",))
    with pytest.MonkeyPatch.context() as patch:  # what is freed is not hoarded, so that growth shows
        patch.setenv("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:quarantine_size_mb=1")
        made.start()
    yield made.a
    made.stop()
    made.check_logs()


@pytest.fixture(scope="module")
def certificate(workspace):
    return make_certificate(workspace)[::-1]


@pytest.fixture
def played(node, certificate):
    """played(serve) puts an upstream behind the path it returns; played(serve, tls=True) one that speaks TLS."""
    made = []

    def make(serve, tls=False, **service):
        server = RawUpstream(serve, certificate if tls else None)
        made.append(server)
        name = f"played{server.port}"
        times = {"read_timeout": int(READ * 1000), "write_timeout": int(WRITE * 1000), "connect_timeout": int(CONNECT * 1000)}
        answer = node.admin("PUT", f"/services/{name}", json={"url": server.url, "retries": 0} | times | service)
        assert answer.status == 200, answer
        node.cluster.route(name, service=name)
        return server, b"/" + name.encode()

    yield make
    for server in made:
        server.stop()


def request(path, more=b"", method=b"GET"):
    return method + b" " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more + b"\r\n"


def timed(node, data, timeout=20):
    began = time.monotonic()
    got = raw(node.proxy_port, data, timeout)
    return got, time.monotonic() - began


def drip(link, data, pause):
    for byte in data:
        link.sendall(bytes([byte]))
        time.sleep(pause)


def test_a_body_may_drip_for_longer_than_the_timeout_between_two_reads(node, played):
    def serve(_, link):
        link.sendall(OK + b"Content-Length: 12\r\n\r\n")
        drip(link, b"abcdefghijkl", READ / 4)

    _, path = played(serve)
    got, took = timed(node, request(path))
    assert got.endswith(b"\r\n\r\nabcdefghijkl") and took > 2 * READ


def test_a_body_that_stops_is_cut_at_the_timeout(node, played):
    def serve(_, link):
        link.sendall(OK + b"Content-Length: 12\r\n\r\nabc")
        time.sleep(READ / 2)
        link.sendall(b"def")
        time.sleep(20)

    _, path = played(serve)
    got, took = timed(node, request(path))
    assert got.startswith(b"HTTP/1.1 200") and got.endswith(b"\r\n\r\nabcdef")
    assert 1.4 * READ < took < 1.5 * READ + PATIENCE


def test_a_head_that_drips_is_too_late_and_the_client_is_told(node, played):
    _, path = played(lambda _, link: drip(link, OK + b"X: " + b"y" * 1000, READ / 20))
    got, took = timed(node, request(path))
    assert got.startswith(b"HTTP/1.1 504") and b"timing out" in got
    assert 0.9 * READ < took < READ + PATIENCE


def test_an_upload_that_nobody_takes_is_a_timeout(node, played):
    _, path = played(lambda _, link: time.sleep(20))
    body = b"x" * 20_000_000
    got, took = timed(node, request(path, b"Content-Length: %d\r\n" % len(body), b"POST") + body)
    assert got.startswith(b"HTTP/1.1 504") and took < WRITE + 5 * PATIENCE


def test_an_upload_that_is_taken_slowly_takes_its_time(node, played):
    """Longer than both timeouts; and the slow client before it is given its own."""
    size, read = 12_000_000, []

    def serve(_, link):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        while sum(read) < size:
            read.append(len(link.recv(200_000)))
            time.sleep(0.03)
        link.sendall(OK + b"Content-Length: 2\r\n\r\nok")

    _, path = played(serve)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", node.proxy_port), timeout=60) as link:
        link.sendall(request(path, b"Content-Length: %d\r\n" % size, b"POST"))
        for _ in range(12):
            link.sendall(b"x" * 1_000_000)
            time.sleep(0.05)
        assert link.recv(65536).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - began > 1.5 * WRITE


def test_a_connection_that_is_not_accepted_is_a_timeout(node):
    with socket.socket() as listener:  # its queue is full: the kernel answers no more
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for link in waiting:
            link.setblocking(False)
            link.connect_ex(("127.0.0.1", port))
        time.sleep(0.1)
        url = {"url": f"http://127.0.0.1:{port}", "retries": 0, "connect_timeout": int(CONNECT * 1000)}
        assert node.admin("PUT", "/services/full", json=url).status == 200
        node.cluster.route("full", service="full")
        got, took = timed(node, request(b"/full"))
        for link in waiting:
            link.close()
    assert got.startswith(b"HTTP/1.1 504") and 0.9 * CONNECT < took < CONNECT + PATIENCE


def test_a_client_that_leaves_a_stream_ends_it_at_the_upstream(node, played):
    """Not when the upstream next has something to say, and not when it has been silent for too long."""
    ended = []

    def serve(_, link):
        link.sendall(OK + b"Content-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        link.settimeout(10)
        ended.append(link.recv(1))

    _, path = played(serve, read_timeout=60000)
    link = socket.create_connection(("127.0.0.1", node.proxy_port), timeout=10)
    link.sendall(request(path))
    got = b""
    while b"data: 1" not in got:
        got += link.recv(1000)
    link.close()
    eventually(lambda: ended == [b""], 3, what="the end at the upstream")


def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def reset(link):
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def send_garbage(link):
    socket.socket.send(link, b"this is no record of TLS")
    time.sleep(READ / 2)


@pytest.mark.parametrize("how, tls", [(reset, False), (reset, True), (send_garbage, True)])
def test_a_body_without_a_length_does_not_end_by_accident(node, played, how, tls):
    def serve(_, link):
        link.sendall(OK + b"\r\nabc")
        time.sleep(0.2)
        how(link)

    _, path = played(serve, tls=tls)
    got = raw(node.proxy_port, request(path))
    assert got.startswith(b"HTTP/1.1 200") and got.endswith(b"\r\n\r\n3\r\nabc\r\n"), got


def test_keys_may_be_renewed_in_the_middle_of_an_answer(node, certificate):
    """OpenSSL has something to write then, which must not get among what h2o writes."""
    port = free_ports(1)[0]
    command = ["openssl", "s_server", "-tls1_3", "-accept", str(port), "-cert", certificate[0], "-key", certificate[1]]
    answer = node.admin("PUT", "/services/keys", json={"url": f"https://127.0.0.1:{port}", "retries": 0})
    assert answer.status == 200, answer
    node.cluster.route("keys", service="keys")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as upstream:
        while b"ACCEPT" not in upstream.stdout.readline():
            pass
        for _ in range(3):  # on one connection
            with socket.create_connection(("127.0.0.1", node.proxy_port), timeout=20) as link:
                link.sendall(request(b"/keys"))
                while b"x-forwarded-for" not in upstream.stdout.readline().lower():
                    pass
                for line in (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabc\n", b"K\n", b"def\n"):  # K: s_server asks for it
                    upstream.stdin.write(line)
                    upstream.stdin.flush()
                    time.sleep(0.3)
                got = b""
                while part := link.recv(65536):
                    got += part
            assert got.startswith(b"HTTP/1.1 200") and got.endswith(b"\r\n\r\nabc\ndef\n"), got
        upstream.kill()


def slow_client(node, path, tls=False):
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.settimeout(20)
    link.connect(("127.0.0.1", node.tls_port if tls else node.proxy_port))
    if tls:
        link = trusting().wrap_socket(link, server_hostname="localhost")
    link.sendall(request(path))
    return link


CROWD = 60


@pytest.mark.parametrize("front", ["tcp", "tls"])
@pytest.mark.parametrize("back", ["tcp", "tls"])
def test_a_crowd_of_slow_clients_costs_a_few_buffers_each(node, played, front, back):
    def serve(server, link):
        link.sendall(OK + b"\r\n")
        while not server.stopping:
            server.send(link, b"x" * 100_000)

    server, path = played(serve, tls=back == "tls", read_timeout=60000)
    before = node.rss_kb()
    links = [slow_client(node, path, front == "tls") for _ in range(CROWD)]
    last = -1
    while server.sent != last:  # until nothing moves any more
        last = server.sent
        time.sleep(1)
    grown = (node.rss_kb() - before) / CROWD
    for link in links:
        link.close()
    assert grown < 350, f"{grown} KiB each"  # without limits it is several thousand, and 400 if h2o reads TLS
    assert last / CROWD < 20_000_000
    eventually(lambda: node.status("GET", "/status").json["server"]["connections_active"] == 1, 10)


UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n"


def open_tunnel(node, path):
    link = socket.create_connection(("127.0.0.1", node.proxy_port), timeout=20)
    link.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"\r\n")
    got = b""
    while b"\r\n\r\n" not in got:
        got += link.recv(1)
    assert got.startswith(b"HTTP/1.1 101") and b"\r\nVia: " in got
    return link


@pytest.mark.parametrize("back", ["tcp", "tls"])
def test_long_streams_go_both_ways_at_once(node, played, back):
    size = 30_000_000

    def serve(server, link):
        link.sendall(SWITCH)
        writer = threading.Thread(target=link.sendall, args=(b"d" * size,)) if back == "tcp" else None
        if writer:
            writer.start()
        got = 0
        while got < size:
            part = link.recv(1 << 20)
            assert part and part == b"u" * len(part)
            got += len(part)
            if not writer and server.sent < size:
                server.send(link, b"d" * min(len(part), size - server.sent))
        if writer:
            writer.join()
        else:
            server.send(link, b"d" * (size - server.sent))
        server.taken = got

    server, path = played(serve, tls=back == "tls", read_timeout=20000)
    link, got = open_tunnel(node, path), 0
    writer = threading.Thread(target=link.sendall, args=(b"u" * size,))
    writer.start()
    while got < size:
        part = link.recv(1 << 20)
        assert part and part == b"d" * len(part)
        got += len(part)
    writer.join()
    eventually(lambda: getattr(server, "taken", 0) == size, 10, what="all bytes at the upstream")
    link.close()


def test_tunnels_that_nobody_reads_cost_a_few_buffers_each(node, played):
    def serve(server, link):
        link.sendall(SWITCH)
        link.settimeout(20)
        while not server.stopping:
            server.send(link, b"x" * 100_000)

    server, path = played(serve, read_timeout=20000)
    before, links = node.rss_kb(), []
    for _ in range(40):
        links.append(open_tunnel(node, path))
        links[-1].setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                links[-1].send(b"y" * 100_000)
    last = -1
    while server.sent != last:
        last = server.sent
        time.sleep(0.5)
    grown = (node.rss_kb() - before) / len(links)
    for link in links:
        link.close()
    assert grown < 700, f"{grown} KiB each"


def test_a_tunnel_may_be_silent_for_the_read_timeout(node, played):
    def serve(_, link):
        link.sendall(SWITCH)
        link.settimeout(20)
        while True:
            link.sendall(link.recv(100))

    _, path = played(serve)
    link = open_tunnel(node, path)
    for _ in range(4):  # longer than it, but not silent
        link.sendall(b"ping")
        assert link.recv(100) == b"ping"
        time.sleep(READ / 2)
    began = time.monotonic()
    assert link.recv(100) == b""
    assert time.monotonic() - began < READ + PATIENCE


def test_other_upgrades_do_not_pass(node, played):
    server, path = played(lambda _, link: link.sendall(OK + b"Content-Length: 2\r\n\r\nok"))
    for asked in (b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: chat\r\n\r\n",
                  b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
                  b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
                  b"GET %s HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"):
        assert raw(node.proxy_port, asked % path).endswith(b"ok")
        assert b"pgrade" not in server.head and b"HTTP2-Settings" not in server.head, server.head


def test_a_client_that_waits_for_leave_to_send_gets_it(node, played):
    """Expect: 100-continue is answered by the front, and not passed on."""
    def serve(server, link):
        left = 4
        while left > 0:
            left -= len(link.recv(left))
        link.sendall(OK + b"Content-Length: 2\r\n\r\nok")

    server, path = played(serve)
    with socket.create_connection(("127.0.0.1", node.proxy_port), timeout=10) as link:
        link.sendall(request(path, b"Expect: 100-continue\r\nContent-Length: 4\r\n", b"POST"))
        got = b""
        while b"\r\n\r\n" not in got:
            got += link.recv(1)
        assert got.startswith(b"HTTP/1.1 100 ")
        link.sendall(b"body")
        assert link.recv(65536).startswith(b"HTTP/1.1 200")
    assert b"xpect" not in server.head


BODY, LOST = 40_000_000, "cannot be kept in a file"


def upload(path, size=BODY, chunked=False):
    framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % size
    body = b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n" if chunked else b"x" * size
    return request(path, framing, b"POST") + body


def no_directory(node):
    away = node.directory + ".away"
    os.rename(node.directory, away)
    return lambda: os.rename(away, node.directory)


def no_room(node):
    """As on a full disk: no file may become larger than that."""
    before = resource.prlimit(node.worker_pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.worker_pid, resource.RLIMIT_FSIZE, (36_000_000, before[1]))
    return lambda: resource.prlimit(node.worker_pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("front", ["tcp", "tls"])
@pytest.mark.parametrize("obstacle", [no_directory, no_room])
def test_an_upload_that_cannot_be_spooled_is_answered(node, obstacle, front, chunked):
    node.cluster.service()
    node.cluster.route("all", paths=["/"])
    port, tls = (node.proxy_port, None) if front == "tcp" else (node.tls_port, trusting())
    descriptors, logged, began = len(os.listdir(f"/proc/{node.worker_pid}/fd")), node.log().count(LOST), time.monotonic()
    mend = obstacle(node)
    try:
        for _ in range(4):
            got = raw(port, upload(b"/bytes/2/x", chunked=chunked), tls=tls)
            assert got.startswith(b"HTTP/1.1 500") and b"\nAn unexpected error occurred" in got, got
            assert b"\r\nConnection: close\r\n" in got
        assert raw(port, request(b"/bytes/2/x"), tls=tls).endswith(b"xx")
    finally:
        mend()
    assert raw(port, upload(b"/bytes/2/x", chunked=chunked), tls=tls).endswith(b"\r\n\r\nxx")
    assert LOST in node.log() and node.log().count(LOST) - logged <= time.monotonic() - began + 1
    assert "failed to create temporary file" not in node.log()  # libh2o's own word, a line each time
    eventually(lambda: len(os.listdir(f"/proc/{node.worker_pid}/fd")) <= descriptors + 2, 10, what="no descriptor kept")


def test_uploads_that_cannot_be_spooled_cost_no_memory(node):
    """They are taken to their end, so that whoever does not listen before it is told as well."""
    node.cluster.service()
    node.cluster.route("all", paths=["/"])
    mend, grown, before = no_directory(node), [], node.rss_kb()
    try:
        with socket.create_connection(("127.0.0.1", node.proxy_port), timeout=20) as link:
            link.sendall(request(b"/", b"Content-Length: 100000000\r\n", b"POST"))
            for _ in range(50):
                link.sendall(b"x" * 2_000_000)
                grown.append(node.rss_kb() - before)
            assert link.recv(65536).startswith(b"HTTP/1.1 500")
    finally:
        mend()
    assert grown[-1] < 10_000, grown
    assert max(grown) < 80_000, grown


def test_who_still_sends_sees_why_the_request_is_refused(own_cluster, postgres):
    """And not a reset, for which most clients forget the answer."""
    one = own_cluster(postgres=postgres, redis=False, settings={"nginx_http_client_max_body_size": "1m"}, names=("a",)).a
    for chunked in (False, True):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", one.proxy_port), timeout=20) as link:
                link.sendall(upload(b"/", 30_000_000, chunked))
                got = b""
                while part := link.recv(65536):
                    got += part
            assert got.startswith(b"HTTP/1.1 413") and b"Payload too large" in got, got
    with socket.create_connection(("127.0.0.1", one.proxy_port), timeout=20) as link:  # who never ends is cut off
        link.sendall(request(b"/", b"Content-Length: 1000000000000\r\n", b"POST"))
        began, sent = time.monotonic(), 0
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while time.monotonic() - began < 25 + 15 * PATIENCE:
                sent += link.send(b"x" * 1000)
                time.sleep(0.01)
    assert 15 < time.monotonic() - began < 20 + 10 * PATIENCE
    for _ in range(300):  # more than may linger at a time
        link = socket.create_connection(("127.0.0.1", one.proxy_port), timeout=20)
        link.sendall(request(b"/", b"Content-Length: 1000000000000\r\n", b"POST"))
        assert link.recv(65536).startswith(b"HTTP/1.1 413")


def test_an_answer_may_come_before_the_request_has_been_read(node, played):
    """And the connection that still carries the request is nobody else's."""
    def serve(server, link):
        server.sent += 1
        link.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        time.sleep(0.2)

    server, path = played(serve)
    for _ in range(5):
        got = raw(node.proxy_port, request(path, b"Content-Length: 9000000\r\n", b"POST") + b"x" * 9_000_000)
        assert got.startswith(b"HTTP/1.1 403") and got.endswith(b"\r\n\r\nno"), got[:300]
    assert server.sent == 5
