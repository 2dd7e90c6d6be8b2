"""What systemd hears of a node: NOTIFY_SOCKET and WATCHDOG_USEC, with a socket of ours in its place."""

import os
import re
import signal
import socket
import time

import pytest

from support import eventually


class Observer:
    """The socket of who has started the node."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0", 1))
        self.name = name

    def next(self, seconds=20):
        """The next message as a dictionary; signs of life are left out."""
        end = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            said = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))
            if said != {"WATCHDOG": "1"}:
                return said

    def until(self, name, seconds=20):
        """Messages up to the first that has this assignment."""
        said = [self.next(seconds)]
        while name not in said[-1]:
            said.append(self.next(seconds))
        return said

    def signs(self, seconds):
        """When signs of life came."""
        found, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if self.socket.recv(4096) == b"WATCHDOG=1":
                    found.append(time.monotonic())
            except TimeoutError:
                break
        return found


@pytest.fixture
def start(own_cluster, postgres, monkeypatch, tmp_path):
    """Starts a node that is observed. Its environment keeps what is not FRESHET_ or KONG_."""
    observers = []

    def begin(abstract=True, watchdog_us=None, **settings):
        observer = Observer(f"@freshet-{os.getpid()}-{len(observers)}" if abstract else str(tmp_path / "notify"))
        observers.append(observer)
        monkeypatch.setenv("NOTIFY_SOCKET", observer.name)
        if watchdog_us:
            monkeypatch.setenv("WATCHDOG_USEC", str(watchdog_us))
        cluster = own_cluster(redis=False, postgres=postgres, names=("a",), settings=settings)
        monkeypatch.delenv("NOTIFY_SOCKET")
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        return cluster.a, observer

    yield begin
    for observer in observers:
        observer.socket.close()


@pytest.mark.parametrize("abstract", [True, False], ids=["abstract", "path"])
def test_a_life_is_told(start, abstract):
    """Start, a reload, one that is refused, an upgrade, one that is refused, a crash, the end."""
    node, observer = start(abstract)
    me = str(node.process.pid)
    said = observer.next()
    assert said["READY"] == "1" and said["MAINPID"] == me and said["STATUS"].startswith("serving"), said

    node.settings["log_level"] = "notice"
    assert node.reload().returncode == 0
    begun, done = observer.next(), observer.next()
    assert begun["RELOADING"] == "1" and abs(int(begun["MONOTONIC_USEC"]) / 1e6 - time.clock_gettime(time.CLOCK_MONOTONIC)) < 60
    assert done["READY"] == "1" and "reloaded" in done["STATUS"]

    node.settings["log_level"] = "loud"
    node.write_settings()
    assert node.command("reload", "-p", node.directory).returncode == 1
    assert "RELOADING" in observer.next()
    done = observer.next()
    assert done["READY"] == "1" and "refused" in done["STATUS"]

    assert node.command("upgrade", "-p", node.directory).returncode == 1
    assert observer.next()["STATUS"] == "upgrading"
    assert "not upgraded" in observer.next()["STATUS"]
    node.settings.pop("log_level")
    node.write_settings()
    assert node.command("upgrade").returncode == 0
    assert "RELOADING" in observer.next()
    said = observer.until("READY")
    assert said[-1]["MAINPID"] == me and f"worker {node.worker_pid}" in said[-1]["STATUS"], said
    assert "upgraded" in observer.next()["STATUS"]

    os.kill(node.worker_pid, signal.SIGKILL)
    crash = observer.next()
    assert re.search("crashed.*SIGKILL", crash["STATUS"]) and "READY" not in crash
    assert observer.next()["READY"] == "1"
    node.process.send_signal(signal.SIGQUIT)
    assert observer.next() == {"STOPPING": "1", "STATUS": "ending when running requests are done"}
    assert node.stop() == 0


def test_a_node_without_a_supervisor_says_that_it_serves(start):
    node, observer = start(supervisor="off")
    assert observer.next()["MAINPID"] == str(node.process.pid)


@pytest.mark.slow
def test_the_watchdog_is_fed_unless_the_worker_hangs(start):
    """Twice in its time; not while a loop stands still, and again with the next worker."""
    node, observer = start(watchdog_us=2_000_000, worker_hang_timeout=8)
    assert "READY" in observer.next()
    signs = observer.signs(6)
    assert 4 <= len(signs) <= 7, signs  # each is up to a quarter late
    assert max(later - sooner for sooner, later in zip(signs, signs[1:])) < 2
    old = node.worker_pid
    os.kill(old, signal.SIGSTOP)
    stopped = time.monotonic()
    signs = observer.signs(6.5)  # it is aborted eight seconds after its last beat, which may be one second old
    assert signs and max(signs) - stopped < 5.5, [sign - stopped for sign in signs]
    eventually(lambda: node.worker_pid not in (0, old), 30)
    assert len(observer.signs(5)) >= 3
