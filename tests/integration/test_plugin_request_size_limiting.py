"""request-size-limiting (plugin reference, 11)."""

import pytest

from support import raw

pytestmark = pytest.mark.usefixtures("clean")

TOO_LARGE = "Request size limit exceeded"


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.service()
    cluster.route()
    return cluster


def chunked(body):
    return (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"


def ask(cluster, lines, body=b""):
    return raw(cluster.a.proxy_port, b"POST /r HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + lines + b"\r\n" + body)


@pytest.mark.parametrize("config, largest", [
    ({"allowed_payload_size": 10, "size_unit": "bytes"}, 10), ({"allowed_payload_size": 2, "size_unit": "kilobytes"}, 2048),
    ({"allowed_payload_size": 1}, 1 << 20), ({"allowed_payload_size": 0}, 0)])
def test_sizes(routed, config, largest):
    routed.plugin("request-size-limiting", config)
    for size, status in ((largest, b"200"), (largest + 1, b"413")):
        body = b"x" * size
        answers = [ask(routed, b"Content-Length: %d\r\n" % size, body), ask(routed, b"Transfer-Encoding: chunked\r\n", chunked(body))]
        assert [answer[9:12] for answer in answers] == [status, status], size
        assert all((TOO_LARGE.encode() in answer and b"request_id" in answer) == (status == b"413") for answer in answers)


def test_by_default_128_mebibytes(routed):
    assert routed.plugin("request-size-limiting")["config"] == {"allowed_payload_size": 128, "size_unit": "megabytes", "require_content_length": False}
    assert routed.a.proxy("POST", "/r", data=b"x" * 100000).status == 200


def test_who_asks_beforehand_is_told_otherwise(routed):
    routed.plugin("request-size-limiting", {"allowed_payload_size": 3, "size_unit": "bytes"})
    assert b" 417 " in ask(routed, b"Expect: 100-continue\r\nContent-Length: 4\r\n", b"abcd")
    assert b" 200 " in ask(routed, b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc")


@pytest.mark.parametrize("lines, body, status", [
    (b"", b"", b"411"), (b"Content-Length: 0\r\n", b"", b"200"), (b"Content-Length: 2\r\n", b"ab", b"200"), (b"Transfer-Encoding: chunked\r\n", chunked(b"ab"), b"200"),
    (b"Content-Length: 4\r\n", b"abcd", b"413")])
def test_a_length_is_required(routed, lines, body, status):
    routed.plugin("request-size-limiting", {"allowed_payload_size": 3, "size_unit": "bytes", "require_content_length": True})
    answer = ask(routed, lines, body)
    assert answer[9:12] == status
    assert (b"A valid Content-Length header is required" in answer) == (status == b"411")


def test_get_without_body_needs_one_too(routed):
    plugin = routed.plugin("request-size-limiting", {"require_content_length": True})
    assert routed.a.proxy("GET", "/r").status == 411
    routed.configure(plugin, {})
    assert routed.a.proxy("GET", "/r").status == 200
