"""Who may use the Admin API: addresses, client certificates, tokens, alone and together, and what a reload does to those inside."""

import contextlib
import hashlib
import http.client
import re
import socket
import ssl
import subprocess

import pytest

from support import PROGRAM, Answer, eventually, free_ports

READER, WRITER = "reader-0123456789abcdef", "writer-0123456789abcdef"
DIGEST = hashlib.sha256(WRITER.encode()).hexdigest()
TOKENS = f"# name may token\nann read-only {READER}\n\nbob\tread-write sha256:{DIGEST}\n"
UNAUTHORIZED = {"message": "Unauthorized"}
WRITES = ("POST", "PUT", "PATCH", "DELETE")


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def write_tokens(path, text):
    path.write_text(text)
    path.chmod(0o600)


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens"
    write_tokens(path, TOKENS)
    return path


@pytest.fixture
def start(own_cluster, postgres):
    """start(settings...): a node; without running it, start(run=False, ...)."""

    def make(run=True, **settings):
        cluster = own_cluster(redis=False, postgres=postgres, names=("a",), settings={"db_update_frequency": 5} | settings, start=run)
        if not run:
            cluster.postgres.create_database(cluster.database)
            cluster.a.write_settings()
            assert cluster.a.command("migrations", "bootstrap").returncode == 0
        return cluster.a

    return make


class Kept:
    """One connection, kept over several requests."""

    def __init__(self, port, host="127.0.0.1", source=None, tls=None):
        if tls is not None:
            self.link = http.client.HTTPSConnection(host, port, timeout=20, context=tls)
        else:
            self.link = http.client.HTTPConnection(host, port, timeout=20, source_address=source and (source, 0))
        self.link.connect()

    def ask(self, method, path, headers=None, body=None):
        self.link.request(method, path, body=body, headers=headers or {})
        answer = self.link.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()


def refusals(node):
    return [line for line in node.log().splitlines() if "a request was refused" in line]


def count_refused(node):
    return node.status("GET", "/status").json["freshet"]["metrics"]["freshet_admin_refused_total"]


# Tokens


def test_without_settings_everybody_may(start):
    node = start()
    assert node.admin("GET", "/services").status == 200
    assert node.admin("PUT", "/consumers/c", json={}).status == 200
    assert node.admin("GET", "/services", headers=bearer("whatever it is")).status == 200


def test_a_token_opens_and_nothing_else_does(start, tokens):
    node = start(admin_tokens_file=tokens)
    for headers in (bearer(READER), bearer(WRITER), {"Authorization": f"bearer   {WRITER}"}, {"Kong-Admin-Token": READER},
                    {"Kong-Admin-Token": WRITER, "Authorization": "Basic eDp5"}):
        assert node.admin("GET", "/services", headers=headers).status == 200, headers
        assert node.admin("HEAD", "/services", headers=headers).status == 200
        assert node.admin("GET", "/nope", headers=headers).status == 404
    expected = None
    for headers in ({}, bearer(""), bearer("x"), bearer(WRITER[:-1]), bearer(WRITER + "x"), bearer(DIGEST), bearer(f"sha256:{DIGEST}"),
                    {"Authorization": WRITER}, {"Authorization": f"Basic {WRITER}"}, {"Authorization": f"Bearer{WRITER}"}, {"Kong-Admin-Token": "ann"},
                    {"Kong-Admin-Token": "wrong"} | bearer(WRITER), {"apikey": WRITER}):
        for method, path in (("GET", "/services"), ("GET", "/nope"), ("POST", "/"), ("DELETE", "/services/x"), ("BREW", "/status"), ("GET", "/a%00b"),
                             ("GET", "/openapi.json"), ("PUT", "/consumers/c")):
            answer = node.admin(method, path, headers=headers)
            assert (answer.status, answer.json) == (401, UNAUTHORIZED), (method, path, headers)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")
            same = {name: answer.headers[name] for name in answer.headers if name not in ("date", "x-kong-admin-latency", "connection")}
            expected = expected or same
            assert same == expected, "the answer says nothing of the path or the token"


