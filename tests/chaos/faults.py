"""The faults, one function each, in two decks that are played at the same time: those of the database as a whole, and those of one
node, one link or the channel. A fault lasts until its function returns, which leaves everything as it should be.

A storm is the time in which a node could not be expected to hear of a commit; what is done to Redis or to replicas never is one.
"""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter

from messages import damaged, forged
from support import eventually

# ---- the database as a whole ----


@contextlib.contextmanager
def storm(world, what, nodes=None):
    with world.calm.storm(nodes or list(world.nodes), what):
        yield


def restart(world, dice):
    with storm(world, "primary restarted"):
        world.farm.restart(dice.choice(["fast", "immediate"]), dice.uniform(0, 2))


def kill(world, dice):
    with storm(world, "primary killed"):
        world.farm.kill(dice.uniform(0.2, 2))


def pause(world, dice):
    with storm(world, "primary stopped"):
        world.farm.signal(signal.SIGSTOP)
        time.sleep(world.long(dice, 1, 4))
        world.farm.signal(signal.SIGCONT)


def end_sessions(world, _):
    with storm(world, "sessions ended"):
        world.farm.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'freshet%'")


def fail_over(world, _):
    world.farm.catch_up()
    with storm(world, "failover"):
        world.farm.primary.stop("fast")  # which waits until the standbys have everything
        old = world.farm.promote()
        world.links.aim("pg-", world.farm.port)
    world.farm.replace(old)


def fail_over_with_loss(world, dice):
    began = time.time()
    world.farm.catch_up()
    world.links.spoil("ship-second", "blackhole")
    time.sleep(dice.uniform(0.5, 2))
    with storm(world, "failover with loss"):
        world.farm.primary.stop("immediate")
        world.lose(began)
        old = world.farm.promote()
        world.links.heal("ship-second")
        world.links.aim("pg-", world.farm.port)
        world.nothing_more_is_lost()
    world.farm.replace(old)


def split_brain(world, dice):
    """Some nodes go on with the old primary, and their writes are lost."""
    began = time.time()
    world.farm.catch_up()
    world.links.spoil("ship-second", "blackhole")
    names = dice.sample(sorted(world.nodes), 3)
    time.sleep(dice.uniform(0, 0.5))
    with storm(world, "split brain"):
        old = world.farm.promote()
        world.lose(began)
        world.links.heal("ship-second")
        for name in names:
            world.links.aim(f"pg-{name}", world.farm.port)
        time.sleep(dice.uniform(1, 3))
        old.stop("immediate")
        world.links.aim("pg-", world.farm.port)
        world.nothing_more_is_lost()
    world.farm.replace(old)


def restore(world, dice):
    began = time.time()
    world.farm.back_up()
    time.sleep(dice.uniform(0.5, 2))
    with storm(world, "backup restored"):
        world.farm.primary.stop("immediate")
        world.lose(began)
        world.farm.restore()
        world.nothing_more_is_lost()
    world.farm.rebuild("second", "late")


def truncate(world, _):
    with storm(world, "log truncated"):
        world.truth.rewritten = time.time()
        world.farm.sql("TRUNCATE cluster_log")
    # Until somebody writes there is no position to compare with, and no node may cache.


def fill_disk(world, dice):
    if not world.farm.has_disks:
        return
    with storm(world, "disk full"):
        ballast = world.farm.fill_disk()
        time.sleep(world.long(dice, 1.5, 4))
        os.unlink(ballast)
        if not world.farm.is_running():
            world.farm.run_again()
        eventually(lambda: world.farm.sql("SELECT 1", check=False) == "1", 20)


def stall_append(world, dice):
    """A stranger holds the append lock: writers wait or fail, readers do not."""
    seconds = dice.uniform(1, 4)
    world.farm.primary.sql_in_background(
        world.farm.database, f"BEGIN; SELECT 1 FROM cluster_head FOR UPDATE; SELECT pg_sleep({seconds}); COMMIT").wait()


def strange_transaction(world, dice):
    """It has an xid, and is open while others commit."""
    seconds = dice.uniform(1, 4)
    world.farm.primary.sql_in_background(
        "postgres", f"CREATE TABLE IF NOT EXISTS strange (x int); BEGIN; INSERT INTO strange VALUES (1); SELECT pg_sleep({seconds}); ROLLBACK").wait()


def pause_replay(world, dice):
    world.farm.late.sql("SELECT pg_wal_replay_pause()", "postgres", check=False)
    time.sleep(world.long(dice, 2, 5))
    world.farm.late.sql("SELECT pg_wal_replay_resume()", "postgres", check=False)


def kill_replica(world, dice):
    world.farm.late.stop("immediate")
    time.sleep(dice.uniform(0.5, 3))
    world.farm.late.run()


WIDE = (restart, kill, pause, end_sessions, fail_over, fail_over_with_loss, split_brain, restore, truncate, fill_disk, stall_append,
        strange_transaction, pause_replay, kill_replica)

# ---- one node, one link, the channel ----


