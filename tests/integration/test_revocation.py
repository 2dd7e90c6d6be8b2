"""Whatever says who somebody is, is refused on every node as soon as that node has applied its end: as fast as a route changes."""

import pytest

from auth import add_plugin, basic, credential, date, protect, signed, token
from support import eventually

pytestmark = pytest.mark.usefixtures("clean")


def signed_now():
    when = date()
    return {"Date": when, "Authorization": signed(f"date: {when}", names="date")}


# Plugin -> the path of its credentials, the credential, how URLs name it, the headers of a request with it.
KINDS = {
    "key-auth": ("key-auth", {"key": "k"}, "k", lambda: {"apikey": "k"}),
    "basic-auth": ("basic-auth", {"username": "u", "password": "p"}, "u", lambda: {"Authorization": basic("u", "p")}),
    "jwt": ("jwt", {"key": "k", "secret": "s"}, "k", lambda: {"Authorization": "Bearer " + token({"iss": "k"}, "s")}),
    "hmac-auth": ("hmac-auth", {"username": "bob", "secret": "s3cret"}, "bob", signed_now),
    "acl": ("acls", {"group": "g"}, "g", lambda: {"apikey": "always"}),
}


@pytest.fixture(params=KINDS)
def kind(cluster, request):
    """A consumer whom both nodes know by a credential of this kind."""
    path, body, name, headers = KINDS[request.param]
    cluster.consumer("c")
    if request.param == "acl":
        protect(cluster, "key-auth")
        cluster.key("always")
        add_plugin(cluster, "acl", {"allow": ["g"]})
    else:
        protect(cluster, request.param)
    credential(cluster, path, **body)
    cluster.settle()
    status = lambda node: node.proxy("GET", "/r", headers=headers()).status
    for node in cluster.nodes:
        assert [status(node) for _ in range(3)] == [200] * 3
    return path, body, name, status


def wait_until_applied(cluster):
    position = cluster.a.applied()
    eventually(lambda: cluster.b.applied() >= position, 3)


def test_what_is_revoked_is_refused_with_the_position(cluster, kind):
    path, body, name, status = kind
    for _ in range(5):
        assert cluster.a.admin("DELETE", f"/consumers/c/{path}/{name}").status == 204
        assert status(cluster.a) in (401, 403)
        wait_until_applied(cluster)
        assert status(cluster.b) in (401, 403)
        assert status(cluster.b) in (401, 403)  # and from now on remembered
        credential(cluster, path, **body)
        assert status(cluster.a) == 200
        wait_until_applied(cluster)
        assert status(cluster.b) == 200


def test_who_is_gone_takes_everything_along(cluster, kind):
    status = kind[3]
    assert cluster.a.admin("DELETE", "/consumers/c").status == 204
    assert status(cluster.a) == 401
    wait_until_applied(cluster)
    assert status(cluster.b) == 401
