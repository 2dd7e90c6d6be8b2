"""The tables of the data-plane reference, sections 3 to 5, row by row against a running node."""

import re
import socket
import ssl
import threading
import time

import pytest

from support import ask, free_ports, raw

ID = re.compile(r"[0-9a-f]{32}")
NO_ROUTE = "no Route matched with those values"


class Upstream:
    """Keeps the head of each request; answers with `reply`, whose body needs no Content-Length."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.reply, self.head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link:
                head = b""
                while b"\r\n\r\n" not in head:
                    part = link.recv(65536)
                    if not part:
                        break
                    head += part
                if head:
                    self.head = head.decode("latin-1")
                    link.sendall(self.reply.encode("latin-1"))

    def lines(self, name):
        return [line.split(": ", 1)[1] if ": " in line else "" for line in self.head.split("\r\n")[1:] if line.lower().startswith(name.lower() + ":")]


@pytest.fixture
def upstream_of_ours():
    made = Upstream()
    yield made
    made.listener.close()


@pytest.fixture
def node(own_cluster, upstream_of_ours):
    cluster = own_cluster(redis=False, names=("a",), start=False)
    node = cluster.a
    node.proxied_port, node.proxied_tls_port = free_ports(2)
    node.usual_listen = f"127.0.0.1:{node.proxy_port}, 127.0.0.1:{node.tls_port} ssl, 127.0.0.1:{node.proxied_port} proxy_protocol, 127.0.0.1:{node.proxied_tls_port} ssl proxy_protocol"
    node.settings = {"proxy_listen": node.usual_listen, "upstream_keepalive_pool_size": 0}
    cluster.start()
    node.upstream = upstream_of_ours
    node.admin("PUT", "/services/s", json={"url": f"http://127.0.0.1:{node.upstream.port}/", "retries": 0})
    cluster.route()
    node.admin("PUT", "/services/dead", json={"url": f"http://127.0.0.1:{free_ports(1)[0]}", "retries": 0})
    cluster.route("dead", service="dead")
    return node


def with_settings(node, **settings):
    """Live settings on top of the usual ones; the last ones are forgotten."""
    before = dict(node.settings)
    node.settings = before | settings
    result = node.reload()
    node.settings = before
    assert result.returncode == 0, result.stdout + result.stderr


def get(node, path, lines=(), method="GET", port=None, tls=False, host="h.test", version="1.1", prefix=b""):
    """A request with header lines as they are; status, headers (lower case, lists) and body."""
    request = f"{method} {path} HTTP/{version}\r\n" + (f"Host: {host}\r\n" if host else "")
    request += "".join(f"{line}\r\n" for line in lines) + ("" if any(line.lower().startswith("connection:") for line in lines) else "Connection: close\r\n")
    context = None
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    answer = raw(port or (node.tls_port if tls else node.proxy_port), prefix + request.encode("latin-1") + b"\r\n", timeout=5, tls=context)
    head, _, body = answer.decode("latin-1").partition("\r\n\r\n")
    headers = {}
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    assert head.startswith("HTTP/1.1 "), answer[:200]
    return int(head[9:12]), headers, body


def check_https_only(node):
    """3.1, and 5.3 for whose word counts."""
    for code in (426, 301, 302, 307, 308):
        node.cluster.route(f"https{code}", paths=[f"/https{code}"], protocols=["https"], https_redirect_status_code=code)
    node.cluster.route("http-only", paths=["/http-only"], protocols=["http"])
    status, headers, body = get(node, "/https426/x?y=1")
    assert (status, headers["connection"][-1], headers["upgrade"]) == (426, "Upgrade", ["TLS/1.2, HTTP/1.1"])
    assert '"message":"Please use HTTPS protocol"' in body
    for code in (301, 302, 307, 308):
        status, headers, body = get(node, f"/https{code}/%41/../b?y=%20&y=1", host="H.test:8000")
        assert (status, headers["location"], body) == (code, [f"https://h.test/https{code}/%41/../b?y=%20&y=1"], "")
    assert get(node, "/https426", tls=True)[0] == 200
    assert get(node, "/http-only", tls=True)[0] == 200
    # Whose X-Forwarded-Proto counts: (trusted_ips, its value, status)
    for trusted, said, status in (("10.0.0.1", "https", 426), ("127.0.0.1", "https", 200), ("127.0.0.1", "HTTPS", 426), ("127.0.0.1", "http", 426)):
        with_settings(node, trusted_ips=trusted)
        assert get(node, "/https426", [f"X-Forwarded-Proto: {said}"])[0] == status, (trusted, said)
    with_settings(node, trusted_ips="127.0.0.1")
    assert get(node, "/https301/z", ["X-Forwarded-Host: Public.test:99"])[1]["location"] == ["https://Public.test/https301/z"]
    assert get(node, "/https301/z", ["X-Forwarded-Proto: http"], tls=True)[0] == 301
    with_settings(node)


def check_grpc_routes(node):
    """3.2; clients do not get HTTP/2, so a gRPC request has come by HTTP/1.1 whatever it says."""
    node.admin("PUT", "/services/g", json={"url": f"grpc://127.0.0.1:{node.upstream.port}"})
    for name, protocols in (("g", ["grpc", "grpcs"]), ("gs", ["grpcs"])):
        answer = node.admin("PUT", f"/services/g/routes/{name}", json={"protocols": protocols, "paths": [f"/{name}.Greeter"]})
        assert answer.status == 200, answer
    status, headers, body = get(node, "/g.Greeter/Hello", ["Content-Type: application/grpc+proto"], method="POST")
    assert (status, headers["connection"][-1], headers["upgrade"]) == (426, "Upgrade", ["HTTP/2"]) and "Please use HTTP2 protocol" in body
    for lines in ([], ["Content-Type: application/json"]):
        status, _, body = get(node, "/g.Greeter/Hello", lines, method="POST")
        assert status == 415 and "Non-gRPC request matched gRPC route" in body


def check_refusals_of_the_front(node):
    """3.3: family A, in the format of the engine; nothing of it depends on routes."""
    long = "x" * 9000
    for request, status, text in (
            (b"TRACE /r HTTP/1.1\r\nHost: h\r\n\r\n", 405, "Method not allowed"),
            (b"GET /r HTTP/1.1\r\n\r\n", 400, "Bad request"),
            (b"GET /r HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400, "Bad request"),
            (f"GET /r HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n".encode(), 400, "Bad request"),
            (f"GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n".encode(), 414, "URI too long")):
        answer = raw(node.proxy_port, request).decode()
        head, _, body = answer.partition("\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {status} "), (request[:40], answer[:200])
        assert re.fullmatch(text + r"\nrequest_id: [0-9a-f]{32}\n", body), (request[:40], body)
        assert "\r\nContent-Type: text/plain; charset=utf-8" in head and "\r\nServer: kong/" in head and "X-Kong-Response-Latency: " in head
        assert re.search(r"X-Kong-Request-Id: ([0-9a-f]{32})", head).group(1) in body
    for request in (b"GET /r HTTP/1.1\r\nHost: h\r\nBad Name: 1\r\n\r\n", b"rubbish\r\n\r\n"):  # what libh2o cannot parse it answers itself
        assert raw(node.proxy_port, request).startswith(b"HTTP/1.1 400 ")
    assert b" 200 " not in raw(node.tls_port, b"GET /r HTTP/1.1\r\nHost: h\r\n\r\n")
    assert get(node, "/r", host=None, version="1.0")[0] == 200


def check_failures(node):
    """3.4, and 4.2: whose error it is decides about the format when there is no Accept."""
    answer = node.admin("POST", "/routes", json={"name": "lonely", "paths": ["/lonely"]})
    assert answer.status == 201
    node.admin("PUT", "/services/slow", json={"url": f"http://127.0.0.1:{node.upstream.port}", "retries": 0, "read_timeout": 100})
    node.admin("PUT", "/services/nameless", json={"url": "http://no-such-host.invalid", "retries": 0})
    node.admin("PUT", "/upstreams/empty", json={})
    node.admin("PUT", "/services/peerless", json={"host": "empty", "retries": 0})
    for name in ("nameless", "peerless"):
        node.cluster.route(name, service=name)
    rubbish = "rubbish\r\n\r\n"
    for path, reply, status, message, is_engine in (
            ("/nowhere", None, 404, NO_ROUTE, False),
            ("/lonely", None, 503, "no Service found with those values", False),
            ("/nameless", None, 503, "name resolution failed", False),
            ("/peerless", None, 503, "failure to get a peer from the ring-balancer", False),
            ("/dead", None, 502, "An invalid response was received from the upstream server", True),
            ("/r", rubbish, 502, "An invalid response was received from the upstream server", True),
            ("/r", "", 502, "An invalid response was received from the upstream server", True)):
        if reply is not None:
            node.upstream.reply = reply
        got, headers, body = get(node, path)
        kind = "text/plain" if is_engine else "application/json"
        assert (got, headers["content-type"]) == (status, [f"{kind}; charset=utf-8"]), (path, body)
        assert message in body and headers["x-kong-request-id"][0] in body, (path, body)
        # 5.1: what has left for an upstream is proxied, even if it failed
        proxied = is_engine
        assert ("via" in headers, "x-kong-proxy-latency" in headers, "x-kong-upstream-latency" in headers) == (proxied,) * 3, path
        assert ("server" in headers, "x-kong-response-latency" in headers) == (not proxied,) * 2, path
    node.upstream.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert node.admin("POST", "/routes/peerless/plugins", json={"name": "key-auth"}).status == 201
    assert get(node, "/peerless")[0] == 401  # access runs before the balancer


def check_accept(node):
    """4.1 and 4.2: Accept, weights, and what a client without it gets from each family."""
    shapes = {
        "json": ("application/json; charset=utf-8", r'\{\n  "message":"M",\n  "request_id":"I"\n\}'),
        "html": ("text/html; charset=utf-8", r"(?s).*<h1>Error</h1>\s*<p>M\.</p>\s*<p>request_id: I</p>.*"),
        "plain": ("text/plain; charset=utf-8", r"M\nrequest_id: I\n"),
        "xml": ("application/xml; charset=utf-8", r"(?s)<\?xml [^>]*\?>\s*<error>\s*<message>M</message>\s*<requestid>I</requestid>\s*</error>\s*"),
    }
    for lines, of_gateway, of_engine in (
            ([], "json", "plain"),
            (["Content-Type: text/html"], "json", "html"),
            (["Content-Type: application/xml; charset=x"], "json", "xml"),
            (["Accept: text/html", "Content-Type: application/xml"], "html", "html"),
            (["Accept: text/html;q=0.5, application/xml"], "xml", "xml"),
            (["Accept: text/html;q=0.5, application/xml;q=0.4"], "html", "html"),
            (["Accept: text/plain, text/html"], "plain", "plain"),
            (["Accept: text/*"], "plain", "plain"),
            (["Accept: text/html;q=0, application/xml;q=0.1"], "xml", "xml"),
            (["Accept: */*"], "json", "json"),
            (["Accept: application/*"], "json", "json"),
            (["Accept: image/png"], "json", "json"),
            (["Accept: TEXT/HTML ; level=1 ; q=0.9, image/png;q=0.8"], "html", "html")):
        for path, message, wanted in (("/nowhere", NO_ROUTE, of_gateway), ("/dead", "An invalid response was received from the upstream server", of_engine)):
            _, headers, body = get(node, path, lines)
            kind, shape = shapes[wanted]
            assert headers["content-type"] == [kind], (lines, path)
            pattern = shape.replace("M", re.escape(message)).replace("I", headers["x-kong-request-id"][0])
            assert re.fullmatch(pattern, body), (lines, path, body)
            status, empty, nothing = get(node, path, lines, method="HEAD")
            assert (nothing, empty["content-type"], empty["content-length"]) == ("", [kind], [str(len(body))]), (lines, path, status)
    for kind, wanted in (("text/html", "html"), ("application/json", "json"), ("application/xml", "xml")):
        with_settings(node, error_default_type=kind)
        assert get(node, "/dead")[1]["content-type"] == [shapes[wanted][0]]
        assert get(node, "/nowhere")[1]["content-type"] == [shapes["json"][0]]
    with_settings(node)


def check_answers_of_upstreams_stay(node):
    """4.3: what an upstream has really sent is never rewritten."""
    for status in (400, 404, 405, 411, 426, 494, 500, 502, 503, 504, 599):
        node.upstream.reply = f"HTTP/1.1 {status} Own Words\r\nContent-Length: 4\r\nContent-Type: a/b\r\n\r\nmine"
        got, headers, body = get(node, "/r", ["Accept: text/html"])
        assert (got, headers["content-type"], body) == (status, ["a/b"], "mine")
    node.upstream.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def check_response_tokens(node):
    """5.1: (headers, names there on a proxied answer, names there on one of our own)."""
    reply = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nServer: theirs\r\nVia: theirs\r\nX-Kong-Request-Id: theirs\r\nX-Kong-Upstream-Status: 7\r\n\r\n"
    every = {"via", "server", "x-kong-proxy-latency", "x-kong-upstream-latency", "x-kong-response-latency", "x-kong-upstream-status", "x-kong-request-id"}
    usual = {"via", "x-kong-proxy-latency", "x-kong-upstream-latency", "x-kong-request-id"}
    node.upstream.reply = reply
    for setting, proxied, own in (
            (None, usual, {"server", "x-kong-response-latency", "x-kong-request-id"}),
            ("server_tokens", {"via"}, {"server"}),
            ("SERVER_TOKENS", {"via"}, {"server"}),
            ("latency_tokens", {"x-kong-proxy-latency", "x-kong-upstream-latency"}, {"x-kong-response-latency"}),
            ("via", {"via"}, set()),
            ("Server", set(), {"server"}),
            ("X-Kong-Upstream-Status", {"x-kong-upstream-status"}, set()),
            ("X-Kong-Request-Id", {"x-kong-request-id"}, {"x-kong-request-id"}),
            ("X-Kong-Response-Latency", set(), {"x-kong-response-latency"}),
            ("X-Kong-Proxy-Latency", {"x-kong-proxy-latency"}, set()),
            ("X-Kong-Upstream-Latency", {"x-kong-upstream-latency"}, set()),
            ("off", set(), set()),
            ("off, server_tokens", set(), set())):
        with_settings(node, headers=setting)
        _, headers, _ = get(node, "/r")
        ours = {name for name in every & set(headers) if headers[name] not in (["theirs"], ["7"])}
        assert ours == proxied, (setting, headers)
        assert headers["server"] == ["theirs"]
        _, headers, body = get(node, "/nowhere")
        assert every & set(headers) == own, (setting, headers)
        assert all(len(headers[name]) == 1 for name in every & set(headers))
        if "x-kong-request-id" in headers:
            assert ID.fullmatch(headers["x-kong-request-id"][0]) and headers["x-kong-request-id"][0] in body
    with_settings(node, headers="X-Kong-Upstream-Status, server_tokens")
    _, headers, _ = get(node, "/r")
    assert headers["x-kong-upstream-status"] == ["201"] and headers["via"] == ["kong/3.5.0"]
    node.upstream.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    node.settings["headers"] = "server_tokens, X-Kong-No-Such"
    assert node.reload().returncode != 0
    del node.settings["headers"]
    with_settings(node)


def check_upstream_tokens(node):
    for setting, said, wanted in ((None, None, ID), ("off", None, None), ("off", "mine", re.compile("mine")), (None, "mine", ID)):
        with_settings(node, headers_upstream=setting)
        _, headers, _ = get(node, "/r", [f"X-Kong-Request-Id: {said}"] if said else [])
        seen = node.upstream.lines("X-Kong-Request-Id")
        assert (seen == [] if wanted is None else len(seen) == 1 and wanted.fullmatch(seen[0])), (setting, said, seen)
        if wanted is ID:
            assert headers["x-kong-request-id"] == seen
    with_settings(node)


def check_debug(node):
    """5.2."""
    names = {"kong-route-id", "kong-route-name", "kong-service-id", "kong-service-name"}
    for setting, lines, there in (("off", ["Kong-Debug: 1"], set()), ("on", [], set()), ("on", ["Kong-Debug: 1"], names), ("on", ["kong-debug: "], names)):
        with_settings(node, allow_debug_header=setting)
        headers = get(node, "/r", lines)[1]
        assert names & set(headers) == there, (setting, lines)
        if there:
            assert headers["kong-route-name"] == ["r"] and headers["kong-service-name"] == ["s"]
        assert not names & set(get(node, "/nowhere", lines)[1])
    with_settings(node)


def check_real_address(node):
    """5.3, 1: (settings, lines, X-Real-IP that the upstream sees)."""
    all_of = "0.0.0.0/0"
    for settings, lines, wanted in (
            ({}, ["X-Real-IP: 1.1.1.1"], "127.0.0.1"),
            ({"trusted_ips": "unix:"}, ["X-Real-IP: 1.1.1.1"], "127.0.0.1"),
            ({"trusted_ips": "127.0.0.0/8"}, ["X-Real-IP: 1.1.1.1"], "1.1.1.1"),
            ({"trusted_ips": all_of}, ["X-Real-IP: 1.1.1.1"], "1.1.1.1"),
            ({"trusted_ips": "::/0"}, ["X-Real-IP: 1.1.1.1"], "127.0.0.1"),
            ({"trusted_ips": all_of}, [], "127.0.0.1"),
            ({"trusted_ips": all_of}, ["X-Forwarded-For: 1.1.1.1"], "127.0.0.1"),
            ({"trusted_ips": all_of}, ["X-Real-IP: rubbish"], "127.0.0.1"),
            ({"trusted_ips": all_of, "real_ip_header": "X-Forwarded-For"}, ["X-Forwarded-For: 1.1.1.1, 2.2.2.2"], "2.2.2.2"),
            ({"trusted_ips": "127.0.0.1, 2.2.2.0/24", "real_ip_header": "X-Forwarded-For"}, ["X-Forwarded-For: 1.1.1.1, 2.2.2.2"], "2.2.2.2"),
            ({"trusted_ips": "127.0.0.1, 2.2.2.0/24", "real_ip_header": "X-Forwarded-For", "real_ip_recursive": "on"},
             ["X-Forwarded-For: 9.9.9.9, 1.1.1.1, 2.2.2.2, 2.2.2.3"], "1.1.1.1"),
            ({"trusted_ips": "127.0.0.1", "real_ip_header": "X-Mine"}, ["x-mine: 2001:db8::1"], "2001:db8::1"),
            ({"trusted_ips": all_of, "real_ip_header": "proxy_protocol"}, ["X-Real-IP: 1.1.1.1"], "127.0.0.1")):
        with_settings(node, **settings)
        get(node, "/r", lines)
        assert node.upstream.lines("X-Real-IP") == [wanted], (settings, lines)
    with_settings(node)


def check_forwarding_headers(node):
    """5.3, 2: what the upstream is told, by whether the peer is trusted."""
    node.cluster.route("root", paths=["/"])
    said = ["X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 1.1.1.2", "X-Forwarded-Proto: https", "X-Forwarded-Host: said.test:1", "X-Forwarded-Port: 99",
            "X-Forwarded-Path: /said", "X-Forwarded-Prefix: /pre"]
    port = str(node.proxy_port)
    believed = {"For": "1.1.1.1, 1.1.1.2, 127.0.0.1", "Proto": "https", "Host": "said.test:1", "Port": "99", "Path": "/said", "Prefix": "/pre"}
    for trusted, lines, path, wanted in (
            (None, [], "/r/%41?q=1", {"For": "127.0.0.1", "Proto": "http", "Host": "h.test", "Port": port, "Path": "/r/%41", "Prefix": "/r"}),
            (None, said, "/r/x", {"For": "1.1.1.1, 1.1.1.2, 127.0.0.1", "Proto": "http", "Host": "h.test", "Port": port, "Path": "/r/x", "Prefix": "/r"}),
            (None, said, "/other", {"For": "1.1.1.1, 1.1.1.2, 127.0.0.1", "Proto": "http", "Host": "h.test", "Port": port, "Path": "/other", "Prefix": None}),
            ("127.0.0.1", said, "/r/x", believed),
            ("127.0.0.1", said, "/other", believed),
            ("127.0.0.1", [], "/r/x", {"For": "127.0.0.1", "Proto": "http", "Host": "h.test", "Port": port, "Path": "/r/x", "Prefix": "/r"}),
            ("127.0.0.1", ["X-Real-IP: 7.7.7.7"], "/r/x", {"For": "7.7.7.7", "Prefix": "/r"})):
        with_settings(node, trusted_ips=trusted)
        get(node, path, lines, host="H.test:81")
        for name, value in wanted.items():
            assert node.upstream.lines(f"X-Forwarded-{name}") == ([value] if value is not None else []), (trusted, path, name, node.upstream.head)
    with_settings(node, port_maps=f"80:{node.proxy_port}, 443:{node.tls_port}")
    get(node, "/r")
    assert node.upstream.lines("X-Forwarded-Port") == ["80"]
    get(node, "/r", tls=True)
    assert node.upstream.lines("X-Forwarded-Port") == ["443"] and node.upstream.lines("X-Forwarded-Proto") == ["https"]
    with_settings(node)
    node.admin("DELETE", "/routes/root")


V2_FOUR = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([9, 8, 7, 6, 127, 0, 0, 1, 0x12, 0x34, 0, 80])
V2_SIX = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x29" + socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + b"\x12\x34\0\x50" + b"\x04\0\x02xx"
V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"


def check_proxy_protocol(node):
    """In front: what the line says is the peer; with real_ip_header = proxy_protocol the client as well."""
    for line, peer in ((b"PROXY TCP4 9.8.7.6 127.0.0.1 4660 80\r\n", "9.8.7.6"), (b"PROXY TCP6 2001:db8::7 ::1 4660 80\r\n", "2001:db8::7"),
                       (b"PROXY UNKNOWN\r\n", "127.0.0.1"), (V2_FOUR, "9.8.7.6"), (V2_SIX, "2001:db8::7"), (V2_LOCAL, "127.0.0.1")):
        for settings, real in (({}, peer), ({"trusted_ips": "0.0.0.0/0, ::/0", "real_ip_header": "proxy_protocol"}, peer),
                               ({"trusted_ips": "9.8.7.6, 2001:db8::7, 127.0.0.1"}, "1.1.1.1")):
            with_settings(node, **settings)
            assert get(node, "/r", ["X-Real-IP: 1.1.1.1"], port=node.proxied_port, prefix=line)[0] == 200, line
            assert node.upstream.lines("X-Real-IP") == [real], (line, settings)
            assert node.upstream.lines("X-Forwarded-For") == [real], (line, settings)
    with_settings(node)
    for line in (b"", b"PROXY TCP4 rubbish\r\n", V2_FOUR[:13] + b"\x21\x11\x00\x02ab", V2_FOUR[:12] + b"\x31\x11\x00\x0c" + V2_FOUR[16:], b"\r\n\r\n\0\r\nQUIX\n" + V2_FOUR[12:]):
        answer = raw(node.proxied_port, line + b"GET /r HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", timeout=2)
        assert b" 200 " not in answer, (line, answer)


def check_proxy_lines_in_pieces(node):
    """However the bytes arrive, none of what follows is lost; over TLS as well."""
    for line, peer in ((b"PROXY TCP4 9.8.7.6 127.0.0.1 4660 80\r\n", "9.8.7.6"), (V2_SIX, "2001:db8::7")):
        with socket.create_connection(("127.0.0.1", node.proxied_port), timeout=5) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in line[:-1]:
                link.sendall(bytes([byte]))
                time.sleep(0.001)
            link.sendall(line[-1:] + b"GET /r HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            assert link.recv(100).startswith(b"HTTP/1.1 200")
            assert node.upstream.lines("X-Real-IP") == [peer]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", node.proxied_tls_port), timeout=5) as link:
            link.sendall(line)
            with context.wrap_socket(link, server_hostname="localhost") as sealed:
                sealed.sendall(b"GET /r HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                assert sealed.recv(100).startswith(b"HTTP/1.1 200")
                assert node.upstream.lines("X-Real-IP") == [peer]


def check_queries(node):
    """Section 2: byte for byte, whatever happens to the path."""
    for query in ("?", "?a", "?a=1&a=1&b=%41%zz+%20", "??", "?a=b?c#"[:-1], "?%2e%2e/"):
        get(node, f"/r/x%41{query}")
        assert node.upstream.head.split("\r\n")[0] == f"GET /xA{query} HTTP/1.1", query


def check_host(node):
    """5.4, without `upstream` entities (test_balancing)."""
    node.cluster.route("kept", paths=["/kept"], preserve_host=True)
    node.admin("PUT", "/services/usual", json={"url": f"http://127.0.0.1:{node.upstream.port}", "retries": 0})
    get(node, "/kept", host="Client.test:81")
    assert node.upstream.lines("Host") == ["Client.test:81"]
    get(node, "/r", host="client.test")
    assert node.upstream.lines("Host") == [f"127.0.0.1:{node.upstream.port}"]


def check_hop_by_hop(node):
    """5.5: (lines of the client, name, what the upstream gets)."""
    for lines, name, wanted in (
            (["Connection: X-Own, close", "X-Own: 1"], "X-Own", []),
            (["Connection: close", "Close: 1", "Keep-Alive: 2"], "Close", ["1"]),
            (["Keep-Alive: 1"], "Keep-Alive", []),
            (["Proxy: 1"], "Proxy", []),
            (["Proxy-Connection: 1"], "Proxy-Connection", []),
            (["Upgrade: h2c"], "Upgrade", []),
            (["TE: gzip, trailers"], "TE", ["trailers"]),
            (["TE: gzip"], "TE", []),
            (["Proxy-Authorization: Basic x"], "Proxy-Authorization", ["Basic x"]),
            (["Proxy-Authenticate: y"], "Proxy-Authenticate", ["y"]),
            (["X_under: 1"], "X_under", ["1"]),
            (["1digit: 1"], "1digit", ["1"]),
            ([], "Connection", ["keep-alive"]),
            (["Connection: Upgrade", "Upgrade: WebSocket"], "Connection", ["keep-alive, Upgrade"]),
            (["Connection: Upgrade", "Upgrade: WebSocket"], "Upgrade", ["websocket"])):
        if "Connection: Upgrade" in lines:
            node.upstream.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        get(node, "/r", lines)
        assert node.upstream.lines(name) == wanted, (lines, node.upstream.head)
    for reply, lines, name, wanted in (
            ("Connection: X-Own\r\nX-Own: 1", [], "x-own", None),
            ("Connection: close\r\nClose: 1", [], "close", ["1"]),
            ("Upgrade: h2c", [], "upgrade", None),
            ("Trailer: X", [], "trailer", None),
            ("Trailer: X", ["TE: trailers"], "trailer", ["X"]),
            ("Keep-Alive: 5", [], "keep-alive", None),
            ("Server: theirs", [], "server", ["theirs"]),
            ("Date: Mon, 01 Jan 2024 00:00:00 GMT", [], "date", ["Mon, 01 Jan 2024 00:00:00 GMT"]),
            ("X_under: 1", [], "x_under", ["1"])):
        node.upstream.reply = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{reply}\r\n\r\n"
        assert get(node, "/r", lines)[1].get(name) == wanted, (reply, lines)
    for charset, kind, wanted in ((None, "text/html", "text/html; charset=UTF-8"), (None, "application/json", "application/json"), ("off", "text/html", "text/html"),
                                  ("koi8-r", "text/plain", "text/plain; charset=koi8-r"), (None, "text/html; charset=x", "text/html; charset=x")):
        with_settings(node, nginx_http_charset=charset)
        node.upstream.reply = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: {kind}\r\n\r\n"
        assert get(node, "/r")[1]["content-type"] == [wanted]
    with_settings(node)
    node.upstream.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def check_error_templates(node):
    """4.3, each format; read again by each reload; a bad one is refused and named, and changes nothing."""
    kinds = {"html": "text/html", "json": "application/json", "xml": "application/xml", "plain": "text/plain"}
    paths = {kind: f"{node.cluster.directory}/page.{kind}" for kind in kinds}

    def write(text):
        for kind, path in paths.items():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("KIND", kind))

    write("<KIND 100%%> %s at %s")
    with_settings(node, **{f"error_template_{kind}": path for kind, path in paths.items()})
    for kind, media_type in kinds.items():
        for path, message in (("/nowhere", NO_ROUTE), ("/dead", "An invalid response was received from the upstream server")):
            _, headers, body = get(node, path, [f"Accept: {media_type}"])
            assert headers["content-type"] == [f"{media_type}; charset=utf-8"]
            assert body == f"<{kind} 100%> {message} at {headers['x-kong-request-id'][0]}", (kind, path)
    assert get(node, "/peerless")[0] == 401 and get(node, "/peerless")[2].startswith("<json ")  # a plugin's (check_failures)
    write("KIND: %s")
    assert node.command("reload").returncode == 0
    assert get(node, "/nowhere")[2] == f"json: {NO_ROUTE}"
    assert get(node, "/nowhere", ["Accept: text/html"], method="HEAD")[2] == ""
    for text, reason in (("%d", "followed by neither"), ("%s%s%s", "at most two"), ("x" * 70000, "more than 65536 bytes"), ("\0", "no text"), (None, "No such file")):
        if text is None:
            node.settings["error_template_html"] = "/nonexistent/page"
        else:
            node.settings["error_template_html"] = paths["html"]
            write(text)
        refused = node.reload()
        said = refused.stdout + refused.stderr
        assert refused.returncode != 0 and "error_template_html" in said and reason in said, (text, said)
        checked = node.command("check", node.conf)
        assert checked.returncode != 0 and "error_template_html" in checked.stdout + checked.stderr
        assert get(node, "/nowhere")[2] == f"json: {NO_ROUTE}"
    del node.settings["error_template_html"]
    with_settings(node)
    assert get(node, "/nowhere")[2].startswith('{\n  "message"')


CHECKS = [check_https_only, check_grpc_routes, check_refusals_of_the_front, check_failures, check_accept, check_answers_of_upstreams_stay, check_response_tokens,
          check_upstream_tokens, check_debug, check_real_address, check_forwarding_headers, check_proxy_protocol, check_proxy_lines_in_pieces, check_queries, check_host, check_hop_by_hop,
          check_error_templates]


def test_the_tables_of_the_reference(node):
    failed = []
    for check in CHECKS:
        try:
            check(node)
        except Exception as problem:
            failed.append(f"{check.__name__}: {problem!r}")
            with_settings(node)
            node.upstream.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert not failed, "\n\n".join(failed)
