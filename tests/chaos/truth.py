"""What is owed: the versions of every key in the order of their commits, read from the database itself and from no node."""

import bisect
import os
import threading
import time
from dataclasses import dataclass

from sql_line import SqlLine

PERIOD_S = 0.03


@dataclass(frozen=True)
class Version:
    turn: int       # order of commits
    pos: int
    tag: str
    version: str
    at: float       # when it was appended, by the database's clock
    seen: float     # when the checker knew that it was committed; clocks are time.time(), all of one machine


class Truth:
    """Threads: one of its own reads; the lock is held for moments."""

    def __init__(self, address):
        self.line = SqlLine(address)
        self.lock = threading.Lock()
        self.histories = {}
        self.last_turn = 0
        self.known_until = 0.0   # everything committed before then is here
        self.epoch = self.epoch_of_line = 0.0   # when the database last lost commits
        self.rewritten = 0.0     # when positions last began to be given out again
        self.listeners = []
        self.is_stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    @staticmethod
    def schema():
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "truth.sql"), encoding="ascii") as file:
            return file.read()

    def start(self):
        self.thread.start()

    def stop(self):
        self.is_stopping.set()
        self.thread.join()
        self.line.close()

    def run(self):
        while not self.is_stopping.wait(PERIOD_S):
            try:
                self.read()
            except OSError:
                time.sleep(0.1)

    def read(self):
        with self.lock:
            after, epoch = self.last_turn, self.epoch
        if epoch != self.epoch_of_line:  # the old primary may still answer
            self.line.close()
            self.epoch_of_line = epoch
        began = time.time()
        rows = self.line.ask("SELECT key, turn, pos, tag, version, extract(epoch FROM at) FROM chaos_truth"
                             f" WHERE turn > {after} ORDER BY turn, n")
        new = [(key, Version(int(turn), int(pos), tag, version, float(at), time.time())) for key, turn, pos, tag, version, at in rows]
        with self.lock:
            if epoch != self.epoch:
                return
            for key, version in new:
                self.histories.setdefault(key, []).append(version)
                self.last_turn = version.turn
            self.known_until = began
        for listener in self.listeners:
            for key, version in new:
                listener(key, version)

    def start_over(self):
        """The database may have lost commits: nothing that was known counts."""
        with self.lock:
            self.histories, self.last_turn = {}, 0
            self.epoch = self.rewritten = time.time()
            self.known_until = 0.0

    def history(self, key):
        with self.lock:
            return list(self.histories.get(key, ()))

    def keys(self):
        with self.lock:
            return sorted(self.histories)

    def newest(self, key):
        with self.lock:
            found = self.histories.get(key)
            return found[-1] if found else None


def place_of(history, version, before):
    """The last place at which this version stood, begun before `before`; -1: never, and nothing else was there; None: it is none."""
    end = bisect.bisect_right([one.at for one in history], before)
    for place in range(end - 1, -1, -1):
        if history[place].version == version:
            return place
    return -1 if version == "none" else None
