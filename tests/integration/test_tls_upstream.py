"""TLS to upstreams: whose word counts, by which name, what is shown to whom, and that a change is not used with old connections."""

import json
import socket
import ssl
import threading

import pytest

from authorities import DAY, Authority
from support import eventually

ROOT, OTHER = Authority("root"), Authority("other")
MIDDLE = Authority("middle", ROOT)
LOW = Authority("low", MIDDLE)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(autouse=True)
def empty(clean):
    """No entities before and after."""


class Secure:
    """Speaks TLS and answers with what it has seen of its client: name, certificate, number of the connection."""

    def __init__(self, directory, pair, version=None, clients=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair.write(directory, f"u{id(self)}"))
        if version is not None:
            self.context.minimum_version = self.context.maximum_version = version
        if clients is not None:
            self.context.verify_mode = ssl.CERT_OPTIONAL
            self.context.load_verify_locations(cadata=clients.own)
        self.names = {}
        self.context.sni_callback = lambda link, name, _: self.names.__setitem__(link, name)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.count = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self.serve, args=(link, self.count), daemon=True).start()

    def serve(self, link, number):
        try:
            with self.context.wrap_socket(link, server_side=True) as tls:
                subject = dict(field[0] for field in (tls.getpeercert() or {}).get("subject", ()))
                while tls.recv(65536):
                    body = json.dumps({"name": self.names.get(tls), "client": subject.get("commonName"), "number": number,
                                       "version": tls.version()}).encode()
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except OSError:
            pass

    def close(self):
        self.listener.close()


@pytest.fixture
def secure(tmp_path):
    made = []

    def make(pair, **more):
        made.append(Secure(tmp_path, pair, **more))
        return made[-1]

    yield make
    for server in made:
        server.close()


def trust(cluster, *authorities):
    ids = []
    for authority in authorities:
        answer = cluster.a.admin("POST", "/ca_certificates", json={"cert": authority.own})
        assert answer.status == 201, answer
        ids.append(answer.json["id"])
    return ids


def serve(cluster, server, host="localhost", **fields):
    cluster.service("t", url=f"https://{host}:{server.port}", **fields)
    cluster.route("t", "t", paths=["/t"])
    cluster.settle()


def seen(cluster, node="b", headers=None):
    """What the upstream saw, or the status of the failure."""
    answer = getattr(cluster, node).proxy("GET", "/t", headers)
    return answer.json if answer.status == 200 else answer.status


# ---- verification ----

