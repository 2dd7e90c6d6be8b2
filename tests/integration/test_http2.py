"""HTTP/2 in front: ordinary use, and each of the attacks that libh2o 2.2.5 does nothing about (h2o.md section 11)."""

import contextlib
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from h2_frames import (CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, Link, frame,  # noqa: E402
                       head, literal, status)
from support import PATIENCE, eventually  # noqa: E402


@pytest.fixture(scope="module")
def node(module_cluster):
    return module_cluster.a


@pytest.fixture(scope="module")
def module_cluster(workspace, postgres, upstream):
    from support import Cluster  # pylint: disable=import-outside-toplevel

    made = Cluster(os.path.join(workspace, "http2"), postgres, None, upstream, {"client_timeout": 3, "client_write_timeout": 3}, ("a",))
    one = made.a
    made.settings["proxy_listen"] = f"127.0.0.1:{one.proxy_port} http2, 127.0.0.1:{one.tls_port} ssl http2"
    made.start()
    made.service()
    made.route("t", paths=["/t"], methods=["GET", "POST", "HEAD"])
    made.settle()
    yield made
    made.stop()
    made.check_logs()


def served(node):
    """False: this machine is so busy that three seconds have passed before we have asked."""
    try:
        with Link(node.tls_port) as link:
            block, body = link.answer(link.ask(path="/t/ok"))
    except (ConnectionError, ssl.SSLError):
        return False
    assert status(block) == 200 and json.loads(body)["path"].endswith("/ok")
    return True


def healthy(node):
    """A client that has nothing to do with it is served."""
    eventually(lambda: served(node), 10, what="service for others")
    assert node.proxy("GET", "/t").status == 200


def ends(link, seconds=15):
    """Reads until the other side closes."""
    link.link.settimeout(seconds * PATIENCE)
    try:
        while link.read() is not None:
            pass
        return True
    except TimeoutError:
        return False


def logged(node, text, times=1):
    eventually(lambda: node.log().count(text) >= times, 5, what=f"a line with '{text}'")


# ---- ordinary use ----

def test_it_is_offered_only_where_it_is_flagged(node, cluster):
    with Link(node.tls_port, protocols=("h2", "http/1.1")) as link:
        assert link.protocol == "h2"
    with socket.create_connection(("127.0.0.1", cluster.a.tls_port), timeout=20) as plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(plain, server_hostname="x.test") as tls:
            assert tls.selected_alpn_protocol() == "http/1.1"


