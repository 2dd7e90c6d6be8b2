"""Disorder under sanitizers: clients and upstreams that end at any point, changes on both nodes, reloads, purges, a database
and nodes that come and go. Afterwards both nodes are alive and clean, and everything that was taken has been given back.

FRESHET_STRESS: seconds to run. FRESHET_SEED: the same dice again.
"""

import contextlib
import http.client
import os
import random
import signal
import threading
import time

import pytest

import disorder
from support import PATIENCE, eventually

SETTINGS = {
    "db_update_frequency": 1,
    "client_timeout": 3,
    "client_write_timeout": 5,
    "upstream_keepalive_idle_timeout": 1,
    "dns_valid_ttl": 1,
    "dns_not_found_ttl": 1,
    "dns_stale_ttl": 1,
    "shutdown_timeout": 2,
    "pg_timeout": 2000,
    "log_level": "warn",
}


@pytest.fixture
def disordered(own_cluster, workspace, monkeypatch):
    """The cluster and its upstream; memory that was freed is not hoarded, so that growth shows."""
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:quarantine_size_mb=8")
    upstream = disorder.Upstream(seed(), workspace)
    cluster = own_cluster(settings=SETTINGS | {"dns_resolver": f"127.0.0.1:{upstream.dns_port}"})
    slow = {"read_timeout": 1000, "connect_timeout": 500, "write_timeout": 1000, "retries": 5}
    for name, url in (("plain", f"http://127.0.0.1:{upstream.port}"), ("named", f"http://up.example:{upstream.port}"),
                      ("secret", f"https://127.0.0.1:{upstream.tls_port}"), ("keyed", f"http://127.0.0.1:{upstream.port}")):
        assert cluster.a.admin("PUT", f"/services/{name}", json={"url": url} | slow).status == 200
        cluster.route(name, service=name)
    assert cluster.a.admin("POST", "/routes/keyed/plugins", json={"name": "key-auth"}).status == 201
    cluster.consumer()
    for number in range(20):
        cluster.key(f"key-{number}")
    cluster.settle()
    yield cluster
    upstream.stop()


def seed():
    return int(os.environ.get("FRESHET_SEED", 1))


def change(cluster, dice):
    """One change by the Admin API of either node; what comes of it does not matter here."""
    node, number = dice.choice(cluster.nodes), dice.randrange(40)
    dice.choice([
        lambda: node.admin("PUT", "/services/plain/routes/moving", json={"paths": ["/moving", f"/moving-{number}"]}),
        lambda: node.admin("DELETE", "/routes/moving"),
        lambda: node.admin("POST", "/consumers/c/key-auth", json={"key": f"key-{number}"}),
        lambda: node.admin("DELETE", f"/consumers/c/key-auth/key-{number}"),
        lambda: node.admin("PATCH", "/services/named", json={"host": f"up{number}.example"}),
        lambda: node.admin("PUT", f"/services/s{number}", json={"url": "http://127.0.0.1:1"}),
        lambda: node.admin("DELETE", f"/services/s{number}"),
        lambda: node.admin("PATCH", "/consumers/c", json={"custom_id": f"x{number}"}),
        lambda: node.admin("GET", "/cache?size=1000"),
        lambda: node.admin("DELETE", "/cache"),
        lambda: node.admin("GET", "/routes?size=10"),
        lambda: node.status("GET", "/status"),
    ])()


