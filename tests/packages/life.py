"""The package's life on a Debian that boots: installed, run by systemd, upgraded under load, removed, purged."""

import contextlib
import os
import shutil
import sys
import threading
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "freshet", "image")
sys.path[:0] = [os.path.join(TOP, "tests", name) for name in ("image", "integration")]

CONF = "/etc/freshet/freshet.conf"


def patiently(condition, seconds=30):
    """Does it become true in time? A refused connection is a no."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if condition():
                return True
        time.sleep(0.05)
    return False


class Node:
    """The service on the machine, and its servers on ours."""

    def __init__(self, machine, postgres):
        from support import free_ports  # pylint: disable=import-outside-toplevel

        self.machine = machine
        self.proxy, self.admin, self.status = free_ports(3)
        self.settings = {"pg_port": postgres.port, "pg_user": "freshet", "pg_database": "freshet", "nginx_worker_processes": 1,
                         "proxy_listen": f"127.0.0.1:{self.proxy}", "admin_listen": f"127.0.0.1:{self.admin}",
                         "status_listen": f"127.0.0.1:{self.status}"}
        with open(machine.path(CONF), encoding="utf-8") as file:
            self.text = file.read()

    def write(self, **more):
        """As an administrator does, at the end of the file, where the last line counts."""
        with open(self.machine.path(CONF), "w", encoding="utf-8") as file:
            kept = [line for line in self.text.splitlines() if line.partition(" =")[0] not in self.settings]
            file.write("\n".join(kept) + "\n" + "".join(f"{name} = {value}\n" for name, value in (self.settings | more).items()))

    def is_ready(self):
        from support import ask  # pylint: disable=import-outside-toplevel

        with contextlib.suppress(OSError):
            return ask(self.status, "GET", "/status/ready", timeout=5).status == 200
        return False

    def told(self):
        """Why it has failed."""
        return self.machine.run("journalctl", "--no-pager", "-n", "30").stdout

    def show(self, name):
        return self.machine.show("freshet.service", name)

    def systemctl(self, *words):
        return self.machine.run("systemctl", *words)


def installed(machine, path, say):
    shutil.copy(path, machine.path("/root"))
    run = machine.before_boot(f"apt-get update -q && apt-get install -y --no-install-recommends /root/{os.path.basename(path)} logrotate")
    say("it is installed without anything running", run.returncode == 0, run.stdout[-700:] + run.stderr[-700:])
    run = machine.before_boot("stat -c '%U:%G %a' /var/lib/freshet /var/log/freshet /etc/freshet; id -nG freshet")
    wanted = ["freshet:freshet 750", "freshet:freshet 750", "root:freshet 750", "freshet"]
    say("its user and its directories are there", run.stdout.splitlines() == wanted, run.stdout + run.stderr)
    run = machine.before_boot("systemd-analyze verify --man=no freshet.service 2>&1")
    say("systemd finds nothing wrong with the installed unit", run.returncode == 0 and not run.stdout, run.stdout)


def started(node, say):
    run = node.machine.run("freshet", "migrations", "bootstrap")
    say("it brings up the schema", run.returncode == 0, run.stderr)
    began = time.monotonic()
    run = node.systemctl("enable", "--now", "freshet.service")
    took = time.monotonic() - began
    say(f"start has ended when the node serves, after {took:.2f} s", run.returncode == 0 and node.is_ready(), node.told())
    say("systemd shows what it says", node.show("StatusText").startswith("serving"), node.show("StatusText"))
    state = dict(line.split(":", 1) for line in node.machine.run("cat", f"/proc/{node.show('MainPID')}/status").stdout.splitlines())
    if not node.show("StatusText"):
        raise RuntimeError("there is no node")
    say("it has no privileges, and gets none", [state[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")] == ["0" * 16, "0" * 16, "1", "2"], state)


def reloaded(node, say):
    node.write(log_level="info")
    run = node.systemctl("reload", "freshet.service")
    say("a reload is over when it is applied", run.returncode == 0 and "settings reloaded" in node.show("StatusText"), run.stderr)
    node.write(log_level="loud")
    run = node.systemctl("reload", "freshet.service")
    say("a reload that is refused fails, and the node runs on", run.returncode != 0 and node.is_ready() and node.show("ActiveState") == "active", node.show("StatusText"))
    node.write()


def upgraded(node, path, say):
    """The next revision, under load; then one that cannot start."""
    from load import Load  # pylint: disable=import-outside-toplevel

    shutil.copy(path, node.machine.path("/root"))
    inside = f"/root/{os.path.basename(path)}"
    main, status = node.show("MainPID"), node.show("StatusText")
    with Load([node.proxy], "/r", clients=4) as load:
        patiently(lambda: load.answered > 100)
        run = node.machine.run("dpkg", "-i", inside)
        patiently(lambda: "upgraded" in node.show("StatusText"))
        more = load.answered + 100
        patiently(lambda: load.answered > more)
    say("a new package is installed under a node that runs", run.returncode == 0, run.stderr)
    say("the node has become the new program without a restart", node.show("MainPID") == main and node.show("StatusText") != status, node.show("StatusText"))
    say(f"none of {load.answered} requests was lost", load.answered > 200 and not load.lost and load.refused == 0, load.lost[:3])
    with open(node.machine.path(CONF), encoding="utf-8") as file:
        say("settings stay as the administrator has made them", f"pg_port = {node.settings['pg_port']}" in file.read())
    node.write(log_level="loud")
    run = node.machine.run("dpkg", "-i", inside)
    say("a program that does not start leaves the one before", run.returncode == 0 and "runs on" in run.stderr and node.is_ready(), run.stderr)
    node.write()
    say("and can be tried again", node.machine.run("freshet", "upgrade").returncode == 0 and node.show("MainPID") == main, node.show("StatusText"))


def rotated(node, say):
    from support import ask  # pylint: disable=import-outside-toplevel

    log = node.machine.path("/var/log/freshet/access.log")
    say("requests are in its log", patiently(lambda: os.path.getsize(log) > 0))
    run = node.machine.run("logrotate", "--force", "/etc/logrotate.d/freshet")

    def is_written():
        ask(node.proxy, "GET", "/after")
        with open(log, encoding="utf-8") as file:
            return "/after" in file.read()

    say("its logs can be rotated", run.returncode == 0 and patiently(is_written) and os.path.exists(log + ".1"), run.stderr)


def killed(node, say):
    """By somebody, and by the watchdog when the supervisor hangs."""
    for what, how in (("a supervisor that is killed is started again", "KILL"), ("and one that hangs, by the watchdog", "STOP")):
        before = int(node.show("NRestarts"))
        node.systemctl("kill", "--kill-whom=main", f"--signal={how}", "freshet.service")
        say(what, patiently(lambda before=before: int(node.show("NRestarts")) > before and node.is_ready(), 60), node.show("StatusText"))


def stopped(node, say):
    from support import ask  # pylint: disable=import-outside-toplevel

    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask(node.proxy, "GET", "/r/delay/3", timeout=30).status))
    thread.start()
    time.sleep(0.5)
    run = node.systemctl("stop", "freshet.service")
    thread.join()
    say("stop lets requests end", run.returncode == 0 and answers == [200] and node.show("Result") == "success", answers)


def removed(machine, say):
    run = machine.run("dpkg", "--remove", "freshet")
    say("it can be removed, and its settings stay", run.returncode == 0 and os.path.exists(machine.path(CONF)), run.stderr)
    run = machine.run("dpkg", "--purge", "freshet")
    left = machine.run("find", "/etc", "/usr", "/var", "/lib/systemd", "-name", "*freshet*", "-not", "-path", "/var/cache/*").stdout.split()
    say("purged, it has left nothing but its user", run.returncode == 0 and not left, left or run.stderr)


def live(folder, first, second, say, skip):
    from dockerfile import Unreachable, base_archive  # pylint: disable=import-outside-toplevel
    from machine import Machine  # pylint: disable=import-outside-toplevel
    from support import Postgres, Upstream, ask  # pylint: disable=import-outside-toplevel

    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        skip("its life", "it needs root and mmdebstrap")
        return
    try:
        machine = Machine(os.path.join(folder, "machine"), base_archive("debian:12-slim", CACHE), os.path.join(CACHE, "packages"))
    except Unreachable as reason:
        skip("its life", reason)
        return
    installed(machine, first, say)
    postgres = Postgres(os.path.join(folder, "postgres")).start()
    postgres.create_database("freshet")
    upstream = Upstream()
    upstream.start()
    try:
        # For the test's sake the watchdog is impatient.
        drop_in = machine.path("/etc/systemd/system/freshet.service.d")
        os.makedirs(drop_in)
        with open(os.path.join(drop_in, "watchdog.conf"), "w", encoding="utf-8") as file:
            file.write("[Service]\nWatchdogSec=10\n")
        if not machine.boot():
            skip("its life under systemd", "no systemd can be booted here")
            return
        node = Node(machine, postgres)
        node.write()
        started(node, say)
        ask(node.admin, "PUT", "/services/s", {"Content-Type": "application/json"}, f'{{"url": "{upstream.url}"}}')
        ask(node.admin, "PUT", "/services/s/routes/r", {"Content-Type": "application/json"}, '{"paths": ["/r"]}')
        reloaded(node, say)
        upgraded(node, second, say)
        rotated(node, say)
        killed(node, say)
        stopped(node, say)
        shutil.rmtree(drop_in)
        removed(machine, say)
    finally:
        machine.stop()
        upstream.stop()
        postgres.stop("immediate")
