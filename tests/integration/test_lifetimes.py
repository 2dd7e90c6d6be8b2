"""Things that end while others still have to do with them, one deterministic scenario each."""

import contextlib
import os
import select
import signal
import socket
import ssl
import threading
import time

import pytest

from support import PATIENCE, ask, eventually


class Scripted:
    """An upstream whose connections are each handed to `talk(connection)` once a request head has come."""

    def __init__(self, talk):
        self.talk, self.heads, self.open = talk, [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                link, _ = self.listener.accept()
                self.open.append(link)
                threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        head = b""
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in head:
                part = link.recv(1)
                if not part:
                    return
                head += part
            self.heads.append(head)
            self.talk(link)

    def close(self):
        self.listener.close()
        for link in self.open:
            link.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def scripted(cluster, clean):
    made = []

    def make(talk, **service):
        server = Scripted(talk)
        made.append(server)
        assert cluster.a.admin("PUT", "/services/s", json={"url": server.url, "retries": 0} | service).status == 200
        cluster.route()
        return server

    yield make
    for server in made:
        server.close()


def is_closed_by_peer(link, seconds):
    """The peer has closed or reset it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([link], [], [], 0.05)[0]:
            try:
                if not link.recv(65536):
                    return True
            except OSError:
                return True
    return False


UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def test_a_protocol_is_not_changed_under_a_request_that_is_still_being_sent(cluster, scripted):
    """The upstream agrees to the upgrade before it has read the body, which then would go into the tunnel."""

    def agree_at_once(link):
        link.sendall(UPGRADE)
        time.sleep(0.2)
        while link.recv(1 << 20):
            pass

    scripted(agree_at_once)
    body = b"x" * 16_000_000
    head = (b"GET /r HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body))
    with socket.create_connection(("127.0.0.1", cluster.a.proxy_port), timeout=20) as link:
        link.sendall(head + body)
        got = link.recv(65536)
        time.sleep(1)  # for the rest of the body to be taken
    assert cluster.a.proxy("GET", "/nothing").status == 404, "the node is gone"
    assert got.startswith(b"HTTP/1.1 502")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_tls_client_that_leaves_takes_its_upstream_along(cluster, scripted, version):
    gone = []
    server = scripted(lambda link: gone.append(is_closed_by_peer(link, 5)))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    plain = socket.create_connection(("127.0.0.1", cluster.a.tls_port), timeout=10)
    link = context.wrap_socket(plain, server_hostname="localhost")
    link.sendall(b"GET /r HTTP/1.1\r\nHost: x\r\n\r\n")
    eventually(lambda: server.heads, what="the request at the upstream")
    time.sleep(0.1)
    with contextlib.suppress(OSError, ssl.SSLError):
        link.settimeout(0.1)
        link.unwrap()  # close_notify
    link.close()
    eventually(lambda: gone, what="the upstream's connection coming to an end")
    assert gone == [True]


def send_signal(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@pytest.fixture
def stuck(own_cluster):
    """A node whose database has stopped answering, and a request that waits for it; both as a node drains."""
    cluster = own_cluster(redis=False, names=("a",), settings={"pg_timeout": 20000, "shutdown_timeout": 18})
    cluster.service()
    cluster.route()
    assert cluster.a.admin("POST", "/routes/r/plugins", json={"name": "key-auth"}).status == 201
    pids, answers = cluster.postgres.pids(), []
    for pid in pids:
        send_signal(pid, signal.SIGSTOP)

    def wait():
        with contextlib.suppress(OSError):
            answers.append(ask(cluster.a.proxy_port, "GET", "/r", {"apikey": "unknown"}, timeout=40).status)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.5)
    cluster.a.signal(signal.SIGQUIT)
    time.sleep(0.3)
    yield cluster, thread, answers
    for pid in pids:
        send_signal(pid, signal.SIGCONT)
    thread.join()
    cluster.a.process.wait(60)


@pytest.mark.slow
def test_a_draining_node_still_tells_those_who_wait_that_their_time_is_over(stuck):
    _, thread, answers = stuck
    began = time.monotonic()
    thread.join(8 * PATIENCE)
    assert answers == [503] and time.monotonic() - began < 12


@pytest.mark.slow
def test_a_draining_node_refuses_connections_and_ends_on_sigterm(own_cluster):
    cluster = own_cluster(redis=False, names=("a",), settings={"shutdown_timeout": 18})
    cluster.service()
    cluster.route()
    with socket.create_connection(("127.0.0.1", cluster.a.proxy_port)) as link:
        link.sendall(b"GET /r/delay/17 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        cluster.a.signal(signal.SIGQUIT)
        time.sleep(0.5)
        assert cluster.a.process.poll() is None, "it did not wait for the request"
        for port in (cluster.a.proxy_port, cluster.a.tls_port, cluster.a.admin_port):
            with pytest.raises(ConnectionRefusedError):  # not left to wait in a queue that nobody empties
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
        began = time.monotonic()
        cluster.a.signal(signal.SIGTERM)
        assert cluster.a.process.wait(60) == 0
        assert time.monotonic() - began < 4 * PATIENCE


@pytest.mark.slow
def test_a_draining_node_leaves_tunnels_their_time(own_cluster):
    cluster = own_cluster(redis=False, names=("a",), settings={"shutdown_timeout": 3})
    ended = []

    def echo(link):
        link.sendall(UPGRADE)
        while True:
            part = link.recv(100)
            if not part:
                break
            link.sendall(part)
        ended.append(time.monotonic())

    server = Scripted(echo)
    assert cluster.a.admin("PUT", "/services/s", json={"url": server.url}).status == 200
    cluster.route()
    with socket.create_connection(("127.0.0.1", cluster.a.proxy_port), timeout=30) as link:
        link.sendall(b"GET /r HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        got = b""
        while b"\r\n\r\n" not in got:
            got += link.recv(1)
        began = time.monotonic()
        cluster.a.signal(signal.SIGQUIT)
        time.sleep(1)
        link.sendall(b"still there")
        assert link.recv(100) == b"still there"
        assert is_closed_by_peer(link, 10 * PATIENCE)
    assert cluster.a.process.wait(60) == 0
    eventually(lambda: ended, what="the end at the upstream")
    assert ended[0] - began > 2
    server.close()


@pytest.mark.slow
def test_an_address_that_comes_after_the_end_of_the_loops_is_no_leak(own_cluster):
    """The name server answers while the node, its loops gone, still waits for a statement of a job."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names:
        names.bind(("127.0.0.1", 0))
        names.settimeout(10)
        cluster = own_cluster(redis=False, names=("a",), settings={
            "pg_timeout": 4000, "dns_resolver": f"127.0.0.1:{names.getsockname()[1]}"})
        assert cluster.a.admin("PUT", "/services/s", json={"url": "http://slow.example"}).status == 200
        cluster.route()
        with socket.create_connection(("127.0.0.1", cluster.a.proxy_port)) as link:
            link.sendall(b"GET /r HTTP/1.1\r\nHost: x\r\n\r\n")
            query, peer = names.recvfrom(4096)
            pids = cluster.postgres.pids()
            for pid in pids:
                send_signal(pid, signal.SIGSTOP)
            with socket.create_connection(("127.0.0.1", cluster.a.admin_port)) as job:
                job.sendall(b"GET /services HTTP/1.1\r\nHost: x\r\n\r\n")
                time.sleep(0.3)
                cluster.a.signal(signal.SIGTERM)
                time.sleep(2.5)
        assert cluster.a.process.poll() is None, "it did not wait for the job"
        names.sendto(query[:2] + b"\x81\x83" + query[4:], peer)  # no such name
        try:
            assert cluster.a.process.wait(60) == 0
        finally:
            for pid in pids:
                send_signal(pid, signal.SIGCONT)
        assert "LeakSanitizer" not in cluster.a.log(), cluster.a.log()[-2000:]
