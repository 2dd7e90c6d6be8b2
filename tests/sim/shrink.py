"""The shortest way to a violation that can be found in a while.

A run is what its seed, the number of its nodes and the faults that are left out make of it: with fewer of them it is another run.
So runs are tried that have one fault less, or fewer nodes, each with many seeds; what violates the same invariant in fewer steps is
where the search goes on.
"""

import collections
import re
import subprocess
import time

SEEDS = 300  # per attempt

Found = collections.namedtuple("Found", "seed step invariant without nodes")


def words(without, nodes):
    return [*(["--without", ",".join(sorted(without))] if without else []), *(["--nodes", str(nodes)] if nodes else [])]


def look(program, first, count, steps, without, nodes):
    """The first violation of these seeds."""
    run = subprocess.run([program, "--seeds", str(first), str(count), "--steps", str(steps), "--brief", *words(without, nodes)],
                         capture_output=True, text=True, check=False)
    found = re.search(r"violation: seed=(\d+) step=(\d+) invariant=(\S+):", run.stdout)
    return Found(int(found.group(1)), int(found.group(2)), found.group(3), without, nodes) if found else None


class Search:
    def __init__(self, program, found, seconds):
        self.program, self.best, self.end = program, found, time.monotonic() + seconds
        self.tries = 0

    def is_over(self):
        return time.monotonic() > self.end

    def attempt(self, without, nodes, first):
        """Is there something as short with these? A fault less is worth having even in as many steps."""
        self.tries += 1
        found = look(self.program, first, SEEDS, self.best.step, without, nodes)
        if not found or found.invariant != self.best.invariant:
            return False
        simpler = len(without) > len(self.best.without) or (nodes or 99) < (self.best.nodes or 99)
        if found.step > self.best.step or (found.step == self.best.step and not simpler):
            return False
        self.best = found
        return True

    def simplify(self, faults):
        for nodes in (1, 2):
            if self.attempt(self.best.without, nodes, 1):
                break
        for fault in faults:
            if fault not in self.best.without and not self.is_over():
                self.attempt(self.best.without | {fault}, self.best.nodes, 1)

    def shorten(self):
        """Other seeds of the same kind."""
        first = 1
        while not self.is_over():
            self.best = self.best._replace(step=self.best.step - 1)
            better = self.attempt(self.best.without, self.best.nodes, first)
            if not better:
                self.best = self.best._replace(step=self.best.step + 1)
                first += SEEDS


def shrink(program, found, seconds):
    """(shortest, how many attempts it took)"""
    faults = subprocess.run([program, "--faults"], capture_output=True, text=True, check=True).stdout.split()
    search = Search(program, found, seconds)
    search.simplify(faults)
    search.shorten()
    return search.best, search.tries


def command(program, found):
    return [program, "--seed", str(found.seed), "--steps", str(found.step), *words(found.without, found.nodes)]
