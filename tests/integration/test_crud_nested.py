"""Children under their parents, and parents through their children (Admin API reference 1.16; checklist 289-307, 346, 447-460)."""

import pytest

from admin_api import (KINDS, NO_METHOD, NOT_FOUND, NOWHERE, assert_answer, assert_stored, new_id, send, violation, without, wrong)
from pems import RSA, RSA_KEY

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def family(cluster):
    """A service s with a route r, and a route alone without a service."""
    service, route = cluster.service("s"), cluster.route("r")
    alone = cluster.a.admin("PUT", "/routes/alone", json={"paths": ["/alone"]}).json
    return service, route, alone


@pytest.mark.parametrize("kind", KINDS)
def test_routes_of_a_service(cluster, family, kind):
    service, route, alone = family
    other = cluster.service("other")
    for path in ("/services/s", f"/services/{service['id']}"):
        assert_answer(cluster.a.admin("GET", f"{path}/routes"), 200, {"data": [route], "next": None})
        made = send(cluster.a, kind, "POST", f"{path}/routes", {"paths": ["/x"], "service": {"id": other["id"]}})
        assert (made.status, made.json["service"]) == (201, {"id": service["id"]})
        assert_stored(cluster, f"/routes/{made.json['id']}", made.json)
        assert_answer(cluster.a.admin("DELETE", f"{path}/routes/{alone['id']}"), 404, NOT_FOUND)
        assert cluster.a.admin("DELETE", f"{path}/routes/{made.json['id']}").status == 204
        assert_answer(cluster.a.admin("DELETE", f"{path}/routes/{made.json['id']}"), 404, NOT_FOUND)
    assert_answer(cluster.a.admin("GET", "/services/other/routes"), 200, {"data": [], "next": None})


def test_what_a_foreign_child_answers(cluster, family):
    service, _, alone = family
    for method in ("GET", "PATCH", "DELETE"):
        data = {"json": {"paths": "bad"}} if method == "PATCH" else {}
        for child in ("alone", alone["id"], NOWHERE, "nobody"):
            assert_answer(cluster.a.admin(method, f"/services/s/routes/{child}", **data), 404, NOT_FOUND)
    assert_stored(cluster, "/routes/alone", alone)
    taken = cluster.a.admin("PUT", "/services/s/routes/alone", json={"paths": ["/taken"]})
    assert (taken.status, taken.json["id"], taken.json["service"]) == (200, alone["id"], {"id": service["id"]})
    moved = cluster.a.admin("PATCH", "/services/s/routes/alone", json={"service": None})
    assert (moved.status, moved.json["service"]) == (200, None)


def test_children_of_nobody(cluster):
    for key in (NOWHERE, "nobody"):
        for method, path in (("GET", ""), ("POST", ""), ("GET", "/x"), ("PUT", "/x"), ("PATCH", "/x"), ("DELETE", "/x")):
            data = {"json": {"paths": ["/x"]}} if method in ("POST", "PUT", "PATCH") else {}
            assert_answer(cluster.a.admin(method, f"/services/{key}/routes{path}", **data), 404, NOT_FOUND)
    assert cluster.a.admin("GET", "/routes").json["data"] == []


def test_the_service_of_a_route(cluster, family):
    service, route, _ = family
    for key in ("r", route["id"]):
        assert_answer(cluster.a.admin("GET", f"/routes/{key}/service", headers={"Content-Type": "application/json"}, data="{junk"), 200, service)
    for key in ("alone", "nobody", NOWHERE):
        assert_answer(cluster.a.admin("GET", f"/routes/{key}/service"), 404, NOT_FOUND)


@pytest.mark.parametrize("kind", KINDS)
def test_patch_of_the_service_of_a_route(cluster, family, kind):
    service, route, _ = family
    for key, change, shown in (("r", {"port": 81}, {"port": 81}), (route["id"], {"tags": ["t"]}, {"tags": ["t"]}),
                               ("r", {"url": "https://u.test/p"}, {"protocol": "https", "host": "u.test", "port": 443, "path": "/p"})):
        answer = send(cluster.a, kind, "PATCH", f"/routes/{key}/service", change)
        assert without(answer.json, "updated_at") == without(service, "updated_at") | shown
        service = answer.json
        assert_stored(cluster, "/services/s", service)
    assert_answer(send(cluster.a, kind, "PATCH", "/routes/r/service", {"connect_timeout": "foobar"}), 400, wrong("connect_timeout", "expected an integer"))
    for missing in ("alone", "nobody", NOWHERE):
        assert_answer(send(cluster.a, kind, "PATCH", f"/routes/{missing}/service", {"name": "edited", "port": "bad"}), 404, NOT_FOUND)


@pytest.mark.parametrize("kind", KINDS)
def test_put_of_the_service_of_a_route(cluster, family, kind):
    service, route, alone = family
    for key in ("alone", route["id"], "r"):
        before = cluster.a.admin("GET", f"/routes/{key}").json
        answer = send(cluster.a, kind, "PUT", f"/routes/{key}/service", {"url": "http://new.test:8080", "retries": 7})
        assert answer.status == 200, answer
        assert [answer.json[name] for name in ("name", "host", "port", "retries", "path")] == [None, "new.test", 8080, 7, None]
        after = cluster.a.admin("GET", f"/routes/{key}").json
        assert after["service"] == {"id": answer.json["id"]}
        assert without(after, "service", "updated_at") == without(before, "service", "updated_at")
        assert_stored(cluster, f"/services/{answer.json['id']}", answer.json)
        if key != "alone":
            assert answer.json["id"] == service["id"]
    assert cluster.a.admin("GET", "/routes/alone").json["service"]["id"] != service["id"]
    for missing in ("nobody", NOWHERE):
        assert_answer(send(cluster.a, kind, "PUT", f"/routes/{missing}/service", {"host": "h"}), 404, NOT_FOUND)
    protocols = "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp"
    assert_answer(send(cluster.a, kind, "PUT", "/routes/r/service", {"protocol": "ftp"}), 400,
                  violation({"host": "required field missing", "protocol": protocols}, "host: required field missing", f"protocol: {protocols}"))


