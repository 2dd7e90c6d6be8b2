"""response-ratelimiting with policies cluster and redis (plugin reference, 10)."""

import pytest

from limits import away_from_the_end, limit_headers
from support import eventually

BOTH = pytest.mark.parametrize("policy", ["cluster", "redis"])


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.redis.cli("FLUSHALL")
    cluster.sql("DELETE FROM ratelimiting_metrics")
    cluster.service()
    cluster.route("r")
    away_from_the_end()
    return cluster


def limit(cluster, policy, limits, **more):
    redis = {"redis_host": "127.0.0.1", "redis_port": cluster.redis.port} if policy == "redis" else {}
    plugin = cluster.plugin("response-ratelimiting", {"limits": limits, "policy": policy} | redis | more, path="/routes/r/plugins")
    cluster.settle()
    return plugin


def cost(node, what=None):
    return node.proxy("GET", "/r", headers={"X-Answer": f"x-kong-limit={what}"} if what else {})


def left(node, name="video", period="minute"):
    return cost(node).headers.get(f"X-RateLimit-Remaining-{name}-{period}")


@BOTH
def test_two_nodes_count_together(routed, policy):
    limit(routed, policy, {"video": {"minute": 6, "hour": 10}, "image": {"minute": 4}})
    answer = cost(routed.a, "video=2, image=1")
    assert answer.headers["X-RateLimit-Remaining-video-minute"] == "4" and answer.headers["X-RateLimit-Remaining-video-hour"] == "8"
    eventually(lambda: (left(routed.b), left(routed.b, "image"), left(routed.b, period="hour")) == ("4", "3", "8"), 5, what="B seeing what A has counted")
    assert cost(routed.b, "video=5").status == 200  # crosses the limit, and succeeds
    eventually(lambda: left(routed.a) == "0", 5, what="A seeing what B has counted")
    answer = cost(routed.a, "video=1")
    assert (answer.status, answer.body) == (429, b"")
    assert cost(routed.a, "image=1").status == 200


@BOTH
def test_block_on_first_violation(routed, policy):
    limit(routed, policy, {"video": {"minute": 2}}, block_on_first_violation=True)
    assert cost(routed.a, "video=2").status == 200
    eventually(lambda: cost(routed.b).status == 429, 5, what="B refusing")
    assert cost(routed.b).json["message"] == "API rate limit exceeded for 'video'"


@BOTH
def test_what_costs_nothing_leaves_nothing(routed, policy):
    limit(routed, policy, {"video": {"minute": 2}, "image": {"hour": 3}})
    assert [cost(routed.a).status for _ in range(3)] == [200] * 3
    assert cost(routed.a, "image=1").status == 200
    if policy == "redis":
        eventually(lambda: len(routed.redis.cli("KEYS", "response-ratelimit:*").split()) == 1)
        assert routed.redis.cli("KEYS", "response-ratelimit:*").endswith(":image:hour")
    else:
        eventually(lambda: routed.sql("SELECT period, value FROM ratelimiting_metrics") == "image:hour|1")


@BOTH
@pytest.mark.parametrize("tolerant", [True, False])
def test_places_that_are_gone(own_cluster, policy, tolerant):
    cluster = own_cluster(names=("a",), settings={"nginx_worker_processes": 1, "fast_invalidation": "off"})
    cluster.service()
    cluster.route("r")
    limit(cluster, policy, {"video": {"hour": 100}}, fault_tolerant=tolerant)
    assert cost(cluster.a, "video=1").status == 200
    eventually(lambda: left(cluster.a, period="hour") == "99")
    (cluster.redis.stop if policy == "redis" else lambda: cluster.postgres.stop("immediate"))()
    for _ in range(5):
        answer = cost(cluster.a, "video=1")
        assert answer.status == (200 if tolerant else 500) and limit_headers(answer) == []
        assert "x-kong-limit" not in answer.headers
    (cluster.redis.start if policy == "redis" else cluster.postgres.run)()
    eventually(lambda: cost(cluster.a).status == 200 and left(cluster.a, period="hour") is not None, 20, what="counting again")


def test_more_than_any_limit_is_the_largest(routed):
    """What upstreams say is added to what was there: sums have to fit."""
    limit(routed, "cluster", {"video": {"hour": 10**15}})
    assert cost(routed.a, f"video={10**18 - 1}").status == 200
    eventually(lambda: routed.sql("SELECT value FROM ratelimiting_metrics") == str(10**15))
    assert cost(routed.a, f"video={10**18 - 1}").status == 429
