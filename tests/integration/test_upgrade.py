"""`freshet upgrade`: another program, or other settings, without a request being lost."""

import os
import shutil
import signal
import socket
import ssl
import threading
import time

import pytest

from authorities import client, handshake
from load import Load
from support import PATIENCE, PROGRAM, ask, eventually, free_ports, is_running


def replace(path, source=None, text=None):
    """As a package manager does: the running program keeps its file."""
    if source:
        shutil.copy(source, path + ".new")
    else:
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)


@pytest.fixture
def node(own_cluster, postgres, tmp_path):
    cluster = own_cluster(redis=False, postgres=postgres, names=("a",), start=False,
                          settings={"shutdown_timeout": 20, "shutdown_delay": 600})
    cluster.a.program = str(tmp_path / "freshet")
    replace(cluster.a.program, PROGRAM)
    cluster.start()
    cluster.service()
    cluster.route()
    return cluster.a


def inode(pid):
    return os.stat(f"/proc/{pid}/exe").st_ino


def files_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_the_program_and_the_settings_there_are_now_take_over(node):
    old, before = node.worker_pid, inode(node.process.pid)
    context = client(ssl.TLSVersion.TLSv1_3)
    session = handshake(node.tls_port, "s.test", context)[1]
    replace(node.program, PROGRAM)
    node.settings |= {"mem_cache_size": "64m", "nginx_worker_processes": 1}
    node.write_settings()
    run = node.command("upgrade")
    assert run.returncode == 0 and run.stdout == "Freshet upgraded\n", run.stderr
    assert inode(node.process.pid) == inode(node.worker_pid) != before
    assert node.worker_pid != old
    eventually(lambda: not is_running(old), 10)
    assert handshake(node.tls_port, "s.test", context, session)[0], "the session is not resumed"
    root = node.admin("GET", "/").json
    assert root["configuration"]["mem_cache_size"] == "64m"
    assert root["pids"] == {"master": node.process.pid, "workers": [node.worker_pid]}
    assert node.cluster.sql("SELECT count(*) FROM cluster_node") == "1"
    assert node.stop(signal.SIGTERM) == 0


def test_what_runs_ends_where_it_began(node):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(node.proxy("GET", f"/r/delay/{6 * PATIENCE}", timeout=60).status))
    thread.start()
    time.sleep(0.5)
    old = node.worker_pid
    assert node.command("upgrade").returncode == 0
    assert node.proxy("GET", "/r").status == 200 and is_running(old)
    assert all(ask(node.status_port, "GET", "/status/ready").status == 200 for _ in range(20))
    again = node.command("upgrade")
    assert again.returncode == 1 and "not over yet" in again.stderr
    thread.join()
    assert answers == [200]
    eventually(lambda: not is_running(old), 10)
    assert node.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 3\n", "rubbish"], ids=["fails", "is none"])
def test_a_program_that_does_not_start_changes_nothing(node, text):
    worker = node.worker_pid
    replace(node.program, text=text)
    run = node.command("upgrade")
    assert run.returncode == 1 and "does not start" in run.stderr
    assert node.worker_pid == worker and node.proxy("GET", "/r").status == 200
    replace(node.program, PROGRAM)
    assert node.command("upgrade").returncode == 0
    eventually(lambda: node.worker_pid != worker, 5)


def test_settings_that_cannot_be_taken_change_nothing(node):
    worker = node.worker_pid
    good = dict(node.settings)
    node.settings["log_level"] = "loud"
    node.write_settings()
    assert node.command("upgrade", "-p", node.directory).returncode == 1
    node.settings = good | {"status_listen": f"127.0.0.1:{node.cluster.postgres.port}"}
    node.write_settings()
    run = node.command("upgrade")
    assert run.returncode == 1 and "in use" in run.stderr
    assert node.worker_pid == worker and node.proxy("GET", "/r").status == 200
    assert ask(node.status_port, "GET", "/status/ready").status == 200
    node.settings = good
    node.write_settings()
    assert node.command("upgrade").returncode == 0
    assert node.worker_pid != worker and node.proxy("GET", "/r").status == 200


def test_addresses_can_change_with_an_upgrade(node):
    left, port = node.tls_port, free_ports(1)[0]
    node.settings["proxy_listen"] = f"127.0.0.1:{node.proxy_port} reuseport, 127.0.0.1:{port}"
    node.write_settings()
    assert node.command("upgrade").returncode == 0
    assert ask(port, "GET", "/r").status == node.proxy("GET", "/r").status == 200
    eventually(lambda: refused(left), 10)


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return False
    except ConnectionRefusedError:
        return True


def test_without_a_supervisor_there_is_no_upgrade(node):
    node.stop()
    node.settings["supervisor"] = "off"
    node.start()
    run = node.command("upgrade")
    assert run.returncode == 1 and "supervisor" in run.stderr
    assert node.proxy("GET", "/r").status == 200


@pytest.mark.slow
def test_upgrades_under_load_lose_no_request(node):
    """Eight, with a crash between two of them; the supervisor grows by nothing."""
    files, old = files_of(node.process.pid), []
    with Load([node.proxy_port], "/r", clients=8) as load:
        for _ in range(8):
            answered = load.answered
            eventually(lambda: load.answered > answered + 50, 30)
            old.append(node.worker_pid)
            run = node.command("upgrade")
            assert run.returncode == 0, run.stderr
            eventually(lambda: not is_running(old[-1]), 30)
    print(f"answered {load.answered}, refused {load.refused}, told to close {load.closes}")
    assert load.answered > 400 and not load.lost and load.refused == 0, load.lost[:5]
    assert files_of(node.process.pid) == files
    os.kill(node.worker_pid, signal.SIGKILL)
    assert node.proxy("GET", "/r").status == 200
    assert node.admin("GET", "/status").json["freshet"]["metrics"]["freshet_worker_restarts_total"] == 1
