"""Authorities that sign certificates for the tests, and clients that look at what they are shown."""

import datetime
import socket
import ssl
import subprocess
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)
RSA_KEYS = []  # slow to make, so that certificates share a few


def new_key(kind):
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    if len(RSA_KEYS) < 3:
        RSA_KEYS.append(rsa.generate_private_key(65537, 2048))
        return RSA_KEYS[-1]
    RSA_KEYS.append(RSA_KEYS.pop(0))
    return RSA_KEYS[-1]


class Pair:
    """A certificate with its key, as PEM; `chain` has what stands between it and its root."""

    def __init__(self, certificate, key, chain=""):
        self.x509, self.private, self.chain = certificate, key, chain
        self.own = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.cert = self.own + chain
        self.key = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        self.der = certificate.public_bytes(serialization.Encoding.DER)

    def write(self, directory, name):
        cert, key = directory / f"{name}.crt", directory / f"{name}.key"
        cert.write_text(self.cert)
        key.write_text(self.key)
        key.chmod(0o600)
        return str(cert), str(key)

    def body(self, alternative=None, **more):
        second = {"cert_alt": alternative.cert, "key_alt": alternative.key} if alternative else {}
        return {"cert": self.cert, "key": self.key} | second | more


class Authority(Pair):
    def __init__(self, name="root", parent=None):
        key = new_key("ecdsa")
        certificate = sign(name, [], key, parent, authority=True)
        super().__init__(certificate, key, parent.chain_below() if parent else "")
        self.parent = parent

    def chain_below(self):
        """What its certificates have to bring along: itself and those above, but not the root."""
        return self.own + self.chain if self.parent else ""

    def issue(self, *names, kind="ecdsa", before=-DAY, after=DAY):
        key = new_key(kind)
        return Pair(sign(names[0] if names else "x", names, key, self, before=before, after=after), key, self.chain_below())


def sign(common, names, key, issuer, authority=False, before=-DAY, after=DAY):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.x509.subject if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(NOW + before).not_valid_after(NOW + after))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(issuer.private if issuer else key, hashes.SHA256())


def client(version=None, ciphers=None):
    """Looks at certificates without an opinion of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
    if ciphers is not None:
        context.set_ciphers(ciphers)
    return context


def s_client(port, *words, text=b""):
    """What `openssl s_client` says of a connection, for what Python's ssl cannot do."""
    run = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *words], input=text, capture_output=True, check=False,
                         timeout=30)
    return (run.stdout + run.stderr).decode("utf-8", "replace")


def handshake(port, name, context, session=None):
    """(reused, session, certificate); under TLS 1.3 the session comes after the handshake."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        with context.wrap_socket(link, server_hostname=name, session=session) as tls:
            tls.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
            assert tls.recv(4096).startswith(b"HTTP/1.1")
            return tls.session_reused, tls.session, tls.getpeercert(binary_form=True)
