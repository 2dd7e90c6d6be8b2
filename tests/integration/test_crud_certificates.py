"""Authorities, certificates and their names (Admin API reference 2.7 to 2.9; checklist 129-183, 432-446)."""

import pytest

from admin_api import KINDS, NO_METHOD, NOT_FOUND, NOWHERE, assert_answer, assert_stored, clash, missing, new_id, rule, send, without, wrong
from pems import CA, ECDSA, EXPIRED_CA, OTHER_CA, RSA, digest

pytestmark = pytest.mark.usefixtures("clean")

LEAF = rule('certificate does not appear to be a CA because it is missing the "CA" basic constraint')
EXPIRED = rule('certificate expired, "Not After" time is in the past')
ONE = rule("please submit only one certificate at a time")


def make(cluster, path, kind="json", **fields):
    answer = send(cluster.a, kind, "POST", path, fields)
    assert answer.status == 201, answer
    return answer.json


# ---- ca_certificates ----


@pytest.mark.parametrize("kind", KINDS)
def test_an_authority(cluster, kind):
    made = make(cluster, "/ca_certificates", kind, cert=CA, tags=["t"])
    assert list(made) == ["id", "created_at", "updated_at", "cert", "cert_digest", "tags"]
    assert (made["cert"], made["cert_digest"], made["tags"]) == (CA, digest("ca.crt"), ["t"])
    assert_stored(cluster, f"/ca_certificates/{made['id']}", made)
    assert cluster.a.admin("GET", f"/ca_certificates/{made['id']}").headers["X-Cache-Key"] == f"ca_certificates:{made['id']}:::::"
    assert_answer(cluster.a.admin("GET", "/ca_certificates"), 200, {"data": [made], "next": None})
    assert_answer(send(cluster.a, kind, "POST", "/ca_certificates", {"cert": CA}), 409,
                  clash(f'{{cert_digest="{made["cert_digest"]}"}}', {"cert_digest": made["cert_digest"]}))
    changed = send(cluster.a, kind, "PATCH", f"/ca_certificates/{made['id']}", {"cert": OTHER_CA})
    assert without(changed.json, "updated_at") == without(made, "updated_at") | {"cert": OTHER_CA, "cert_digest": digest("ca2.crt")}
    assert_stored(cluster, f"/ca_certificates/{made['id']}", changed.json)
    replaced = send(cluster.a, kind, "PUT", f"/ca_certificates/{made['id']}", {"cert": CA})
    assert (replaced.status, replaced.json["cert_digest"], replaced.json["tags"]) == (200, digest("ca.crt"), None)
    assert cluster.a.admin("DELETE", f"/ca_certificates/{made['id']}").status == 204
    key = new_id()
    created = send(cluster.a, kind, "PUT", f"/ca_certificates/{key}", {"cert": CA})
    assert (created.status, created.json["id"]) == (200, key)


@pytest.mark.parametrize("body, expected", [
    ({}, wrong("cert", "required field missing")),
    ({"cert": RSA}, LEAF),
    ({"cert": EXPIRED_CA}, EXPIRED),
    ({"cert": CA + OTHER_CA}, ONE),
])
def test_what_is_no_authority(cluster, body, expected):
    made = make(cluster, "/ca_certificates", cert=CA)
    for kind in KINDS:
        assert_answer(send(cluster.a, kind, "POST", "/ca_certificates", body), 400, expected)
        assert_answer(send(cluster.a, kind, "PUT", f"/ca_certificates/{made['id']}", body), 400, expected)
        if body:
            assert_answer(send(cluster.a, kind, "PATCH", f"/ca_certificates/{made['id']}", body), 400, expected)
    assert_answer(cluster.a.admin("GET", "/ca_certificates"), 200, {"data": [made], "next": None})


def test_what_is_no_certificate(cluster):
    for text in ("x", "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n", ECDSA[:200]):
        answer = cluster.a.admin("POST", "/ca_certificates", json={"cert": text})
        assert answer.status == 400 and answer.json["fields"]["cert"].startswith("invalid certificate: "), answer


def test_authorities_that_are_not_there(cluster):
    assert_answer(cluster.a.admin("GET", f"/ca_certificates/{NOWHERE}"), 404, NOT_FOUND)
    assert_answer(cluster.a.admin("PATCH", f"/ca_certificates/{NOWHERE}", json={}), 404, missing("id", NOWHERE))
    assert cluster.a.admin("DELETE", f"/ca_certificates/{NOWHERE}").status == 204
    answer = cluster.a.admin("GET", "/ca_certificates/name")
    assert (answer.status, answer.json["code"]) == (400, 1)
    assert_answer(cluster.a.admin("PUT", "/ca_certificates", json={}), 405, NO_METHOD)
