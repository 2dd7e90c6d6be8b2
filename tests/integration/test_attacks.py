"""What must never reach a route or an upstream: each row of the guard's table, as raw bytes."""

import socket
import time

import pytest

from support import raw

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def served(cluster):
    cluster.service()
    cluster.route("all", paths=["/"])
    return cluster.a


def status(answer):
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.") else 0


HOST = b"Host: x\r\n"
REFUSED = {
    "two lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "two equal lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "length and encoding": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two encodings": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "encoding on 1.0": b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "host with a blank": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "host with user": b"GET / HTTP/1.1\r\nHost: a/@b\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "bad length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
    "blank before colon": b"GET / HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n",
    "nul in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "control in the path": b"GET /a\x01b HTTP/1.1\r\n" + HOST + b"\r\n",
    "path without slash": b"GET a HTTP/1.1\r\n" + HOST + b"\r\n",
    "eight bits in the path": b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "connect": b"CONNECT x:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded nul": b"GET /a%00b HTTP/1.1\r\n" + HOST + b"\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare line feed in the head": b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    "return in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n",
    "chunk size of another language": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n",
    "bare line feed after a chunk size": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n4\nabcd\r\n0\r\n\r\n",
    "bare line feed in a chunk extension": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n4;a\nabcd\r\n0\r\n\r\n",
    "encoding that is not chunked": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n",
    "version 1.2": b"GET / HTTP/1.2\r\n" + HOST + b"\r\n",
    "version 2.0": b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
    "empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "absolute target of another host": b"GET http://other/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute target with a user": b"GET http://u@x/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a hundred and one lines": b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: a\r\n" % number for number in range(100)) + b"\r\n",
    "500 KB of head": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 500_000 + b"\r\n\r\n",
    "odd method": b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_ambiguous_requests_are_refused(served, name):
    before = served.cluster.upstream.requests
    answer = raw(served.proxy_port, REFUSED[name], timeout=5)
    assert 400 <= status(answer) < 500 or answer == b"", answer[:200]
    assert answer.count(b"HTTP/1.") <= 1
    assert served.cluster.upstream.requests == before


@pytest.mark.parametrize("smuggled", [
    b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0x31\r\n\r\nGET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0;\nx\r\n\r\nGET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
])
def test_nothing_is_smuggled(served, smuggled):
    answer = raw(served.proxy_port, smuggled, timeout=3)
    assert b"smuggled" not in answer and answer.count(b"HTTP/1.1") <= 1


def test_a_head_over_the_limit_is_431(served):
    answer = raw(served.proxy_port, b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40_000 + b"\r\n\r\n", timeout=5)
    assert status(answer) in (400, 431, 494)
    many = b"".join(b"X-%d: a\r\n" % number for number in range(150))
    assert 400 <= status(raw(served.proxy_port, b"GET / HTTP/1.1\r\n" + HOST + many + b"\r\n", timeout=5)) < 500


def test_dot_segments_do_not_escape_a_route(cluster):
    cluster.service()
    cluster.route("public", paths=["/public"])
    for path in (b"/public/../private", b"/public/%2e%2e/private", b"/public/./../private"):
        answer = raw(cluster.a.proxy_port, b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert status(answer) == 404, (path, answer[:200])


def test_absolute_form_takes_its_host_from_the_target(served):
    answer = raw(served.proxy_port, b"GET http://other.example/abs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status(answer) == 400  # the two disagree
    answer = raw(served.proxy_port, b"GET http://x/abs?q HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status(answer) == 200 and b'"path": "/abs?q"' in answer


def test_requests_in_a_row_are_answered_in_a_row(served):
    chunked = b"POST /%d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: z\r\n\r\n"
    counted = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    plain = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = raw(served.proxy_port, b"".join(form % number for number, form in enumerate((chunked, counted, plain) * 3)) + last)
    assert answer.count(b"HTTP/1.1 200 ") == 10
    assert [answer.index(b'"path": "/%d"' % number) for number in range(10)] == sorted(
        answer.index(b'"path": "/%d"' % number) for number in range(10))
    assert b"Trailer" not in answer


def test_a_body_over_the_admin_limit_is_413(cluster):
    head = b"POST /services HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 11000000\r\n\r\n"
    answer = raw(cluster.a.admin_port, head)  # refused by its head: the body is not waited for
    assert answer.startswith(b"HTTP/1.1 413") and b"413 Request Entity Too Large" in answer


def test_an_unfinished_request_costs_only_its_connection(served):
    links = [socket.create_connection(("127.0.0.1", served.proxy_port)) for _ in range(50)]
    for link in links:
        link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    assert served.proxy("GET", "/").status == 200
    for link in links:
        link.close()
    time.sleep(0.2)
    assert served.proxy("GET", "/").status == 200


def test_garbage_never_ends_the_node(served):
    for data in (b"\0" * 100, b"\x16\x03\x01\x02\x00" + b"a" * 200, b"GET", b"\r\n" * 50, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes(range(256)) * 20):
        raw(served.proxy_port, data, timeout=0.3)
        raw(served.admin_port, data, timeout=0.3)
    assert served.proxy("GET", "/").status == 200
    assert served.process.poll() is None
