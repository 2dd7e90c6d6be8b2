"""Authorities, certificates and their names (Admin API reference 2.7 to 2.9; checklist 129-183, 432-446)."""

import pytest

from admin_api import KINDS, NO_METHOD, NOT_FOUND, NOWHERE, assert_answer, assert_stored, clash, missing, new_id, rule, send, without, wrong
from pems import CA, ECDSA, ECDSA_KEY, EXPIRED_CA, OTHER, OTHER_CA, OTHER_KEY, RSA, RSA_KEY, SECOND, SECOND_KEY, digest

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


# ---- certificates and snis ----

PAIR = {"cert": RSA, "key": RSA_KEY}
OTHER_PAIR = {"cert": OTHER, "key": OTHER_KEY}
ALT = {"cert_alt": ECDSA, "key_alt": ECDSA_KEY}
OTHER_ALT = {"cert_alt": SECOND, "key_alt": SECOND_KEY}
NONE = {"cert_alt": None, "key_alt": None}
MISMATCH = rule("certificate does not match key")
ALT_MISMATCH = rule("alternative certificate does not match key")
SAME_KIND = rule("certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), the provided certificates were both of "
                 "the same type")
ALL_OR_NONE = rule("all or none of these fields must be set: 'cert_alt', 'key_alt'")
NO_SNI = {"message": "SNI not found"}


