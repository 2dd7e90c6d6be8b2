"""Writes through the Admin API of any node, a version in each; one writer per key at a time, so that versions follow each other."""

import itertools
import os
import random
import subprocess
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass

from support import PROGRAM
from world import CONSUMERS, CREDENTIALS, LEASE_S, SERVICES

NUMBERS = itertools.count(1)
PAIR_FILE = """_format_version: "3.0"
services:
- name: pair
  url: {url}/v/{number}
  routes:
  - name: pair
    paths: [/pair]
    plugins:
    - name: request-transformer
      instance_name: pair
      config: {{add: {{headers: ["X-Pair:{number}"]}}}}
"""


@dataclass(frozen=True)
class Ack:
    key: str
    claim: str
    at: float


class Writers:
    def __init__(self, world, seed, pause_s):
        self.world, self.seed, self.pause_s = world, seed, pause_s
        self.counts = Counter()
        self.acks = []
        self.is_stopping = threading.Event()
        self.threads = [threading.Thread(target=self.write, args=(i, keys)) for i, keys in enumerate(
            (CONSUMERS[::2] + CREDENTIALS[::2] + SERVICES[::2], CONSUMERS[1::2] + CREDENTIALS[1::2] + SERVICES[1::2]))]
        self.threads.append(threading.Thread(target=self.write_pairs))

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_stopping.set()
        for thread in self.threads:
            thread.join()

    def write(self, number, keys):
        dice = random.Random(self.seed * 100 + number)
        while not self.is_stopping.wait(dice.uniform(0, 2 * self.pause_s)):
            key = dice.choice(keys)
            node = dice.choice(self.world.cluster.nodes)
            wait = dice.choice(["none", "node", "node", "cluster"])
            try:
                self.write_one(key, node, wait)
            except OSError:
                self.counts["writes unanswered"] += 1

    def write_one(self, key, node, wait):
        method, path, fields, claim = self.request_for(key)
        status, _, _ = self.world.client.admin(node, method, f"{path}?wait={wait}&wait_timeout=5", fields)
        answered = time.time()
        self.counts[f"writes answered {status}"] += 1
        if status not in (200, 201, 202, 204):
            return
        self.acks.append(Ack(key, claim, answered))
        if status == 202 or wait == "none":
            return
        self.counts[f"writes wait={wait}"] += 1
        self.check(key, claim, node, wait, answered)

    def request_for(self, key):
        """(method, path, fields, claim of whoever has seen it: the version, or "after" the one that is gone)"""
        kind, name = key.split(":")
        number = next(NUMBERS)
        if kind == "consumer":
            return "PATCH", f"/consumers/{name}", {"custom_id": f"{name}-{number}"}, f"{name}-{number}"
        if kind == "service":
            return "PATCH", f"/services/{name}", {"path": f"/v/{number}"}, f"/v/{number}"
        # Versions of a credential are ids: what is deleted can be told from what comes next.
        newest = self.world.truth.newest(key)
        if newest is None or newest.version == "none":
            new = str(uuid.uuid4())
            return "PUT", f"/consumers/owner/key-auth/{new}", {"key": name}, new
        return "DELETE", f"/consumers/owner/key-auth/{newest.version}", None, f"after {newest.version}"

    def check(self, key, claim, node, wait, answered):
        """What the answer has promised, asked for at once: here, or of everybody who counts."""
        world = self.world
        promises = [(node, "own write")]
        if wait == "cluster":
            # A node that heartbeats may have failed to come from need not have been waited for.
            promises += [(other, "cluster") for other in world.cluster.nodes
                         if world.calm.stormy_s(other.name, answered - 2 * LEASE_S, answered) < LEASE_S / 3]
        for other, what in promises:
            sight = world.asker.proxied(other, key)
            if sight is not None:
                sight.claims.append((what, key, claim))
                world.judge.hear(sight)

    def write_pairs(self):
        dice = random.Random(self.seed * 100 + 99)
        path = os.path.join(self.world.directory, "pair.yml")
        while not self.is_stopping.wait(dice.uniform(0, 8 * self.pause_s)):
            node, number = dice.choice(self.world.cluster.nodes), next(NUMBERS)
            with open(path, "w", encoding="ascii") as file:
                file.write(PAIR_FILE.format(url=self.world.upstream.url, number=number))
            try:
                run = subprocess.run([PROGRAM, "config", "db_import", path, "-c", node.conf], capture_output=True, check=False,
                                     env=node.environment(), timeout=60)
            except subprocess.TimeoutExpired:
                continue
            self.counts["pairs written" if run.returncode == 0 else "pairs refused"] += 1
            if run.returncode == 0:
                self.acks.append(Ack("service:pair", f"/v/{number}", time.time()))
