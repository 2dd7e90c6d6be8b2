"""The channel may fail in every way; nodes stay right by polling, say so once, and come back."""

import contextlib
import signal
import socket
import threading
import time

from support import Redis, eventually

SETTINGS = {"db_update_frequency": 1, "redis_timeout": 500}


def figures(node):
    return node.admin("GET", "/status").json["freshet"]


def change_arrives(cluster, name, seconds=4):
    cluster.route(name)
    eventually(lambda: cluster.b.proxy("GET", f"/{name}").status == 200, seconds, what=f"route {name} on b")


def channels_up(cluster):
    return all(figures(node)["channel_up"] for node in cluster.nodes)


def test_redis_stopped_restarted_and_flushed(own_cluster):
    cluster = own_cluster(settings=SETTINGS)
    cluster.service()
    eventually(lambda: channels_up(cluster), 10)
    change_arrives(cluster, "with-redis")

    cluster.redis.stop()
    eventually(lambda: not figures(cluster.b)["channel_up"], 10)
    change_arrives(cluster, "without-redis")
    time.sleep(2)
    lost = [line for line in cluster.b.log().splitlines() if "no channel, polling only" in line]
    assert len(lost) == 1, lost

    cluster.redis.start()
    eventually(lambda: channels_up(cluster), 20, what="the channel being up again")
    change_arrives(cluster, "redis-again")
    cluster.redis.cli("FLUSHALL")
    change_arrives(cluster, "after-flush")


def test_redis_that_hangs_is_left_and_found_again(own_cluster):
    cluster = own_cluster(settings=SETTINGS)
    cluster.service()
    eventually(lambda: channels_up(cluster), 10)
    cluster.redis.signal(signal.SIGSTOP)
    change_arrives(cluster, "hanging")
    eventually(lambda: not figures(cluster.b)["channel_up"], 15, what="noticing the half-open connection")
    cluster.redis.signal(signal.SIGCONT)
    eventually(lambda: channels_up(cluster), 20)
    change_arrives(cluster, "woken")


def test_redis_absent_from_the_start(own_cluster, workspace):
    cluster = own_cluster(start=False, settings=SETTINGS)
    cluster.redis.stop()
    cluster.start()
    cluster.service()
    change_arrives(cluster, "no-redis")
    cluster.redis.start()
    eventually(lambda: channels_up(cluster), 30)


def test_a_user_who_may_do_nothing_else_is_enough(own_cluster):
    """The ACL user of deploy/OPERATIONS.md."""
    cluster = own_cluster(settings=SETTINGS | {"redis_username": "freshet", "redis_password": "secret"}, start=False)
    allowed = ("on", ">secret", "resetchannels", "&freshet:*", "-@all", "+subscribe", "+publish", "+ping")
    cluster.redis.cli("ACL", "SETUSER", "freshet", *allowed)
    cluster.start()
    eventually(lambda: channels_up(cluster), 10)
    cluster.service()
    change_arrives(cluster, "with-little")
    time.sleep(4)  # longer than a line is silent before it is asked
    assert channels_up(cluster) and not cluster.redis.cli("ACL", "LOG").strip()


def test_a_wrong_password_is_one_error_and_polling(own_cluster):
    cluster = own_cluster(start=False, settings=SETTINGS)
    cluster.redis.stop()
    cluster.redis.password = "right"
    cluster.redis.start()
    cluster.settings["redis_password"] = "wrong"
    cluster.start()
    cluster.service()
    change_arrives(cluster, "polled")
    assert not figures(cluster.b)["channel_up"]
    assert "WRONGPASS" in cluster.b.log() or "password" in cluster.b.log().lower()
    assert "wrong\n" not in cluster.b.log() and "=wrong" not in cluster.b.log(), "a secret in the log"
    cluster.settings["redis_password"] = "right"
    for node in cluster.nodes:
        assert node.reload().returncode == 0
    eventually(lambda: channels_up(cluster), 20)


def test_fast_invalidation_is_toggled_by_reload(own_cluster):
    cluster = own_cluster(settings=SETTINGS)
    cluster.service()
    eventually(lambda: channels_up(cluster), 10)
    for value, wanted in (("off", False), ("redis", True)):
        for node in cluster.nodes:
            node.settings["fast_invalidation"] = value
            run = node.reload()
            assert run.returncode == 0, run.stderr
            assert "fast_invalidation: applied" in run.stdout
        eventually(lambda wanted=wanted: all(figures(node)["channel_wanted"] is wanted and figures(node)["channel_up"] is wanted for node in cluster.nodes), 10)
        change_arrives(cluster, f"toggled-{value}")


def test_forged_repeated_and_broken_messages_make_no_node_wrong(own_cluster):
    cluster = own_cluster(settings=SETTINGS | {"redis_secret": "shared"})
    cluster.service()
    eventually(lambda: channels_up(cluster), 10)
    names = cluster.redis.cli("PUBSUB", "CHANNELS", "freshet*").split()
    assert len(names) == 1, names
    for message in (b"", b"x", b"FRH1" + b"0" * 80, b"9" * 5000, bytes(range(256)) * 40, b'{"position": 99999999}'):
        for _ in range(20):
            cluster.redis.publish(names[0], message)
    change_arrives(cluster, "still-right")
    seen = figures(cluster.b)
    assert sum(seen[name] for name in seen if name.startswith("hints_dropped_")) >= 50
    assert channels_up(cluster)


def test_two_clusters_on_one_redis_do_not_hear_each_other(own_cluster, postgres):
    one = own_cluster(settings=SETTINGS)
    other = own_cluster(redis=False, postgres=postgres, start=False, settings=SETTINGS)
    other.redis = one.redis
    other.start()
    other.redis, redis = None, other.redis
    one.service()
    eventually(lambda: channels_up(one) and channels_up(other), 10)
    assert len(redis.cli("PUBSUB", "CHANNELS", "freshet*").split()) == 2
    before = figures(other.a)["hints_received"]
    change_arrives(one, "mine")
    assert figures(other.a)["hints_received"] == before


def test_a_lossy_channel_delays_but_never_loses(own_cluster):
    """Between b and Redis stands a relay that drops most bytes' worth of messages by closing connections."""
    cluster = own_cluster(start=False, settings=SETTINGS)
    relay = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def pump(source, target, until):
        with contextlib.suppress(OSError):  # the other direction may have ended at once
            source.settimeout(0.2)
        while time.monotonic() < until and not stop.is_set():
            try:
                data = source.recv(4096)
                if not data:
                    break
                target.sendall(data)
            except socket.timeout:
                continue
            except OSError:
                break
        source.close()
        target.close()

    def serve():
        while not stop.is_set():
            try:
                client, _ = relay.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", cluster.redis.port))
            until = time.monotonic() + 0.7
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=(*pair, until), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    cluster.b.settings["redis_port"] = relay.getsockname()[1]
    cluster.start()
    cluster.service()
    for number in range(5):
        change_arrives(cluster, f"lossy-{number}")
    stop.set()
    relay.close()
    assert isinstance(cluster.redis, Redis)
