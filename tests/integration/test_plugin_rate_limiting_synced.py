"""rate-limiting with policy redis and sync_rate > 0: counted here, told each sync_rate seconds (plugin reference, 9)."""

import concurrent.futures
import signal
import time

import pytest

from limits import away_from_the_end, crowd, limit_headers, statuses
from support import ask, eventually


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.redis.cli("FLUSHALL")
    cluster.service()
    for name in ("r", "q"):
        cluster.route(name)
    return cluster


def limit(cluster, rate, at="/routes/r/plugins", **more):
    config = {"policy": "redis", "redis_host": "127.0.0.1", "redis_port": cluster.redis.port, "sync_rate": rate}
    plugin = cluster.plugin("rate-limiting", config | more, path=at)
    cluster.settle()
    return plugin


def told(redis, period="hour"):
    keys = [key for key in redis.cli("KEYS", "ratelimit:*").split() if key.endswith(period)]
    return int(redis.cli("GET", keys[0]) or 0) if keys else 0


def test_never_one_over_on_one_node(routed):
    limit(routed, 0.2, hour=50, day=60)
    got = crowd([routed.a], 200)
    assert (got.count(200), got.count(429)) == (50, 150)
    eventually(lambda: (told(routed.redis), told(routed.redis, "day")) == (50, 50), what="what has passed being told")
    time.sleep(1)
    assert told(routed.redis) == 50, "who was refused is not counted"


def test_nodes_learn_from_each_other(routed):
    limit(routed, 0.1, hour=10)
    assert statuses(routed.a, 6) == [200] * 6
    eventually(lambda: told(routed.redis) == 6, what="A having told")
    assert statuses(routed.b, 5) == [200] * 4 + [429]  # its first one has read
    eventually(lambda: told(routed.redis) == 10, what="B having told")
    eventually(lambda: statuses(routed.a, 1) == [429], 3, what="A having heard")


def test_within_one_period_each_node_counts_for_itself(routed):
    limit(routed, 3600, hour=10)
    assert statuses(routed.a, 1) + statuses(routed.b, 1) == [200, 200]
    assert statuses(routed.a, 10) == [200] * 9 + [429]
    assert statuses(routed.b, 10) == [200] * 9 + [429]
    assert told(routed.redis) == 0


def test_two_nodes_together(routed):
    """Each is one period behind the other at most: never twice the limit, and all that passed is told exactly."""
    limit(routed, 0.1, hour=100)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = []
        end = time.monotonic() + 30
        while got[-32:].count(429) < 32 and time.monotonic() < end:
            got += pool.map(lambda i: ask((routed.a, routed.b)[i % 2].proxy_port, "GET", "/r").status, range(16))
            time.sleep(0.05)
    passed = got.count(200)
    assert 100 <= passed <= 100 + 16 * 6, passed
    eventually(lambda: told(routed.redis) == passed, what="all that passed being told")


def test_headers_and_expiry(routed):
    away_from_the_end()
    limit(routed, 0.1, minute=3, hour=9)
    for left in (2, 1, 0, 0):
        answer = routed.a.proxy("GET", "/r")
        assert answer.headers["X-RateLimit-Remaining-Minute"] == answer.headers["RateLimit-Remaining"] == str(left)
        assert answer.headers["X-RateLimit-Remaining-Hour"] == ("6" if answer.status == 429 else str(left + 6))
    assert answer.status == 429 and answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]
    eventually(lambda: told(routed.redis, "minute") == 3)
    key = next(key for key in routed.redis.cli("KEYS", "ratelimit:*").split() if key.endswith("minute"))
    assert 0 < int(routed.redis.cli("TTL", key)) <= 62


def test_the_next_window_lets_in_again(routed):
    limit(routed, 0.1, second=1)
    eventually(lambda: 429 in statuses(routed.a, 3), what="one too many")
    eventually(lambda: statuses(routed.a, 1) == [200], 5, step=0.3, what="the next second")


def test_what_others_have_counted_before_is_read_first(routed):
    limit(routed, 3600, hour=5)
    assert statuses(routed.a, 1) == [200]
    other = limit(routed, 3600, at="/routes/q/plugins", hour=5)
    hour = int(time.time()) // 3600 * 3600 * 1000
    routed.redis.cli("SET", f"ratelimit:{other['route']['id']}:00000000-0000-0000-0000-000000000000:127.0.0.1:{hour}:hour", "4")
    assert statuses(routed.a, 2, "/q") == [200, 429]


def test_redis_goes_and_comes(own_cluster):
    """What is known goes on counting; later nobody knows, who may pass does, and is told when there is somebody to tell."""
    cluster = own_cluster(names=("a",), settings={"nginx_worker_processes": 1})
    cluster.service()
    cluster.route("r")
    plugin = limit(cluster, 0.5, hour=1000, redis_timeout=300)
    assert statuses(cluster.a, 5) == [200] * 5
    eventually(lambda: told(cluster.redis) == 5)
    cluster.redis.signal(signal.SIGSTOP)
    assert statuses(cluster.a, 5) == [200] * 5
    eventually(lambda: limit_headers(cluster.a.proxy("GET", "/r")) == [], 10, step=0.1, what="not knowing")
    cluster.redis.signal(signal.SIGCONT)
    eventually(lambda: cluster.a.proxy("GET", "/r").headers.get("RateLimit-Limit") == "1000", 15, step=0.1, what="knowing again")
    used = 1000 - int(cluster.a.proxy("GET", "/r").headers["RateLimit-Remaining"])
    eventually(lambda: told(cluster.redis) >= used - 3, what="it being told")
    cluster.configure(plugin, plugin["config"] | {"fault_tolerant": False})
    cluster.settle()
    cluster.redis.stop()
    eventually(lambda: cluster.a.proxy("GET", "/r").status == 500, 10, step=0.1, what="not knowing")
