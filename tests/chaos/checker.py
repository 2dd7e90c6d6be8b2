"""After the manner of Polaris: for every commit, every node is asked for the key at once and again later, through the proxy port and by
GET /cache/{key}. Beside it, readers who ask all the time, as clients do."""

import heapq
import itertools
import random
import threading
import time
from collections import Counter

SCALES_S = (0, 1, 10, 60, 300)
ASKERS = 8


class Checker:
    def __init__(self, world, seed, history_name):
        self.world, self.history_name = world, history_name
        self.dice = random.Random(seed)
        self.agenda, self.order = [], itertools.count()
        self.ready = threading.Condition()
        self.counts = Counter()
        self.is_stopping = False
        self.threads = [threading.Thread(target=self.run) for _ in range(ASKERS)]
        self.threads += [threading.Thread(target=self.read, args=(node, random.Random(seed + i)))
                         for i, node in enumerate(world.cluster.nodes)]
        world.truth.listeners.append(self.on_commit)

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        with self.ready:
            self.is_stopping = True
            self.ready.notify_all()
        for thread in self.threads:
            thread.join()

    def on_commit(self, key, version):
        if key.startswith("plugin:") or key == "service:keyed" or key.startswith("consumer:owner"):
            return
        key = "pair:pair" if key == "service:pair" else key
        now = time.time()
        with self.ready:
            for scale in SCALES_S:
                for node in self.world.cluster.nodes:
                    heapq.heappush(self.agenda, (now + scale, next(self.order), scale, node, key, version))
            self.ready.notify_all()

    def next_task(self):
        with self.ready:
            while not self.is_stopping:
                wait = self.agenda[0][0] - time.time() if self.agenda else 1
                if wait <= 0:
                    return heapq.heappop(self.agenda)[2:]
                self.ready.wait(min(wait, 1))
        return None

    def run(self):
        while task := self.next_task():
            self.look(*task)

    def look(self, scale, node, key, version):
        world, owner = self.world, "service:pair" if key == "pair:pair" else key
        # Asked with the position, an answer must show it whatever the time (I1); those are no measure of freshness.
        with_position = scale == 0 and self.dice.random() < 0.3
        sight = world.asker.proxied(node, key, f"{self.history_name}-{version.pos}" if with_position else None)
        if sight is not None and with_position and version.version != "none":
            sight.claims.append(("position", owner, version.version))
        for one in (sight, world.asker.cached(node, key)):
            if one is not None:
                one.commit = None if with_position else (owner, version, scale)
                world.judge.hear(one)
        self.counts[f"looks after {scale} s"] += 1

    def read(self, node, dice):
        keys = self.world.all_keys()
        while not self.is_stopping:
            self.world.judge.hear(self.world.asker.proxied(node, dice.choice(keys)))
            time.sleep(dice.uniform(0, 0.1))
