"""acl (plugin reference 5; data plane 9.4; Admin API reference 4)."""

import pytest

from auth import add_plugin, assert_refused, credential, protect, upstream_headers
from support import eventually

pytestmark = pytest.mark.usefixtures("clean")

WORKSPACE = "5b1e0000-0000-4000-8000-000000000001"
FORBIDDEN = "You cannot consume this service"
GROUPS = {"gold": ["gold", "a b", "é."], "silver": ["silver"], "none": [], "guest": [], "member": ["gold"]}


@pytest.fixture
def people(cluster):
    """Consumers, each with a key of its name and its groups."""
    made = {}
    for name, groups in GROUPS.items():
        made[name] = cluster.consumer(name)
        cluster.key(name, name)
        for group in groups:
            credential(cluster, "acls", name, group=group)
    return made


def guard(cluster, name="r", anonymous=None, **config):
    protect(cluster, "key-auth", {"anonymous": anonymous} if anonymous else {}, name)
    add_plugin(cluster, "acl", config, name)


def ask(cluster, key=None, path="/r", node=None, **headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return (node or cluster.a).proxy("GET", path, headers=sent | ({"apikey": key} if key else {}))


def list_key(person):
    return f"/cache/acls:{person['id']}:::::{WORKSPACE}"


def is_gone(node, person):
    """Forgotten, or, where it was in use, known to be no more."""
    answer = node.admin("GET", list_key(person))
    return answer.status == 404 or answer.json == {}


@pytest.mark.parametrize("config, passing", [
    ({"allow": ["gold"]}, {"gold", "member"}), ({"allow": ["gold", "silver"]}, {"gold", "member", "silver"}), ({"allow": ["nobody's"]}, set()),
    ({"allow": ["a b"]}, {"gold"}), ({"allow": ["é."]}, {"gold"}), ({"allow": ["GOLD"]}, set()), ({"deny": ["gold"]}, {"silver", "none", "guest"}),
    ({"deny": ["nobody's"]}, set(GROUPS)), ({"deny": ["silver", "é."]}, {"member", "none", "guest"})])
def test_who_is_in_a_listed_group(cluster, people, config, passing):
    guard(cluster, **config)
    for _ in range(2):  # from the database, and from memory
        for name in GROUPS:
            answer = ask(cluster, name)
            if name in passing:
                assert answer.status == 200, (name, answer)
            else:
                assert_refused(answer, 403, FORBIDDEN)


@pytest.mark.parametrize("who, config, status, words", [
    ("guest", {"allow": ["gold"]}, 401, "Unauthorized"), ("guest", {"deny": ["gold"]}, 200, None), ("member", {"allow": ["gold"]}, 200, None),
    ("member", {"deny": ["gold"]}, 403, FORBIDDEN), ("member", {"allow": ["silver"]}, 403, FORBIDDEN)])
def test_the_anonymous_consumer_is_in_its_own_groups(cluster, people, who, config, status, words):
    guard(cluster, anonymous=who, **config)
    answer = ask(cluster)
    if words is None:
        assert answer.status == status, answer
    else:
        assert_refused(answer, status, words)


@pytest.mark.parametrize("config", [{"allow": ["gold"]}, {"deny": ["gold"]}])
def test_nobody_at_all_is_refused(cluster, people, config):
    cluster.service()
    cluster.route()
    add_plugin(cluster, "acl", config)
    assert_refused(ask(cluster), 401, "Unauthorized")
    assert_refused(ask(cluster, X_Consumer_Groups="gold", X_Consumer_ID=people["gold"]["id"]), 401, "Unauthorized")


def test_the_upstream_is_told_all_groups(cluster, people):
    guard(cluster, deny=["x"])
    forged = {"X_Consumer_Groups": "root", "X_Authenticated_Groups": "root"}
    told = upstream_headers(ask(cluster, "gold", **forged))
    assert sorted(told["x-consumer-groups"].encode("latin-1").decode().split(", ")) == sorted(GROUPS["gold"]) and "x-authenticated-groups" not in told
    assert upstream_headers(ask(cluster, "none", **forged))["x-consumer-groups"] == ""
    guard(cluster, "hidden", deny=["x"], hide_groups_header=True)
    told = upstream_headers(ask(cluster, "gold", "/hidden", **forged))
    assert "x-consumer-groups" not in told and "x-authenticated-groups" not in told


def test_a_group_name_is_no_way_into_the_headers(cluster, people):
    credential(cluster, "acls", "member", group="x\r\nX-Evil: 1")
    guard(cluster, allow=["gold"])
    told = upstream_headers(ask(cluster, "member"))
    assert told["x-consumer-groups"] == "gold" and "x-evil" not in told


def test_groups_of_a_consumer_come_and_go_everywhere(cluster, people):
    guard(cluster, allow=["gold"])
    cluster.settle()
    for node in cluster.nodes:
        assert [ask(cluster, name, node=node).status for name in ("gold", "silver", "none") for _ in range(2)] == [200, 200, 403, 403, 403, 403]
        assert [row["group"] for row in node.admin("GET", list_key(people["silver"])).json] == ["silver"]
        assert node.admin("GET", list_key(people["none"])).json == {}
    credential(cluster, "acls", "none", group="gold")  # an absence ends
    row = credential(cluster, "acls", "silver", group="gold")  # a list grows
    assert cluster.a.admin("DELETE", "/consumers/gold/acls/gold").status == 204  # and shrinks
    assert [ask(cluster, name).status for name in ("gold", "silver", "none")] == [403, 200, 200]
    eventually(lambda: [ask(cluster, name, node=cluster.b).status for name in ("gold", "silver", "none")] == [403, 200, 200], 3)
    assert cluster.a.admin("PATCH", f"/consumers/silver/acls/{row['id']}", json={"group": "renamed"}).status == 200
    assert ask(cluster, "silver").status == 403
    eventually(lambda: ask(cluster, "silver", node=cluster.b).status == 403, 3)
    moved = cluster.a.admin("PATCH", f"/acls/{row['id']}", json={"group": "gold", "consumer": {"id": people["gold"]["id"]}})
    assert moved.status == 200, moved
    assert (ask(cluster, "silver").status, ask(cluster, "gold").status) == (403, 200)
    eventually(lambda: ask(cluster, "gold", node=cluster.b).status == 200, 3)
    assert cluster.a.admin("DELETE", "/consumers/gold").status == 204
    eventually(lambda: is_gone(cluster.b, people["gold"]), 3)
    assert ask(cluster, "gold").status == 401


def test_a_group_is_shown_with_all_it_has(cluster, people):
    guard(cluster, allow=["silver"])
    made = credential(cluster, "acls", "none", group="silver", tags=["t"])
    assert ask(cluster, "none").status == 200
    assert cluster.a.admin("GET", list_key(people["none"])).json == [made]
    assert cluster.a.admin("DELETE", list_key(people["none"])).status == 204
    assert cluster.a.admin("GET", list_key(people["none"])).status == 404


@pytest.mark.parametrize("config", [{}, {"allow": ["a"], "deny": ["b"]}, {"allow": None, "deny": None}])
def test_exactly_one_of_the_lists_has_to_be_there(cluster, config):
    assert cluster.a.admin("POST", "/plugins", json={"name": "acl", "config": config}).status == 400
