"""Upstreams that lie, over TCP and TLS, beside clients who behave: nobody gets bytes of another's answer, nothing hangs."""

import contextlib
import os
import socket
import threading
import time

import pytest

from disorder import make_certificate
from liar import CUT, ENDS, LIES, Liar
from support import PATIENCE, Cluster, eventually

READ_TIMEOUT = 0.5


@pytest.fixture(scope="module")
def node(workspace, postgres, upstream):
    """One loop, so that all share one pool of connections."""
    made = Cluster(os.path.join(workspace, "lies"), postgres, None, upstream, {"nginx_worker_processes": 1}, ("a",))
    made.start()
    yield made.a
    made.stop()
    made.check_logs()


class Witness:
    """Asks for words, one after another on one connection, and gets them."""

    def __init__(self, port, path, name):
        self.port, self.path, self.name, self.wrong, self.asked, self.stopping = port, path, name, [], 0, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        link = None
        while not self.stopping:
            word, began = b"%s-%d" % (self.name, self.asked), time.monotonic()
            try:
                link = link or socket.create_connection(("127.0.0.1", self.port), timeout=10)
                link.sendall(b"GET %s/token/%s HTTP/1.1\r\nHost: x\r\n\r\n" % (self.path, word))
                got = link.recv(65536)
                while got and not got.endswith(word):
                    part = link.recv(65536)
                    got += part
                    assert part
                if got.count(b"HTTP/1.1") != 1 or not got.startswith(b"HTTP/1.1 200") or not got.endswith(b"\r\n\r\n" + word):
                    self.wrong.append(got)
                if b"\r\nConnection: close\r\n" in got:
                    link = link.close()
            except (OSError, AssertionError) as broken:
                self.wrong.append((word, time.monotonic() - began, broken))
                link = None
            self.asked += 1
        if link:
            link.close()

    def stop(self):
        self.stopping = True
        self.thread.join()


@pytest.fixture(scope="module", params=["tcp", "tls"])
def lied_to(node, workspace, request):
    """The path of a service whose upstream lies; two witnesses use it all the time."""
    liar = Liar(make_certificate(workspace)[::-1] if request.param == "tls" else None)
    service = {"url": f"{liar.scheme}://127.0.0.1:{liar.port}", "retries": 0, "read_timeout": int(READ_TIMEOUT * 1000 * PATIENCE)}
    assert node.admin("PUT", f"/services/{request.param}", json=service).status == 200
    node.cluster.route(request.param, service=request.param)
    path = b"/" + request.param.encode()
    witnesses = [Witness(node.proxy_port, path, name) for name in (b"left", b"right")]
    yield node, path, witnesses
    for witness in witnesses:
        witness.stop()
    liar.stop()


def ask(node, target, method=b"GET"):
    """All that comes until the node closes, or what a whole answer is; and whether it was cut."""
    with socket.create_connection(("127.0.0.1", node.proxy_port), timeout=10) as link:
        link.sendall(b"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % (method, target))
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while True:
                part = link.recv(65536)
                if not part:
                    break
                got += part
    return got


def is_whole(got):
    head, _, body = got.partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.split(b"\r\n")]
    if b"transfer-encoding: chunked" in lines:
        return body.endswith(b"0\r\n\r\n")
    length = [int(line[15:]) for line in lines if line.startswith(b"content-length:")]
    return len(length) == 1 and len(body) == length[0]


@pytest.mark.parametrize("end", ENDS)
def test_lies_are_seen_through(lied_to, end):
    node, path, witnesses = lied_to
    before = [witness.asked for witness in witnesses]
    for number, (name, (_, expected)) in enumerate(LIES.items()):
        got = ask(node, b"%s/%d/%s" % (path, number, end.encode()))
        status = int(got[9:12]) if got.startswith(b"HTTP/1.1 ") else 0
        if end == "stay" and name in ("nothing", "half a head", "interim answers only"):
            expected = 504  # silence
        assert status == (200 if expected == CUT else expected), (name, got[:300])
        assert b"stolen" not in got and b"X-Hint" not in got, name
        assert got.count(b"HTTP/1.") == 1, (name, got)
        if expected in (CUT, 200):
            assert is_whole(got) == (expected == 200), (name, got)
    assert not [witness.wrong for witness in witnesses if witness.wrong]
    assert all(witness.asked > count for witness, count in zip(witnesses, before))


def test_what_is_no_answer_to_head_is_not_the_next_answer(lied_to):
    node, path, witnesses = lied_to
    number = list(LIES).index("an answer too many")  # its body is one too many as well
    for _ in range(10):
        got = ask(node, b"%s/%d/stay" % (path, number), b"HEAD")
        assert got.startswith(b"HTTP/1.1 200") and got.endswith(b"\r\n\r\n")
    assert not [witness.wrong for witness in witnesses if witness.wrong]


def test_a_lie_is_logged_and_a_thousand_are_not_a_thousand_lines(lied_to):
    node, path, _ = lied_to
    number = list(LIES).index("two lengths")
    time.sleep(1.1)  # a line a second
    logged = len(node.log())
    began = time.monotonic()
    for _ in range(50):
        assert ask(node, b"%s/%d/close" % (path, number)).startswith(b"HTTP/1.1 502")
    took = time.monotonic() - began
    lines = [line for line in node.log()[logged:].splitlines() if "an upstream has failed" in line]
    assert 'reason="answer is not valid HTTP"' in lines[0] and path[1:].decode() in lines[0]
    assert len(lines) <= took + 2
    assert node.process.poll() is None


def test_an_answer_that_nobody_asked_for_ends_an_idle_connection(lied_to):
    node, path, witnesses = lied_to
    for witness in witnesses:
        witness.stop()
    for _ in range(5):
        assert ask(node, path + b"/late/stay").endswith(b"ab")
        time.sleep(0.1)
        assert ask(node, path + b"/token/mine").endswith(b"\r\n\r\nmine")


def test_connections_to_liars_are_given_up(lied_to):
    """What is left belongs to the witnesses and the node."""
    node, _, witnesses = lied_to
    assert not [witness.wrong for witness in witnesses if witness.wrong]
    eventually(lambda: node.status("GET", "/status").json["server"]["connections_active"] == 1, 10, what="no client being left")
