"""Counters of all nodes, over restarts: what a node has counted since it was asked last. Figures, never a verdict but for two."""

import re
import threading
from collections import Counter

WANTED = ("freshet_apply_seconds", "freshet_resync_total", "freshet_hint_", "freshet_fill_", "freshet_poll_failures_total", "freshet_scrub",
          "freshet_appends_total", "freshet_append_errors_total", "freshet_wakeups_total", "freshet_polls_total", "freshet_stale_served_total",
          "freshet_replica_fallbacks_total", "freshet_cache_misses_total")
LINE = re.compile(r"^(freshet_\w+(?:\{[^}]*\})?) ([0-9.e+-]+)$", re.MULTILINE)


class Gathered:
    def __init__(self):
        self.lock = threading.Lock()
        self.last, self.sums = {}, Counter()

    def take(self, node, text):
        with self.lock:
            for name, value in LINE.findall(text):
                if name.startswith(WANTED):
                    now, before = float(value), self.last.get((node, name), 0)
                    self.sums[name] += now - before if now >= before else now
                    self.last[node, name] = now

    def sum(self, name):
        return int(self.sums[name])

    def by_label(self, name):
        """{label's value: count}, only of those that are not 0."""
        found = {}
        for key, value in self.sums.items():
            if key.startswith(name + "{") and value:
                found[key.split('"')[1]] = int(value)
        return found

    def delays(self, path):
        """[(upper limit in s, commits)] and how many there were, by what began the poll that brought them."""
        limits = []
        for key, value in self.sums.items():
            found = re.match(r'freshet_apply_seconds_bucket\{path="%s",le="([^"]+)"\}' % path, key)
            if found:
                limits.append((float(found.group(1)), int(value)))
        return sorted(limits)

    def quantile(self, path, share):
        limits = self.delays(path)
        total = limits[-1][1] if limits else 0
        return next((limit for limit, count in limits if total and count >= share * total), None), total