def test_delete_of_the_service_of_a_route(cluster, family):
    service, route, _ = family
    for key in ("r", route["id"]):
        assert_answer(cluster.a.admin("DELETE", f"/routes/{key}/service"), 405, NO_METHOD)
    for key in ("alone", "nobody", NOWHERE):
        assert_answer(cluster.a.admin("DELETE", f"/routes/{key}/service"), 404, NOT_FOUND)
    assert_stored(cluster, "/services/s", service)


def test_parents_of_plugins_and_credentials(cluster, family):
    cluster.consumer("c")
    cluster.key("k")
    plugin = cluster.a.admin("POST", "/plugins", json={"name": "request-termination", "route": {"name": "r"}, "consumer": {"username": "c"}}).json
    key = cluster.a.admin("GET", "/key-auths/k").json["id"]
    for path, parent in ((f"/plugins/{plugin['id']}/route", "/routes/r"), (f"/plugins/{plugin['id']}/consumer", "/consumers/c"),
                         ("/key-auths/k/consumer", "/consumers/c"), (f"/key-auths/{key}/consumer", "/consumers/c")):
        assert_answer(cluster.a.admin("GET", path), 200, cluster.a.admin("GET", parent).json)
        assert_answer(cluster.a.admin("DELETE", path), 405, NO_METHOD)
    assert_answer(cluster.a.admin("GET", f"/plugins/{plugin['id']}/service"), 404, NOT_FOUND)
    made = cluster.a.admin("PUT", f"/plugins/{plugin['id']}/service", json={"host": "h"})
    assert cluster.a.admin("GET", f"/plugins/{plugin['id']}").json["service"] == {"id": made.json["id"]}
    renamed = cluster.a.admin("PATCH", "/key-auths/k/consumer", json={"username": "renamed"})
    assert_stored(cluster, "/consumers/renamed", renamed.json)


@pytest.mark.parametrize("path", ["/consumers/c/routes", "/services/s/consumers", "/routes/r/consumers", "/services/s/routes/r/plugins",
                                  "/services/s/key-auth", "/routes/r/services", "/routes/r/nothing", "/consumers/c/key-auths",
                                  "/key-auth", "/keyauth_credentials", "/default/services", "/kong", "/consumer_groups", "/licenses", "/rbac/users",
                                  "/event-hooks", "/targets", "/parameters", "/services/s/routes/r/service"])
def test_paths_there_are_not(cluster, family, path):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"):
        assert_answer(cluster.a.admin(method, path), 404, NOT_FOUND)


def test_cascades_are_told_in_one_position(cluster, family):
    cluster.consumer("c")
    for key in ("k1", "k2"):
        cluster.key(key)
    cluster.a.admin("POST", "/plugins", json={"name": "request-termination", "consumer": {"username": "c"}})
    before = cluster.a.applied()
    assert cluster.a.admin("DELETE", "/consumers/c").status == 204
    rows = [row.split("|") for row in cluster.sql(f"SELECT pos, entity FROM cluster_log WHERE pos > {before} ORDER BY n").splitlines()]
    assert sorted(entity for _, entity in rows) == ["consumers", "keyauth_credentials", "keyauth_credentials", "plugins"]
    assert {position for position, _ in rows} == {str(before + 1)}
    for path in ("/consumers", "/key-auths", "/plugins"):
        assert cluster.a.admin("GET", path).json["data"] == []


def test_a_put_that_fails_half_way_leaves_nothing(cluster, family):
    """The new service would be made first and then linked: the route's id makes the second step impossible."""
    before, position = cluster.a.admin("GET", "/services").json, cluster.a.applied()
    taken = cluster.a.admin("PUT", "/routes/alone/service", json={"host": "h", "name": "s"})
    assert taken.status == 409
    taken = cluster.a.admin("PUT", "/routes/alone/service", json={"host": "h", "id": before["data"][0]["id"]})
    assert (taken.status, taken.json["code"]) == (400, 3)
    assert cluster.a.admin("GET", "/services").json == before
    assert cluster.a.admin("GET", "/routes/alone").json["service"] is None
    assert cluster.a.applied() == position
    assert cluster.a.admin("PUT", "/routes/alone/service", json={"host": "h", "id": new_id()}).status == 200


def test_a_child_is_linked_only_if_its_own_rules_allow_it(cluster, family):
    plugin = cluster.a.admin("POST", "/plugins", json={"name": "key-auth", "route": {"name": "r"}}).json
    position = cluster.a.applied()
    assert_answer(cluster.a.admin("PUT", f"/plugins/{plugin['id']}/consumer", json={"username": "new"}), 400, wrong("consumer", "value must be null"))
    refused = cluster.a.admin("PUT", "/services/s/client_certificate", json={"cert": RSA, "key": RSA_KEY})
    assert (refused.status, refused.json["fields"]["client_certificate"]) == (400, "value must be null")
    assert cluster.a.admin("GET", "/consumers").json["data"] == [] and cluster.a.admin("GET", "/certificates").json["data"] == []
    assert cluster.a.applied() == position
    assert cluster.a.admin("PATCH", "/services/s", json={"protocol": "https"}).status == 200
    made = cluster.a.admin("PUT", "/services/s/client_certificate", json={"cert": RSA, "key": RSA_KEY})
    assert cluster.a.admin("GET", "/services/s").json["client_certificate"] == {"id": made.json["id"]}
