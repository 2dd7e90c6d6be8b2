"""HTTP manners of the Admin API: verbs, headers, CORS, paths (reference 1.1-1.4; checklist 3-8, 36-41, 241, 260, 506-512)."""

import http.client
import json

import pytest

from admin_api import NO_METHOD, NOT_FOUND, assert_answer, exchange

pytestmark = pytest.mark.usefixtures("cluster")

ALLOWED = [
    ("/", "GET, HEAD, OPTIONS"), ("/status", "GET, HEAD, OPTIONS"), ("/endpoints", "GET, HEAD, OPTIONS"), ("/schemas/services", "GET, HEAD, OPTIONS"),
    ("/schemas/services/validate", "OPTIONS, POST"), ("/schemas/plugins/validate", "OPTIONS, POST"), ("/schemas/plugins/key-auth", "GET, HEAD, OPTIONS"),
    ("/plugins/enabled", "GET, HEAD, OPTIONS"), ("/cache", "DELETE, GET, HEAD, OPTIONS"), ("/cache/x", "DELETE, GET, HEAD, OPTIONS"),
    ("/routes", "GET, HEAD, OPTIONS, POST"), ("/routes/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"), ("/services/", "GET, HEAD, OPTIONS, POST"),
    ("/routes/x/service", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"), ("/services/x/routes", "GET, HEAD, OPTIONS, POST"),
    ("/consumers/x/key-auth/y", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"), ("/key-auths", "GET, HEAD, OPTIONS, POST"),
]
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "BREW")


@pytest.mark.parametrize("path, methods", ALLOWED)
def test_options_and_405(cluster, path, methods):
    answer = cluster.a.admin("OPTIONS", path)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Allow"] == answer.headers["Access-Control-Allow-Methods"] == methods
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Content-Type" not in answer.headers and "Content-Length" not in answer.headers
    assert answer.headers["X-Kong-Admin-Latency"].isdigit()
    for method in VERBS:
        if method in methods.split(", ") or method == "HEAD":
            continue
        refused = cluster.a.admin(method, path)
        assert_answer(refused, 405, NO_METHOD)
        assert "Allow" not in refused.headers and "Access-Control-Allow-Methods" not in refused.headers


def test_the_reason_of_a_405(cluster):
    link = http.client.HTTPConnection("127.0.0.1", cluster.a.admin_port, timeout=10)
    link.request("POST", "/")
    answer = link.getresponse()
    assert (answer.status, answer.reason) == (405, "Not Allowed")
    link.close()


def test_unknown_paths(cluster):
    for path in ("/nope", "/nope/x", "//services", "/services//", "/services//x", "/services/x/y/z", "/a/b/c/d/e/f/g", "/status/x", "/cache/a/b"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"):
            answer = cluster.a.admin(method, path)
            assert_answer(answer, 404, NOT_FOUND)
            assert "Allow" not in answer.headers
        head = cluster.a.admin("HEAD", path)
        assert (head.status, head.body) == (404, b"")


def test_head_is_get_without_a_body(cluster):
    for path in ("/", "/services", "/schemas/routes", "/services/nobody", "/cache"):
        get, head = cluster.a.admin("GET", path), cluster.a.admin("HEAD", path)
        assert (head.status, head.body) == (get.status, b"")
        assert int(head.headers["Content-Length"]) > 0
        assert head.headers["Content-Type"] == "application/json; charset=utf-8"
        assert head.headers["Access-Control-Allow-Origin"] == "*"


def test_headers_of_every_answer(cluster):
    for method, path, status in (("GET", "/", 200), ("GET", "/nope", 404), ("POST", "/", 405), ("POST", "/services", 400), ("DELETE", "/services/x", 204),
                                 ("GET", "/services/a%20b", 400)):
        answer = cluster.a.admin(method, path)
        assert answer.status == status
        assert answer.headers["Server"] == "kong/3.5.0"
        assert answer.headers["X-Kong-Admin-Latency"].isdigit()
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        for name in ("Allow", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Request-Headers", "Access-Control-Request-Method"):
            assert name not in answer.headers
        if status != 204:
            assert int(answer.headers["Content-Length"]) == len(answer.body)
            assert answer.body == json.dumps(answer.json, separators=(",", ":"), ensure_ascii=False).encode(), "compact"


def test_origin_is_echoed(cluster):
    for method, path in (("GET", "/"), ("OPTIONS", "/services"), ("GET", "/nope"), ("POST", "/services")):
        answer = cluster.a.admin(method, path, headers={"Origin": "http://manager.test:8002"})
        assert answer.headers["Access-Control-Allow-Origin"] == "http://manager.test:8002"
    asked = cluster.a.admin("OPTIONS", "/services", headers={"Origin": "http://x.test", "Access-Control-Request-Headers": "X-One, X-Two",
                                                             "Access-Control-Request-Method": "POST"})
    assert asked.headers["Access-Control-Allow-Headers"] == "X-One, X-Two"


def test_slashes_are_not_escaped(cluster):
    assert b'"/endpoints"' in cluster.a.admin("GET", "/endpoints").body


def test_queries_that_mean_nothing_are_ignored(cluster):
    assert cluster.a.admin("GET", "/services?foo=bar&host=x&&=&a=%zz&b").status == 200


def test_a_thousand_query_arguments_and_one_more(cluster):
    for count, status in ((1000, 200), (1001, 400)):
        query = "&".join("a=1" for _ in range(count))
        for path in ("/", "/services", "/status"):
            answer = cluster.a.admin("GET", f"{path}?{query}")
            assert answer.status == status, answer
    assert_answer(answer, 400, {"message": "Too many arguments"})


def test_robots(cluster):
    answer = cluster.a.admin("GET", "/robots.txt")
    assert (answer.status, answer.text) == (200, "User-agent: *\nDisallow: /\n") or answer.text == "User-agent: *\nDisallow: /"
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_bodies_of_get_and_delete_are_not_looked_at(cluster):
    for method, path, status in (("GET", "/services", 200), ("GET", "/", 200), ("DELETE", "/services/nobody", 204), ("GET", "/services/nobody", 404)):
        for kind in ("application/json", "application/yaml", "multipart/form-data"):
            assert cluster.a.admin(method, path, headers={"Content-Type": kind}, data="{junk").status == status


def test_answers_are_json_whatever_bytes_came(cluster):
    """What a client sent is quoted in answers: they have to be UTF-8 all the same."""
    for path in ("/schemas/%ff", "/schemas/plugins/a%c3", "/schemas/%ff/validate", "/consumers/%ff", "/plugins/schema/%ff", "/services?offset=%ff",
                 "/status?unit=%ff", "/services/%c3%28", "/cache/%ff", "/consumers?tags=%ff", "/cache?prefix=%ff", "/cache?offset=%ff"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = cluster.a.admin(method, path, json={})
            assert answer.status < 500, (method, path, answer)
            answer.body.decode("utf-8")
            if answer.body:
                answer.json


def test_status_api_has_no_entities(cluster):
    for path in ("/", "/services", "/endpoints", "/cache", "/schemas/services", "/nope"):
        assert_answer(cluster.a.status("GET", path), 404, NOT_FOUND)
    assert_answer(cluster.a.status("POST", "/status"), 405, NO_METHOD)
    assert_answer(cluster.a.status("GET", "/status/ready"), 200, {"message": "ready"})
    answer = cluster.a.status("GET", "/status")
    assert answer.json["database"] == {"reachable": True}
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_connections_are_kept(cluster):
    link = http.client.HTTPConnection("127.0.0.1", cluster.a.admin_port, timeout=10)
    sock = None
    for path, status in (("/services", 200), ("/nope", 404), ("/services/a%20b", 400), ("/services", 200)):
        link.request("GET", path)
        answer = link.getresponse()
        answer.read()
        assert answer.status == status
        assert sock in (None, link.sock) and link.sock is not None
        sock = link.sock
    link.close()


def test_requests_that_are_none(cluster):
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"GET nope HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"POST /services HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"):
        answer = exchange(cluster.a, data)
        assert answer.status == 400
        assert "message" in answer.json