def test_nothing_without_tls(node):
    """Neither prior knowledge nor an upgrade."""
    from support import raw  # pylint: disable=import-outside-toplevel

    assert not raw(node.proxy_port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0), timeout=5).startswith(b"\0")
    answer = node.proxy("GET", "/t", {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"})
    assert answer.status == 200


def test_many_streams_of_a_connection(node):
    with Link(node.tls_port) as link:
        streams = [link.ask(path=f"/t/{i}", more=[("x-n", str(i))]) for i in range(50)]
        found = {}
        while len(found) < len(streams):
            kind, flags, stream, payload = link.read()
            if kind == DATA:
                found.setdefault(stream, []).append(payload)
            if kind == DATA and flags & END_STREAM:
                continue
        for stream in streams:
            seen = json.loads(b"".join(found[stream]))
            assert seen["path"].endswith(f"/{(stream - 1) // 2}")
            assert ["x-n", str((stream - 1) // 2)] in seen["headers"]


def test_bodies_both_ways(node):
    with Link(node.tls_port) as link:
        block, body = link.answer(link.ask(method="POST", path="/t", body=b"x" * 50000))
        assert status(block) == 200 and json.loads(body)["body"] == "x" * 50000
        block, body = link.answer(link.ask(path="/t/bytes/300000"))
        assert len(body) == 300000


def test_cookies_are_joined_and_the_authority_is_the_host(node):
    with Link(node.tls_port) as link:
        _, body = link.answer(link.ask(path="/t", host="named.test", more=[("cookie", "a=1"), ("x-y", "z"), ("cookie", "b=2")]))
        headers = {name.lower(): value for name, value in json.loads(body)["headers"]}
        assert headers["cookie"] == "a=1; b=2" and headers["x-forwarded-host"] == "named.test"


def test_an_answer_to_head_and_one_without_a_body(node):
    with Link(node.tls_port) as link:
        assert link.answer(link.ask(method="HEAD", path="/t"))[1] == b""
        assert status(link.answer(link.ask(path="/t/status/204"))[0]) == 204
        assert status(link.answer(link.ask(path="/nowhere"))[0]) == 404


BAD = {
    "a connection header": [("connection", "close")],
    "an upgrade": [("upgrade", "websocket")],
    "a transfer coding": [("transfer-encoding", "chunked")],
    "te": [("te", "gzip")],
    "a line break": [("x", "a\r\nb: c")],
    "a NUL": [("x", "a\0b")],
    "a capital": [("X-Capital", "a")],
    "a blank in a name": [("x y", "a")],
}


@pytest.mark.parametrize("what", BAD)
def test_heads_that_mean_something_else_over_http_1_are_refused(node, what):
    before = node.cluster.upstream.requests
    with Link(node.tls_port) as link:
        try:
            block, _ = link.answer(link.ask(path="/t", more=BAD[what]))
        except ConnectionError:
            block = None
        assert status(block) in (400, None)
    assert node.cluster.upstream.requests == before
    healthy(node)


@pytest.mark.parametrize("parts", [{"path": "t"}, {"path": "/t\r\nX: y"}, {"path": "/t y"}, {"path": "/t#f"}, {"path": "/%00"}, {"host": "a b"},
                                   {"host": "a\r\nb"}, {"method": "G T"}, {"method": "TRACE"}, {"path": None}, {"host": None}])
def test_targets_and_hosts_are_those_of_http_1(node, parts):
    before = node.cluster.upstream.requests
    with Link(node.tls_port) as link:
        try:
            block, _ = link.answer(link.ask(**({"path": "/t"} | parts)))
        except ConnectionError:
            block = None
        assert status(block) in (400, 405, None)
    assert node.cluster.upstream.requests == before


# ---- attacks ----

def test_rapid_reset(node):
    """Streams that are taken back as they are opened: after a hundred the connection is cut."""
    before, seen = node.cluster.upstream.requests, node.log().count("most requests are taken back")
    with Link(node.tls_port) as link:
        sent = 0
        link.link.settimeout(20 * PATIENCE)
        try:
            while sent < 20000:
                batch = b""
                for _ in range(50):
                    link.stream += 2
                    batch += frame(HEADERS, END_HEADERS | END_STREAM, link.stream, head(path="/t/delay/1/x"))
                    batch += frame(RST_STREAM, 0, link.stream, struct.pack(">I", 8))
                link.send(batch)
                sent += 50
        except (ConnectionError, ssl.SSLError):
            pass
        assert sent < 20000 or ends(link)
    logged(node, "most requests are taken back", seen + 1)
    assert node.cluster.upstream.requests - before < 1500
    healthy(node)


def test_requests_that_we_are_made_to_reset(node):
    """MadeYouReset: the client breaks a rule of each stream, and we take it back."""
    seen = node.log().count("most requests are taken back")
    with Link(node.tls_port) as link:
        try:
            for _ in range(2000):
                link.stream += 2
                link.send(frame(HEADERS, END_HEADERS | END_STREAM, link.stream, head(path="/t/delay/1/x")) +
                          frame(WINDOW_UPDATE, 0, link.stream, struct.pack(">I", 0x7fffffff)))
        except (ConnectionError, ssl.SSLError):
            pass
        assert ends(link)
    logged(node, "most requests are taken back", seen + 1)
    healthy(node)


def test_a_client_that_takes_some_back_is_served(node):
    """Half of them may go: that is what browsers do when somebody clicks through pages."""
    with Link(node.tls_port) as link:
        for _ in range(150):
            link.answer(link.ask(path="/t/ok"))
            stream = link.ask(path="/t/delay/0.2/x")
            link.send(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
        assert status(link.answer(link.ask(path="/t/ok"))[0]) == 200


def test_header_bomb(node):
    """A large header in the table, named thousands of times by one byte each, on many streams."""
    before = node.rss_kb()
    with Link(node.tls_port) as link:
        link.stream += 2
        first = head(path="/t") + literal("x-big", "x" * 3900, indexed=True)
        link.send(frame(HEADERS, END_HEADERS | END_STREAM, link.stream, first))
        assert status(link.answer(link.stream)[0]) == 200
        try:
            for _ in range(100):
                link.stream += 2
                link.send(frame(HEADERS, END_HEADERS | END_STREAM, link.stream, head(path="/t") + b"\xbe" * 3000))
        except (ConnectionError, ssl.SSLError):
            pass
        grown = 0
        for _ in range(20):
            grown = max(grown, node.rss_kb() - before)
            time.sleep(0.05)
    assert grown < 300 * 1024, f"{grown} KiB"
    healthy(node)


def test_too_many_headers_and_too_large_ones_get_431(node):
    before = node.cluster.upstream.requests
    with Link(node.tls_port) as link:
        assert status(link.answer(link.ask(path="/t", more=[(f"x-{i}", "y") for i in range(101)]))[0]) == 431
        assert node.cluster.upstream.requests == before  # which has a bound of its own
        assert status(link.answer(link.ask(path="/t", more=[(f"x-{i}", "y") for i in range(80)]))[0]) == 200
        assert status(link.answer(link.ask(path="/t", more=[(f"x-{i}", "y" * 1000) for i in range(14)]))[0]) == 200


def test_a_head_that_does_not_end(node):
    """CONTINUATION for ever: h2o takes it for an error by itself."""
    before = node.rss_kb()
    with Link(node.tls_port) as link:
        sent = 0
        try:
            link.send(frame(HEADERS, 0, 1, head(path="/t")))
            piece = frame(CONTINUATION, 0, 1, literal("x", "y" * 16000)) * 16
            while sent < 1 << 30:
                link.send(piece)
                sent += len(piece)
        except (ConnectionError, ssl.SSLError):
            pass
        assert sent < 400 * 1024 * 1024
    assert node.rss_kb() - before < 600 * 1024
    healthy(node)


def test_uploads_that_do_not_end(node):
    """Bodies of many streams at a time have one bound."""
    seen = node.log().count("a connection is cut")
    before = node.rss_kb()
    with Link(node.tls_port) as link:
        sent = 0
        try:
            streams = [link.ask(method="POST", path="/t", end=False) for _ in range(90)]
            chunk = b"z" * 16384
            while sent < 1 << 30:
                for stream in streams:
                    link.send(frame(DATA, 0, stream, chunk))
                    sent += len(chunk)
                link.link.settimeout(0.001)
                try:
                    link.read()
                except (TimeoutError, ssl.SSLWantReadError):
                    pass
                link.link.settimeout(20)
        except (OSError, AttributeError):  # cut, or not read any more
            pass
        assert sent < 400 * 1024 * 1024
    assert node.rss_kb() - before < 600 * 1024
    logged(node, "a connection is cut", seen + 1)  # too much is under way, or for too long
    healthy(node)


def test_an_upload_that_cannot_be_spooled_is_answered(own_cluster, postgres):
    """When it is complete: h2o answers no request before. The other streams of the connection do not suffer."""
    cluster = own_cluster(redis=False, postgres=postgres, names=("a",), start=False)
    node = cluster.a
    cluster.settings["proxy_listen"] = f"127.0.0.1:{node.proxy_port}, 127.0.0.1:{node.tls_port} ssl http2"
    cluster.start()
    cluster.service()
    cluster.route("t", paths=["/t"])
    away, body = node.directory + ".away", b"x" * 17_000_000  # buffers double: this one would have 32 MiB
    with Link(node.tls_port) as link:
        link.link.settimeout(40 * PATIENCE)
        os.rename(node.directory, away)
        try:
            block, page = link.answer(link.ask(method="POST", path="/t", body=body))
        finally:
            os.rename(away, node.directory)
        assert status(block) == 500 and b"An unexpected error occurred" in page
        assert status(link.answer(link.ask(method="POST", path="/t/bytes/2/x", body=body))[0]) == 200


def test_pings_are_no_reason_to_stay(node):
    with Link(node.tls_port) as link:
        began = time.monotonic()
        try:
            while time.monotonic() - began < 20:
                link.send(frame(PING, 0, 0, b"12345678"))
                time.sleep(0.2)
        except (ConnectionError, ssl.SSLError):
            pass
        assert 2 < time.monotonic() - began < 15
    logged(node, "no request in time")
    healthy(node)


def test_a_request_has_to_come_in_time(node):
    """A body byte by byte, as over HTTP/1."""
    with Link(node.tls_port) as link:
        stream, began = link.ask(method="POST", path="/t", end=False), time.monotonic()
        try:
            while time.monotonic() - began < 20:
                link.send(frame(DATA, 0, stream, b"x"))
                time.sleep(0.2)
        except (ConnectionError, ssl.SSLError):
            pass
        assert time.monotonic() - began < 15


def test_an_answer_that_is_not_taken(node):
    """The client never opens its window."""
    seen = node.log().count("an answer is not taken")

    def cut_for_it():
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            with Link(node.tls_port, settings=struct.pack(">HI", 4, 0)) as link:
                link.ask(path="/t/bytes/1000000")
                assert ends(link, 20)
        return node.log().count("an answer is not taken") > seen

    eventually(cut_for_it, 20, what="the cut")  # on a busy machine we may be cut for having asked too late
    healthy(node)


def test_an_upstream_may_be_slower_than_clients_may(node):
    with Link(node.tls_port) as link:
        assert status(link.answer(link.ask(path="/t/delay/5/x"))[0]) == 200


class Pausing:
    """Half of an answer, and the rest five seconds later."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        link, _ = self.listener.accept()
        with link:
            link.recv(65536)
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
            time.sleep(5)
            link.sendall(b"rest")


def test_an_answer_may_pause(node):
    pausing = Pausing()
    cluster = node.cluster
    cluster.service("pausing", url=f"http://127.0.0.1:{pausing.port}")
    cluster.route("pausing", "pausing", paths=["/pausing"])
    cluster.settle()
    with Link(node.tls_port) as link:
        assert link.answer(link.ask(path="/pausing"))[1] == b"halfrest"


def test_normal_load_beside_an_attack(node):
    done, stop, faults = [0], threading.Event(), []

    def attack():
        while not stop.is_set():
            try:
                with Link(node.tls_port) as link:
                    for _ in range(500):
                        link.stream += 2
                        link.send(frame(HEADERS, END_HEADERS | END_STREAM, link.stream, head(path="/t/delay/1/x")) +
                                  frame(RST_STREAM, 0, link.stream, struct.pack(">I", 8)))
            except OSError:
                pass

    def load():
        try:
            with Link(node.tls_port) as link:
                while not stop.is_set():
                    assert status(link.answer(link.ask(path="/t/ok"))[0]) == 200
                    done[0] += 1
        except Exception as fault:  # pylint: disable=broad-except
            faults.append(fault)

    threads = [threading.Thread(target=attack), threading.Thread(target=load)]
    for thread in threads:
        thread.start()
    time.sleep(4)
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults and done[0] > 20, (faults, done)


def test_drain_says_goaway_and_lets_requests_end(own_cluster, postgres):
    cluster = own_cluster(redis=False, postgres=postgres, names=("a",), start=False)
    one = cluster.a
    cluster.settings["proxy_listen"] = f"127.0.0.1:{one.proxy_port}, 127.0.0.1:{one.tls_port} ssl http2"
    cluster.start()
    cluster.service()
    cluster.route("t", paths=["/t"])
    cluster.settle()
    with Link(one.tls_port) as busy, Link(one.tls_port) as idle:
        stream = busy.ask(path="/t/delay/1.5/x")
        time.sleep(0.3)
        thread = threading.Thread(target=lambda: one.signal(3))
        thread.start()
        kinds = []
        body = b""
        while True:
            got = busy.read()
            if got is None:
                break
            kinds.append(got[0])
            if got[0] == DATA and got[2] == stream:
                body += got[3]
        assert GOAWAY in kinds and json.loads(body)["path"].endswith("/x")
        assert ends(idle)
        thread.join()
    eventually(lambda: one.process.poll() is not None, 20, what="the end of the node")
    assert one.process.returncode == 0


def grpc(node, path, *more):
    """Status and headers of an answer to a client that speaks gRPC; curl knows how heads are compressed."""
    shown = subprocess.run(["curl", "-sk", "--http2", "-D", "-", "-H", "content-type: application/grpc", "-d", "x", *more,
                            f"https://127.0.0.1:{node.tls_port}{path}"], capture_output=True, text=True, check=True).stdout
    first, *lines = shown.strip().splitlines()
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines if ": " in line)


def test_errors_for_clients_that_speak_grpc(module_cluster, node):
    status_, headers = grpc(node, "/nowhere")
    assert status_ == 404
    assert (headers["content-type"], headers["grpc-status"]) == ("application/grpc", "5")
    assert headers["grpc-message"] == "no Route matched with those values"
    assert headers["content-length"] == "0"
    assert node.admin("POST", "/services", json={"name": "g", "protocol": "grpc", "host": "127.0.0.1", "port": 1}).status == 201
    module_cluster.route("calls", "g", paths=["/calls"], protocols=["grpcs"], strip_path=False)
    module_cluster.settle()
    status_, headers = grpc(node, "/calls")
    assert (status_, headers["grpc-status"]) == (503, "14")
    answer = node.proxy("POST", "/calls", headers={"content-type": "text/plain"})
    assert answer.status == 415
