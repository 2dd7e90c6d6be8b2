"""The command line: settings, start, stop, reload, health, migrations."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from support import PROGRAM, eventually


def test_every_mistake_is_reported_at_once(tmp_path):
    conf = tmp_path / "bad.conf"
    conf.write_text("pg_port = none\nproxy_listen = here\nlog_level = loud\nthis is no setting\n")
    for command in (["check", str(conf)], ["start", "-c", str(conf)]):
        run = subprocess.run([PROGRAM, *command], capture_output=True, text=True, check=False)
        assert run.returncode == 1
        lines = [line for line in run.stderr.splitlines() if line.startswith("[error]")]
        assert len(lines) == 4
        assert f"{conf}:1: pg_port: " in lines[1] + lines[0] + lines[2] + lines[3]


def test_check_of_good_settings(tmp_path):
    conf = tmp_path / "good.conf"
    conf.write_text("pg_port = 5433 # fine\n")
    run = subprocess.run([PROGRAM, "check", str(conf)], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stdout == f"configuration at {conf} is valid\n"


def test_unknown_commands_and_options():
    run = subprocess.run([PROGRAM, "dance"], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "No such command: dance" in run.stderr
    run = subprocess.run([PROGRAM, "start", "--fly"], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "--fly" in run.stderr
    run = subprocess.run([PROGRAM], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "Usage" in run.stderr
    run = subprocess.run([PROGRAM, "version"], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stdout.strip()
    run = subprocess.run([PROGRAM, "migrations", "fly"], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "No such command for migrations: fly" in run.stderr


@pytest.fixture
def node(own_cluster):
    cluster = own_cluster(redis=False, names=("a",), start=False)
    cluster.postgres.create_database(cluster.database)
    cluster.a.write_settings()
    return cluster.a


def test_a_node_in_the_background(node):
    run = node.command("start", "--daemon", "--run-migrations")
    assert run.returncode == 0 and "Freshet started" in run.stdout, run.stderr
    again = node.command("start", "--daemon")
    assert again.returncode == 1 and "already running" in again.stderr
    assert node.command("health").returncode == 0
    assert node.admin("GET", "/").status == 200
    assert os.path.exists(os.path.join(node.directory, "logs", "error.log"))
    run = node.command("quit")
    assert run.returncode == 0 and "gracefully" in run.stdout
    health = node.command("health")
    assert health.returncode == 1 and "not running" in health.stderr
    assert node.command("stop").returncode == 1


def test_health_from_afar(node):
    assert node.command("migrations", "bootstrap").returncode == 0
    node.start()
    for path, port in (("/status/ready", node.status_port), ("/nowhere", node.proxy_port)):
        run = node.command("health", "--url", f"http://127.0.0.1:{port}{path}")
        assert run.returncode == 0 and "answers" in run.stdout, run.stderr
    run = node.command("health", "--url", f"http://127.0.0.1:{node.cluster.postgres.port}/", "-t", "2")
    assert run.returncode == 1 and "does not answer" in run.stderr
    run = node.command("health", "--url", "file:///etc/passwd")
    assert run.returncode == 1


def test_a_node_that_cannot_start_says_why(node):
    assert node.command("migrations", "bootstrap").returncode == 0
    node.settings["proxy_listen"] = f"127.0.0.1:{node.cluster.postgres.port}"
    node.write_settings()
    run = node.command("start", "--daemon")
    assert run.returncode == 1 and "use" in run.stderr.lower(), run.stderr


def test_without_a_database_start_fails_in_time(node):
    node.settings["pg_port"] = 1
    node.write_settings()
    run = node.command("start", "--db-timeout", "1")
    assert run.returncode == 1 and "Error: " in run.stderr


def test_reload_applies_what_is_live_and_names_the_rest(node):
    assert node.command("migrations", "bootstrap").returncode == 0
    node.start()
    node.settings |= {"log_level": "debug", "db_update_frequency": 2, "mem_cache_size": "64m"}
    run = node.reload()
    assert run.returncode == 0, run.stderr
    assert "log_level: applied" in run.stdout and "mem_cache_size: needs a restart" in run.stdout
    node.settings["log_level"] = "loud"
    run = node.reload()
    assert run.returncode == 1 and "log_level" in run.stderr
    assert node.admin("GET", "/").status == 200
    assert node.stop(signal.SIGTERM) == 0


def test_migrations_down_and_up(node):
    assert node.command("migrations", "list").returncode == 3
    assert node.command("migrations", "bootstrap").returncode == 0
    assert node.command("migrations", "up").returncode == 0
    assert node.command("migrations", "finish").returncode == 0
    assert node.command("migrations", "status").returncode == 0
    assert node.command("migrations", "reset", "-y").returncode == 0
    assert node.command("migrations", "list").returncode == 3


def test_status_waits_until_somebody_has_migrated(node):
    waiting = subprocess.Popen([PROGRAM, "migrations", "status", "--wait", "60", "-c", node.conf], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=node.environment())
    assert waiting.stderr.readline() == "waiting: Database needs bootstrapping; run 'freshet migrations bootstrap'\n"
    assert node.command("migrations", "bootstrap").returncode == 0
    out, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, err) == (0, "") and '"new":[]' in out


def test_status_waits_no_longer_than_it_may(node):
    assert node.command("migrations", "status", "--wait", "1").returncode == 3
    node.settings["pg_port"] = 1
    node.write_settings()
    run = node.command("migrations", "status", "--wait", "1", "--db-timeout", "0")
    assert run.returncode == 1 and "waiting: " in run.stderr and "Error: " in run.stderr


def test_rotating_the_log(node):
    assert node.command("start", "--daemon", "--run-migrations").returncode == 0
    log = os.path.join(node.directory, "logs", "error.log")
    os.rename(log, log + ".1")
    with open(os.path.join(node.directory, "pids", "freshet.pid"), encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGUSR1)
    assert node.command("reload").returncode == 0
    eventually(lambda: os.path.exists(log), 5)
    assert node.command("stop").returncode == 0


def written(kind):
    run = subprocess.run([PROGRAM, "describe", kind], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stderr == ""
    return run.stdout


@pytest.mark.parametrize("kind", ["man", "conf"])
def test_manual_pages_are_clean(kind, tmp_path):
    page = tmp_path / "page"
    page.write_text(written(kind), encoding="ascii")
    if shutil.which("man") is None:
        pytest.skip("no man here")
    run = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(page)], capture_output=True, text=True, check=False,
                         env={**os.environ, "MANWIDTH": "120", "MANPAGER": "cat"})
    assert run.returncode == 0 and run.stderr == "", run.stderr


def test_manual_pages_name_everything():
    usage = subprocess.run([PROGRAM, "help"], capture_output=True, text=True, check=True).stdout
    page = written("man").replace("\\-", "-")
    for command in re.findall(r"^  freshet (\w+)", usage, re.M):
        assert f"\\fB{command}\\fR" in page
    for option in re.findall(r"--[a-z-]+", usage):
        assert option in page
    settings = subprocess.run([PROGRAM, "check", "--describe"], capture_output=True, text=True, check=True).stdout
    page = written("conf")
    for name in re.findall(r"^#(\w+) =", settings, re.M):
        assert f"\\fB{name}\\fR (" in page, name


@pytest.mark.parametrize("shell, check", [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_completions_are_clean(shell, check, tmp_path):
    script = tmp_path / "completion"
    script.write_text(written(shell), encoding="utf-8")
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    run = subprocess.run([shell, *check, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stderr == "", run.stderr


@pytest.mark.parametrize("words, offered", [("st", "start stop"), ("cluster ", "status --conf --prefix --watch --json"), ("db t", "touch"), ("nothing ", "")])
def test_bash_completes(words, offered, tmp_path):
    script = tmp_path / "completion"
    script.write_text(written("bash"), encoding="utf-8")
    line = words.split(" ")
    run = subprocess.run(["bash", "-c", f'. {script}; COMP_WORDS=(freshet "$@"); COMP_CWORD=$#; _freshet; echo "${{COMPREPLY[*]}}"', "bash", *line],
                         capture_output=True, text=True, check=True)
    assert run.stdout.strip() == offered
