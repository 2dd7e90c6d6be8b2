"""The data plane over real sockets: routing, forwarding, streaming, errors, TLS."""

import os
import socket
import ssl
import threading
import time

import pytest

from support import ask, eventually, free_ports, raw

pytestmark = pytest.mark.usefixtures("clean")


def seen(answer):
    """What the upstream got: its JSON, with headers as a dict of lower-case names."""
    shown = answer.json
    shown["headers"] = {name.lower(): value for name, value in shown["headers"]}
    return shown


def test_strip_path_and_service_path(cluster):
    cluster.service(path="/base")
    cluster.route("stripped", paths=["/in"])
    cluster.route("whole", paths=["/kept"], strip_path=False)
    assert seen(cluster.a.proxy("GET", "/in/rest?a=1&b=%20"))["path"] == "/base/rest?a=1&b=%20"
    assert seen(cluster.a.proxy("GET", "/kept/rest"))["path"] == "/base/kept/rest"


def test_routing_by_host_method_header_and_regex(cluster):
    cluster.service()
    cluster.service("other", path="/other")
    cluster.route("by-host", hosts=["a.example", "*.wild.example"], paths=["/x"])
    cluster.route("by-method", methods=["DELETE"], paths=["/x"], service="other")
    cluster.route("by-header", headers={"x-version": ["2"]}, paths=["/x"], service="other")
    cluster.route("by-regex", paths=[r"~/item/(?<id>\d+)$"], service="other", strip_path=False)
    a = cluster.a
    assert seen(a.proxy("GET", "/x", headers={"Host": "a.example"}))["path"] == "/"
    assert seen(a.proxy("GET", "/x/1", headers={"Host": "q.wild.example"}))["path"] == "/1"
    assert a.proxy("GET", "/x", headers={"Host": "b.example"}).status == 404
    assert seen(a.proxy("DELETE", "/x"))["path"] == "/other/" or seen(a.proxy("DELETE", "/x"))["path"] == "/other"
    assert seen(a.proxy("GET", "/x/y", headers={"x-version": "2"}))["path"] == "/other/y"
    assert seen(a.proxy("GET", "/item/42"))["path"] == "/other/item/42"
    assert a.proxy("GET", "/item/4x").status == 404


def test_preserve_host(cluster):
    cluster.service()
    cluster.route("preserved", paths=["/p"], preserve_host=True)
    cluster.route("changed", paths=["/c"])
    assert seen(cluster.a.proxy("GET", "/p", headers={"Host": "client.example"}))["headers"]["host"] == "client.example"
    assert seen(cluster.a.proxy("GET", "/c", headers={"Host": "client.example"}))["headers"]["host"] == f"127.0.0.1:{cluster.upstream.port}"


def test_forwarding_headers(cluster):
    cluster.service()
    cluster.route()
    headers = seen(cluster.a.proxy("GET", "/r/x", headers={"Host": "h.example", "X-Forwarded-For": "1.2.3.4", "Connection": "X-Drop", "X-Drop": "1"}))["headers"]
    assert headers["x-forwarded-for"] == "1.2.3.4, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == "h.example"
    assert headers["x-forwarded-port"] == str(cluster.a.proxy_port)
    assert headers["x-forwarded-path"] == "/r/x"
    assert headers["x-forwarded-prefix"] == "/r"
    assert headers["x-real-ip"] == "127.0.0.1"
    assert "x-drop" not in headers
    assert len(headers["x-kong-request-id"]) == 32


def test_response_headers(cluster):
    cluster.service()
    cluster.route()
    answer = cluster.a.proxy("GET", "/r")
    assert answer.headers["Via"].startswith("kong/")
    assert int(answer.headers["X-Kong-Proxy-Latency"]) >= 0
    assert int(answer.headers["X-Kong-Upstream-Latency"]) >= 0
    assert answer.headers["X-Upstream"] == "yes"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_methods_and_bodies_pass(cluster, method):
    cluster.service()
    cluster.route()
    answer = cluster.a.proxy(method, "/r", data="some body", headers={"Content-Type": "text/plain"})
    assert answer.status == 200
    assert seen(answer)["method"] == method and seen(answer)["body"] == "some body"


def test_head_has_no_body(cluster):
    cluster.service()
    cluster.route()
    answer = cluster.a.proxy("HEAD", "/r")
    assert answer.status == 200 and answer.body == b"" and int(answer.headers["Content-Length"]) > 0


