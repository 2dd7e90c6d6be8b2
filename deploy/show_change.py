#!/usr/bin/env python3
"""Times changes from node A's acknowledgement until node B's proxy acts on them.

usage: show_change.py ADMIN_A PROXY_B COUNT
"""

import http.client
import json
import statistics
import sys
import time
from urllib.parse import urlsplit


def connection(url):
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)


def ask(link, method, path, body=None):
    headers = {"Content-Type": "application/json"} if body is not None else {}
    link.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = link.getresponse()
    answer.read()
    return answer.status


def main():
    admin, proxy = connection(sys.argv[1]), connection(sys.argv[2])
    times = []
    for number in range(int(sys.argv[3])):
        path = f"/change-{time.time_ns()}"
        status = ask(admin, "PUT", "/services/demo/routes/change", {"paths": [path]})
        acknowledged = time.perf_counter()
        if status not in (200, 201):
            sys.exit(f"node A answered {status}")
        while ask(proxy, "GET", path) == 404:
            if time.perf_counter() - acknowledged > 20:
                sys.exit("node B does not get the change")
        times.append((time.perf_counter() - acknowledged) * 1000)
    ask(admin, "DELETE", "/routes/change")
    print(f"measured: median {statistics.median(times):.1f} ms, longest {max(times):.1f} ms ({len(times)} changes)")
    print("by polling alone: at most db_update_frequency, 5 s by default, 2.5 s on average")


main()
