"""Random writes over all entities, through both nodes, against the Admin API as its reference describes it, in memory.

FRESHET_SEED=<n> repeats a run, FRESHET_MODEL=<seconds> makes it long. A failure says the shortest sequence that still fails.
"""

import json
import os
import random
import time

import pytest

from entity_moves import Mover
from entity_world import play, shrink
from support import PATIENCE

pytestmark = pytest.mark.usefixtures("clean")

MOVES = 150


def test_whatever_is_written_is_as_the_reference_says(cluster):
    seed = int(os.environ.get("FRESHET_SEED", random.randrange(1 << 30)))
    end = time.monotonic() + float(os.environ.get("FRESHET_MODEL", 6 * PATIENCE))
    runs = 0
    while runs == 0 or time.monotonic() < end:
        moves = list(enumerate(Mover(seed + runs).moves(MOVES)))
        failed = play(cluster, moves)
        if failed:
            what, number = failed
            if number is not None:
                moves = [move for move in moves if move[0] <= number]
            moves, what = shrink(cluster, moves, what)
            listed = "\n".join(f"  {number}: {' '.join([move[0], '/' + '/'.join(move[1]), move[2]])} {json.dumps(move[3])[:600]}" for number, move in moves)
            pytest.fail(f"FRESHET_SEED={seed + runs}\n{listed}\n{what}", pytrace=False)
        runs += 1
    print(f"{runs} runs of {MOVES} moves from seed {seed}")