def names_of(cluster, key):
    return cluster.b.admin("GET", f"/certificates/{key}").json["snis"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_and_its_names(cluster, kind):
    made = make(cluster, "/certificates", kind, **PAIR, snis=["b.test", "a.test"], tags=["t"])
    assert list(made) == ["id", "created_at", "updated_at", "cert", "key", "cert_alt", "key_alt", "tags", "snis"]
    assert without(made, "id", "created_at", "updated_at") == PAIR | NONE | {"tags": ["t"], "snis": ["a.test", "b.test"]}
    for key in (made["id"], "a.test", "b.test"):
        assert_stored(cluster, f"/certificates/{key}", made)
    assert {row["name"]: row["certificate"] for row in cluster.a.admin("GET", "/snis").json["data"]} == {
        "a.test": {"id": made["id"]}, "b.test": {"id": made["id"]}}
    assert make(cluster, "/certificates", kind, **OTHER_PAIR)["snis"] == []


def test_a_form_has_one_name_as_text(cluster):
    assert make(cluster, "/certificates", "form", **PAIR, snis="a.test")["snis"] == ["a.test"]
    assert make(cluster, "/certificates", "json", **PAIR, snis="b.test")["snis"] == []


def test_many_names_are_sorted_in_lists(cluster):
    names = [f"{number}.test" for number in range(150)]
    made = make(cluster, "/certificates", **PAIR, snis=names)
    make(cluster, "/certificates", **OTHER_PAIR)
    rows = {row["id"]: row for row in cluster.a.admin("GET", "/certificates").json["data"]}
    assert len(rows) == 2
    assert rows[made["id"]] == made and made["snis"] == sorted(names)
    assert (made["cert_alt"], made["key_alt"]) == (None, None)


def taken(name, key):
    return wrong("snis", f"{name} already associated with existing certificate '{key}'")


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_cannot_be_given(cluster, kind):
    first = make(cluster, "/certificates", kind, **PAIR, snis=["a.test"])
    second = make(cluster, "/certificates", kind, **PAIR, snis=["b.test"])
    for method, path in (("POST", "/certificates"), ("PATCH", f"/certificates/{second['id']}"), ("PUT", f"/certificates/{second['id']}"),
                         ("PATCH", "/certificates/b.test"), ("PUT", f"/certificates/{new_id()}")):
        for names, expected in ((["c.test", "c.test"], wrong("snis", "c.test is duplicated")), (["c.test", "a.test"], taken("a.test", first["id"])),
                                (["1.2.3.4"], {"code": 10, "name": "invalid unique name", "message": "must not be an IP"})):
            assert_answer(send(cluster.a, kind, method, path, PAIR | {"snis": names}), 400, expected)
    rows = cluster.a.admin("GET", "/certificates").json["data"]
    assert sorted(rows, key=lambda row: row["snis"]) == [first, second]


def test_names_that_are_no_texts(cluster):
    for names, text in (([7], "expected a string"), ([None], "expected a string"), ({"a": "b"}, "expected a string")):
        answer = cluster.a.admin("POST", "/certificates", json=PAIR | {"snis": names})
        assert answer.status == 400 and text in answer.json["message"]
    assert cluster.a.admin("GET", "/certificates").json["data"] == []


REFUSED = [
    ({}, {"code": 2, "name": "schema violation", "message": "2 schema violations (cert: required field missing; key: required field missing)",
          "fields": {"cert": "required field missing", "key": "required field missing"}}),
    (PAIR | {"key": OTHER_KEY}, MISMATCH),
    (PAIR | {"cert_alt": ECDSA}, ALL_OR_NONE),
    (PAIR | {"key_alt": ECDSA_KEY}, ALL_OR_NONE),
    (PAIR | {"cert_alt": ECDSA, "key_alt": SECOND_KEY}, ALT_MISMATCH),
    (PAIR | {"cert_alt": OTHER, "key_alt": OTHER_KEY}, SAME_KIND),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body, expected", REFUSED)
def test_pairs_that_do_not_fit(cluster, kind, body, expected):
    assert_answer(send(cluster.a, kind, "POST", "/certificates", body), 400, expected)
    assert_answer(send(cluster.a, kind, "PUT", f"/certificates/{new_id()}", body), 400, expected)
    made = make(cluster, "/certificates", **PAIR, snis=["a.test"])
    if body:
        assert_answer(send(cluster.a, kind, "PATCH", "/certificates/a.test", body), 400, expected)
    assert_stored(cluster, "/certificates/a.test", made)


def test_texts_that_are_none(cluster):
    for name, start in (("cert", "invalid certificate: "), ("key", "invalid key: "), ("cert_alt", "invalid certificate: "), ("key_alt", "invalid key: ")):
        answer = cluster.a.admin("POST", "/certificates", json=PAIR | ALT | {name: "x"})
        assert answer.status == 400 and answer.json["fields"][name].startswith(start), answer
    answer = cluster.a.admin("POST", "/certificates", json={"cert": RSA_KEY, "key": RSA})
    assert set(answer.json["fields"]) == {"cert", "key"}


def test_references_to_secrets_are_not_read(cluster):
    given = {"cert": "{vault://env/cert}", "key": "{vault://env/key}", "cert_alt": "{vault://env/cert2}", "key_alt": ECDSA_KEY}
    made = make(cluster, "/certificates", **given)
    assert {name: made[name] for name in given} == given


@pytest.mark.parametrize("alternative", [{}, ALT], ids=["one", "two"])
@pytest.mark.parametrize("kind", KINDS)
def test_patch_of_a_certificate(cluster, kind, alternative):
    made = make(cluster, "/certificates", kind, **PAIR, **alternative, snis=["a.test", "b.test"])
    for key in (made["id"], "b.test"):
        for change in (OTHER_PAIR, PAIR, OTHER_ALT, ALT, {}):
            answer = send(cluster.a, kind, "PATCH", f"/certificates/{key}", change)
            assert answer.status == 200, answer
            assert without(answer.json, "updated_at") == without(made, "updated_at") | change
            made = answer.json
            assert_stored(cluster, f"/certificates/{key}", made)


@pytest.mark.parametrize("kind", KINDS)
def test_put_of_a_certificate(cluster, kind):
    key = new_id()
    made = send(cluster.a, kind, "PUT", f"/certificates/{key}", PAIR | {"snis": ["a.test", "b.test"]})
    assert (made.status, made.json["id"], made.json["snis"]) == (200, key, ["a.test", "b.test"])
    again = send(cluster.a, kind, "PUT", f"/certificates/{key}", PAIR | {"snis": ["b.test", "c.test"]})
    assert (again.status, again.json["snis"]) == (200, ["b.test", "c.test"])
    emptied = send(cluster.a, kind, "PUT", f"/certificates/{key}", OTHER_PAIR | ALT)
    assert (emptied.status, emptied.json["snis"], emptied.json["cert_alt"]) == (200, [], ECDSA)
    assert cluster.a.admin("GET", "/snis").json["data"] == []
    for body, names in ((PAIR, []), (PAIR | {"snis": ["d.test"]}, ["d.test", "new.test"]), (PAIR | {"snis": ["new.test", "e.test"]}, ["e.test", "new.test"])):
        by_name = send(cluster.a, kind, "PUT", "/certificates/new.test", body)
        assert (by_name.status, by_name.json["snis"]) == (200, names)
        assert names_of(cluster, by_name.json["id"]) == names
    known = send(cluster.a, kind, "PUT", "/certificates/new.test", OTHER_PAIR)
    assert (known.status, known.json["id"], known.json["snis"]) == (200, by_name.json["id"], [])


@pytest.mark.parametrize("alternative", [{}, ALT], ids=["one", "two"])
def test_patch_of_names(cluster, alternative):
    made = make(cluster, "/certificates", **PAIR, **alternative, snis=["a.test", "b.test"])
    other = make(cluster, "/certificates", **PAIR, snis=["c.test"])
    path = f"/certificates/{made['id']}"
    rows = {row["name"]: row["id"] for row in cluster.a.admin("GET", "/snis").json["data"]}
    for change, names in (({"snis": ["d.test", "b.test"]}, ["b.test", "d.test"]), ({"tags": ["t"]}, ["b.test", "d.test"]), ({"snis": None}, []),
                          ({"snis": ["a.test"]}, ["a.test"]), ({"snis": []}, [])):
        answer = cluster.a.admin("PATCH", path, json=change)
        assert (answer.status, answer.json["snis"]) == (200, names)
        assert names_of(cluster, made["id"]) == names
        assert names_of(cluster, other["id"]) == ["c.test"]
        if "d.test" in names:
            assert cluster.a.admin("GET", "/snis/b.test").json["id"] == rows["b.test"], "what stays is not made anew"


def test_each_name_that_comes_or_goes_has_its_event(cluster):
    made = make(cluster, "/certificates", **PAIR, snis=["a.test", "b.test"])

    def entities(position):
        return cluster.sql(f"SELECT entity FROM cluster_log WHERE pos = {position} ORDER BY entity").split()

    position = cluster.a.applied()
    assert entities(position) == ["certificates", "snis", "snis"]
    cluster.a.admin("PATCH", "/certificates/a.test", json={"snis": ["a.test", "c.test"]})
    assert entities(position + 1) == ["certificates", "snis", "snis"]
    assert cluster.a.admin("DELETE", f"/certificates/{made['id']}").status == 204
    assert entities(position + 2) == ["certificates", "snis", "snis"]


@pytest.mark.parametrize("by_name", [True, False])
def test_delete_takes_the_names_along(cluster, by_name):
    made = make(cluster, "/certificates", **PAIR, snis=["a.test", "b.test"])
    assert cluster.a.admin("DELETE", f"/certificates/{'a.test' if by_name else made['id']}").status == 204
    assert cluster.a.admin("GET", "/snis").json["data"] == []
    assert_answer(cluster.a.admin("GET", f"/certificates/{made['id']}"), 404, NOT_FOUND)


def test_certificates_that_are_not_there(cluster):
    for method in ("GET", "PATCH", "DELETE"):
        data = {"json": {}} if method == "PATCH" else {}
        assert_answer(cluster.a.admin(method, "/certificates/nobody.test", **data), 404, NO_SNI)
        answer = cluster.a.admin(method, "/certificates/a%20b", **data)
        assert (answer.status, answer.json["code"], answer.json["name"]) == (400, 10, "invalid unique name")
    assert_answer(cluster.a.admin("GET", f"/certificates/{NOWHERE}"), 404, NOT_FOUND)
    assert_answer(cluster.a.admin("PATCH", f"/certificates/{NOWHERE}", json={"cert": 1}), 404, missing("id", NOWHERE))
    assert cluster.a.admin("DELETE", f"/certificates/{NOWHERE}").status == 204
    for key, body in (("nobody.test", NO_SNI), (NOWHERE, NOT_FOUND)):
        assert_answer(cluster.a.admin("GET", f"/certificates/{key}/snis"), 404, body)
        assert_answer(cluster.a.admin("POST", f"/certificates/{key}/snis", json={"name": "a.test"}), 404, body)


@pytest.mark.parametrize("kind", KINDS)
def test_names_below_a_certificate(cluster, kind):
    made = make(cluster, "/certificates", **PAIR, snis=["a.test"])
    for key, name in ((made["id"], "b.test"), ("a.test", "*.x.test"), ("b.test", "x.*")):
        row = make(cluster, f"/certificates/{key}/snis", kind, name=name)
        assert list(row) == ["id", "name", "created_at", "updated_at", "tags", "certificate"]
        assert (row["name"], row["certificate"]) == (name, {"id": made["id"]})
        assert_stored(cluster, f"/snis/{name}", row)
        assert_stored(cluster, f"/snis/{row['id']}", row)
        assert_stored(cluster, f"/certificates/{key}/snis/{name}", row)
    assert names_of(cluster, made["id"]) == ["*.x.test", "a.test", "b.test", "x.*"]
    listed = cluster.a.admin("GET", f"/certificates/{made['id']}/snis").json["data"]
    assert sorted(row["name"] for row in listed) == names_of(cluster, "a.test")
    assert_answer(send(cluster.a, kind, "POST", "/snis", {"name": "a.test", "certificate": {"id": made["id"]}}), 409,
                  clash('{name="a.test"}', {"name": "a.test"}))


BAD_NAMES = [("x.*.test", "wildcard must be leftmost or rightmost character"), ("*.*", "only one wildcard must be specified"),
             ("*.a.*", "only one wildcard must be specified"), ("1.2.3.4", "must not be an IP"), ("a.test:1", "must not have a port"),
             ("a b", "invalid value: a b"), ("*a.test", "invalid value: *a.test"), ("*.a.test:1", "must not have a port")]


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_none(cluster, kind):
    made = make(cluster, "/certificates", **PAIR)
    for name, text in BAD_NAMES:
        assert_answer(send(cluster.a, kind, "POST", "/snis", {"name": name, "certificate": {"id": made["id"]}}), 400, wrong("name", text))
    assert cluster.a.admin("GET", "/snis").json["data"] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alternative", [{}, ALT], ids=["one", "two"])
def test_put_and_patch_of_a_name(cluster, kind, alternative):
    one = make(cluster, "/certificates", **PAIR, **alternative, snis=["a.test"])
    two = make(cluster, "/certificates", **PAIR, **alternative)
    moved = send(cluster.a, kind, "PATCH", "/snis/a.test", {"certificate": {"id": two["id"]}})
    assert (moved.status, moved.json["certificate"]) == (200, {"id": two["id"]})
    assert (names_of(cluster, one["id"]), names_of(cluster, two["id"])) == ([], ["a.test"])
    key = new_id()
    made = send(cluster.a, kind, "PUT", f"/snis/{key}", {"name": "b.test", "certificate": {"id": one["id"]}})
    assert (made.status, made.json["id"]) == (200, key)
    again = send(cluster.a, kind, "PUT", f"/snis/{key}", {"name": "b.test", "certificate": {"id": two["id"]}})
    assert (again.status, again.json["certificate"]) == (200, {"id": two["id"]})
    assert_answer(send(cluster.a, kind, "PUT", f"/snis/{new_id()}", {}), 400,
                  {"code": 2, "name": "schema violation", "message": "2 schema violations (certificate: required field missing; name: required field missing)",
                   "fields": {"certificate": "required field missing", "name": "required field missing"}})
    assert cluster.a.admin("DELETE", f"/snis/{key}").status == 204
    assert names_of(cluster, two["id"]) == ["a.test"]
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert_answer(cluster.a.admin(method, "/snis/a.test/certificate"), 404, NOT_FOUND)


def test_client_certificates(cluster):
    made = make(cluster, "/certificates", **PAIR, snis=["a.test"])
    shown = without(made, "snis")
    service = make(cluster, "/services", name="s", host="h", protocol="https", client_certificate={"id": made["id"]})
    upstream = make(cluster, "/upstreams", name="u", client_certificate={"id": made["id"]})
    assert service["client_certificate"] == upstream["client_certificate"] == {"id": made["id"]}
    for path in ("/services/s", "/upstreams/u"):
        assert_answer(cluster.a.admin("GET", f"{path}/client_certificate"), 200, shown)
        answer = cluster.a.admin("PATCH", path, json={"client_certificate": {"id": NOWHERE}})
        assert (answer.status, answer.json["code"]) == (400, 4)
        assert answer.json["message"] == f"the foreign key '{{id=\"{NOWHERE}\"}}' does not reference an existing 'certificates' entity."
    for key in (made["id"], "a.test"):
        assert_answer(cluster.a.admin("GET", f"/certificates/{key}/services"), 200, {"data": [service], "next": None})
        assert_answer(cluster.a.admin("GET", f"/certificates/{key}/upstreams"), 200, {"data": [upstream], "next": None})
    for entity, path in (("services", "/services/s"), ("upstreams", "/upstreams/u")):
        answer = cluster.a.admin("DELETE", "/certificates/a.test")
        assert (answer.status, answer.json["code"]) == (400, 4)
        assert names_of(cluster, made["id"]) == ["a.test"], "a refused delete takes nothing along"
        changed = cluster.a.admin("PATCH", path, json={"client_certificate": None})
        assert (changed.status, changed.json["client_certificate"]) == (200, None), entity
    assert cluster.a.admin("DELETE", "/certificates/a.test").status == 204


def test_private_keys_of_certificates_do_not_reach_a_log(cluster):
    secret = RSA_KEY.splitlines()[3]
    make(cluster, "/certificates", **PAIR, snis=["a.test"])
    cluster.a.admin("POST", "/certificates", json=OTHER_PAIR | {"key": RSA_KEY})
    cluster.a.admin("POST", "/certificates", json=PAIR | {"snis": ["a.test"]})
    for node in cluster.nodes:
        assert secret not in node.log()
