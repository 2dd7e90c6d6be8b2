"""Figures of the data plane beside those of nginx and HAProxy, and what only a gateway can be asked for."""

import json
import os
import re
import socket
import statistics
import subprocess
import threading
import time

from figures import FIGURES, Wire, show
from peers import Load, OurNode, cpu_seconds, in_turns, wrk


def plain(cluster):
    cluster.service()
    cluster.route("plain", paths=["/plain"])
    cluster.settle()


def compare(bench, name, node, goal, load, key=None):
    """The node's CPU per request over that of the better of the two others."""
    rounds, seconds = (10, 4) if bench.long else (4, 1)
    results = in_turns([OurNode(node), *bench.peers], load, rounds, seconds)
    for who, (cpu, user, kernel, rate, p99) in results.items():
        FIGURES[f"{key or name}: {who}"] = [cpu, user, kernel, rate, p99]
        print(f"      {who:<8} {cpu:6.3f} s per 100,000 requests; {user:.2f} in the program, {kernel:.2f} in the kernel;"
              f" {rate:.0f} a second, p99 {p99:.1f} ms", flush=True)
    mine, best = results["node"][0], min(cpu for who, (cpu, *_) in results.items() if who != "node")
    show(f"{name}: CPU of the node over the better of the two", mine / best, goal)
    return results


def proxied(bench):
    cluster = bench.cluster(names=("a",))
    plain(cluster)
    compare(bench, "one route", cluster.a, "<= 0.9", Load(), key="plain")
    compare(bench, "one route, 30 request headers", cluster.a, "<= 0.9", Load(script=bench.script("headers.lua", "\n".join(
        f'wrk.headers["X-Header-{number:02}"] = "value-{number:04}-{"v" * 20}"' for number in range(30)))))
    bench.drop(cluster)


def full_handshakes(port, seconds):
    """Of TLS 1.3, none resumed: wrk would resume those of TLS 1.2."""
    text = subprocess.run(["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-tls1_3", "-www", "/plain", "-time", str(seconds)],
                          capture_output=True, text=True, check=True).stdout
    return int(re.search(r"(\d+) connections in \d+ real", text).group(1))


def tls(bench):
    cluster = bench.cluster(names=("a",), settings={"ssl_cert": bench.certificate.certificate, "ssl_cert_key": bench.certificate.key})
    plain(cluster)
    compare(bench, "TLS in front, keep-alive", cluster.a, "<= 1.0", Load(tls=True))
    servers, rounds, seconds = [OurNode(cluster.a), *bench.peers], 8 if bench.long else 3, 4 if bench.long else 2
    rates = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            before = cpu_seconds(*server.workers())
            done = full_handshakes(server.second_port, seconds)
            rates[server.name].append(done / (cpu_seconds(*server.workers()) - before))
    for name, values in rates.items():
        show(f"full handshakes and one request each, per CPU second: {name}", int(statistics.median(values)), ">= nginx" if name == "node" else "-")
    bench.drop(cluster)


def balanced(bench):
    cluster = bench.cluster(names=("a",))
    assert cluster.a.admin("POST", "/upstreams", json={"name": "two.test"}).status == 201
    for port in (bench.upstream.port, bench.upstream.second_port):
        assert cluster.a.admin("POST", "/upstreams/two.test/targets", json={"target": f"127.0.0.1:{port}"}).status == 201
    assert cluster.a.admin("PUT", "/services/s", json={"url": "http://two.test"}).status == 200
    cluster.route("plain", paths=["/plain"])
    cluster.settle()
    compare(bench, "two targets, round robin", cluster.a, "<= 0.9", Load(peer_path="/balanced"))
    bench.drop(cluster)


def threads(bench):
    """Client, upstream and node share the cores of one machine, so throughput cannot tell how threads scale; what a request costs with
    one and with two of them can: two that did not disturb each other would do twice the work of one."""
    nodes = []
    for count in ("1", "2"):
        cluster = bench.cluster(names=("a",), settings={"nginx_worker_processes": count})
        plain(cluster)
        nodes.append((cluster, OurNode(cluster.a)))
        nodes[-1][1].name = f"{count} threads"
    rounds, seconds = (10, 4) if bench.long else (4, 1)
    results = in_turns([server for _, server in nodes], Load(connections=64), rounds, seconds)
    one, two = results["1 threads"][0], results["2 threads"][0]
    show("work of two threads per CPU second, over that of one, times two", 2 * one / two, ">= 1.9")
    for cluster, _ in nodes:
        bench.drop(cluster)


