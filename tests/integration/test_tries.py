"""Tries over targets: what is sent again, with its body; and that every end of a try is one, in the counts of connections."""

import socket
import struct
import time

import pytest

from raw_upstream import RawUpstream
from support import PATIENCE, Upstream, eventually, free_ports, raw

pytestmark = pytest.mark.usefixtures("clean")

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
RESET = struct.pack("ii", 1, 0)
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
READ_TIMEOUT = 1000


@pytest.fixture
def honest():
    peer = Upstream()
    peer.start()
    yield peer
    peer.stop()


def add_target(cluster, port):
    assert cluster.a.admin("POST", "/upstreams/up.test/targets", json={"target": f"127.0.0.1:{port}"}).status == 201


def serve(cluster, *ports, **upstream):
    assert cluster.a.admin("POST", "/upstreams", json={"name": "up.test", **upstream}).status == 201
    for port in ports:
        add_target(cluster, port)
    service = {"host": "up.test", "read_timeout": READ_TIMEOUT, "connect_timeout": 2000, "retries": 5}
    assert cluster.a.admin("PUT", "/services/s", json=service).status == 200
    cluster.route("all", paths=["/"])


def read_body(upstream, link):
    length = next(int(line[15:]) for line in upstream.head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while length > 0:
        length -= len(link.recv(65536))


@pytest.fixture
def breaking():
    """Takes a request, body and all, and resets the connection."""
    def play(server, link):
        server.sent += 1
        read_body(server, link)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    server = RawUpstream(play)
    yield server
    server.stop()


BODY = b"body" * 500_000


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_body_goes_to_the_next_target_when_the_first_is_not_there(cluster, honest, method):
    serve(cluster, free_ports(1)[0], honest.port)
    for _ in range(4):  # each target is the first twice
        answer = cluster.a.proxy(method, "/x", data=BODY)
        assert answer.status == 200 and answer.json["body"].encode() == BODY
    assert honest.requests == 4


def test_what_may_have_been_done_is_not_sent_again_unless_it_may_be_done_twice(cluster, honest, breaking):
    serve(cluster, breaking.port, honest.port)
    statuses = [cluster.a.proxy("POST", "/x", data=BODY).status for _ in range(8)]
    assert statuses.count(502) == breaking.sent > 0 and statuses.count(200) == honest.requests == 8 - breaking.sent
    before = breaking.sent
    for _ in range(8):
        answer = cluster.a.proxy("PUT", "/x", data=BODY)
        assert answer.status == 200 and answer.json["body"].encode() == BODY
    assert breaking.sent > before


@pytest.mark.parametrize("method, status", [("POST", 502), ("GET", 200), ("PUT", 200)])
def test_a_kept_connection_that_ends_under_a_request(cluster, method, status):
    """The upstream takes the second request of each connection and closes it: whether it was done, nobody knows."""
    taken = []

    def play(server, link):
        taken.append(server.head[:4])
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        if link.recv(65536):
            taken.append(b"last")

    server = RawUpstream(play)
    assert cluster.a.admin("PUT", "/services/s", json={"url": server.url, "retries": 5}).status == 200
    cluster.route("all", paths=["/"])
    seen = {200: 0, 502: 0}
    for _ in range(12):  # two loops, a pool each
        taken.clear()
        seen[cluster.a.proxy(method, "/x").status] += 1
        assert taken.count(b"last") <= 1 and len(taken) <= 2
    server.stop()
    assert seen[status] > 0 and (status != 200 or seen[502] == 0)


# ---- every end is one ----

def play_everything(server, link):
    """What to do is the first word of the path."""
    word = server.head.split(b" ")[1].split(b"/")[1]
    if word in (b"tunnel", b"leave-tunnel"):
        link.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n")
        link.settimeout(10)
        link.recv(100)
    elif word == b"end-tunnel":
        link.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n")
    elif word == b"half-tunnel":
        link.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n")
        link.shutdown(socket.SHUT_WR)
        time.sleep(3)
    elif word == b"reset":
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    elif word == b"rubbish":
        link.sendall(b"rubbish\r\n\r\n")
    elif word == b"cut":
        link.sendall(OK + b"Content-Length: 10\r\n\r\nhalf")
    elif word in (b"silence", b"leave"):
        time.sleep(3)
    elif word in (b"silence-inside", b"leave-inside"):
        link.sendall(OK + b"Content-Length: 10\r\n\r\nhalf")
        time.sleep(3)
    elif word == b"unasked":
        link.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n")
    else:
        link.sendall(OK + b"Content-Length: 2\r\n\r\nok")


def start(cluster, path, more=b""):
    link = socket.create_connection(("127.0.0.1", cluster.a.proxy_port), timeout=10)
    link.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n")
    return link


def whole(cluster, path, more=b"Connection: close\r\n"):
    return raw(cluster.a.proxy_port, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n")


def leave(cluster, path, until, more=b""):
    link = start(cluster, path, more)
    got = b""
    while until not in got:
        got += link.recv(1000)
    if not until:
        time.sleep(0.1)
    link.close()


ENDS = {
    "answered": lambda c: whole(c, b"/ok"),
    "reset": lambda c: whole(c, b"/reset"),
    "rubbish": lambda c: whole(c, b"/rubbish"),
    "cut": lambda c: whole(c, b"/cut"),
    "too late": lambda c: whole(c, b"/silence"),
    "too late inside": lambda c: whole(c, b"/silence-inside"),
    "change of protocol": lambda c: whole(c, b"/unasked"),
    "left": lambda c: leave(c, b"/leave", b""),
    "left inside": lambda c: leave(c, b"/leave-inside", b"half"),
    "tunnel left": lambda c: leave(c, b"/leave-tunnel", b"\r\n\r\n", UPGRADE),
    "tunnel left at once": lambda c: start(c, b"/leave-tunnel", UPGRADE).close(),
    "tunnel ended": lambda c: whole(c, b"/end-tunnel", UPGRADE),
    "tunnel half ended": lambda c: whole(c, b"/half-tunnel", UPGRADE),
    "tunnel silent": lambda c: whole(c, b"/tunnel", UPGRADE),
}


def share(cluster, honest, count=20):
    """How many of so many requests, one after another, the other peer gets."""
    before = honest.requests
    for _ in range(count):
        assert whole(cluster, b"/ok").startswith(b"HTTP/1.1 200")
    return count - (honest.requests - before)


@pytest.fixture
def everything(cluster):
    """The only target for now: what it is asked cannot be asked elsewhere."""
    server = RawUpstream(play_everything)
    serve(cluster, server.port, algorithm="least-connections")
    assert cluster.a.admin("PATCH", "/services/s", json={"retries": 0}).status == 200
    yield server
    server.stop()


@pytest.mark.parametrize("name", ENDS)
def test_every_end_of_a_try_is_counted_once(cluster, everything, honest, name):
    """A connection that was never given back, or was twice, would keep the peer from getting any more."""
    for _ in range(2):
        ENDS[name](cluster)
    add_target(cluster, honest.port)
    eventually(lambda: 4 <= share(cluster, honest, 12) <= 8, 10, what="both peers having their share")


def test_a_tunnel_is_a_connection_as_long_as_it_is_there(cluster, everything, honest):
    links = [start(cluster, b"/tunnel", UPGRADE) for _ in range(2)]
    for link in links:
        assert link.recv(12) == b"HTTP/1.1 101"
    add_target(cluster, honest.port)
    assert cluster.a.admin("PATCH", "/services/s", json={"read_timeout": 60000}).status == 200
    assert share(cluster, honest, 10) == 0
    for link in links:
        link.close()
    eventually(lambda: share(cluster, honest, 10) > 0, 5 * PATIENCE)