def disturb(cluster, dice):
    """One larger thing."""
    node = dice.choice(cluster.nodes)

    def reload():
        node.settings = {"upstream_keepalive_pool_size": dice.choice([0, 1, 60]), "upstream_keepalive_max_requests": dice.choice([1, 50]),
                         "fast_invalidation": dice.choice(["off", "redis", "pg_notify"]), "db_update_frequency": dice.choice([1, 2])}
        node.write_settings()
        node.signal(signal.SIGHUP)

    def restart_node():
        assert node.stop(dice.choice([signal.SIGTERM, signal.SIGQUIT])) == 0, node.log()[-3000:]
        node.start()

    def restart_postgres():
        cluster.postgres.stop(dice.choice(["fast", "immediate"]))
        time.sleep(dice.uniform(0, 0.5))
        cluster.postgres.run()

    def restart_redis():
        cluster.redis.stop()
        cluster.redis.start()

    def pause(send, seconds):
        send(signal.SIGSTOP)
        time.sleep(seconds)
        send(signal.SIGCONT)

    def signal_postgres(number):
        for pid in cluster.postgres.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    dice.choice([reload, reload, reload, lambda: node.signal(signal.SIGUSR1), restart_node, restart_postgres, restart_redis,
                 lambda: pause(node.signal, 1.5), lambda: pause(signal_postgres, dice.uniform(0.1, 3))])()


def descriptors(node):
    return len(os.listdir(f"/proc/{node.worker_pid}/fd"))


def at_rest(node):
    """No client, no upstream connection: what is open belongs to the node itself."""
    server = node.status("GET", "/status").json["server"]
    return server["connections_active"] == 1 and descriptors(node)


def run_disorder(cluster, seconds, dice, large, calm=True):
    """calm: nodes stay, so that nobody has an excuse for not answering."""
    stop, wrong = threading.Event(), []
    clients = [disorder.Client(seed() + number, cluster.nodes[number % 2]) for number in range(14)]

    def keep_changing(number):
        own = random.Random(seed() + 100 + number)
        while not stop.is_set():
            with contextlib.suppress(OSError):
                change(cluster, own)

    def witness(node):
        """Whoever behaves is served, whatever the others do."""
        while calm and not stop.is_set():
            try:
                status = node.proxy("GET", "/plain/calm", timeout=10 * PATIENCE).status
            except (OSError, http.client.HTTPException) as broken:
                status = broken
            if status != 200:
                wrong.append((node.name, status))
            time.sleep(0.02)

    threads = [threading.Thread(target=client.run, args=(stop,)) for client in clients]
    threads += [threading.Thread(target=witness, args=(node,)) for node in cluster.nodes]
    threads += [threading.Thread(target=keep_changing, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            time.sleep(dice.uniform(0.2, 1.2))
            large(cluster, dice)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:10]
    return sum(client.served for client in clients)


@pytest.mark.slow
def test_nothing_is_lost_in_disorder(disordered):
    seconds, dice = float(os.environ.get("FRESHET_STRESS", 9)), random.Random(seed())
    cluster = disordered
    pids = [node.worker_pid for node in cluster.nodes]

    def without_restarts(_, dice):
        node = dice.choice(cluster.nodes)
        node.settings = {"upstream_keepalive_pool_size": dice.choice([0, 1, 60])}
        node.write_settings()
        node.signal(signal.SIGHUP)

    # The first round warms up: threads, connections to the database and tables of a size that they keep.
    run_disorder(cluster, seconds / 3, dice, without_restarts)
    before = [eventually(lambda node=node: at_rest(node), 20) for node in cluster.nodes]
    memory = [node.rss_kb() for node in cluster.nodes]
    served = run_disorder(cluster, seconds / 3, dice, without_restarts)
    assert [node.worker_pid for node in cluster.nodes] == pids
    for node, files, kib in zip(cluster.nodes, before, memory):
        eventually(lambda node=node, files=files: at_rest(node) and descriptors(node) <= files + 6, 20, what=f"{files} descriptors")
        print(node.name, "served", served, "descriptors", files, descriptors(node), "KiB", kib, node.rss_kb())
        assert node.rss_kb() < kib * 1.3 + 50_000


@pytest.mark.slow
def test_nodes_and_servers_may_come_and_go_in_disorder(disordered):
    seconds, dice = float(os.environ.get("FRESHET_STRESS", 9)), random.Random(seed() + 1)
    run_disorder(disordered, seconds, dice, disturb, calm=False)
    for node in disordered.nodes:
        eventually(lambda node=node: node.proxy("GET", "/plain/calm").status == 200, 10 * PATIENCE)
        eventually(lambda node=node: at_rest(node), 20)
        assert node.stop(signal.SIGQUIT) == 0
