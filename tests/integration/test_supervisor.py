"""The supervisor: a worker that crashes, reloads, and what becomes of requests meanwhile."""

import ctypes
import os
import re
import signal
import ssl
import subprocess
import time

import pytest

from authorities import client, handshake
from load import Load
from support import PATIENCE, PROGRAM, ask, eventually, is_running

# A crash is remembered this long; tests that crash often want each to be the first.
FORGETFUL = {"crash_memory": 0.1}


@pytest.fixture(autouse=True)
def signals_are_ours(monkeypatch):
    """A sanitizer must not report what the tests do on purpose."""
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:handle_segv=0:handle_abort=0")
    monkeypatch.setenv("TSAN_OPTIONS", "second_deadlock_stack=1:handle_segv=0:handle_abort=0")


@pytest.fixture
def one(own_cluster, postgres):
    def make(**settings):
        cluster = own_cluster(redis=False, postgres=postgres, names=("a",), settings=settings)
        cluster.service()
        cluster.route()
        return cluster

    return make


def metric(node, name):
    return node.admin("GET", "/status").json["freshet"]["metrics"][name]


def crash(node, number=signal.SIGKILL):
    """Ends the worker; returns how long the supervisor took to start another, in seconds."""
    pid = node.worker_pid
    began = time.monotonic()
    os.kill(pid, number)
    while node.worker_pid in (0, pid):
        assert time.monotonic() - began < 40, "no other worker was started"
        time.sleep(0.001)
    return time.monotonic() - began


def descriptors(pid):
    return sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))


def test_a_worker_that_crashes_is_replaced_at_once(one):
    node = one().a
    took = crash(node, signal.SIGSEGV)
    assert node.proxy("GET", "/r").status == 200  # has waited in the queue of the listening socket
    assert took < 0.1 * PATIENCE
    assert metric(node, "freshet_worker_restarts_total") == 1
    pids = node.admin("GET", "/").json["pids"]
    assert pids == {"master": node.process.pid, "workers": [node.worker_pid]}
    assert re.search(r"\[error\] supervisor: the worker has ended unasked; signal=SIGSEGV core=\w+ ", node.log())
    assert node.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_of_tls_survive_a_crash_and_the_reload_before(one, version):
    node = one(**FORGETFUL).a
    context = client(version)
    reused, session, _ = handshake(node.tls_port, "s.test", context)
    assert not reused
    node.signal(signal.SIGHUP)
    for _ in range(2):
        crash(node)
        assert node.proxy("GET", "/r").status == 200
        assert handshake(node.tls_port, "s.test", context, session)[0]
    node.stop(signal.SIGTERM)
    node.start()
    assert not handshake(node.tls_port, "s.test", context, session)[0]


# ---- hanging ----

