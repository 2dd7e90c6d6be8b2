"""When a node could not be expected to hear of a commit: the intervals in which a fault kept it from the primary."""

import contextlib
import threading
import time

POLL_S = 1        # db_update_frequency
DEADLINE_S = 2    # of a poll
SLACK_S = 2       # to apply a batch, and for a machine on which others work
BOUND_S = POLL_S + DEADLINE_S + SLACK_S
RETURN_S = DEADLINE_S + POLL_S   # a poll that hangs when the fault ends, and the wait until the next try


class Calm:
    def __init__(self):
        self.lock = threading.Lock()
        self.storms = {}   # node -> [(began, ended or None, what)]

    @contextlib.contextmanager
    def storm(self, nodes, what):
        began = time.time()
        with self.lock:
            for node in nodes:
                self.storms.setdefault(node, []).append([began, None, what])
        try:
            yield
        finally:
            with self.lock:
                for node in nodes:
                    for one in self.storms[node]:
                        if one[0] == began and one[1] is None:
                            one[1] = time.time()

    def of(self, node):
        with self.lock:
            return sorted((began, ended if ended is not None else float("inf"), what) for began, ended, what in self.storms.get(node, ()))

    def must_know(self, node, since, now):
        """Has there been, between the two, a calm long enough for a node to learn what was committed at `since`?"""
        free, needed = since, BOUND_S
        for began, ended, _ in self.of(node):
            if ended + RETURN_S <= since:
                continue
            if min(began, now) - free >= needed:
                return True
            if ended > free:
                free, needed = ended, BOUND_S + RETURN_S
        return now - free >= needed

    def stormy_s(self, node, since, until):
        return sum(max(0, min(ended, until) - max(began, since)) for began, ended, _ in self.of(node))

    def story(self, node, now):
        return [f"{began - now:.2f} .. {ended - now:.2f} s: {what}" for began, ended, what in self.of(node) if ended > now - 40]