def test_chunked_request_bodies_arrive_whole(cluster):
    cluster.service()
    cluster.route()
    request = b"POST /r HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n"
    assert b'"body": "abcdefg"' in raw(cluster.a.proxy_port, request)


@pytest.mark.parametrize("size", [0, 1, 65536, 5_000_000])
def test_bodies_of_any_size_pass_both_ways(cluster, size):
    cluster.service()
    cluster.route()
    assert len(cluster.a.proxy("GET", f"/r/bytes/{size}").body) == size
    assert len(seen(cluster.a.proxy("POST", "/r", data=b"y" * size))["body"]) == size


@pytest.mark.parametrize("status", [201, 204, 304, 404, 418, 500, 503])
def test_statuses_of_the_upstream_pass(cluster, status):
    cluster.service()
    cluster.route()
    assert cluster.a.proxy("GET", f"/r/status/{status}").status == status


def test_no_route_is_404(cluster):
    answer = cluster.a.proxy("GET", "/nothing-here")
    assert answer.status == 404
    assert answer.json["message"] == "no Route matched with those values"
    assert answer.headers["Server"].startswith("kong/")


def test_a_route_without_service_is_503(cluster):
    assert cluster.a.admin("POST", "/routes", json={"name": "lonely", "paths": ["/lonely"]}).status == 201
    assert cluster.a.proxy("GET", "/lonely").status == 503


def test_a_refused_upstream_is_502_and_a_slow_one_504(cluster):
    dead = free_ports(1)[0]
    cluster.a.admin("PUT", "/services/dead", json={"url": f"http://127.0.0.1:{dead}", "retries": 1})
    cluster.route("dead", service="dead")
    cluster.service("slow", read_timeout=300, retries=0)
    cluster.route("slow", service="slow")
    assert cluster.a.proxy("GET", "/dead").status == 502
    assert cluster.a.proxy("GET", "/slow/delay/3").status == 504
    cluster.a.admin("PUT", "/services/noname", json={"url": "http://no-such-host.invalid"})
    cluster.route("noname", service="noname")
    assert cluster.a.proxy("GET", "/noname").status == 503


def test_error_bodies_follow_accept(cluster):
    dead = free_ports(1)[0]
    cluster.a.admin("PUT", "/services/dead", json={"url": f"http://127.0.0.1:{dead}", "retries": 0})
    cluster.route("dead", service="dead")
    for accept, kind in (("application/json", "application/json"), ("text/html", "text/html"), ("application/xml", "application/xml"), ("text/plain", "text/plain")):
        answer = cluster.a.proxy("GET", "/dead", headers={"Accept": accept})
        assert answer.status == 502 and answer.headers["Content-Type"].startswith(kind), answer
        assert b"invalid response" in answer.body
    assert "request_id" in cluster.a.proxy("GET", "/dead", headers={"Accept": "application/json"}).json


def test_https_only_routes_say_426_or_redirect(cluster):
    cluster.service()
    cluster.route("secure", paths=["/secure"], protocols=["https"])
    cluster.route("moved", paths=["/moved"], protocols=["https"], https_redirect_status_code=301)
    assert cluster.a.proxy("GET", "/secure").status == 426
    answer = cluster.a.proxy("GET", "/moved/x?y=1", headers={"Host": "h.example"})
    assert answer.status == 301 and answer.headers["Location"] == "https://h.example/moved/x?y=1"


def test_tls_in_front(cluster):
    cluster.service()
    cluster.route("secure", paths=["/secure"], protocols=["https"])
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    answer = raw(cluster.a.tls_port, b"GET /secure HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", tls=context)
    assert answer.startswith(b"HTTP/1.1 200") and b'"X-Forwarded-Proto", "https"' in answer


class Scripted:
    """An upstream that answers each connection with the given bytes."""

    def __init__(self, reply, close=True, wait=0.0):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.reply, self.close_after, self.wait = reply, close, wait
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.answer, args=(link,), daemon=True).start()

    def answer(self, link):
        try:
            while b"\r\n\r\n" not in (link.recv(65536) or b"\r\n\r\n"):
                pass
            time.sleep(self.wait)
            for part in self.reply if isinstance(self.reply, list) else [self.reply]:
                link.sendall(part)
                time.sleep(0.02)
            if not self.close_after:
                time.sleep(2)
        except OSError:
            pass
        link.close()


