"""Redis as a master that may move (Sentinel), and as a Cluster (consistency reference, 9 and failure matrix 8)."""

import os
import signal
import tempfile

import pytest

from redis_farm import RedisCluster, Sentinels
from support import eventually

# Polls alone would need half a minute.
SLOW_POLLS = {"db_update_frequency": 30, "redis_timeout": 1000}


def figures(node):
    return node.admin("GET", "/status").json["freshet"]


def channels_up(cluster):
    return all(figures(node)["channel_up"] for node in cluster.nodes)


def change_arrives_fast(cluster, name):
    cluster.route(name)
    eventually(lambda: cluster.b.proxy("GET", f"/{name}").status == 200, 3, what=f"route {name} on b")


def subscribers(redis):
    """How many nodes listen at this Redis to the one channel of theirs; Sentinels have one, too."""
    channels = redis.cli("PUBSUB", "CHANNELS", "freshet:*").split()
    return int(redis.cli("PUBSUB", "NUMSUB", channels[0]).split()[-1]) if channels else 0


@pytest.fixture
def farm(workspace):
    made = []

    def make(kind, *arguments):
        directory = tempfile.mkdtemp(prefix="farm", dir=workspace)
        os.chmod(directory, 0o755)
        one = kind(directory, *arguments)
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.stop()


@pytest.mark.parametrize("password", [None, "sesame"])
def test_sentinels_say_where_redis_is(own_cluster, farm, password):
    sentinels = farm(Sentinels, password)
    more = {"redis_sentinel_password": password} if password else {}
    cluster = own_cluster(redis=False, settings={**SLOW_POLLS, **more, "fast_invalidation": "redis", "redis_sentinels": f"127.0.0.1:1, {sentinels.addresses()}",
                                                 "redis_sentinel_master": Sentinels.NAME, "redis_host": "192.0.2.1"})
    eventually(lambda: channels_up(cluster), 15)
    cluster.service()
    change_arrives_fast(cluster, "before")
    if password:
        return
    old = sentinels.master()
    old.stop()
    eventually(lambda: sentinels.master() not in (None, old), 30, what="another master")
    eventually(lambda: channels_up(cluster), 30, what="the nodes having followed")
    change_arrives_fast(cluster, "after")
    old.start()  # comes back as a replica, and nobody speaks to it
    change_arrives_fast(cluster, "later")
    new = sentinels.master()
    new.signal(signal.SIGSTOP)  # half-open: the old one becomes master again
    eventually(lambda: sentinels.master() is old, 40, what="the first master again")
    eventually(lambda: channels_up(cluster) and "master" in old.cli("ROLE"), 30)
    eventually(lambda: subscribers(old) == 2, 30)
    change_arrives_fast(cluster, "back")


def test_an_unknown_master_is_an_error_in_the_log_and_polling(own_cluster, farm):
    sentinels = farm(Sentinels)
    cluster = own_cluster(redis=False, settings={"fast_invalidation": "redis", "redis_sentinels": sentinels.addresses(), "redis_sentinel_master": "nobody"})
    cluster.service()
    cluster.route()
    eventually(lambda: cluster.b.proxy("GET", "/r").status == 200, 5)
    assert "no Redis Sentinel knows a master of the name nobody" in cluster.b.log()


def test_a_redis_cluster_carries_messages_from_any_node_to_any(own_cluster, farm):
    redis = farm(RedisCluster)
    cluster = own_cluster(redis=False, names=("a", "b", "c", "d", "e"),
                          settings={**SLOW_POLLS, "fast_invalidation": "redis", "redis_cluster_nodes": redis.addresses()})
    eventually(lambda: channels_up(cluster), 15)
    cluster.service()
    for i in range(5):
        cluster.route(f"r{i}")
        for node in cluster.nodes:
            eventually(lambda node=node: node.proxy("GET", f"/r{i}").status == 200, 3, what=f"route {i} on {node.name}")
    redis.stop_one(redis.ports[0])
    eventually(lambda: channels_up(cluster), 30, what="everybody at another node")
    for node in cluster.nodes[1:]:
        eventually(lambda: cluster.a.admin("PUT", "/consumers/x", json={}).status == 200, 10)
    cluster.route("after")
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/after").status == 200, 5)


@pytest.mark.parametrize("setting, text", [("redis_sentinels", "a"), ("redis_sentinels", "a:0"), ("redis_cluster_nodes", ":1"), ("redis_cluster_nodes", "a:1, b:70000")])
def test_addresses_are_checked(own_cluster, setting, text):
    cluster = own_cluster(start=False, redis=False, settings={setting: text})
    cluster.a.write_settings()
    run = cluster.a.command("check", cluster.a.conf)
    assert run.returncode == 1 and setting in run.stderr and "host:port" in run.stderr


def test_either_sentinels_or_a_cluster(own_cluster):
    cluster = own_cluster(start=False, redis=False, settings={"redis_sentinels": "a:1", "redis_cluster_nodes": "[::1]:2"})
    cluster.a.write_settings()
    run = cluster.a.command("check", cluster.a.conf)
    assert run.returncode == 1 and "redis_sentinels is set as well" in run.stderr
