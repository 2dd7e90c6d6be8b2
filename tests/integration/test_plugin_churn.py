"""Plugins that tell, count and store come and go while requests are under way, clients leave and what they speak to fails."""

import contextlib
import os
import random
import signal
import socket
import threading
import time

from raw_upstream import RawUpstream
from support import eventually

SECONDS = int(os.environ.get("CHURN_SECONDS", "15"))


def fickle(_, link):
    """A sink, by HTTP or not: takes, refuses, breaks off or says nothing."""
    link.settimeout(1)
    with contextlib.suppress(OSError):
        link.recv(100000)
    what = random.random()
    if what < 0.5:
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    elif what < 0.7:
        link.sendall(b"HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n\r\n")
    elif what < 0.8:
        time.sleep(2)


def kinds(cluster, sink, directory):
    redis = {"policy": "redis", "redis_host": "127.0.0.1", "redis_port": cluster.redis.port, "redis_timeout": 300}
    queue = {"queue": {"max_entries": 50, "max_retry_time": 1, "max_batch_size": random.choice([1, 5]), "max_coalescing_delay": 0.1}}
    return random.choice([
        ("http-log", {"http_endpoint": f"{sink.url}/x", "timeout": 300} | queue),
        ("tcp-log", {"host": "localhost", "port": sink.port, "timeout": 300, "tls": random.random() < 0.3}),
        ("udp-log", {"host": "127.0.0.1", "port": sink.port}),
        ("statsd", {"host": "localhost", "port": sink.port, "use_tcp": random.random() < 0.5} | queue),
        ("datadog", {"host": "127.0.0.1", "port": sink.port}),
        ("syslog", {}),
        ("file-log", {"path": f"{directory}/churn-{random.randrange(3)}.log", "reopen": random.random() < 0.5}),
        ("zipkin", {"http_endpoint": f"{sink.url}/z", "sample_ratio": 1, "connect_timeout": 300, "send_timeout": 300, "read_timeout": 300} | queue),
        ("opentelemetry", {"endpoint": f"{sink.url}/o"} | queue),
        ("prometheus", {"status_code_metrics": True, "latency_metrics": True, "bandwidth_metrics": True, "upstream_health_metrics": True}),
        ("proxy-cache", {"strategy": "memory", "content_type": ["*/*"], "cache_ttl": random.choice([1, 60])}),
        ("rate-limiting", {"minute": 10000, "hour": 100000, "limit_by": "header", "header_name": "X-Who", "sync_rate": random.choice([-1, 0.02, 0.3])} | redis),
        ("rate-limiting", {"minute": 10000, "policy": "cluster"}),
        ("response-ratelimiting", {"limits": {"video": {"minute": 100000}}} | redis),
        ("response-ratelimiting", {"limits": {"video": {"hour": 100000}}, "policy": "cluster"}),
    ])


class Churn:
    def __init__(self, cluster, sink, directory):
        self.cluster, self.sink, self.directory = cluster, sink, directory
        self.stop, self.answers, self.refused = threading.Event(), {}, []
        self.lock = threading.Lock()

    def request(self):
        node = random.choice(self.cluster.nodes)
        path = f"/r/{random.randrange(5)}"
        headers = {"X-Who": str(random.randrange(50)), "X-Answer": "x-kong-limit=video=1"}
        if random.random() < 0.2:  # goes at once, or after a while
            with socket.create_connection(("127.0.0.1", node.proxy_port), timeout=5) as link:
                link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Who: {random.randrange(50)}\r\n\r\n".encode())
                time.sleep(random.choice([0, 0.002, 0.02]))
            return
        answer = node.proxy(random.choice(["GET", "GET", "HEAD", "POST"]), path, headers=headers)
        with self.lock:
            self.answers[answer.status] = self.answers.get(answer.status, 0) + 1

    def change(self):
        node = random.choice(self.cluster.nodes)
        name, config = kinds(self.cluster, self.sink, self.directory)
        scope = random.choice(["/plugins", "/routes/r/plugins", "/services/s/plugins"])
        answer = node.admin("POST", f"{scope}?wait={random.choice(['none', 'node', 'cluster'])}&wait_timeout=1", json={"name": name, "config": config})
        if answer.status not in (201, 202, 409):
            self.refused.append(answer)
        rows = node.admin("GET", "/plugins?size=100").json["data"]
        if len(rows) > 12:
            node.admin("DELETE", f"/plugins/{random.choice(rows)['id']}")
        node.admin("DELETE", "/proxy-cache")
        assert node.status("GET", "/metrics").status == 200
        assert node.admin("GET", "/cluster/nodes").status == 200

    def disturb(self):
        random.choice([lambda: self.cluster.redis.signal(signal.SIGSTOP), lambda: self.cluster.redis.cli("CLIENT", "KILL", "TYPE", "normal"),
                       lambda: self.cluster.a.signal(signal.SIGHUP), lambda: self.cluster.b.signal(signal.SIGUSR1)])()
        time.sleep(0.5)
        self.cluster.redis.signal(signal.SIGCONT)

    def repeat(self, act, pause):
        while not self.stop.wait(pause * random.random()):
            with contextlib.suppress(OSError):
                act()


def test_plugins_come_and_go(own_cluster, tmp_path):
    cluster = own_cluster(settings={"nginx_worker_processes": 2, "tracing_instrumentations": "all", "tracing_sampling_rate": 1})
    os.chmod(tmp_path, 0o777)
    sink = RawUpstream(fickle)
    cluster.service()
    cluster.route("r")
    churn = Churn(cluster, sink, tmp_path)
    acts = [(churn.request, 0.01)] * 6 + [(churn.change, 0.1)] * 2 + [(churn.disturb, 2)]
    threads = [threading.Thread(target=churn.repeat, args=act) for act in acts]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    churn.stop.set()
    for thread in threads:
        thread.join()
    assert churn.refused == []
    assert set(churn.answers) <= {200, 429} and churn.answers[200] > 50, churn.answers
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/r/end").status == 200, what=f"node {node.name} going on")
        assert node.stop(signal.SIGQUIT) == 0  # with queues that are not empty
    sink.stop()
    cluster.check_logs()
