"""After the last fault: every node must come to the same state, and what was acknowledged must be there."""

import time

from calm import BOUND_S, RETURN_S
from truth import place_of


def settle(world):
    """Every node answers every key with its newest version, at last."""
    time.sleep(BOUND_S + RETURN_S + 3)
    for node in world.cluster.nodes:
        if node.process is None or node.process.poll() is not None:
            world.judge.verdicts["ended"] += 1
            print(f"VIOLATION ended: node {node.name}\n{node.log()[-2000:]}")
            continue
        for key in world.all_keys():
            compare(world, node, key)
        world.gather(node)
    finish(world)
    mismatches = world.gathered.sum("freshet_scrub_mismatch_total")
    world.judge.verdicts["scrubbed"] += mismatches


def finish(world):
    """Everything that was seen is judged, as far as the truth is known."""
    time.sleep(0.5)
    world.truth.stop()
    world.judge.stop()


def compare(world, node, key):
    sight = world.asker.proxied(node, key)
    if sight is None:
        world.judge.verdicts["not converged"] += 1
        print(f"VIOLATION not converged: node {node.name} does not answer for {key}")
        return
    for shown, version in sight.versions.items():
        history = world.truth.history(shown)
        if history and version != history[-1].version:
            world.judge.accuse("not converged", sight, shown, history[-1])


def count_the_lost(world, writers):
    """Acknowledged writes that the database does not have; those of the times it has lost by itself are counted apart."""
    for ack in writers.acks:
        if is_there(world.truth.history(ack.key), ack.claim):
            continue
        if any(since <= ack.at <= until + 1 for since, until in world.losses):
            world.judge.counts["acknowledged and lost with the database"] += 1
        else:
            world.judge.verdicts["lost write"] += 1
            print(f"VIOLATION lost write: {ack}, losses {world.losses}")


def is_there(history, claim):
    if claim.startswith("after "):
        return not history or history[-1].version != claim.removeprefix("after ")
    return place_of(history, claim, float("inf")) not in (None, -1)
