"""Upstreams and targets: which peer a request goes to, retries over them, what a change moves, passive health."""

import collections
import contextlib
import itertools
import socket

import pytest

from support import Upstream, eventually, free_ports

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def peers():
    """Makes upstream servers; each knows how many requests it has had."""
    made = []

    def make(count):
        for _ in range(count):
            peer = Upstream()
            peer.start()
            made.append(peer)
        return made[-count:]

    yield make
    for peer in made:
        with contextlib.suppress(OSError):
            peer.stop()


def dead_port():
    return free_ports(1)[0]


def upstream(cluster, targets, name="up.test", retries=5, service=None, **more):
    """An upstream with (host:port, weight) targets, a service and a route to it at /."""
    assert cluster.a.admin("POST", "/upstreams", json={"name": name, **more}).status == 201
    for target, weight in targets:
        assert cluster.a.admin("POST", f"/upstreams/{name}/targets",
                               json={"target": target, "weight": weight}).status == 201
    assert cluster.a.admin("POST", "/services", json={"name": "s", "host": name, "retries": retries,
                                                      "connect_timeout": 2000, **(service or {})}).status == 201
    cluster.route("all", paths=["/"])


def spread(cluster, peers, requests, path="/", headers=None):
    """How many of `requests` each peer got, by its port."""
    before = {peer.port: peer.requests for peer in peers}
    for i in range(requests):
        answer = cluster.a.proxy("GET", path, headers=headers(i) if callable(headers) else headers)
        assert answer.status == 200, answer
    return collections.Counter({peer.port: peer.requests - before[peer.port] for peer in peers})


def addresses(peers, weights=None):
    return [(f"127.0.0.1:{peer.port}", weight) for peer, weight in zip(peers, weights or itertools.repeat(100))]


# ---- round robin ----

def test_a_service_whose_host_is_an_upstream_goes_to_its_targets(cluster, peers):
    three = peers(3)
    upstream(cluster, addresses(three))
    counts = spread(cluster, three, 90)
    assert min(counts.values()) >= 20  # each loop has a turn of its own


def test_weights_are_shares(cluster, peers):
    two = peers(2)
    upstream(cluster, addresses(two, [300, 100]))
    counts = spread(cluster, two, 80)
    assert 50 <= counts[two[0].port] <= 70


def test_weight_zero_takes_nothing_and_a_change_is_seen_at_once(cluster, peers):
    two = peers(2)
    upstream(cluster, addresses(two, [100, 0]))
    assert spread(cluster, two, 20)[two[1].port] == 0
    answer = cluster.a.admin("PATCH", f"/upstreams/up.test/targets/127.0.0.1:{two[1].port}", json={"weight": 100})
    assert answer.status == 200
    assert cluster.a.admin("PATCH", f"/upstreams/up.test/targets/127.0.0.1:{two[0].port}",
                           json={"weight": 0}).status == 200
    assert spread(cluster, two, 20)[two[0].port] == 0


def test_targets_come_and_go_without_a_wrong_request(cluster, peers):
    one, other = peers(2)
    upstream(cluster, addresses([one]))
    spread(cluster, [one], 4)
    for _ in range(5):
        answer = cluster.a.admin("POST", "/upstreams/up.test/targets", json={"target": f"127.0.0.1:{other.port}"})
        assert answer.status == 201
        assert spread(cluster, [one, other], 12)[other.port] > 0
        assert cluster.a.admin("DELETE", f"/upstreams/up.test/targets/{answer.json['id']}").status == 204
        assert spread(cluster, [one, other], 12)[other.port] == 0


def test_the_other_node_sees_a_new_target_too(cluster, peers):
    one, other = peers(2)
    upstream(cluster, addresses([one]))
    answer = cluster.b.admin("POST", "/upstreams/up.test/targets", json={"target": f"127.0.0.1:{other.port}"})
    assert answer.status == 201
    eventually(lambda: spread(cluster, [one, other], 8)[other.port] > 0, what="the new target on the other node")


def test_an_upstream_without_targets_has_no_peer(cluster):
    upstream(cluster, [])
    answer = cluster.a.proxy("GET", "/")
    assert answer.status == 503
    assert answer.json["message"] == "failure to get a peer from the ring-balancer"


def test_without_the_upstream_the_host_is_a_name_again(cluster, peers):
    (one,) = peers(1)
    upstream(cluster, addresses([one]), name="localhost", service={"port": one.port})
    assert cluster.a.proxy("GET", "/").status == 200
    assert cluster.a.admin("DELETE", "/upstreams/localhost").status == 204
    assert cluster.a.proxy("GET", "/").status == 200


