"""References to secrets, {vault://env/...}, in plugins and certificates (plugins reference 0)."""

import socket

import pytest

from authorities import Authority, client
from log_sink import LogSink
from support import eventually


@pytest.fixture
def sink():
    made = LogSink()
    yield made
    made.stop()


def test_a_plugin_uses_what_its_settings_refer_to(own_cluster, sink, monkeypatch):
    monkeypatch.setenv("SINK_TOKEN", "open-sesame")
    monkeypatch.setenv("SINK", '{"url": "http://127.0.0.1:%d/in"}' % sink.port)
    cluster = own_cluster(redis=False)
    cluster.service()
    cluster.route()
    made = cluster.plugin("http-log", {"http_endpoint": "{vault://env/sink/url}", "headers": {"X-Token": "{vault://env/sink-token}"},
                                       "queue": {"max_coalescing_delay": 0}})
    assert made["config"]["headers"] == {"X-Token": "{vault://env/sink-token}"} and made["config"]["http_endpoint"] == "{vault://env/sink/url}"
    cluster.settle()
    for node in cluster.nodes:
        assert node.proxy("GET", "/r").status == 200
        eventually(lambda: sink.got, 10)
        assert sink.got[-1].headers["X-Token"] == "open-sesame"
        sink.got.clear()
        for path in (f"/plugins/{made['id']}", "/cache"):
            assert "open-sesame" not in node.admin("GET", path).text
        assert "open-sesame" not in node.log()


def test_what_cannot_be_resolved_is_not_in_force_and_said(own_cluster, sink):
    cluster = own_cluster(redis=False)
    cluster.service()
    cluster.route()
    for reference in ("{vault://env/not-there}", "{vault://hcv/secret}"):
        made = cluster.plugin("http-log", {"http_endpoint": reference})
        assert cluster.a.proxy("GET", "/r").status == 200
        assert cluster.a.admin("DELETE", f"/plugins/{made['id']}").status == 204
    log = cluster.a.log()
    assert "NOT_THERE, which is not set" in log and "a vault other than env" in log


def test_a_certificate_uses_what_it_refers_to(own_cluster, monkeypatch):
    pair = Authority().issue("secret.test")
    monkeypatch.setenv("TEST_CERT", pair.body()["cert"])
    monkeypatch.setenv("TEST_KEY", pair.body()["key"])
    cluster = own_cluster(redis=False)
    made = cluster.a.admin("POST", "/certificates", json={"cert": "{vault://env/test-cert}", "key": "{vault://env/test-key}", "snis": ["secret.test"]})
    assert made.status == 201 and made.json["key"] == "{vault://env/test-key}"
    cluster.settle()
    for node in cluster.nodes:
        with socket.create_connection(("127.0.0.1", node.tls_port), timeout=20) as link, \
                client().wrap_socket(link, server_hostname="secret.test") as tls:
            assert tls.getpeercert(binary_form=True) == pair.der
