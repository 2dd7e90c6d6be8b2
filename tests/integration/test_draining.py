"""How a node ends when it is told to quit, phase by phase."""

import contextlib
import http.client
import select
import signal
import socket
import threading
import time

import pytest

from load import Load
from support import PATIENCE, ask, eventually


@pytest.fixture
def one(own_cluster, postgres):
    def make(**settings):
        cluster = own_cluster(redis=False, postgres=postgres, names=("a",), settings=settings)
        cluster.service()
        cluster.route()
        return cluster.a

    return make


def ready(node):
    return ask(node.status_port, "GET", "/status/ready")


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return False
    except ConnectionRefusedError:
        return True


def is_ended_by_peer(link):
    with contextlib.suppress(OSError):
        return bool(select.select([link], [], [], 0)[0]) and link.recv(1, socket.MSG_PEEK) == b""
    return True


def test_readiness_fails_first_then_comes_the_delay_then_connections_end(one):
    node = one(shutdown_delay=2 * PATIENCE, shutdown_timeout=20 * PATIENCE)
    kept = http.client.HTTPConnection("127.0.0.1", node.proxy_port, timeout=30)
    idle = socket.create_connection(("127.0.0.1", node.proxy_port))
    probe = http.client.HTTPConnection("127.0.0.1", node.status_port, timeout=30)
    probe.request("GET", "/status/ready")
    assert probe.getresponse().read() and ready(node).status == 200
    began = time.monotonic()
    node.signal(signal.SIGQUIT)
    answer = eventually(lambda: ready(node).status == 503 and ready(node), 1)
    assert answer.json["message"] == "the node is ending"
    # For the delay's time all is as before, but for readiness.
    while time.monotonic() - began < 1.5 * PATIENCE:
        kept.request("GET", "/r")
        answer = kept.getresponse()
        assert answer.read() and answer.status == 200 and not answer.will_close
        assert node.proxy("GET", "/r").status == 200
        assert node.admin("GET", "/").status == 200
        assert not is_ended_by_peer(idle)
        time.sleep(0.1)
    with socket.create_connection(("127.0.0.1", node.proxy_port)) as busy:
        busy.sendall(b"GET /r/delay/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (6 * PATIENCE))
        # Then connections come to their end, each with an answer; nobody can make another.
        def is_told_to_close():
            kept.request("GET", "/r")
            answer = kept.getresponse()
            assert answer.read() and answer.status == 200
            return answer.will_close

        eventually(is_told_to_close, 2)
        eventually(lambda: is_refused(node.proxy_port) and is_refused(node.admin_port), 1.5)
        eventually(lambda: is_ended_by_peer(idle), 2, what="the end of the idle connection")
        # Probes are answered to the last.
        probe.request("GET", "/status/ready")
        assert probe.getresponse().status == 503 and ready(node).status == 503
        assert node.process.poll() is None
        head = busy.recv(65536)
        assert head.startswith(b"HTTP/1.1 200") and b"\r\nConnection: close\r\n" in head.replace(b"connection", b"Connection")
    assert node.process.wait(30 * PATIENCE) == 0
    assert time.monotonic() - began < 20 * PATIENCE


def test_term_cuts_the_delay_short(one):
    node = one(shutdown_delay=600)
    node.signal(signal.SIGQUIT)
    eventually(lambda: ready(node).status == 503, 2)
    began = time.monotonic()
    node.signal(signal.SIGTERM)
    assert node.process.wait(30) == 0
    assert time.monotonic() - began < 3 * PATIENCE


def test_the_delay_and_the_deadline_are_those_of_the_last_reload(one):
    node = one(shutdown_delay=600)
    node.settings |= {"shutdown_delay": 0}
    assert node.reload().returncode == 0
    began = time.monotonic()
    assert node.stop(signal.SIGQUIT) == 0
    assert time.monotonic() - began < 5 * PATIENCE


def echo_tunnel(listener):
    link, _ = listener.accept()
    with link:
        head = b""
        while b"\r\n\r\n" not in head:
            head += link.recv(1)
        link.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                part = link.recv(100)
                if not part:
                    return
                link.sendall(part)


def test_a_tunnel_goes_on_until_the_deadline(one):
    node = one(shutdown_timeout=3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=echo_tunnel, args=(listener,), daemon=True).start()
        assert node.admin("PUT", "/services/s", json={"url": f"http://127.0.0.1:{port}"}).status == 200
        with socket.create_connection(("127.0.0.1", node.proxy_port), timeout=10) as link:
            link.sendall(b"GET /r HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            assert link.recv(1000).startswith(b"HTTP/1.1 101")
            began = time.monotonic()
            node.signal(signal.SIGQUIT)
            beats = 0
            with contextlib.suppress(OSError):
                while True:
                    link.sendall(b"x")
                    if not link.recv(1):
                        break
                    beats += 1
                    time.sleep(0.05)
            lasted = time.monotonic() - began
    assert node.process.wait(30) == 0
    assert beats > 10 and 2.8 < lasted < 3 + 2 * PATIENCE, (beats, lasted)
    assert "their time is over" in node.log()


@pytest.mark.slow
def test_quitting_under_load_loses_no_request(own_cluster, postgres):
    """Two nodes in turn, clients that go to the other one when they are refused or told Connection: close."""
    cluster = own_cluster(redis=False, postgres=postgres, settings={"shutdown_timeout": 20})
    cluster.service()
    cluster.route()
    cluster.settle()
    with Load([node.proxy_port for node in cluster.nodes], "/r", clients=8) as load:
        for number in range(10):
            node = cluster.nodes[number % 2]
            answered = load.answered
            eventually(lambda: load.answered > answered + 50, 30)
            assert node.stop(signal.SIGQUIT) == 0
            node.start()
    print(f"answered {load.answered}, refused {load.refused}, told to close {load.closes}")
    assert load.answered > 500 and not load.lost, load.lost[:5]