def test_names_of_upstreams_are_compared_without_case(cluster, peers):
    (one,) = peers(1)
    upstream(cluster, addresses([one]), name="Up.Test", service={"host": "uP.test"})
    assert cluster.a.proxy("GET", "/").status == 200


# ---- what the peer is called ----

def host_seen(answer):
    return dict((name.lower(), value) for name, value in answer.json["headers"])["host"]


def test_host_is_that_of_the_target(cluster, peers):
    (one,) = peers(1)
    upstream(cluster, [(f"localhost:{one.port}", 100)])
    assert host_seen(cluster.a.proxy("GET", "/")) == f"localhost:{one.port}"


def test_host_is_host_header_or_the_clients(cluster, peers):
    (one,) = peers(1)
    upstream(cluster, addresses([one]), host_header="api.example")
    assert host_seen(cluster.a.proxy("GET", "/")) == "api.example"
    cluster.a.admin("PATCH", "/routes/all", json={"preserve_host": True})
    assert host_seen(cluster.a.proxy("GET", "/", headers={"Host": "own.example"})) == "own.example"


def test_host_is_worked_out_again_for_each_try(cluster, peers):
    (one,) = peers(1)
    dead = dead_port()
    upstream(cluster, [(f"127.0.0.1:{dead}", 65535), (f"localhost:{one.port}", 1)])
    for _ in range(5):
        assert host_seen(cluster.a.proxy("GET", "/")) == f"localhost:{one.port}"


# ---- retries and health ----

def test_a_dead_peer_costs_a_try_not_a_request(cluster, peers):
    two = peers(2)
    upstream(cluster, [(f"127.0.0.1:{dead_port()}", 100), *addresses(two)])
    counts = spread(cluster, two, 30)
    assert sum(counts.values()) == 30


def test_without_retries_a_dead_peer_is_tripped_by_tcp_failures(cluster, peers):
    (one,) = peers(1)
    upstream(cluster, [(f"127.0.0.1:{dead_port()}", 100), *addresses([one])], retries=0,
             healthchecks={"passive": {"unhealthy": {"tcp_failures": 2}}})
    statuses = [cluster.a.proxy("GET", "/").status for _ in range(20)]
    assert statuses.count(502) == 2
    assert statuses[-10:] == [200] * 10


def test_statuses_trip_a_peer_and_the_threshold_refuses_all(cluster, peers):
    two = peers(2)
    upstream(cluster, addresses(two), healthchecks={
        "threshold": 50, "passive": {"unhealthy": {"http_failures": 1, "http_statuses": [500]}}})
    assert cluster.a.proxy("GET", "/status/500/x").status == 500
    answer = cluster.a.proxy("GET", "/")
    assert answer.status == 503  # half of the weight is not more than 50 percent
    assert cluster.a.admin("PATCH", "/upstreams/up.test", json={"healthchecks": {"threshold": 0}}).status == 200
    assert sorted(spread(cluster, two, 10).values()) == [0, 10]


def test_timeouts_trip_a_peer(cluster, peers):
    (one,) = peers(1)
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        upstream(cluster, [(f"127.0.0.1:{silent.getsockname()[1]}", 100), *addresses([one])], retries=0,
                 service={"read_timeout": 200}, healthchecks={"passive": {"unhealthy": {"timeouts": 1}}})
        statuses = [cluster.a.proxy("GET", "/").status for _ in range(8)]
        assert statuses.count(504) == 1
    finally:
        silent.close()


def test_health_survives_an_edit_and_ends_with_the_checks(cluster, peers):
    two = peers(2)
    upstream(cluster, addresses(two), healthchecks={
        "passive": {"unhealthy": {"http_failures": 1, "http_statuses": [500]}}})
    assert cluster.a.proxy("GET", "/status/500/x").status == 500
    assert cluster.a.admin("PATCH", "/upstreams/up.test", json={"tags": ["t"], "slots": 100}).status == 200
    assert sorted(spread(cluster, two, 10).values()) == [0, 10]
    assert cluster.a.admin("PATCH", "/upstreams/up.test", json={
        "healthchecks": {"passive": {"unhealthy": {"http_failures": 0}}}}).status == 200
    assert min(spread(cluster, two, 20).values()) > 0


# ---- hashing ----

def test_consistent_hashing_by_header(cluster, peers):
    four = peers(4)
    upstream(cluster, addresses(four), hash_on="header", hash_on_header="x-user")
    for user in range(10):
        counts = spread(cluster, four, 3, headers={"x-user": f"user-{user}"})
        assert sorted(counts.values()) == [0, 0, 0, 3]
    assert sum(1 for count in spread(cluster, four, 60, headers=lambda i: {"x-user": f"u{i}"}).values() if count) == 4