def is_replaced(node, pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if node.worker_pid not in (0, pid):
            return True
        time.sleep(0.05)
    return False


def test_a_worker_that_hangs_is_replaced(one):
    node = one(worker_hang_timeout=2).a
    pid, began = node.worker_pid, time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    assert is_replaced(node, pid, 10 * PATIENCE)
    assert 1 < time.monotonic() - began < 4 * PATIENCE
    assert node.proxy("GET", "/r").status == 200
    assert metric(node, "freshet_worker_restarts_total") == 1
    assert f"a loop of the worker does not turn any more, the worker is aborted; pid={pid} " in node.log()
    assert "the worker has ended unasked; signal=SIGABRT" in node.log()
    assert not is_replaced(node, node.worker_pid, 5)  # who turns is left alone


def test_a_stop_of_all_processes_is_no_hanging(one):
    node = one(worker_hang_timeout=1).a
    pid, all_of_it = node.worker_pid, (node.process.pid, node.worker_pid)
    for first in (0, 1):
        for _ in range(3):
            for one_of_it in all_of_it:
                os.kill(one_of_it, signal.SIGSTOP)
            time.sleep(3)
            os.kill(all_of_it[first], signal.SIGCONT)
            time.sleep(0.1)
            os.kill(all_of_it[1 - first], signal.SIGCONT)
            assert not is_replaced(node, pid, 1)
    assert node.proxy("GET", "/r").status == 200


def test_a_worker_in_a_debugger_may_stand_still(one):
    node = one(worker_hang_timeout=1).a
    pid, trace = node.worker_pid, ctypes.CDLL(None, use_errno=True).ptrace
    trace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    seize, detach = 0x4206, 17
    if trace(seize, pid, None, None) != 0:
        pytest.skip("processes may not be traced here")
    os.kill(pid, signal.SIGSTOP)
    assert not is_replaced(node, pid, 4)
    os.kill(pid, signal.SIGCONT)
    os.waitpid(pid, 0x40000000)  # __WALL: it has stopped for us
    assert trace(detach, pid, None, None) == 0
    eventually(lambda: ask(node.proxy_port, "GET", "/r").status == 200, 10)
    assert node.worker_pid == pid


def test_without_a_limit_nobody_hangs(one):
    node = one(worker_hang_timeout=0).a
    pid = node.worker_pid
    os.kill(pid, signal.SIGSTOP)
    assert not is_replaced(node, pid, 3)
    os.kill(pid, signal.SIGCONT)
    assert node.proxy("GET", "/r").status == 200


def test_a_worker_that_is_told_to_end_behind_its_supervisors_back_is_replaced(one):
    node = one().a
    crash(node, signal.SIGTERM)
    assert node.proxy("GET", "/r").status == 200


def test_crashes_in_a_row_are_answered_later_and_later(one):
    node = one().a
    took = []
    for _ in range(4):
        took.append(crash(node))
        assert node.proxy("GET", "/r").status == 200
    assert took[0] < 0.1 * PATIENCE
    for pause, real in zip((0.25, 0.5, 1), took[1:]):
        assert pause - 0.01 <= real < pause + 0.1 * PATIENCE, took


def test_a_worker_that_cannot_start_again_is_tried_again_and_not_in_a_tight_loop(one):
    node = one(db_update_frequency=1, pg_timeout=500).a
    sql = node.cluster.sql
    allow = f"ALTER DATABASE {node.cluster.database} ALLOW_CONNECTIONS"
    node.cluster.postgres.sql(f"{allow} false", database="postgres")
    crash(node)
    time.sleep(3)
    tried = node.log().count("the worker has ended unasked")
    assert 3 <= tried <= 7, node.log()[-3000:]
    node.cluster.postgres.sql(f"{allow} true", database="postgres")
    assert node.proxy("GET", "/r", timeout=60).status == 200
    assert sql("SELECT 1") == "1"


def test_a_crash_undoes_no_reload_and_does_no_restart(one):
    node = one().a
    node.settings |= {"server_token": "mine/1", "mem_cache_size": "64m"}
    assert node.reload().returncode == 0
    node.settings |= {"server_token": "mine/2"}
    node.write_settings()  # changed, but nobody has asked for it to be applied
    crash(node)
    assert node.proxy("GET", "/none").headers["Server"] == "mine/1"
    assert node.admin("GET", "/").json["configuration"]["mem_cache_size"] == "128m"
    with open(node.conf, "a", encoding="utf-8") as file:
        file.write("log_level = loud\n")
    crash(node)
    assert node.proxy("GET", "/none").headers["Server"] == "mine/1"


def test_a_reload_in_the_pause_before_the_next_worker_starts_it(one):
    node = one().a
    for _ in range(4):
        crash(node)
        assert node.proxy("GET", "/r").status == 200
    os.kill(node.worker_pid, signal.SIGKILL)  # two seconds until the next one
    eventually(lambda: node.worker_pid == 0, 5)
    node.settings |= {"server_token": "mine/1"}
    began = time.monotonic()
    run = node.reload()
    assert run.returncode == 0 and "server_token: applied" in run.stdout, run.stderr
    assert time.monotonic() - began < 1.9 * PATIENCE
    assert node.proxy("GET", "/none").headers["Server"] == "mine/1"


def test_a_killed_supervisor_leaves_nothing_behind(one):
    node = one().a
    worker = node.worker_pid
    node.process.kill()
    node.process.wait()
    eventually(lambda: not is_running(worker), 1, 0.001)
    node.start()
    assert node.proxy("GET", "/r").status == 200


def test_without_a_supervisor_the_node_is_one_process(one):
    node = one(supervisor="off").a
    assert node.worker_pid == 0
    assert node.admin("GET", "/").json["pids"] == {"master": node.process.pid, "workers": [node.process.pid]}
    run = node.reload()
    assert run.returncode == 0, run.stderr
    assert node.command("health").returncode == 0
    assert node.stop(signal.SIGQUIT) == 0


def test_a_child_of_somebody_else_is_reaped(one):
    """As process 1 of a container does: orphans of its worker come to the supervisor."""
    node = one().a
    code = ("import ctypes, os, subprocess, sys, time; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0);"  # PR_SET_CHILD_SUBREAPER
            "subprocess.Popen(['sh', '-c', 'sleep 0.3 & exit'], stdout=subprocess.DEVNULL).wait();"
            f"os.execv({PROGRAM!r}, ['freshet', 'start', '-c', {node.conf!r}])")
    node.stop()
    with open(node.log_path, "ab") as log:
        node.process = subprocess.Popen(["python3", "-c", code], stdout=log, stderr=log, env=node.environment())
    node.wait_ready()
    def children():
        lines = subprocess.run(["ps", "-o", "pid=", "--ppid", str(node.process.pid)], capture_output=True, text=True,
                               check=False).stdout.split()
        return list(map(int, lines))

    eventually(lambda: children() == [node.worker_pid], 5, what="nobody but the worker being left")


def test_a_daemon_keeps_what_its_worker_says_when_it_dies(one):
    node = one().a
    node.stop()
    run = node.command("start", "--daemon")
    assert run.returncode == 0, run.stderr
    try:
        with open(os.path.join(node.directory, "pids", "freshet.pid"), encoding="ascii") as file:
            supervisor = int(file.read())
        with open(f"/proc/{supervisor}/task/{supervisor}/children", encoding="ascii") as file:
            worker = int(file.read())
        log = os.path.join(node.directory, "logs", "error.log")
        assert os.readlink(f"/proc/{worker}/fd/2") == os.readlink(f"/proc/{supervisor}/fd/2") == log
        os.rename(log, log + ".1")
        os.kill(supervisor, signal.SIGUSR1)
        eventually(lambda: os.path.exists(log) and os.readlink(f"/proc/{worker}/fd/2") == log, 5)
        eventually(lambda: os.readlink(f"/proc/{supervisor}/fd/2") == log, 5)
        os.kill(worker, signal.SIGABRT)
        eventually(lambda: "signal=SIGABRT" in open(log, encoding="utf-8").read(), 5)
        assert ask(node.proxy_port, "GET", "/r").status == 200
    finally:
        assert node.command("stop").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("ends", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL], ids=lambda number: number.name)
