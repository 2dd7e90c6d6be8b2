"""What tests of plugins that limit have in common."""

import concurrent.futures
import time

from support import ask


def away_from_the_end(seconds=60, spare=15):
    """The minute does not end while the test counts."""
    left = seconds - time.time() % seconds
    if left < spare:
        time.sleep(left + 0.1)


def statuses(node, count, path="/r", **headers):
    return [node.proxy("GET", path, headers=headers).status for _ in range(count)]


def crowd(nodes, count, path="/r", threads=16):
    """Statuses of `count` requests, in turn to each node, many at once."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda i: ask(nodes[i % len(nodes)].proxy_port, "GET", path).status, range(count)))


def limit_headers(answer):
    return [name for name, _ in answer._headers if "ratelimit" in name.lower() or name.lower() == "retry-after"]