@pytest.mark.parametrize("reply, status", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
    ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], 200),
    ([bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], 200),
    (b"HTTP/1.0 200 OK\r\n\r\nuntil close", 200),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
    (b"nonsense\r\n\r\n", 502),
    (b"", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 502),
    (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500_000 + b"\r\n\r\n", 502),
])
def test_answers_of_strange_upstreams(cluster, reply, status):
    upstream = Scripted(reply)
    cluster.a.admin("PUT", "/services/strange", json={"url": f"http://127.0.0.1:{upstream.port}", "retries": 0})
    cluster.route("strange", service="strange")
    assert cluster.a.proxy("GET", "/strange").status == status


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
])
def test_a_cut_answer_is_never_shown_as_complete(cluster, reply):
    upstream = Scripted(reply)
    cluster.a.admin("PUT", "/services/cut", json={"url": f"http://127.0.0.1:{upstream.port}", "retries": 0})
    cluster.route("cut", service="cut")
    answer = raw(cluster.a.proxy_port, b"GET /cut HTTP/1.1\r\nHost: x\r\n\r\n", timeout=5)
    if answer.startswith(b"HTTP/1.1 200"):
        head, body = answer.split(b"\r\n\r\n", 1)
        if b"content-length" in head.lower():
            assert len(body) < 100
        else:
            assert not body.endswith(b"0\r\n\r\n")
    else:
        assert answer.startswith(b"HTTP/1.1 502")


def test_a_kept_connection_that_died_is_replaced(cluster):
    upstream = Scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    cluster.a.admin("PUT", "/services/dying", json={"url": f"http://127.0.0.1:{upstream.port}"})
    cluster.route("dying", service="dying")
    for _ in range(20):
        assert cluster.a.proxy("GET", "/dying").status == 200


def test_answers_stream_while_the_upstream_still_sends(cluster):
    upstream = Scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"first"], close=False)
    cluster.a.admin("PUT", "/services/stream", json={"url": f"http://127.0.0.1:{upstream.port}", "retries": 0})
    cluster.route("stream", service="stream")
    link = socket.create_connection(("127.0.0.1", cluster.a.proxy_port), timeout=5)
    link.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    began, got = time.monotonic(), b""
    while b"first" not in got:
        got += link.recv(4096)
    assert time.monotonic() - began < 1.5
    link.close()


def test_a_client_that_reads_slowly_does_not_fill_our_memory(cluster):
    cluster.service()
    cluster.route()
    before = cluster.a.rss_kb()
    links = []
    for _ in range(8):
        link = socket.create_connection(("127.0.0.1", cluster.a.proxy_port))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.sendall(b"GET /r/bytes/30000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        links.append(link)
    time.sleep(1.5)
    grown = cluster.a.rss_kb() - before
    for link in links:
        link.close()
    assert grown < 100_000, f"{grown} KiB for 8 clients that do not read 240 MB"


def test_keep_alive_and_pipelining(cluster):
    cluster.service()
    cluster.route()
    request = b"GET /r/%d HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /r/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = raw(cluster.a.proxy_port, request % 1 + request % 2 + last)
    assert answer.count(b"HTTP/1.1 200") == 3
    assert answer.index(b'"path": "/1"') < answer.index(b'"path": "/2"') < answer.index(b'"path": "/last"')


def test_running_requests_end_before_a_graceful_stop(own_cluster):
    import signal

    cluster = own_cluster(redis=False, names=("a",), settings={"shutdown_timeout": 8})
    cluster.service()
    cluster.route()
    results = []
    asker = threading.Thread(target=lambda: results.append(cluster.a.proxy("GET", "/r/delay/2").status))
    asker.start()
    time.sleep(0.5)
    code = cluster.a.stop(signal.SIGQUIT)
    asker.join()
    assert results == [200] and code == 0
    with pytest.raises(OSError):
        ask(cluster.a.proxy_port, "GET", "/r")


def test_many_connections_at_once(cluster):
    cluster.service()
    cluster.route()
    statuses = []

    def burst():
        for _ in range(10):
            statuses.append(cluster.a.proxy("GET", "/r").status)

    threads = [threading.Thread(target=burst) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 400
    open_files = len(os.listdir(f"/proc/{cluster.a.worker_pid}/fd"))
    eventually(lambda: len(os.listdir(f"/proc/{cluster.a.worker_pid}/fd")) <= open_files, 5)