def test_a_reader_may_not_write(start, tokens):
    node = start(admin_tokens_file=tokens)
    for method in (*WRITES, "BREW"):
        for path in ("/consumers/c", "/nope"):
            answer = node.admin(method, path, json={}, headers=bearer(READER))
            assert (answer.status, answer.json) == (403, {"message": "This token may only read"})
    assert node.admin("GET", "/consumers/c", headers=bearer(READER)).status == 404
    assert node.admin("PUT", "/consumers/c", json={}, headers=bearer(WRITER)).status == 200
    assert node.admin("GET", "/consumers/c", headers=bearer(READER)).status == 200


def test_a_preflight_needs_no_token_and_says_nothing(start, tokens):
    node = start(admin_tokens_file=tokens)
    asked = {"Origin": "http://manager.test", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    for path in ("/services", "/nope", "/status", "/key-auths", "/a/b/c/d"):
        with Kept(node.admin_port) as kept:
            answer = kept.ask("OPTIONS", path, asked)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["Access-Control-Allow-Methods"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
        assert answer.headers["Access-Control-Allow-Headers"] == "authorization"
        assert answer.headers["Access-Control-Allow-Origin"] == "http://manager.test"
    assert node.admin("OPTIONS", "/status", headers=bearer(READER)).headers["Allow"] == "GET, HEAD, OPTIONS"
    assert node.admin("OPTIONS", "/nope", headers=bearer(READER)).status == 404
    assert node.admin("GET", "/services", headers={"Origin": "http://manager.test"}).headers["Access-Control-Allow-Origin"] == "http://manager.test"


def test_errors_before_the_handler_are_told_to_holders_only(start, tokens):
    node = start(admin_tokens_file=tokens, nginx_admin_client_max_body_size="1k")
    for headers, status in (({}, 401), (bearer(WRITER), 413)):
        assert node.admin("POST", "/services", headers=headers, data="x" * 5000).status == status
    for headers, status in (({}, 401), (bearer(WRITER), 400)):
        assert node.admin("GET", "/services", headers=headers | {"Host": "a b"}).status == status
    assert node.admin("OPTIONS", "/services", headers={"Host": "a b"}).status == 400


def test_the_status_api_asks_for_nothing(start, tokens):
    node = start(admin_tokens_file=tokens, admin_allow="192.0.2.1")
    assert node.status("GET", "/status").status == 200
    assert node.status("GET", "/status/ready").status == 200
    assert node.admin("GET", "/status").status == 403


def test_failures_are_a_line_now_and_then(start, tokens):
    node = start(admin_tokens_file=tokens, log_level="debug")
    before = count_refused(node)
    for number in range(60):
        assert node.admin("GET", "/", headers=bearer(f"guess-{number}-{WRITER}")).status == 401
    assert node.admin("GET", "/", headers=bearer(WRITER)).status == 200
    lines = refusals(node)
    assert 1 <= len(lines) <= 3 and re.search(r'peer=127\.0\.0\.1 reason="(no|unknown) token" others_before=\d+$', lines[0]), lines
    assert count_refused(node) - before == 60


def test_no_token_is_shown_anywhere(start, tokens):
    node = start(admin_tokens_file=tokens, log_level="debug")
    node.admin("GET", "/", headers=bearer("guess-" + READER))
    root = node.admin("GET", "/", headers=bearer(READER))
    assert root.json["configuration"]["admin_tokens_file"] == str(tokens)
    tokens.write_text(f"{WRITER} read-write {READER} {WRITER}\n{WRITER}/ {WRITER} {READER}\n{WRITER} read-any {DIGEST}\n")
    run = node.reload()
    assert run.returncode == 1
    described = subprocess.run([PROGRAM, "check", "--describe"], capture_output=True, text=True, check=True).stdout
    for text in (root.text, node.log(), run.stdout + run.stderr, described):
        for secret in (READER, WRITER, DIGEST):
            assert secret not in text


MISTAKES = f"""ann read-only {READER}
ann read-write another-0123456789abcdef
bob read-write {READER}
carl read-any short
d/d read-write sha256:12
eve read-only
frank read-only {WRITER} more
"""
REASONS = (":2: line 1 has the same name", ":3: line 1 has the same token", ":4: the second word is neither read-only nor read-write",
           ":4: the token is shorter than 16 characters", ":5: the name has other characters than letters, digits and -._@",
           ":5: what follows sha256: is not 64 hexadecimal digits", ":6: a line is a name, read-only or read-write, and a token",
           ":7: a line is a name, read-only or read-write, and a token")


def test_every_mistake_of_the_file_is_reported_at_once(start, tokens):
    node = start(run=False, admin_tokens_file=tokens)
    write_tokens(tokens, MISTAKES)
    for words in (("start",), ("start", "--daemon")):
        run = node.command(*words)
        assert run.returncode == 1
        assert [line for line in run.stderr.splitlines() if "tokens:" in line] == [f"[error] {tokens}{reason}" for reason in REASONS]
    check = subprocess.run([PROGRAM, "check", node.conf], capture_output=True, text=True, check=False)
    assert check.returncode == 1 and check.stderr.count("[error]") == len(REASONS)
    for path, why in ((tokens.parent / "none", "No such file"), (tokens.parent, "not a regular file")):
        node.settings["admin_tokens_file"] = path
        node.write_settings()
        run = node.command("start")
        assert run.returncode == 1 and why in run.stderr, run.stderr


def test_a_file_that_everybody_can_open_is_warned_of(start, tokens):
    tokens.chmod(0o644)
    node = start(admin_tokens_file=tokens)
    assert node.log().count("every user of this machine can open the file of tokens") == 1
    tokens.chmod(0o640)
    assert node.reload().returncode == 0
    assert node.log().count("every user of this machine can open the file of tokens") == 1


def test_a_token_taken_back_is_refused_on_connections_it_had_opened(start, tokens):
    node = start(admin_tokens_file=tokens)
    with Kept(node.admin_port) as kept:
        sock = kept.link.sock
        assert kept.ask("GET", "/services", bearer(WRITER)).status == 200
        write_tokens(tokens, f"carl read-write new-{WRITER}\n")
        assert node.reload().returncode == 0, "no setting has changed, the file has"
        eventually(lambda: kept.ask("GET", "/services", bearer(WRITER)).status == 401, 5)
        assert kept.ask("GET", "/services", bearer(READER)).status == 401
        assert kept.ask("GET", "/services", bearer("new-" + WRITER)).status == 200
        assert kept.link.sock is sock
        write_tokens(tokens, MISTAKES)
        run = node.reload()
        assert run.returncode == 1 and all(f"{tokens}{reason}" in run.stderr for reason in REASONS)
        assert "reload refused" in node.log() and REASONS[3] in node.log()
        assert kept.ask("GET", "/services", bearer("new-" + WRITER)).status == 200
        assert kept.ask("GET", "/services", bearer(READER)).status == 401
        write_tokens(tokens, "# nobody\n")
        assert node.reload().returncode == 0
        eventually(lambda: kept.ask("GET", "/services", bearer("new-" + WRITER)).status == 401, 5)
        assert "there is no token in the file" in node.log()
        node.settings["admin_tokens_file"] = ""
        assert node.reload().returncode == 0
        eventually(lambda: kept.ask("GET", "/services").status == 200, 5)
        node.settings["admin_tokens_file"] = tokens
        assert node.reload().returncode == 0
        eventually(lambda: kept.ask("GET", "/services").status == 401, 5)


# Addresses


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as one:
        one.bind(("::1", 0))
        return True
    return False


def from_address(port, source, host="127.0.0.1", **more):
    with Kept(port, host, source) as kept:
        return kept.ask("GET", "/services", **more)


def test_only_peers_on_the_list_are_answered(start):
    node = start(admin_allow="127.0.0.2, 127.8.0.0/13")
    for source, status in (("127.0.0.2", 200), ("127.0.0.3", 403), ("127.0.0.1", 403), ("127.15.255.254", 200), ("127.16.0.1", 403)):
        answer = from_address(node.admin_port, source)
        assert answer.status == status, source
        if status == 403:
            assert answer.json == {"message": "Your address is not allowed here"}
            assert answer.headers["Connection"] == "close"
    with Kept(node.admin_port, source="127.0.0.2") as kept:
        assert kept.ask("GET", "/services").status == 200
        assert kept.ask("OPTIONS", "/services").status == 204
        node.settings["admin_allow"] = "127.0.0.1"
        assert node.reload().returncode == 0
        eventually(lambda: from_address(node.admin_port, "127.0.0.1").status == 200, 5)
        assert kept.ask("OPTIONS", "/services").status == 403


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_ranges_of_ipv6_and_mapped_addresses(start):
    six, both = free_ports(2)
    node = start(admin_allow="2001:db8::/32, 127.0.0.2", admin_listen=f"[::1]:{six}, [::]:{both} ipv6only=off")
    assert from_address(six, "::1", "::1").status == 403
    assert from_address(both, "127.0.0.2").status == 200, "comes as ::ffff:127.0.0.2"
    assert from_address(both, "127.0.0.3").status == 403
    for allowed, status in (("::/127", 200), ("::2/127", 403), ("::1", 200), ("::/0", 200), ("0.0.0.0/0", 403)):
        node.settings["admin_allow"] = allowed
        assert node.reload().returncode == 0
        eventually(lambda status=status: from_address(six, "::1", "::1").status == status, 5, what=allowed)


def test_a_range_that_is_none_is_refused(start):
    node = start(run=False)
    node.settings["admin_allow"] = "10.0.0.0/33, here"
    node.write_settings()
    run = node.command("start")
    assert run.returncode == 1 and "admin_allow" in run.stderr and "'here'" in run.stderr


# Certificates


def openssl(*words, cwd):
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


def make_authority(directory, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-keyout", f"{name}.key", "-out", f"{name}.crt",
            "-subj", f"/CN={name}", cwd=directory)


def make_certificate(directory, name, authority, days="30", extension="extendedKeyUsage=clientAuth"):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/O=Tests, Inc./CN={name}", cwd=directory)
    (directory / "extension").write_text(extension + "\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", days,
            "-extfile", "extension", "-out", f"{name}.crt", cwd=directory)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pki")
    make_authority(directory, "ca")
    make_authority(directory, "ca2")
    make_certificate(directory, "ann", "ca")
    make_certificate(directory, "eve", "ca2")
    make_certificate(directory, "late", "ca", days="-1")
    make_certificate(directory, "server", "ca", extension="subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth")
    make_certificate(directory, "middle", "ca", extension="basicConstraints=critical,CA:true")
    make_certificate(directory, "bob", "middle")
    (directory / "bob.crt").write_text((directory / "bob.crt").read_text() + (directory / "middle.crt").read_text())
    return directory


def client(pki, name=None, version=None):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if name is not None:
        context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    return context


@pytest.fixture
def start_tls(start, pki):
    """A node with a plain and a TLS address of the Admin API, both on loopback."""

    def make(**settings):
        plain, tls = free_ports(2)
        node = start(**({"admin_listen": f"127.0.0.1:{plain}, 127.0.0.1:{tls} ssl"} | settings))
        node.admin_port, node.admin_tls_port = plain, tls
        return node

    return make


def over_tls(node, context, method="GET", path="/services", headers=None):
    with Kept(node.admin_tls_port, tls=context) as kept:
        return kept.ask(method, path, headers)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_opens_and_nothing_else_does(start_tls, pki, version):
    node = start_tls(admin_ssl_client_ca=pki / "ca.crt")
    assert over_tls(node, client(pki, "ann", version)).status == 200
    assert over_tls(node, client(pki, "bob", version)).status == 200, "signed by a middle authority that it sends along"
    for name, message in ((None, "A client certificate is required"), ("eve", "The client certificate is not accepted"),
                          ("late", "The client certificate is not accepted"), ("server", "The client certificate is not accepted")):
        for method, path in (("GET", "/services"), ("GET", "/nope"), ("PUT", "/consumers/c"), ("OPTIONS", "/services")):
            answer = over_tls(node, client(pki, name, version), method, path)
            assert (answer.status, answer.json) == (400, {"message": message}), (name, method, path)
            assert answer.headers["Connection"] == "close"
    assert node.admin("GET", "/services").status == 200, "nobody else reaches loopback"
    assert len(refusals(node)) <= 3


def test_the_names_of_the_authorities_are_sent(start_tls, pki):
    node = start_tls(admin_ssl_client_ca=pki / "ca.crt")
    run = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{node.admin_tls_port}"], input="", capture_output=True, text=True, check=False)
    assert "Acceptable client certificate CA names\nCN = ca\n" in run.stdout


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_is_looked_at_each_time(start_tls, pki, version):
    """A resumed session would not show it."""
    node = start_tls(admin_ssl_client_ca=pki / "ca.crt")
    context, session = client(pki, "ann", version), None
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", node.admin_tls_port), timeout=20) as link, context.wrap_socket(link, session=session) as sock:
            sock.sendall(b"GET /services HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert not sock.session_reused
            session = sock.session


def test_a_certificate_without_its_key_does_not_get_in(start_tls, pki, tmp_path):
    """OpenSSL as a client refuses a pair that does not fit; a certificate with the same subject of another key is just unknown."""
    make_authority(tmp_path, "ca")
    make_certificate(tmp_path, "ann", "ca")
    node = start_tls(admin_ssl_client_ca=pki / "ca.crt")
    assert over_tls(node, client(tmp_path, "ann")).status == 400


def test_a_reload_changes_the_authorities_also_for_those_inside(start_tls, pki):
    node = start_tls()
    assert over_tls(node, client(pki)).status == 200
    with Kept(node.admin_tls_port, tls=client(pki)) as kept:
        assert kept.ask("GET", "/services").status == 200
        node.settings["admin_ssl_client_ca"] = pki / "ca.crt"
        run = node.reload()
        assert run.returncode == 0 and "admin_ssl_client_ca: applied" in run.stdout
        eventually(lambda: over_tls(node, client(pki)).status == 400, 5)
        with contextlib.suppress(http.client.HTTPException, OSError):
            assert kept.ask("GET", "/services").status == 400, "it was closed, or is refused"
    assert over_tls(node, client(pki, "ann")).status == 200
    with Kept(node.admin_tls_port, tls=client(pki, "ann")) as kept:
        sock = kept.link.sock
        assert kept.ask("GET", "/services").status == 200
        assert node.reload().returncode == 0
        assert kept.ask("GET", "/services").status == 200 and kept.link.sock is sock, "the files are the same"
        node.settings["admin_ssl_client_ca"] = pki / "ca2.crt"
        assert node.reload().returncode == 0
        eventually(lambda: over_tls(node, client(pki, "eve")).status == 200, 5)
        with contextlib.suppress(http.client.HTTPException, OSError):
            assert kept.ask("GET", "/services").status == 400
    assert over_tls(node, client(pki, "ann")).status == 400
    node.settings["admin_ssl_client_ca"] = pki / "ann.key"
    run = node.reload()
    assert run.returncode == 1 and "ann.key" in run.stderr
    assert over_tls(node, client(pki, "eve")).status == 200
    node.settings["admin_ssl_client_ca"] = ""
    assert node.reload().returncode == 0
    eventually(lambda: over_tls(node, client(pki)).status == 200, 5)


def shown_by(port):
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def digest_of(path):
    first = re.search("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", path.read_text(), re.S).group(0)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()


def test_the_admin_api_has_a_certificate_of_its_own(start_tls, pki):
    node = start_tls(ssl_cert=pki / "ann.crt", ssl_cert_key=pki / "ann.key")
    assert shown_by(node.admin_tls_port) == shown_by(node.tls_port) == digest_of(pki / "ann.crt")
    node.settings |= {"admin_ssl_cert": pki / "server.crt", "admin_ssl_cert_key": pki / "server.key"}
    assert node.reload().returncode == 0
    eventually(lambda: shown_by(node.admin_tls_port) == digest_of(pki / "server.crt"), 5)
    assert shown_by(node.tls_port) == digest_of(pki / "ann.crt")
    assert node.admin("GET", "/").json["configuration"]["admin_ssl_cert_key"] == "******"


def test_plain_http_beside_certificates_is_refused_unless_it_is_safe(start, pki, tokens):
    plain, tls = free_ports(2)
    node = start(run=False, admin_ssl_client_ca=pki / "ca.crt")
    for listen in (f"0.0.0.0:{plain}, 127.0.0.1:{tls} ssl", f"127.0.0.1:{tls} ssl, [::]:{plain}"):
        node.settings["admin_listen"] = listen
        node.write_settings()
        run = node.command("start")
        assert run.returncode == 1 and "lets everybody in past admin_ssl_client_ca" in run.stderr, run.stderr
    node.settings |= {"admin_listen": f"0.0.0.0:{plain}, 0.0.0.0:{tls} ssl", "admin_tokens_file": tokens}
    node.start()
    node.admin_port, node.admin_tls_port = plain, tls
    assert node.admin("GET", "/services").status == 401
    assert node.admin("GET", "/services", headers=bearer(READER)).status == 200
    for name, headers, status in (("ann", {}, 401), (None, bearer(READER), 400), ("eve", bearer(READER), 400), ("ann", bearer(READER), 200)):
        assert over_tls(node, client(pki, name), headers=headers).status == status, (name, headers)
    node.settings["admin_tokens_file"] = ""
    run = node.reload()
    assert run.returncode == 1 and "lets everybody in" in run.stderr
    assert node.admin("GET", "/services").status == 401, "nothing has changed"


def test_plain_http_from_elsewhere_is_refused_until_the_restart_that_closes_it(start, pki):
    """Addresses change with a restart, certificates with a reload: in between nothing is open."""
    plain, tls = free_ports(2)
    node = start(admin_listen=f"0.0.0.0:{plain}, 127.0.0.1:{tls} ssl")
    outside = own_address()
    if outside is None:
        pytest.skip("only loopback here")
    assert from_address(plain, None, outside).status == 200
    node.settings |= {"admin_listen": f"127.0.0.1:{tls} ssl", "admin_ssl_client_ca": pki / "ca.crt"}
    run = node.reload()
    assert run.returncode == 0 and "admin_listen: needs a restart" in run.stdout
    eventually(lambda: from_address(plain, None, outside).status == 400, 5)
    assert from_address(plain, None).status == 200


def own_address():
    """Of this machine, other than loopback."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))  # sends nothing
        address = one.getsockname()[0]
        return None if address.startswith("127.") else address
    return None


# All at once


def test_all_that_are_configured_must_be_fulfilled(start_tls, pki, tokens):
    node = start_tls(admin_ssl_client_ca=pki / "ca.crt", admin_tokens_file=tokens, admin_allow="127.0.0.1")
    right = bearer(WRITER)
    for source, name, headers, status in (("127.0.0.1", "ann", right, 200), ("127.0.0.2", "ann", right, 403), ("127.0.0.2", None, {}, 403),
                                          ("127.0.0.1", None, right, 400), ("127.0.0.1", None, {}, 400), ("127.0.0.1", "ann", {}, 401)):
        link = http.client.HTTPSConnection("127.0.0.1", node.admin_tls_port, timeout=20, context=client(pki, name), source_address=(source, 0))
        link.request("GET", "/services", headers=headers)
        assert link.getresponse().status == status, (source, name, headers)
        link.close()


def warnings(node):
    return [line for line in node.log().splitlines() if "can change everything" in line]


def test_an_open_admin_api_is_warned_of_in_one_line(start, tokens):
    one, two, three = free_ports(3)
    node = start(admin_listen=f"0.0.0.0:{one} reuseport, 127.0.0.1:{two}, [::]:{three} ssl")
    assert len(warnings(node)) == 1, node.log()
    line = warnings(node)[0]
    assert line.endswith(f"admin_listen=0.0.0.0:{one}, [::]:{three}"), line
    assert all(name in line for name in ("admin_tokens_file", "admin_ssl_client_ca", "admin_allow"))
    node.settings["admin_tokens_file"] = tokens
    assert node.reload().returncode == 0
    assert len(warnings(node)) == 1


def test_one_protection_is_enough_for_the_warning_to_go(start, tokens, pki):
    for settings in ({}, {"admin_tokens_file": tokens, "admin_listen": f"0.0.0.0:{free_ports(1)[0]}"},
                     {"admin_ssl_client_ca": pki / "ca.crt", "admin_listen": f"0.0.0.0:{free_ports(1)[0]} ssl"},
                     {"admin_allow": "10.0.0.0/8", "admin_listen": f"0.0.0.0:{free_ports(1)[0]}"}):
        assert not warnings(start(**settings))
