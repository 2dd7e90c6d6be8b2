"""Certificates and keys of the tests, and the same as JSON Web Keys."""

import base64
import json
import os
import subprocess

DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "pem")


def pem(name):
    with open(os.path.join(DIRECTORY, name), encoding="ascii") as file:
        return file.read()


RSA, RSA_KEY, RSA_PUBLIC = pem("rsa.crt"), pem("rsa.key"), pem("rsa.pub")
OTHER, OTHER_KEY = pem("other.crt"), pem("other.key")  # RSA as well
ECDSA, ECDSA_KEY = pem("ecdsa.crt"), pem("ecdsa.key")
SECOND, SECOND_KEY = pem("second.crt"), pem("second.key")  # ECDSA as well
CA, OTHER_CA, EXPIRED_CA = pem("ca.crt"), pem("ca2.crt"), pem("expired_ca.crt")


def digest(name):
    der = subprocess.run(["openssl", "x509", "-in", os.path.join(DIRECTORY, name), "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True,
                         check=True).stdout
    return der.strip().split("=")[1].replace(":", "").lower()


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk_of_rsa(kid):
    """The public half of RSA_KEY."""
    text = subprocess.run(["openssl", "rsa", "-in", os.path.join(DIRECTORY, "rsa.key"), "-noout", "-modulus"], capture_output=True, text=True,
                          check=True).stdout
    return json.dumps({"kty": "RSA", "kid": kid, "n": url64(bytes.fromhex(text.strip().split("=")[1])), "e": "AQAB"})
