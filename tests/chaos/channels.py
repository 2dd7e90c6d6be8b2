"""The three ways Redis is run, with one face: what a fault does to "Redis" is done to the server that matters now.

A single one is reached through links; those of Sentinels and of a Cluster name their addresses themselves, so nodes go there directly.
"""

import contextlib
import os
import signal

from redis_farm import RedisCluster, Sentinels
from support import Redis


class Single(Redis):
    settings = None  # by links, see world.py

    def close(self):
        self.stop()


class UnderSentinels:
    """Whoever is master when a fault begins is its victim; another may be by its end."""

    def __init__(self, directory):
        os.makedirs(directory)
        self.farm = Sentinels(directory)
        self.victim = None
        self.has_started = False

    @property
    def settings(self):
        return {"redis_sentinels": self.farm.addresses(), "redis_sentinel_master": Sentinels.NAME}

    def now(self):
        return self.farm.master() or self.farm.servers[0]

    @property
    def port(self):
        return self.now().port

    def start(self):
        if self.has_started:
            self.victim.start()
        else:
            self.farm.start()
            self.has_started = True

    def stop(self):
        self.victim = self.now()
        self.victim.stop()

    def signal(self, number):
        if number == signal.SIGSTOP:
            self.victim = self.now()
        self.victim.signal(number)

    def cli(self, *words):
        return self.now().cli(*words)

    def publish(self, channel, message):
        self.now().publish(channel, message)

    def close(self):
        self.farm.stop()


class AsCluster:
    def __init__(self, directory):
        os.makedirs(directory)
        self.farm = RedisCluster(directory)
        self.victim = 0
        self.has_started = False

    @property
    def settings(self):
        return {"redis_cluster_nodes": self.farm.addresses()}

    @property
    def port(self):
        return self.farm.ports[self.victim]

    def start(self):
        if self.has_started:
            self.farm.start_one(self.port)
        else:
            self.farm.start()
            self.has_started = True

    def stop(self):
        self.victim = (self.victim + 1) % len(self.farm.ports)
        self.farm.stop_one(self.port)

    def signal(self, number):
        with contextlib.suppress(KeyError):
            self.farm.processes[self.port].send_signal(number)

    def cli(self, *words):
        return self.farm.cli(self.port, *words)

    def publish(self, channel, message):
        Redis.publish(self, channel, message)

    def close(self):
        self.farm.stop()


KINDS = {"single": Single, "sentinel": UnderSentinels, "cluster": AsCluster}
