"""The access logs: one line per request however it ended, in both formats, and nothing a client sends breaks a line."""

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

from raw_upstream import RawUpstream
from support import PROGRAM, eventually, free_ports, raw

COMBINED = re.compile(r'^(\S+) - (\S+) \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "(\S+) (\S+) (HTTP/1\.[01])" (\d{3}) (\d+) "([^"]*)" "([^"]*)"$')


@pytest.fixture
def node(own_cluster, tmp_path):
    os.chmod(tmp_path, 0o755)
    made = own_cluster(redis=False, names=("a",), start=False)
    made.a.settings = {"proxy_access_log": f"{tmp_path}/access.log", "admin_access_log": f"{tmp_path}/admin.log",
                       "access_log_format": "json", "trusted_ips": "127.0.0.1", "nginx_http_client_max_body_size": "2k"}
    made.start()
    made.a.access, made.a.admin_access = f"{tmp_path}/access.log", f"{tmp_path}/admin.log"
    made.service(retries=1)
    made.route()
    return made.a


def lines(path):
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        return file.read().splitlines()
    return []


def line_of(path, mark):
    """The one line of the request whose target has the mark."""
    found = eventually(lambda: [line for line in lines(path) if mark in line], what=f"the line of {mark}")
    assert len(found) == 1, found
    return json.loads(found[0])


def check_a_usual_request(node):
    body = b"x" * 100
    answer = node.proxy("POST", "/r/usual?a=1", data=body, headers={"User-Agent": "test/1", "Referer": "http://r/", "Host": "h.test", "X-Real-IP": "192.0.2.7"})
    line = line_of(node.access, "usual")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert line["request_id"] == answer.headers["X-Kong-Request-Id"]
    upstream = f"127.0.0.1:{node.cluster.upstream.port}"
    expected = {"client": "192.0.2.7", "peer": "127.0.0.1", "user": None, "method": "POST", "scheme": "http", "host": "h.test", "uri": "/r/usual?a=1",
                "protocol": "HTTP/1.1", "status": 200, "aborted": False, "bytes_in": 100, "bytes_out": len(answer.body), "upstream_addresses": [upstream],
                "upstream_status": 200, "retries": 0, "route": "r", "service": "s", "consumer": None, "tls_version": None, "user_agent": "test/1", "referer": "http://r/"}
    assert {name: line[name] for name in expected} == expected
    assert 0 <= line["gateway_ms"] <= line["request_ms"] and 0 < line["upstream_ms"] <= line["request_ms"]


def check_failures(node):
    dead = free_ports(1)[0]
    node.admin("PUT", "/services/dead", json={"url": f"http://127.0.0.1:{dead}", "retries": 2})
    node.cluster.route("dead", service="dead")
    assert node.proxy("GET", "/dead/x").status == 502
    line = line_of(node.access, "/dead/x")
    assert (line["status"], line["upstream_status"], line["retries"], line["upstream_ms"]) == (502, 502, 2, None)
    assert line["upstream_addresses"] == [f"127.0.0.1:{dead}"] * 3
    assert node.proxy("GET", "/nowhere").status == 404
    line = line_of(node.access, "/nowhere")
    assert (line["status"], line["route"], line["upstream_addresses"], line["upstream_status"], line["client"]) == (404, None, [], None, "127.0.0.1")


