"""Traffic and changes for a while; memory and descriptors must not grow, and no answer may be wrong.

FRESHET_SOAK: seconds to run.
"""

import os
import threading
import time

import pytest

from support import eventually


def descriptors(node):
    return len(os.listdir(f"/proc/{node.worker_pid}/fd"))


@pytest.mark.soak
def test_nothing_grows(own_cluster):
    seconds = float(os.environ.get("FRESHET_SOAK", 60))
    cluster = own_cluster()
    cluster.service()
    cluster.route()
    assert cluster.a.admin("POST", "/routes/r/plugins", json={"name": "key-auth"}).status == 201
    cluster.consumer()
    for number in range(200):
        cluster.key(f"key-{number}")
    cluster.settle()
    end, wrong = time.monotonic() + seconds, []

    def traffic(node, offset):
        number = offset
        while time.monotonic() < end:
            number += 7
            status = node.proxy("GET", "/r", headers={"apikey": f"key-{number % 200}"}).status
            if status != 200:
                wrong.append(status)

    def change():
        number = 0
        while time.monotonic() < end:
            number += 1
            node = cluster.nodes[number % 2]
            node.admin("PUT", "/services/s/routes/moving", json={"paths": [f"/moving-{number}"]})
            node.admin("POST", "/consumers", json={"username": f"u{number}"})
            node.admin("DELETE", f"/consumers/u{number - 1}")

    threads = [threading.Thread(target=traffic, args=(node, offset)) for node in cluster.nodes for offset in range(3)]
    threads.append(threading.Thread(target=change))
    for thread in threads:
        thread.start()
    time.sleep(seconds / 3)
    early = [(node.rss_kb(), descriptors(node)) for node in cluster.nodes]
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:10]
    for node, (memory, files) in zip(cluster.nodes, early):
        print(node.name, "KiB", memory, node.rss_kb(), "descriptors", files, descriptors(node))
        assert node.rss_kb() < memory * 1.15 + 4096
        eventually(lambda node=node, files=files: descriptors(node) <= files + 10, 10)