def test_crashes_under_load_lose_what_the_worker_was_answering_and_nothing_else(own_cluster, postgres, ends):
    """Writes that were answered are there, nothing leaks, the node hears of changes. FRESHET_CRASHES=17: fifty over the cases."""
    rounds = int(os.environ.get("FRESHET_CRASHES", "6"))
    cluster = own_cluster(redis=True, postgres=postgres, settings=FORGETFUL)
    cluster.service()
    cluster.route()
    node = cluster.a
    crash(node)  # so that all is as after a crash
    assert node.proxy("GET", "/r").status == 200
    memory, files = rss(node.process.pid), descriptors(node.process.pid)
    lost, starts, gaps, written = [], [], [], []
    with Load([node.proxy_port], "/r", clients=8) as load:
        for number in range(rounds):
            time.sleep(0.3 * PATIENCE)
            answer = node.admin("PUT", f"/consumers/c{ends}x{number}", json={})
            assert answer.status == 200
            written.append(answer.json["id"])
            before = load.answered, len(load.lost)
            load.longest_gap = 0
            starts.append(crash(node, ends))
            eventually(lambda: load.answered >= before[0] + 20, 30)
            lost.append(len(load.lost) - before[1])
            gaps.append(load.longest_gap)
    print(f"{ends.name}: lost per crash {lost}, restart after ms {[round(took * 1000) for took in starts]}, "
          f"gap ms {[round(gap * 1000) for gap in gaps]}, answered {load.answered}")
    assert max(lost) <= 8, "more than one request per connection"
    assert max(starts) < 0.1 * PATIENCE
    assert not [text for text in load.lost if "status" in text or "no connection" in text], load.lost
    for uuid in written:
        assert cluster.b.admin("GET", f"/consumers/{uuid}").status == 200
        assert node.admin("GET", f"/consumers/{uuid}").status == 200
    assert metric(node, "freshet_worker_restarts_total") == rounds + 1
    assert descriptors(node.process.pid) == files or len(descriptors(node.process.pid)) == len(files)
    assert rss(node.process.pid) <= memory + 512
    # It is the same member of the cluster, and hears of changes as fast as ever.
    assert cluster.sql("SELECT count(*) FROM cluster_node") == "2"
    assert cluster.b.admin("PUT", "/services/s/routes/late", json={"paths": ["/late"]}).status == 200
    eventually(lambda: node.proxy("GET", "/late").status == 200, 0.9, what="the change, before the next poll,")
    assert node.applied() == cluster.b.applied()


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


@pytest.mark.slow
def test_reloads_lose_no_request(one):
    """Twenty with changed settings, good ones and broken ones in turn."""
    node = one().a
    with Load([node.proxy_port], "/r", clients=8) as load:
        for number in range(20):
            node.settings["log_level"] = "loud" if number % 2 else "notice"
            node.settings |= {"server_token": f"t/{number}", "upstream_keepalive_pool_size": number * 3,
                              "db_update_frequency": 1 + number % 3}
            run = node.reload()
            assert run.returncode == number % 2, run.stderr
        time.sleep(0.2)
    assert load.answered > 100 and not load.lost, load.lost[:5]
    assert node.proxy("GET", "/none").headers["Server"] == "t/18"