CASES = {
    "signed by the authority": (lambda: ROOT.issue("localhost"), [ROOT], {}, True),
    "another authority": (lambda: ROOT.issue("localhost"), [OTHER], {}, False),
    "one of two authorities": (lambda: ROOT.issue("localhost"), [OTHER, ROOT], {}, True),
    "another name": (lambda: ROOT.issue("elsewhere.test"), [ROOT], {}, False),
    "a wildcard that does not fit": (lambda: ROOT.issue("*.localhost"), [ROOT], {}, False),
    "expired": (lambda: ROOT.issue("localhost", before=-3 * DAY, after=-DAY), [ROOT], {}, False),
    "not yet valid": (lambda: ROOT.issue("localhost", before=DAY, after=2 * DAY), [ROOT], {}, False),
    "one between, as is usual": (lambda: MIDDLE.issue("localhost"), [ROOT], {}, True),
    "two between, but one is usual": (lambda: LOW.issue("localhost"), [ROOT], {}, False),
    "two between, and allowed": (lambda: LOW.issue("localhost"), [ROOT], {"tls_verify_depth": 2}, True),
    "one between, but none is allowed": (lambda: MIDDLE.issue("localhost"), [ROOT], {"tls_verify_depth": 0}, False),
    "none between, and none is allowed": (lambda: ROOT.issue("localhost"), [ROOT], {"tls_verify_depth": 0}, True),
    "no authority": (lambda: ROOT.issue("localhost"), [], {}, False),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_who_is_believed(cluster, secure, case, version):
    make, authorities, fields, believed = CASES[case]
    ids = trust(cluster, *authorities)
    serve(cluster, secure(make(), version=version), tls_verify=True, ca_certificates=ids or None, retries=0, **fields)
    for node in ("a", "b"):
        got = seen(cluster, node)
        assert (got["name"] == "localhost") if believed else got == 502


@pytest.mark.parametrize("version", VERSIONS)
def test_without_tls_verify_everything_is_believed(cluster, secure, version):
    serve(cluster, secure(OTHER.issue("elsewhere.test", before=-3 * DAY, after=-DAY), version=version))
    assert seen(cluster)["name"] == "localhost"


def test_an_authority_that_is_taken_off_the_service_does_not_count_any_more(cluster, secure):
    first, second = trust(cluster, ROOT, OTHER)
    serve(cluster, secure(ROOT.issue("localhost")), tls_verify=True, ca_certificates=[first], retries=0)
    kept = max(seen(cluster)["number"] for _ in range(6))
    assert kept <= 2  # one of each loop
    assert cluster.a.admin("PATCH", "/services/t", json={"ca_certificates": [second]}).status == 200
    cluster.settle()
    assert seen(cluster) == 502
    assert cluster.a.admin("PATCH", "/services/t", json={"ca_certificates": [second, first]}).status == 200
    cluster.settle()
    assert seen(cluster)["number"] > kept


def test_an_authority_that_is_replaced_counts_from_then_on(cluster, secure):
    number = trust(cluster, OTHER)[0]
    serve(cluster, secure(ROOT.issue("localhost")), tls_verify=True, ca_certificates=[number], retries=0)
    assert seen(cluster) == 502
    assert cluster.a.admin("PATCH", f"/ca_certificates/{number}", json={"cert": ROOT.own}).status == 200
    eventually(lambda: seen(cluster) != 502, 2)
    assert cluster.a.admin("PATCH", f"/ca_certificates/{number}", json={"cert": OTHER.own}).status == 200
    eventually(lambda: seen(cluster) == 502, 2)


def test_verification_that_begins_later_is_not_spared_by_a_kept_connection(cluster, secure):
    serve(cluster, secure(ROOT.issue("elsewhere.test")), retries=0)
    assert seen(cluster)["number"] == 1
    ids = trust(cluster, ROOT)
    assert cluster.a.admin("PATCH", "/services/t", json={"tls_verify": True, "ca_certificates": ids}).status == 200
    cluster.settle()
    assert seen(cluster) == 502


# ---- names ----

def test_the_name_is_the_host_without_its_port_and_no_address(cluster, secure):
    server = secure(ROOT.issue("localhost"))
    serve(cluster, server)
    assert seen(cluster)["name"] == "localhost"
    serve(cluster, server, host="127.0.0.1")
    assert seen(cluster)["name"] is None


def test_the_client_s_name_goes_along_if_it_is_preserved_and_listed(cluster, secure):
    serve(cluster, secure(ROOT.issue("localhost")))
    cluster.route("t", "t", paths=["/t"], hosts=["listed.test"], preserve_host=True)
    cluster.settle()
    assert seen(cluster, headers={"Host": "listed.test:99"})["name"] == "listed.test"


# ---- what is shown to upstreams ----

def store(cluster, pair):
    answer = cluster.a.admin("POST", "/certificates", json=pair.body())
    assert answer.status == 201, answer
    return {"id": answer.json["id"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_certificate_of_the_service_comes_before_the_upstream_s(cluster, secure, version):
    server = secure(ROOT.issue("localhost"), version=version, clients=ROOT)
    of_service, of_upstream = store(cluster, ROOT.issue("service")), store(cluster, ROOT.issue("upstream"))
    assert cluster.a.admin("PUT", "/upstreams/u.test", json={"client_certificate": of_upstream}).status == 200
    assert cluster.a.admin("POST", "/upstreams/u.test/targets", json={"target": f"127.0.0.1:{server.port}"}).status == 201
    cluster.service("t", url="https://u.test", client_certificate=of_service)
    cluster.route("t", "t", paths=["/t"])
    for name in ("service", "upstream", None):
        cluster.settle()
        assert seen(cluster)["client"] == name
        if name == "service":
            assert cluster.a.admin("PATCH", "/services/t", json={"client_certificate": None}).status == 200
        else:
            assert cluster.a.admin("PATCH", "/upstreams/u.test", json={"client_certificate": None}).status == 200


def test_a_changed_certificate_is_shown_on_a_connection_of_its_own(cluster, secure):
    server = secure(ROOT.issue("localhost"), clients=ROOT)
    certificate = store(cluster, ROOT.issue("before"))
    serve(cluster, server, client_certificate=certificate)
    for _ in range(4):
        assert seen(cluster)["client"] == "before"
    assert cluster.a.admin("PATCH", f"/certificates/{certificate['id']}", json=ROOT.issue("after").body()).status == 200
    cluster.settle()
    for _ in range(4):
        assert seen(cluster)["client"] == "after"


def test_the_node_s_own_certificate_comes_last(own_cluster, postgres, secure, tmp_path):
    cert, key = ROOT.issue("node").write(tmp_path, "node")
    bundle = tmp_path / "roots.crt"
    bundle.write_text(OTHER.own + ROOT.own)
    cluster = own_cluster(redis=False, postgres=postgres, names=("a",), settings={
        "client_ssl": "on", "client_ssl_cert": cert, "client_ssl_cert_key": key, "lua_ssl_trusted_certificate": f"system, {bundle}"})
    server = secure(ROOT.issue("localhost"), clients=ROOT)
    serve(cluster, server, tls_verify=True, retries=0)  # by the node's authorities
    assert seen(cluster, "a")["client"] == "node"
    certificate = store(cluster, ROOT.issue("service"))
    assert cluster.a.admin("PATCH", "/services/t", json={"client_certificate": certificate}).status == 200
    assert seen(cluster, "a")["client"] == "service"


# ---- settings of the front ----

def test_two_pairs_of_the_settings_and_what_is_wrong_with_them(own_cluster, postgres, tmp_path):
    import base64  # pylint: disable=import-outside-toplevel

    from test_tls import client, shown  # pylint: disable=import-outside-toplevel

    rsa, ecdsa = ROOT.issue("own.test", kind="rsa"), ROOT.issue("own.test")
    cert, key = rsa.write(tmp_path, "rsa")
    text = [base64.b64encode(part.encode()).decode() for part in (ecdsa.cert, ecdsa.key)]
    settings = {"ssl_cert": f"{cert}, {text[0]}", "ssl_cert_key": f"{key}, {text[1]}", "ssl_cipher_suite": "custom",
                "ssl_ciphers": "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", "ssl_protocols": "TLSv1.2"}
    cluster = own_cluster(redis=False, postgres=postgres, names=("a",), settings=settings)
    for cipher, pair in (("ECDHE-RSA-AES128-GCM-SHA256", rsa), ("ECDHE-ECDSA-AES128-GCM-SHA256", ecdsa)):
        assert shown(cluster.a.tls_port, "own.test", client(ciphers=cipher)) == pair.der
    with pytest.raises(ssl.SSLError):
        shown(cluster.a.tls_port, "own.test", client(ssl.TLSVersion.TLSv1_3))
    wrong = {"ssl_cert": (str(tmp_path / "missing"), "missing"), "ssl_ciphers": ("nonsense", "ssl_ciphers"),
             "ssl_protocols": ("SSLv3", "none of TLSv1"), "ssl_dhparam": (cert, "ssl_dhparam"),
             "ssl_session_timeout": ("soon", "ssl_session_timeout"), "lua_ssl_protocols": ("TLSv1 TLSv1.3", "lua_ssl_protocols"),
             "lua_ssl_trusted_certificate": (key, "there is no certificate"), "client_ssl": ("on", "client_ssl_cert")}
    for name, (value, reason) in wrong.items():
        cluster.a.settings = {name: value}
        cluster.a.write_settings()
        run = cluster.a.command("check")
        assert run.returncode != 0 and reason in run.stdout + run.stderr, (name, run)


def test_the_node_s_own_pair_survives_a_restart(own_cluster, postgres):
    from test_tls import client, shown  # pylint: disable=import-outside-toplevel

    cluster = own_cluster(redis=False, postgres=postgres, names=("a",))
    ciphers = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256")
    before = [shown(cluster.a.tls_port, "x", client(ssl.TLSVersion.TLSv1_2, cipher)) for cipher in ciphers]
    assert before[0] != before[1]
    assert cluster.a.stop() == 0
    cluster.a.start()
    assert [shown(cluster.a.tls_port, "x", client(ssl.TLSVersion.TLSv1_2, cipher)) for cipher in ciphers] == before