def spoil(server, how, least=0, most=0):
    """A fault of the links to one kind of server, of one node or of several."""
    def fault(world, dice):
        names = dice.sample(sorted(world.nodes), dice.choice([1, 1, 2, 5]))
        links = [name for name in (f"{server}-{node}" for node in names) if name in world.links.ports]
        side, amount = dice.choice(["up", "down", "both", "both"]), dice.uniform(least, most)
        with storm(world, f"link {how} {side}", names) if server == "pg" else contextlib.nullcontext():
            for link in links:
                world.links.spoil(link, how, side, amount)
            time.sleep(world.long(dice, 0.5, 3))
            for link in links:
                world.links.heal(link)
                if how in ("half_open", "flip", "truncate"):  # there are streams that will never be whole again
                    world.links.reset(link)
    fault.__name__ = f"{server}_{how}"
    return fault


def reset(server):
    def fault(world, dice):
        names = dice.sample(sorted(world.nodes), dice.choice([1, 5]))
        with storm(world, "link reset", names) if server == "pg" else contextlib.nullcontext():
            for node in names:
                if f"{server}-{node}" in world.links.ports:
                    world.links.reset(f"{server}-{node}")
    fault.__name__ = f"{server}_reset"
    return fault


def kill_node(world, dice):
    node = dice.choice(world.cluster.nodes)
    with world.database_is_well:
        world.gather(node)
        node.stop(dice.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT]))
        node.start()


def crash_worker(world, dice):
    node = dice.choice(world.cluster.nodes)
    with world.database_is_well:
        world.gather(node)
        old = node.worker_pid
        os.kill(old, signal.SIGKILL)
        eventually(lambda: node.worker_pid not in (0, old), 30, what="another worker")


def pause_node(world, dice):
    names = dice.sample(sorted(world.nodes), dice.choice([1, 1, 2]))
    with storm(world, "node stopped", names):
        for name in names:
            world.nodes[name].signal(signal.SIGSTOP)
        time.sleep(world.long(dice, 1, 5))
        for name in names:
            world.nodes[name].signal(signal.SIGCONT)


def step_clock(world, dice):
    """Only what this node takes for the time of day; intervals are measured by another clock."""
    if world.clock_file is not None:
        with open(world.clock_file, "w", encoding="ascii") as file:
            file.write(f"{dice.choice([-86400, -3600, -5, 0, 5, 3600, 86400]):+d}s\n")
        time.sleep(1)


def restart_redis(world, dice):
    world.redis.stop()
    time.sleep(dice.uniform(0, 2))
    world.redis.start()


def pause_redis(world, dice):
    world.redis.signal(signal.SIGSTOP)
    time.sleep(world.long(dice, 0.5, 3))
    world.redis.signal(signal.SIGCONT)


def flush_redis(world, _):
    world.redis.cli("FLUSHALL")


def drop_subscriptions(world, _):
    world.redis.cli("CLIENT", "KILL", "TYPE", "pubsub")


def say(make, times):
    def fault(world, dice):
        heard = list(world.eavesdropper.heard)
        for _ in range(times if heard else 0):
            channel, message = dice.choice(heard)
            with contextlib.suppress(OSError, AssertionError):
                world.redis.publish(channel, make(message, dice))
    return fault


replay = say(lambda message, _: message, 200)
replay.__name__ = "replay"
forge = say(forged, 200)
forge.__name__ = "forge"
damage = say(lambda message, dice: damaged(message, dice) if message else b"", 100)
damage.__name__ = "damage"

LINKS = (
    *(spoil(server, how) for server in ("pg", "ro", "redis") for how in ("refuse", "hang", "blackhole", "half_open", "drip")),
    *(spoil(server, "delay", 20, 400) for server in ("pg", "ro", "redis")),
    *(spoil(server, "bandwidth", 2000, 20000) for server in ("pg", "ro", "redis")),
    *(spoil("redis", how, 0.2, 1) for how in ("flip", "truncate", "duplicate", "reorder")),
    *(reset(server) for server in ("pg", "ro", "redis")))
CHANNEL = (restart_redis, pause_redis, flush_redis, drop_subscriptions, replay, forge, damage)
NARROW = (*LINKS, *CHANNEL, kill_node, kill_node, crash_worker, crash_worker, pause_node, pause_node, step_clock)


class Injector:
    """Plays a deck from top to bottom, shuffled anew each time. One thread."""

    def __init__(self, world, deck, seed, pause_s, lock=None):
        self.world, self.deck, self.pause_s, self.lock = world, deck, pause_s, lock or contextlib.nullcontext()
        self.dice = random.Random(seed)
        self.counts = Counter()
        self.error = None
        self.is_stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def start(self):
        self.thread.start()

    def stop(self):
        self.is_stopping.set()
        self.thread.join()

    def run(self):
        cards = []
        try:
            while not self.is_stopping.wait(self.dice.uniform(0, 2 * self.pause_s)):
                cards = cards or self.dice.sample(self.deck, len(self.deck))
                fault = cards.pop()
                with self.lock:
                    self.world.faults.append((time.time(), fault.__name__))
                    fault(self.world, self.dice)
                    self.world.faults.append((time.time(), f"end of {fault.__name__}"))
                self.counts[fault.__name__] += 1
        except Exception as error:  # the run is worth nothing then, and says so
            self.error = f"{fault.__name__}: {error!r}"
            raise
