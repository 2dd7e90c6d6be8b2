"""Five nodes, three PostgreSQL servers and Redis, all joined by links that can be spoiled; and the entities the load is about.

Keys: consumer:c* (its custom_id reaches the upstream), credential:t* (comes and goes; its id reaches the upstream), service:s* (its
path does), and the pair of service and plugin `pair`, which are only ever changed together.
"""

import json
import os
import signal
import threading
import time
import uuid

from asking import Asker, Client
from calm import POLL_S, Calm
from gathered import Gathered
from judge import Judge
from links import Links
from messages import Eavesdropper
from servers import Farm
from support import PATIENCE, ROOT, Cluster, Upstream
from truth import Truth

NODES = ("a", "b", "c", "d", "e")
LEASE_S = 6
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
RETENTION_S = 20 * POLL_S
CONSUMERS = [f"consumer:c{i}" for i in range(6)]
CREDENTIALS = [f"credential:t{i}" for i in range(6)]
SERVICES = [f"service:s{i}" for i in range(4)]


class World:
    def __init__(self, directory, seed, settings, redis):
        self.directory = directory
        self.calm, self.client = Calm(), Client()
        self.links = Links(seed)
        self.farm = Farm(directory, self.links, "freshet")
        self.redis = redis(os.path.join(directory, "redis"))
        self.upstream = Upstream()
        self.cluster = Cluster(os.path.join(directory, "nodes"), self.farm, None, self.upstream, settings, NODES)
        self.cluster.database = self.farm.database
        self.nodes = {node.name: node for node in self.cluster.nodes}
        self.asker = Asker(self.client)
        self.truth = Truth(lambda: f"host=127.0.0.1 port={self.farm.port} user=freshet dbname={self.farm.database}")
        self.judge = Judge(self.truth, self.calm, self.tell)
        self.faults = []       # (when, what)
        self.losses = []       # [since, until]: what was acknowledged then may be lost with the database
        self.database_is_well = threading.Lock()
        self.scale = 1         # of how long faults last
        self.eavesdropper = None
        self.clock_file = None
        self.gathered = Gathered()

    # ---- beginning and end ----

    def start(self):
        self.farm.start()
        self.redis.start()
        self.upstream.start()
        self.eavesdropper = Eavesdropper(lambda: self.redis.port)
        for node in self.cluster.nodes:
            self.place(node)
        self.fake_clock(self.cluster.nodes[-1])
        self.bootstrap()
        for node in self.cluster.nodes:
            node.start(wait=False)
        for node in self.cluster.nodes:
            node.wait_ready()
        self.truth.start()
        self.judge.start()
        self.make_entities()
        self.farm.back_up()

    def place(self, node):
        name = node.name
        node.settings |= {
            "pg_port": self.links.open(f"pg-{name}", self.farm.port), "pg_timeout": 3000,
            "pg_ro_host": "127.0.0.1", "pg_ro_port": self.links.open(f"ro-{name}", self.farm.late.port), "pg_ro_timeout": 1000,
            "db_update_frequency": POLL_S, "cluster_lease": LEASE_S, "cluster_log_retention": RETENTION_S,
            "cluster_scrub_interval": 2, "proxy_min_position": "on", "log_level": "notice", "nginx_worker_processes": 1}
        node.settings |= {"fast_invalidation": "redis", "redis_timeout": 500}
        node.settings |= self.redis.settings or {"redis_port": self.links.open(f"redis-{name}", self.redis.port)}

    def fake_clock(self, node):
        """Its time of day is what a file says (libfaketime); under sanitizers, which must be loaded first, or without it: not."""
        if PATIENCE > 1 or not os.path.exists(FAKETIME):
            return
        self.clock_file = os.path.join(self.directory, "clock")
        with open(self.clock_file, "w", encoding="ascii") as file:
            file.write("+0s\n")
        own = node.environment
        node.environment = lambda: own() | {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.clock_file, "FAKETIME_NO_CACHE": "1",
                                            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def bootstrap(self):
        first = self.cluster.nodes[0]
        first.write_settings()
        made = first.command("migrations", "bootstrap")
        assert made.returncode == 0, made.stderr
        with open(os.path.join(ROOT, "gateway", "store", "guard.sql"), encoding="ascii") as file:
            self.farm.sql(file.read())
        self.farm.sql(Truth.schema())

    def make_entities(self):
        def put(path, fields):
            status, _, body = self.client.admin(self.cluster.nodes[0], "PUT", path, fields)
            assert status == 200, (path, status, body)

        put("/services/keyed", {"url": self.upstream.url})
        put("/services/keyed/routes/keyed", {"paths": ["/keyed"]})
        put(f"/routes/keyed/plugins/{uuid.uuid4()}", {"name": "key-auth", "instance_name": "keys"})
        put("/consumers/owner", {"custom_id": "owner"})
        for key in CONSUMERS:
            name = key.split(":")[1]
            put(f"/consumers/{name}", {"custom_id": f"{name}-0"})
            put(f"/consumers/{name}/key-auth/{uuid.uuid4()}", {"key": name})
            self.asker.ids[key] = self.farm.sql(f"SELECT id FROM consumers WHERE username = '{name}'")
        for name in [key.split(":")[1] for key in SERVICES]:
            put(f"/services/{name}", {"url": f"{self.upstream.url}/v/0"})
            put(f"/services/{name}/routes/{name}", {"paths": [f"/{name}"]})
        put("/services/pair", {"url": f"{self.upstream.url}/v/0"})
        put("/services/pair/routes/pair", {"paths": ["/pair"]})
        put(f"/routes/pair/plugins/{uuid.uuid4()}",
            {"name": "request-transformer", "instance_name": "pair", "config": {"add": {"headers": ["X-Pair:0"]}}})

    def stop(self):
        for node in self.cluster.nodes:
            if node.process is not None:
                node.stop(signal.SIGTERM)
        self.eavesdropper.stop()
        self.redis.close()
        self.farm.stop()
        self.upstream.stop()
        self.links.stop()

    # ---- what faults need ----

    def long(self, dice, least, most):
        return dice.uniform(least, most * self.scale)

    def lose(self, since):
        """The database goes back: what is written from then on may be lost, and nothing known of it counts. Called before the other
        past can be read."""
        self.losses.append([since, float("inf")])
        self.truth.start_over()

    def nothing_more_is_lost(self):
        self.losses[-1][1] = time.time()

    def gather(self, node):
        """Its counters, before they begin anew."""
        try:
            self.gathered.take(node.name, self.client.ask(node.status_port, "GET", "/metrics", timeout=2)[2].decode())
        except OSError:
            pass

    # ---- who is asked ----

    def all_keys(self):
        return [*CONSUMERS, *CREDENTIALS, *SERVICES, "pair:pair"]

    def figures(self, node):
        """What a node says of itself; only for stories."""
        try:
            return self.cluster_status(node)["freshet"]
        except (OSError, KeyError, ValueError) as error:
            return {"none": str(error)}

    def cluster_status(self, node):
        return json.loads(self.client.ask(node.status_port, "GET", "/status", timeout=2)[2])

    # ---- the whole story ----

    def tell(self, what, sight, key, owed):
        node, now = self.nodes[sight.node], sight.began
        lines = [f"VIOLATION {what}: node {sight.node} by {sight.how}, {key} = {sight.versions.get(key)}",
                 f"  asked {time.time() - now:.2f} s ago, answered after {sight.ended - now:.3f} s, claims {sight.claims}"]
        if owed is not None and not isinstance(owed, str):
            lines.append(f"  owed: {owed.version} of position {owed.pos} tag {owed.tag}, appended {now - owed.at:.2f} s before")
        lines += [f"  truth: {one.pos}/{one.tag} {one.version} {one.at - now:.3f} s" for one in self.truth.history(key)[-6:]]
        lines += [f"  storm: {line}" for line in self.calm.story(sight.node, now)]
        lines += [f"  fault: {when - now:.2f} s: {text}" for when, text in self.faults if when > now - 40]
        shown = self.asker.cached(node, key)
        lines.append(f"  cache now: {shown.versions if shown else None}, epoch {self.truth.epoch - now:.2f} s")
        figures = self.figures(node)
        lines.append("  node: " + ", ".join(f"{name}={value}" for name, value in figures.items() if not isinstance(value, dict)))
        lines += [f"  log: {line}" for line in node.log().splitlines()[-12:]]
        return "\n".join(lines)