def check_what_the_front_refuses(node):
    assert b" 405 " in raw(node.proxy_port, b"TRACE /traced HTTP/1.1\r\nHost: x\r\n\r\n")
    assert line_of(node.access, "/traced")["status"] == 405
    assert b" 400 " in raw(node.proxy_port, b"GET /twice HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
    assert line_of(node.access, "/twice")["status"] == 400
    assert b" 413 " in raw(node.proxy_port, b"POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
    line = line_of(node.access, "/large")
    assert line["status"] == 413 and line["bytes_out"] > 0


def check_clients_that_leave(node):
    with socket.create_connection(("127.0.0.1", node.proxy_port)) as link:
        link.sendall(b"GET /r/delay/5?left HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
    line = line_of(node.access, "?left")
    assert (line["status"], line["aborted"], line["upstream_status"]) == (499, True, None)
    with socket.create_connection(("127.0.0.1", node.proxy_port)) as link:
        link.sendall(b"GET /r/bytes/50000000?halfway HTTP/1.1\r\nHost: x\r\n\r\n")
        link.recv(1000)
    line = line_of(node.access, "?halfway")
    assert (line["status"], line["aborted"]) == (200, True) and line["bytes_out"] < 50000000


def check_tunnels(node):
    """Their line comes at their end."""
    def serve(_, link):
        link.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        got = 0
        while got < 30000:
            got += len(link.recv(65536))
        link.sendall(b"y" * 50000)
        time.sleep(0.5)

    upstream = RawUpstream(serve)
    node.admin("PUT", "/services/tunnels", json={"url": upstream.url})
    node.cluster.route("tunnels", service="tunnels")
    with socket.create_connection(("127.0.0.1", node.proxy_port), timeout=20) as link:
        link.sendall(b"GET /tunnels/it?x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUser-Agent: w\r\n\r\n")
        assert link.recv(65536).startswith(b"HTTP/1.1 101")
        time.sleep(0.3)
        assert not [line for line in lines(node.access) if "/tunnels/it" in line]
        link.sendall(b"x" * 30000)
        while link.recv(65536):
            pass
    line = line_of(node.access, "/tunnels/it")
    expected = {"status": 101, "aborted": False, "bytes_in": 30000, "bytes_out": 50000, "uri": "/tunnels/it?x", "method": "GET", "route": "tunnels",
                "service": "tunnels", "upstream_addresses": [f"127.0.0.1:{upstream.port}"], "upstream_status": 101, "user_agent": "w", "host": "x"}
    assert {name: line[name] for name in expected} == expected
    assert line["request_ms"] > 750 > line["gateway_ms"]
    upstream.stop()


def check_consumers_and_tls(node):
    node.cluster.route("keyed", paths=["/keyed"])
    assert node.admin("POST", "/routes/keyed/plugins", json={"name": "key-auth"}).status == 201
    assert node.admin("POST", "/consumers", json={"username": "ann o'n"}).status == 201
    assert node.admin("POST", "/consumers/ann%20o'n/key-auth", json={"key": "k"}).status == 201
    assert node.proxy("GET", "/keyed/yes", headers={"apikey": "k"}).status == 200
    line = line_of(node.access, "/keyed/yes")
    assert (line["consumer"], line["user"], line["route"]) == ("ann o'n", "ann o'n", "keyed")
    assert node.proxy("GET", "/keyed/no").status == 401
    assert line_of(node.access, "/keyed/no")["consumer"] is None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert b" 200 " in raw(node.tls_port, b"GET /r/sealed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", tls=context)
    line = line_of(node.access, "/r/sealed")
    assert (line["scheme"], line["tls_version"], line["sni"]) == ("https", "TLSv1.3", "localhost")
    assert line["tls_cipher"].startswith("TLS_")


def check_injection(node):
    evil = b'x" 200 0 "-"\t\\ \xff\xc3\xa9'
    assert b" 200 " in raw(node.proxy_port, b"GET /r/evil HTTP/1.1\r\nHost: x\r\nUser-Agent: " + evil + b"\r\nConnection: close\r\n\r\n")
    line_of(node.access, "/r/evil")
    before = len(lines(node.access))
    node.settings["access_log_format"] = "combined"
    assert "access_log_format: applied" in node.reload().stdout
    assert b" 200 " in raw(node.proxy_port, b"GET /r/evil2 HTTP/1.1\r\nHost: x\r\nUser-Agent: " + evil + b"\r\nConnection: close\r\n\r\n")
    (line,) = eventually(lambda: lines(node.access)[before:])
    assert COMBINED.match(line), line
    assert COMBINED.match(line).group(9) == r'x\x22 200 0 \x22-\x22\x09\x5C \xFF\xC3\xA9'


def check_the_admin_log(node):
    assert node.admin("GET", "/services?marked").status == 200
    (line,) = eventually(lambda: [line for line in lines(node.admin_access) if "?marked" in line])
    assert COMBINED.match(line).group(6) == "200"
    node.status("GET", "/status?from-outside")
    assert node.admin("GET", "/nothing-here").status == 404
    eventually(lambda: [line for line in lines(node.admin_access) if "/nothing-here" in line])
    assert not [line for line in lines(node.admin_access) + lines(node.access) if "from-outside" in line]


def check_rotation(node):
    os.rename(node.access, node.access + ".1")
    node.signal(signal.SIGUSR1)
    eventually(lambda: os.path.exists(node.access))
    assert node.proxy("GET", "/r/rotated").status == 200
    eventually(lambda: [line for line in lines(node.access) if "/r/rotated" in line])
    node.settings["proxy_access_log"] = "off"
    node.reload()
    assert node.proxy("GET", "/r/unseen").status == 200
    node.settings["proxy_access_log"] = f"{node.access} json"
    node.reload()
    assert node.proxy("GET", "/r/seen").status == 200
    assert line_of(node.access, "/r/seen")["status"] == 200
    assert not [line for line in lines(node.access) if "/r/unseen" in line]


def check_the_end(node):
    """What was gathered is written before the process ends."""
    for i in range(50):
        assert node.proxy("GET", f"/r/last{i}").status == 200
    assert node.stop() == 0
    assert len([line for line in lines(node.access) if "/r/last" in line]) == 50


def test_one_line_per_request(node):
    check_a_usual_request(node)
    check_failures(node)
    check_what_the_front_refuses(node)
    check_clients_that_leave(node)
    check_tunnels(node)
    check_consumers_and_tls(node)
    check_injection(node)
    check_the_admin_log(node)
    check_rotation(node)
    check_the_end(node)


def test_without_settings_lines_go_where_their_reader_is(own_cluster):
    """Foreground: stdout, the log to stderr. Background: files under the prefix."""
    cluster = own_cluster(redis=False, names=("a",), start=False)
    node = cluster.a
    node.settings = {"proxy_access_log": None, "admin_access_log": None, "error_log_format": "json"}
    cluster.postgres.create_database(cluster.database)
    node.write_settings()
    assert node.command("migrations", "bootstrap").returncode == 0
    out = os.path.join(cluster.directory, "out")
    with open(out, "wb") as stdout, open(node.log_path, "ab") as log:
        node.process = subprocess.Popen([PROGRAM, "start", "-c", node.conf], stdout=stdout, stderr=log, env=node.environment())
    node.wait_ready()
    assert node.proxy("GET", "/nowhere").status == 404
    eventually(lambda: [line for line in lines(out) if '"GET /nowhere ' in line and COMBINED.match(line)])
    eventually(lambda: [line for line in lines(out) if '"GET /openapi.json ' in line])
    node.stop()
    for line in node.log().splitlines():
        if line.startswith("{"):
            assert set(json.loads(line)) == {"time", "level", "message"}
    assert '"message":"node: serving; ' in node.log()
    run = node.command("start", "--daemon")
    assert run.returncode == 0, run.stderr
    try:
        assert node.proxy("GET", "/behind").status == 404
        eventually(lambda: [line for line in lines(f"{node.directory}/logs/access.log") if '"GET /behind ' in line])
        eventually(lambda: os.path.exists(f"{node.directory}/logs/admin_access.log"))
    finally:
        assert node.command("stop").returncode == 0
