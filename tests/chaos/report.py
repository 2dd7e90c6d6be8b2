"""The figures of section 13.7 of the consistency reference, and a line of verdict per kind of violation."""

from checker import SCALES_S
from judge import KINDS

MEANINGS = {
    "stale": "answers older than the bound",
    "position": "answers older than the position they were asked with",
    "own write": "answers of the node that had acknowledged a write, without it",
    "cluster": "answers without a write that had been called live on every node",
    "torn": "requests that saw two keys of one commit apart",
    "phantom": "answers of a lost history after the bound",
    "lost write": "acknowledged writes that are lost, by no fault of the database",
    "not converged": "keys that were not the newest on a node in the end",
    "scrubbed": "differences that the scrubber has found",
    "ended": "nodes that were not there in the end",
}


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0


def counts_of(counts):
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def report(world, writers, checker, faults):
    judge, gathered = world.judge, world.gathered
    print("operations:", counts_of(writers.counts + checker.counts))
    print("answers:", counts_of(judge.counts), f"; unanswered {world.asker.unanswered}")
    print("faults:", counts_of(sum((one.counts for one in faults), start=type(judge.counts)())))
    for path in ("wake", "hint", "poll"):
        (half, total), (most, _), (last, _) = (gathered.quantile(path, share) for share in (0.5, 0.99, 1))
        print(f"commit to applied by {path}: {total} commits, p50 <= {half} s, p99 <= {most} s, max <= {last} s")
    for how in ("proxy", "cache"):
        ages = [age for by, age in judge.ages if by == how]
        print(f"age of answers by {how} that were not the newest: {len(ages)}, p50 {quantile(ages, 0.5):.3f} s, "
              f"p99 {quantile(ages, 0.99):.3f} s, max {max(ages, default=0):.3f} s")
        for scale in SCALES_S:
            old, all_of_them = judge.scales.get((how, scale), (0, 0))
            if all_of_them:
                print(f"  {scale} s after a commit: {all_of_them} answers, {100 * (1 - old / all_of_them):.3f} % show it")
    for name in ("resync_total", "poll_failures_total", "fill_total", "fill_refused_total", "hint_dropped_total", "append_errors_total",
                 "replica_fallbacks_total"):
        print(f"{name}:", counts_of(gathered.by_label(f"freshet_{name}")))
    misses, statements = gathered.sum("freshet_cache_misses_total"), gathered.sum("freshet_fill_statements_total")
    print(f"misses {misses}, statements for them {statements}; appends {gathered.sum('freshet_appends_total')}")
    bad = [one.error for one in faults if one.error]
    for kind in KINDS:
        count = judge.verdicts[kind]
        print(f"{'bad' if count else 'ok'}: {count} {MEANINGS[kind]}")
        bad += [kind] * bool(count)
    for one in faults:
        if one.error:
            print(f"bad: {one.error}")
    return bad