class Changes:
    """Calls of the Admin API at a pace, on a thread."""

    def __init__(self, port, path, body_of, per_second):
        self.done, self.count = threading.Event(), 0
        self.thread = threading.Thread(target=self.run, args=(Wire(port), path, body_of, per_second))

    def run(self, wire, path, body_of, per_second):
        began = time.monotonic()
        while not self.done.is_set():
            self.count += 1
            status, body = wire.ask("PATCH", path, json.dumps(body_of(self.count)).encode())
            assert status == 200, body
            self.done.wait(max(0.0, began + self.count / per_second - time.monotonic()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def changing(bench):
    """The Admin API and Postgres need the machine's two cores as well. What of the difference is theirs shows the second figure: as many
    changes, of consumers, which no routing depends on."""
    cluster = bench.cluster(names=("a",))
    plain(cluster)
    cluster.consumer()
    cluster.route("changing", paths=["/changing"])
    node, seconds = cluster.a, 4 if bench.long else 2
    consumers = lambda: Changes(node.admin_port, "/consumers/c", lambda number: {"tags": [f"t{number}"]}, 100)
    routes = lambda: Changes(node.admin_port, "/routes/changing", lambda number: {"paths": [f"/changing/{number}"]}, 100)
    quiet, beside, during, made = [], [], [], 0
    wrk(node.proxy_port, 1, 8)
    for _ in range(10 if bench.long else 3):
        quiet.append(wrk(node.proxy_port, seconds, 8)[1])
        with consumers():
            beside.append(wrk(node.proxy_port, seconds, 8)[1])
        with routes() as changes:
            during.append(wrk(node.proxy_port, seconds, 8)[1])
        made += changes.count
    rate = made / len(during) / seconds
    show("p99 of requests, nothing changes", statistics.median(quiet), "-", "ms")
    show("p99 while consumers change as often", statistics.median(beside), "-", "ms")
    show(f"p99 while routes change {rate:.0f} times a second", statistics.median(during), "-", "ms")
    show("the same over that of changing consumers", statistics.median(during) / statistics.median(beside), "<= 1.2")
    show("the same over that without changes", statistics.median(during) / statistics.median(quiet), "<= 1.2")
    bench.drop(cluster)


def slow_client(bench):
    """400 MB for a client that takes 1 MB a second; it is not waited for to the end."""
    cluster = bench.cluster(names=("a",))
    cluster.service("long", path="/long")
    cluster.route("long", service="long", paths=["/long"])
    cluster.settle()
    node, largest, taken = cluster.a, 0, 0
    with socket.create_connection(("127.0.0.1", node.proxy_port)) as link:
        link.sendall(b"GET /long HTTP/1.1\r\nHost: bench\r\n\r\n")
        began = time.monotonic()
        while time.monotonic() < began + (60 if bench.long else 6):
            taken += len(link.recv(100_000))
            largest = max(largest, node.rss_kb())
            time.sleep(max(0.0, began + taken / 1e6 - time.monotonic()))
    assert taken > 4_000_000
    show("resident memory while a client takes 1 MB a second of 400 MB", round(largest / 1024, 1), "<= 30", "MB")
    bench.drop(cluster)


def router(bench):
    program = os.path.join(os.environ["FRESHET_BUILD"], "tests", "bench", "router_bench")
    if not os.path.exists(program):
        print(f"      note: {program} is not built")
        return
    text = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    for hosts, goal in (("1000", 500), ("1", 1000)):
        match, change, build, size = re.search(rf"100000 +{hosts} +(\d+) +(\d+) +([\d.]+) +(\d+)", text).groups()
        name = f"100,000 routes, {hosts} hosts" if hosts != "1" else "100,000 paths of one host"
        show(f"{name}: a match", int(match), f"<= {goal}", "ns")
        show(f"{name}: a change", int(change) / 1000, "<= 50", "us")
        show(f"{name}: building", float(build), "<= 300", "ms")
        show(f"{name}: memory of a route", int(size), "<= 600", "B")