def test_without_what_is_hashed_all_go_to_one(cluster, peers):
    four = peers(4)
    upstream(cluster, addresses(four), hash_on="header", hash_on_header="x-user")
    assert sorted(spread(cluster, four, 12).values()) == [0, 0, 0, 12]


def test_hash_fallback(cluster, peers):
    four = peers(4)
    upstream(cluster, addresses(four), hash_on="header", hash_on_header="x-user", hash_fallback="query_arg",
             hash_fallback_query_arg="id")
    assert sorted(spread(cluster, four, 5, path="/?id=7&id=3").values()) == [0, 0, 0, 5]
    assert spread(cluster, four, 1, path="/?id=7&id=3") == spread(cluster, four, 1, path="/?id=3&id=7")
    used = set()
    for number in range(40):
        used |= {port for port, count in spread(cluster, four, 1, path=f"/?id={number}").items() if count}
    assert len(used) == 4


def test_hash_by_path_and_by_capture(cluster, peers):
    four = peers(4)
    upstream(cluster, addresses(four), hash_on="path")
    assert sorted(spread(cluster, four, 4, path="/a/b?x=1").values()) == [0, 0, 0, 4]
    assert cluster.a.admin("PATCH", "/routes/all", json={"paths": [r"~/u/(?<who>\w+)/"]}).status == 200
    assert cluster.a.admin("PATCH", "/upstreams/up.test",
                           json={"hash_on": "uri_capture", "hash_on_uri_capture": "who"}).status == 200
    same = spread(cluster, four, 3, path="/u/anna/1") + spread(cluster, four, 3, path="/u/anna/2")
    assert sorted(count for count in same.values() if count) == [6]


def test_a_cookie_is_given_once_and_then_followed(cluster, peers):
    four = peers(4)
    upstream(cluster, addresses(four), hash_on="cookie", hash_on_cookie="sid", hash_on_cookie_path="/p")
    answer = cluster.a.proxy("GET", "/")
    given = answer.headers["set-cookie"]
    name, value = given.split(";")[0].split("=")
    assert name == "sid"
    assert given == f"sid={value}; Path=/p; Same-Site=Lax; HttpOnly"
    counts = spread(cluster, four, 6, headers={"Cookie": f"a=b; sid={value}"})
    assert sorted(counts.values()) == [0, 0, 0, 6]
    assert "set-cookie" not in cluster.a.proxy("GET", "/", headers={"Cookie": f"sid={value}"}).headers


def test_both_nodes_hash_alike_and_a_new_target_moves_its_share_only(cluster, peers):
    five = peers(5)
    upstream(cluster, addresses(five[:4]), hash_on="header", hash_on_header="x-user")
    cluster.settle()

    def chosen(node, user):
        before = {peer.port: peer.requests for peer in five}
        assert node.proxy("GET", "/", headers={"x-user": user}).status == 200
        return next(peer.port for peer in five if peer.requests != before[peer.port])

    users = [f"user{i}" for i in range(60)]
    before = [chosen(cluster.a, user) for user in users]
    assert before == [chosen(cluster.b, user) for user in users]
    assert cluster.a.admin("POST", "/upstreams/up.test/targets",
                           json={"target": f"127.0.0.1:{five[4].port}"}).status == 201
    after = [chosen(cluster.a, user) for user in users]
    moved = [(one, other) for one, other in zip(before, after) if one != other]
    assert all(other == five[4].port for _, other in moved)
    assert 2 <= len(moved) <= 30


# ---- other algorithms, names ----

@pytest.mark.parametrize("algorithm", ["least-connections", "latency"])
def test_other_algorithms_use_every_peer_and_avoid_the_dead(cluster, peers, algorithm):
    two = peers(2)
    upstream(cluster, [(f"127.0.0.1:{dead_port()}", 100), *addresses(two)], algorithm=algorithm)
    counts = spread(cluster, two, 40)
    assert sum(counts.values()) == 40
    if algorithm == "least-connections":
        assert min(counts.values()) > 5


def test_a_target_by_name_is_resolved(cluster, peers):
    (one,) = peers(1)
    upstream(cluster, [(f"localhost:{one.port}", 100)])
    assert spread(cluster, [one], 5)[one.port] == 5


def test_a_name_that_does_not_exist_is_said_so(cluster):
    upstream(cluster, [("does-not-exist.invalid:80", 100)])
    answer = cluster.a.proxy("GET", "/")
    assert answer.status == 503
    assert answer.json["message"] == "name resolution failed"


def test_a_name_that_does_not_exist_leaves_the_traffic_to_the_others(cluster, peers):
    (one,) = peers(1)
    upstream(cluster, [("does-not-exist.invalid:80", 100), *addresses([one])])
    assert spread(cluster, [one], 5)[one.port] == 5
