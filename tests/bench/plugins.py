"""What each plugin costs over proxying alone: a route each, the same requests to all, in turns.

Of the rounds the least counts: what a busy machine adds to the time of a processor (caches that others have filled) it never takes away.
"""

import base64
import hashlib
import hmac
import json
import random

from figures import FIGURES, show
from peers import cpu_seconds, wrk

SECRET = "a secret of thirty-two characters"


def token(key):
    """HS256, without an end."""
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps({"iss": key, "sub": "bench"}).encode())
    return (signed + b"." + part(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


def candidates(bench):
    """Row of the table, plugin, settings, most seconds per 100,000 requests over plain."""
    sink = f"{bench.upstream.url}/sink"
    redis = {"policy": "redis", "redis_host": "127.0.0.1", "redis_port": bench.redis.port}
    rules = {"add": {"headers": ["X-Added: 1"]}, "append": {"headers": ["X-More: 2"]}, "remove": {"headers": ["X-Gone"]},
             "rename": {"headers": ["X-Old:X-New"]}, "replace": {"headers": ["X-Set: 3"]}}
    metrics = {f"{kind}_metrics": True for kind in ("status_code", "latency", "bandwidth", "upstream_health")} | {"per_consumer": True}
    return (
        ("key-auth", "key-auth", {}, 0.15),
        ("jwt, HS256", "jwt", {}, 0.4),
        ("rate-limiting, local", "rate-limiting", {"minute": 10 ** 9, "policy": "local"}, 0.1),
        ("rate-limiting, redis", "rate-limiting", {"minute": 10 ** 9} | redis, 0.4),
        ("request-transformer, five rules", "request-transformer", rules, 0.2),
        ("prometheus, all metrics", "prometheus", metrics, 0.1),
        ("http-log, batches of 1000", "http-log", {"http_endpoint": sink, "queue": {"max_batch_size": 1000, "max_entries": 100000}}, 0.3),
        ("http-log, one by one", "http-log", {"http_endpoint": sink, "queue": {"max_entries": 100000}}, None),
        ("zipkin, one in a thousand", "zipkin", {"http_endpoint": sink}, None),
        ("zipkin, all in batches of 1000", "zipkin", {"http_endpoint": sink, "sample_ratio": 1, "queue": {"max_batch_size": 1000, "max_entries": 100000}}, None),
        ("opentelemetry, passed on", "opentelemetry", {"endpoint": sink}, None),
        ("file-log", "file-log", {"path": f"{bench.directory}/file.log"}, None),
        ("statsd, nobody listens", "statsd", {"host": "127.0.0.1", "port": 9}, None),
        ("udp-log, nobody listens", "udp-log", {"host": "127.0.0.1", "port": 9}, None),
        ("tcp-log, nobody listens", "tcp-log", {"host": "127.0.0.1", "port": 9}, None),
        ("proxy-cache, hit", "proxy-cache", {"strategy": "memory", "cache_ttl": 3600}, 0),
    )


def install(cluster, rows):
    """Those that run, by row of the table; whoever has a key or a token is known."""
    cluster.consumer("bench")
    cluster.key("bench-key", "bench")
    made = cluster.a.admin("POST", "/consumers/bench/jwt", json={"key": "bench-issuer", "secret": SECRET})
    assert made.status == 201, made
    there = {}
    for number, (row, plugin, config, _) in enumerate(rows):
        cluster.route(f"p{number}", paths=[f"/p{number}"])
        answer = cluster.a.admin("POST", f"/routes/p{number}/plugins", json={"name": plugin, "config": config})
        if answer.status == 201:
            there[row] = f"/p{number}"
        else:
            print(f"      {row}: does not run here", flush=True)
    cluster.settle()
    return there


def measure(bench, node, paths):
    """Seconds of processor per 100,000 requests, by row, in each round."""
    script = bench.script("plugins.lua", f"""
wrk.headers["apikey"] = "bench-key"
wrk.headers["Authorization"] = "Bearer {token('bench-issuer')}"
wrk.headers["X-Gone"] = "1"
wrk.headers["X-Old"] = "1"
wrk.headers["X-Set"] = "1"
""")
    samples = {row: [] for row in paths}
    rounds, seconds = (20, 2) if bench.long else (8, 1)
    for path in paths.values():
        wrk(node.proxy_port, 1, script=script, path=path)
    for _ in range(rounds):
        for row in random.sample(list(paths), len(paths)):
            before = cpu_seconds(node.worker_pid)
            done, _ = wrk(node.proxy_port, seconds, script=script, path=paths[row])
            samples[row].append((cpu_seconds(node.worker_pid) - before) / done * 1e5)
    return samples


def plugins(bench):
    cluster = bench.cluster(names=("a",), settings={"plugins": "bundled"})
    cluster.service()
    cluster.route("plain", paths=["/plain"])
    rows = candidates(bench)
    there = install(cluster, rows)
    samples = measure(bench, cluster.a, {"plain": "/plain"} | there)
    plain = min(samples["plain"])
    show("proxying alone, CPU per 100,000 requests", plain, "-", "s")
    for row, _, _, goal in rows:
        if row in there:
            FIGURES[f"plugin: {row}: samples"] = samples[row]
            over = min(samples[row]) - plain
            show(f"{row}: more of it", over, "-" if goal is None else f"<= {goal}", "s")
    lost = cluster.a.admin("GET", "/status").json["freshet"]["metrics"]["freshet_delivery_lost_total"]
    show("entries of the loggers that were lost", lost, "-")
    bench.drop(cluster)
