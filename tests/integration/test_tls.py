"""The certificate a client is shown: chosen by name from what is stored, changed without a restart, never another's."""

import socket
import ssl
import threading

import pytest

from authorities import Authority, client, handshake, s_client
from support import eventually

ROOT = Authority()


@pytest.fixture(autouse=True)
def empty(clean):
    """No certificates before and after."""


def shown(port, name=None, context=None):
    """The certificate, as DER."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link, \
            (context or client()).wrap_socket(link, server_hostname=name) as tls:
        return tls.getpeercert(binary_form=True)


def store(cluster, pair, *names, alternative=None, **more):
    answer = cluster.a.admin("POST", "/certificates", json=pair.body(alternative, snis=list(names)) | more)
    assert answer.status == 201, answer
    cluster.settle()
    return answer.json["id"]


# ---- which one ----

ORDER = ["a.b.acme.test", "*.b.acme.test", "a.b.acme.*", "*"]


def test_the_first_rule_that_has_a_certificate_decides(cluster):
    """Data-plane reference, 6.1: all four at once, then one after the other is taken away."""
    pairs = {name: ROOT.issue("x.test") for name in ORDER}
    own = shown(cluster.b.tls_port, "a.b.acme.test")
    for name, pair in pairs.items():
        store(cluster, pair, name)
    for name in ORDER:
        for node in cluster.nodes:
            assert shown(node.tls_port, "a.b.acme.test") == pairs[name].der
            assert shown(node.tls_port, "A.b.ACME.test") == pairs[name].der
        assert cluster.a.admin("DELETE", f"/snis/{name}").status == 204
        cluster.settle()
    assert shown(cluster.b.tls_port, "a.b.acme.test") == own


@pytest.mark.parametrize(("stored", "asked", "found"), [
    ("*.acme.test", "x.acme.test", True),
    ("*.acme.test", "x.y.acme.test", False),  # exactly one label
    ("*.acme.test", "acme.test", False),
    ("*.test", "acme.test", False),  # two dots at least
    ("acme.*", "acme.test", True),
    ("acme.*", "acme.co.test", False),
    ("acme.*", "acme", False),
    ("x.acme.*", "x.acme.org", True),
    ("*", "whatever.test", True),
    ("*", None, True),
    ("*", "single", True),
    ("acme.test", "acme.test", True),
    ("acme.test", "xacme.test", False),
    ("acme.test", None, False),
])
def test_a_wildcard_stands_for_one_label(cluster, stored, asked, found):
    pair = ROOT.issue("x.test")
    store(cluster, pair, stored)
    assert (shown(cluster.b.tls_port, asked) == pair.der) == found


def test_a_name_that_no_host_can_have_gets_what_none_gets(cluster):
    wild, star = ROOT.issue("x.test"), ROOT.issue("y.test")
    store(cluster, wild, "*.acme.test")
    store(cluster, star, "*")
    for name in ("*.acme.test", "a b.acme.test"):
        text = s_client(cluster.a.tls_port, "-servername", name, "-showcerts")
        assert star.own.strip() in text and wild.own.strip() not in text


def test_both_kinds_of_key_are_offered(cluster):
    rsa, ecdsa = ROOT.issue("both.test", kind="rsa"), ROOT.issue("both.test")
    store(cluster, rsa, "both.test", alternative=ecdsa)
    assert shown(cluster.b.tls_port, "both.test", client(ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-GCM-SHA256")) == rsa.der
    assert shown(cluster.b.tls_port, "both.test", client(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256")) == ecdsa.der
    for words, pair in ((["-sigalgs", "rsa_pss_rsae_sha256:RSA+SHA256"], rsa), (["-sigalgs", "ECDSA+SHA256"], ecdsa)):
        assert pair.own.strip() in s_client(cluster.b.tls_port, "-servername", "both.test", "-showcerts", "-tls1_3", *words)


def test_a_certificate_of_one_kind_is_not_helped_out_by_the_node_s_own(cluster):
    """The node has both kinds; a client that cannot take what is stored gets nothing, not somebody else's."""
    store(cluster, ROOT.issue("one.test"), "one.test")
    with pytest.raises(ssl.SSLError):
        shown(cluster.a.tls_port, "one.test", client(ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-GCM-SHA256"))


def test_the_whole_chain_is_sent(cluster):
    low = Authority("low", Authority("middle", ROOT))
    pair = low.issue("chain.test")
    store(cluster, pair, "chain.test")
    context = ssl.create_default_context(cadata=ROOT.own)
    with socket.create_connection(("127.0.0.1", cluster.b.tls_port), timeout=20) as link, \
            context.wrap_socket(link, server_hostname="chain.test") as tls:
        assert tls.getpeercert(binary_form=True) == pair.der


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls(cluster, version):
    pair = ROOT.issue("v.test")
    store(cluster, pair, "v.test")
    assert shown(cluster.a.tls_port, "v.test", client(version)) == pair.der


def test_older_versions_are_refused(cluster):
    context = client(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shown(cluster.a.tls_port, "v.test", context)


# ---- changes ----

def test_a_change_is_shown_at_once_and_spares_connections(cluster):
    before, after = ROOT.issue("hot.test"), ROOT.issue("hot.test")
    number = store(cluster, before, "hot.test")
    with socket.create_connection(("127.0.0.1", cluster.b.tls_port), timeout=20) as link, \
            client().wrap_socket(link, server_hostname="hot.test") as tls:
        assert cluster.a.admin("PATCH", f"/certificates/{number}", json=after.body()).status == 200
        assert shown(cluster.a.tls_port, "hot.test") == after.der  # with the answer
        eventually(lambda: shown(cluster.b.tls_port, "hot.test") == after.der, 2)
        tls.sendall(b"GET /nowhere HTTP/1.1\r\nHost: hot.test\r\n\r\n")
        assert tls.recv(4096).startswith(b"HTTP/1.1 404")
        assert tls.getpeercert(binary_form=True) == before.der


def test_a_name_moves_to_another_certificate(cluster):
    one, two = ROOT.issue("move.test"), ROOT.issue("move.test")
    store(cluster, one, "move.test")
    other = store(cluster, two, "elsewhere.test")
    assert cluster.a.admin("PATCH", "/snis/move.test", json={"certificate": {"id": other}}).status == 200
    cluster.settle()
    for node in cluster.nodes:
        assert shown(node.tls_port, "move.test") == two.der


def test_a_name_is_renamed(cluster):
    pair = ROOT.issue("x.test")
    own = shown(cluster.a.tls_port, "old.test")
    store(cluster, pair, "old.test")
    assert cluster.a.admin("PATCH", "/snis/old.test", json={"name": "new.test"}).status == 200
    cluster.settle()
    for node in cluster.nodes:
        assert shown(node.tls_port, "new.test") == pair.der
    assert shown(cluster.a.tls_port, "old.test") == own


def test_after_deletion_the_next_rule_counts(cluster):
    pair = ROOT.issue("gone.test")
    own = shown(cluster.b.tls_port, "gone.test")
    number = store(cluster, pair, "gone.test")
    assert cluster.a.admin("DELETE", f"/certificates/{number}").status == 204
    cluster.settle()
    assert shown(cluster.b.tls_port, "gone.test") == own


def row_errors(node):
    return node.status("GET", "/status").json["freshet"]["metrics"]["freshet_config_row_errors"]


def test_a_reference_to_a_vault_leaves_the_version_before_it(cluster):
    pair = ROOT.issue("vault.test")
    number = store(cluster, pair, "vault.test")
    body = {"cert": "{vault://env/cert}", "key": "{vault://env/key}"}
    assert cluster.a.admin("PATCH", f"/certificates/{number}", json=body).status == 200
    cluster.settle()
    for node in cluster.nodes:
        assert shown(node.tls_port, "vault.test") == pair.der
        assert row_errors(node) == 1
        assert "the environment variable CERT, which is not set" in node.log()
    assert cluster.a.admin("PATCH", f"/certificates/{number}", json=pair.body()).status == 200
    cluster.settle()
    assert row_errors(cluster.b) == 0


# ---- sessions ----

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_on_every_loop(cluster, version):
    store(cluster, ROOT.issue("s.test"), "s.test")
    context = client(version)
    reused, session, _ = handshake(cluster.b.tls_port, "s.test", context)
    assert not reused
    for _ in range(12):  # two loops
        reused, _, _ = handshake(cluster.b.tls_port, "s.test", context, session)
        assert reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_not_resumed_under_another_certificate(cluster, version):
    one, two = ROOT.issue("one.test"), ROOT.issue("two.test")
    store(cluster, one, "one.test")
    store(cluster, two, "two.test")
    context = client(version)
    _, session, _ = handshake(cluster.a.tls_port, "one.test", context)
    for name in ("two.test", "none.test"):
        reused, _, certificate = handshake(cluster.a.tls_port, name, context, session)
        assert not reused and certificate != one.der


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_does_not_outlive_its_certificate(cluster, version):
    before, after = ROOT.issue("s.test"), ROOT.issue("s.test")
    number = store(cluster, before, "s.test")
    context = client(version)
    _, session, _ = handshake(cluster.a.tls_port, "s.test", context)
    assert cluster.a.admin("PATCH", f"/certificates/{number}", json=after.body()).status == 200
    reused, _, certificate = handshake(cluster.a.tls_port, "s.test", context, session)
    assert not reused and certificate == after.der


# ---- under load ----

def test_handshakes_while_certificates_change(cluster):
    """Every handshake succeeds, and shows one of the versions of its own name."""
    names = [f"n{i}.storm.test" for i in range(4)]
    versions = {name: [ROOT.issue(name) for _ in range(3)] for name in names}
    numbers = {name: store(cluster, versions[name][0], name) for name in names}
    ends, faults, counts = threading.Event(), [], [0] * 4

    def shake(worker):
        try:
            while not ends.is_set():
                name = names[counts[worker] % len(names)]
                der = shown(cluster.nodes[worker % 2].tls_port, name)
                assert der in [pair.der for pair in versions[name]], name
                counts[worker] += 1
        except Exception as fault:  # pylint: disable=broad-except
            faults.append(fault)

    threads = [threading.Thread(target=shake, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(300):
        name = names[turn % len(names)]
        assert cluster.a.admin("PATCH", f"/certificates/{numbers[name]}", json=versions[name][turn // 4 % 3].body()).status == 200
    ends.set()
    for thread in threads:
        thread.join()
    assert not faults and min(counts) > 10, (faults, counts)
