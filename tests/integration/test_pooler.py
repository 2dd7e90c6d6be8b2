"""A pooler between nodes and database that gives a connection away after each transaction (PgBouncer)."""

import os
import shutil
import socket
import subprocess
import threading

import pytest

from support import eventually, free_ports

SERVER_CONNECTIONS = 5


@pytest.fixture
def pooler(postgres, workspace):
    if shutil.which("pgbouncer") is None:
        pytest.skip("pgbouncer is not installed")
    port = free_ports(1)[0]
    users, conf = (os.path.join(workspace, name) for name in ("pgbouncer.users", "pgbouncer.ini"))
    with open(users, "w", encoding="ascii") as file:
        file.write('"freshet" ""\n')
    with open(conf, "w", encoding="ascii") as file:
        file.write(f"[databases]\n* = user=freshet host=127.0.0.1 port={postgres.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
                   f"auth_type = any\nauth_file = {users}\npool_mode = transaction\ndefault_pool_size = {SERVER_CONNECTIONS}\nunix_socket_dir =\n")
    process = subprocess.Popen(as_pooler(["pgbouncer", conf]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: listens(port), 10)
    yield port
    process.terminate()
    process.wait(20)


def listens(port):
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


def as_pooler(command):
    """It refuses root. Without a process between, so that it can be ended."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command] if os.geteuid() == 0 else command


def test_nodes_work_through_a_pooler_of_transactions(own_cluster, postgres, pooler):
    cluster = own_cluster(redis=True, postgres=postgres, settings={"pg_port": pooler})
    cluster.service()
    cluster.route()
    cluster.consumer()
    cluster.key("right")
    cluster.plugin("key-auth", path="/routes/r/plugins")
    cluster.settle()
    wrong = []

    def write(number):
        for turn in range(20):
            answer = cluster.nodes[number % 2].admin("PUT", f"/services/s{number}-{turn % 5}", json={"url": cluster.upstream.url})
            if answer.status != 200:
                wrong.append(answer)

    def read(number):
        for turn in range(30):
            key, status = ("right", 200) if turn % 2 else (f"wrong{number}-{turn}", 401)
            answer = cluster.nodes[number % 2].proxy("GET", "/r", headers={"apikey": key})
            if answer.status != status:
                wrong.append(answer)

    threads = [threading.Thread(target=what, args=(number,)) for what in (write, read) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    cluster.settle()
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert int(cluster.sql(count)) <= SERVER_CONNECTIONS
    cluster.key("late")
    eventually(lambda: cluster.b.proxy("GET", "/r", headers={"apikey": "late"}).status == 200, 5)
