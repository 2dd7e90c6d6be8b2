"""ip-restriction (plugin reference, 6)."""

import pytest

from support import eventually

pytestmark = pytest.mark.usefixtures("clean")

ME = "127.0.0.1"
# settings, the address a trusted peer names, passes
CASES = [
    ({"deny": [ME]}, None, False), ({"deny": ["127.0.0.0/8"]}, None, False), ({"deny": ["10.0.0.0/8"]}, None, True), ({"allow": [ME]}, None, True),
    ({"allow": ["10.0.0.0/8", "127.0.0.1/32"]}, None, True), ({"allow": ["10.0.0.0/8"]}, None, False), ({"allow": [], "deny": ["10.0.0.1"]}, None, True),
    ({"allow": [ME], "deny": [ME]}, None, False), ({"allow": ["127.0.0.0/8"], "deny": ["127.0.0.2"]}, None, True), ({"allow": [ME], "deny": []}, None, True),
    ({"deny": ["::/0"]}, None, True), ({"deny": ["0.0.0.0/0"]}, None, False), ({"deny": ["127.0.0.0/31"]}, None, False), ({"deny": ["127.0.0.2/31"]}, None, True),
    ({"deny": ["10.1.2.3"]}, "10.1.2.3", False), ({"deny": ["10.1.2.3"]}, "10.1.2.4", True), ({"allow": ["2001:db8::/32"]}, "2001:db8::5", True),
    ({"deny": ["2001:db8::/33"]}, "2001:db8:8000::1", True), ({"deny": ["10.0.0.0/8"]}, "::ffff:10.1.2.3", False), ({"deny": ["::ffff:0:0/96"]}, "10.1.2.3", False),
    ({"deny": ["0.0.0.0/0"]}, "2001:db8::5", True),
]


@pytest.fixture(name="routed", scope="module")
def node_that_trusts(shared_cluster):
    """A peer that is trusted says who asks."""
    node = shared_cluster.a
    node.stop()
    node.settings |= {"trusted_ips": "127.0.0.1", "real_ip_header": "X-Real-IP"}
    node.start()
    yield shared_cluster
    node.stop()
    del node.settings["trusted_ips"], node.settings["real_ip_header"]
    node.start()


@pytest.fixture(name="plain", autouse=True)
def made_route(routed, clean):
    routed.service()
    routed.route()


def ask(cluster, address=None):
    return cluster.a.proxy("GET", "/r", headers={"X-Real-IP": address} if address else {})


@pytest.mark.parametrize("config, address, passes", CASES)
def test_who_passes(routed, config, address, passes):
    routed.plugin("ip-restriction", config)
    answer = ask(routed, address)
    assert answer.status == (200 if passes else 403)
    if not passes:
        assert answer.json["message"].startswith("IP address not allowed: ") and answer.json["request_id"]


@pytest.mark.parametrize("config, status, message", [
    ({"status": 404, "message": "go away"}, 404, "go away"), ({"status": 401}, 401, f"IP address not allowed: {ME}"),
    ({"message": 'a "b"'}, 403, 'a "b"'), ({"status": 7}, 500, "An unexpected error occurred"), ({"status": 100}, 500, "An unexpected error occurred")])
def test_status_and_message(routed, config, status, message):
    routed.plugin("ip-restriction", {"deny": [ME]} | config)
    answer = ask(routed)
    assert (answer.status, answer.json["message"]) == (status, message)


def test_refusals_are_negotiated(routed):
    routed.plugin("ip-restriction", {"deny": [ME]})
    answer = routed.a.proxy("GET", "/r", headers={"Accept": "text/plain"})
    assert answer.status == 403 and answer.text.startswith(f"IP address not allowed: {ME}\n")


def test_lists_change(routed):
    plugin = routed.plugin("ip-restriction", {"deny": [ME]})
    assert ask(routed).status == 403
    answer = routed.a.admin("PATCH", f"/plugins/{plugin['id']}", json={"config": {"deny": ["10.0.0.1"]}})
    assert answer.status == 200 and ask(routed).status == 200
    eventually(lambda: routed.b.proxy("GET", "/r").status == 200, what="node B having the new list")
    answer = routed.a.admin("PATCH", f"/plugins/{plugin['id']}", json={"config": {"deny": None, "allow": ["10.0.0.1"]}})
    assert answer.status == 200 and ask(routed).status == 403
    assert routed.a.admin("DELETE", f"/plugins/{plugin['id']}").status == 204
    assert ask(routed).status == 200


def test_of_one_consumer(routed):
    """It runs after authentication."""
    for name in ("c", "d"):
        routed.consumer(name)
        routed.key(f"key-{name}", name)
    routed.plugin("key-auth")
    routed.plugin("ip-restriction", {"deny": [ME]}, path="/consumers/c/plugins")
    assert [routed.a.proxy("GET", "/r", headers={"apikey": f"key-{name}"}).status for name in "cd"] == [403, 200]
    assert routed.a.proxy("GET", "/r").status == 401
