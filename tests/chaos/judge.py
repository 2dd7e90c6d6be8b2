"""The verdict on every answer, given once the truth is known up to its end. Nothing a node says of itself excuses it."""

import queue
import threading
import time
from collections import Counter

from truth import place_of

KINDS = ("stale", "position", "own write", "cluster", "torn", "phantom", "lost write", "not converged", "scrubbed", "ended")
EDGE_S = 0.001   # between two looks at one clock


class Judge:
    def __init__(self, truth, calm, tell):
        self.truth, self.calm, self.tell = truth, calm, tell
        self.sights = queue.Queue()
        self.counts = Counter()       # answers by how they were got; claims by what they are
        self.verdicts = Counter({kind: 0 for kind in KINDS})
        self.ages = []                # (how, seconds) of answers that were not the newest, within the bound
        self.scales = {}              # (how, seconds after the commit) -> [answers that did not show it yet, answers]
        self.stories = []
        self.is_stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()

    def stop(self):
        self.is_stopping.set()
        self.thread.join()

    def hear(self, sight):
        if sight is not None:
            self.sights.put(sight)

    def run(self):
        while not (self.is_stopping.is_set() and self.sights.empty()):
            try:
                sight = self.sights.get(timeout=0.1)
            except queue.Empty:
                continue
            if self.wait_for_truth(sight):
                self.judge(sight)
            else:
                self.counts["not judged"] += 1

    def wait_for_truth(self, sight):
        """False: the database has lost commits since; nobody knows what was owed then."""
        end = time.time() + 60
        while self.truth.known_until <= sight.ended:
            if time.time() > end or sight.began < self.truth.epoch or self.is_stopping.is_set() and not self.truth.thread.is_alive():
                return False
            time.sleep(0.005)
        return sight.began >= self.truth.epoch

    def judge(self, sight):
        self.counts[sight.how] += 1
        self.look_for_a_tear(sight)
        for key, version in sight.versions.items():
            history = self.truth.history(key)
            place = place_of(history, version, sight.ended + EDGE_S)
            if place is None:
                self.judge_phantom(sight, key, version)
                continue
            self.judge_age(sight, key, history, place)
            self.judge_claims(sight, key, history, place)
            self.judge_scale(sight, key, history, place)

    def look_for_a_tear(self, sight):
        if "plugin:pair" in sight.versions:
            self.counts["pairs"] += 1
            if sight.versions["plugin:pair"] != "X-Pair:" + sight.versions["service:pair"].removeprefix("/v/"):
                self.accuse("torn", sight, "plugin:pair", None)

    def judge_phantom(self, sight, key, version):
        """A version that the database does not have: of a lost history, and a node is given the bound to notice."""
        if self.calm.must_know(sight.node, self.truth.epoch, sight.began):
            self.accuse("phantom", sight, key, version)
        else:
            self.counts["of lost history"] += 1

    def judge_age(self, sight, key, history, place):
        newer = history[place + 1] if place + 1 < len(history) else None
        if newer is None or newer.at > sight.began:
            self.counts[f"fresh by {sight.how}"] += 1
            return
        self.ages.append((sight.how, sight.began - newer.at))
        if self.calm.must_know(sight.node, newer.seen, sight.began):
            self.accuse("stale", sight, key, newer)

    def judge_claims(self, sight, key, history, place):
        for what, claimed_key, version in sight.claims:
            owed = place_owed(history, version, sight.ended) if claimed_key == key else None
            if owed is None:
                continue
            # A node that has not yet noticed another history takes the new one's positions for its own; only wait=cluster
            # compares tags.
            if what != "cluster" and not self.calm.must_know(sight.node, self.truth.rewritten, sight.began):
                continue
            self.counts[f"claims: {what}"] += 1
            if place < owed:
                self.accuse(what, sight, key, history[owed])

    def judge_scale(self, sight, key, history, place):
        if sight.commit is None or sight.commit[0] != key:
            return
        _, version, scale = sight.commit
        counts = self.scales.setdefault((sight.how, scale), [0, 0])
        counts[0] += place < 0 or history[place].turn < version.turn
        counts[1] += 1

    def accuse(self, what, sight, key, owed):
        self.verdicts[what] += 1
        if len(self.stories) < 10:
            story = self.tell(what, sight, key, owed)
            self.stories.append(story)
            print(story, flush=True)


def place_owed(history, version, before):
    """Where the claimed version stands; None: it is unknown here, so the database has lost it."""
    follows = version.startswith("after ")
    wanted = version.removeprefix("after ")
    place = max((i for i, one in enumerate(history) if one.version == wanted and one.at <= before), default=None)
    if place is None or not follows:
        return place
    return place + 1 if place + 1 < len(history) else None
