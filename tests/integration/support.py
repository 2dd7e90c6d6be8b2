"""Servers and clients the integration tests are made of. Standard library only."""

import contextlib
import fcntl
import http.client
import json
import os
import pwd
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

import openapi

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("FRESHET_BUILD", os.path.join(ROOT, ".build", "Asan"))
PROGRAM = os.path.join(BUILD, "freshet")
# Sanitizers make everything slower; deadlines are for hangs, not for speed.
PATIENCE = 3 if "san" in os.path.basename(BUILD).lower() else 1


# Below the range the kernel takes for outgoing connections; each of several runs side by side has a part of its own.
WORKER = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % 4
PORTS = iter(())
LOCKS = []
LOCKED = os.path.join(tempfile.gettempdir(), "freshet-ports")


def lock_port(port):
    """Runs that know nothing of each other must not choose the same port before either listens (nodes would share it)."""
    os.makedirs(LOCKED, exist_ok=True)
    lock = open(os.path.join(LOCKED, str(port)), "a", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    LOCKS.append(lock)  # until this process ends
    return True


def free_ports(count):
    """Ports nobody listens on; none is given twice before all have been."""
    global PORTS
    found = []
    while len(found) < count:
        port = next(PORTS, None)
        if port is None:
            first = 11000 + WORKER * 5000
            mixed = random.Random(os.getpid()).sample(range(first, first + 5000), 5000)
            PORTS = iter(mixed)
            continue
        with socket.socket() as one, contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
            if lock_port(port):
                found.append(port)
    return found


def eventually(condition, seconds=10, step=0.02, what="the condition"):
    """The first true value of condition(); fails after `seconds`."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not become true in {seconds * PATIENCE} s"
        time.sleep(step)


class Answer:
    """Status, headers (a case-insensitive mapping that keeps repetitions in all()) and body of an HTTP answer."""

    def __init__(self, status, headers, body):
        self.status, self.body, self._headers = status, body, headers
        self.headers = {}
        for name, value in headers:
            self.headers.setdefault(name.lower(), value)
        self.headers = CaseInsensitive(self.headers)

    def all(self, name):
        return [value for key, value in self._headers if key.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"


def got(answer, name):
    """Values of a header that the upstream has got, by its answer."""
    return [value for key, value in answer.json["headers"] if key.lower() == name.lower()]


class CaseInsensitive(dict):
    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return super().__contains__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)


def ask(port, method, path, headers=None, data=None, timeout=30, host="127.0.0.1"):
    link = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        link.request(method, path, body=data, headers=headers or {})
        got = link.getresponse()
        answer = Answer(got.status, got.getheaders(), got.read())
        openapi.note(port, method, path, answer)
        return answer
    finally:
        link.close()


def ask_lines(port, method, path, lines, data=None):
    """Like ask(), with header lines of which several may have one name."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(link):
        link.putrequest(method, path, skip_host="host" in {name.lower() for name, _ in lines})
        if data is not None:
            link.putheader("Content-Length", str(len(data)))
        for name, value in lines:
            link.putheader(name, value)
        link.endheaders(data)
        got = link.getresponse()
        return Answer(got.status, got.getheaders(), got.read())


def raw(port, data, timeout=10, tls=None):
    """Sends bytes, returns all that comes back until the peer closes or `timeout` passes without a byte."""
    link = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    if tls is not None:
        link = tls.wrap_socket(link, server_hostname="localhost")
    with contextlib.closing(link):
        link.sendall(data)
        got = b""
        with contextlib.suppress(socket.timeout, ConnectionResetError):
            while True:
                part = link.recv(65536)
                if not part:
                    break
                got += part
        return got


class Upstream:
    """Answers with what it got, as JSON; lines "X-Answer: NAME=VALUE" become lines of the answer, X-Answer-Body its body. /echo answers what was sent, /status/N answers N, /delay/SECONDS waits, /bytes/N sends N bytes."""

    def __init__(self):
        self.port = None
        self.requests = 0

    def start(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                outer.requests += 1
                body = self.read_body()
                status = 200
                shown = json.dumps({"method": self.command, "path": self.path, "headers": self.headers.items(),
                                    "body": body.decode("latin-1"), "peer": self.client_address[1]}).encode()
                words = self.path.split("?")[0].strip("/").split("/")
                if "status" in words[:-1]:
                    status = int(words[words.index("status") + 1])
                if "delay" in words[:-1]:
                    time.sleep(float(words[words.index("delay") + 1]))
                if "bytes" in words[:-1]:
                    shown = b"x" * int(words[words.index("bytes") + 1])
                self.send_response(status)
                if status not in (204, 304):
                    if words[-1] == "echo":
                        shown = body
                    if "X-Answer-Body" in self.headers:
                        shown = self.headers["X-Answer-Body"].encode("latin-1")
                    if not any(line.lower().startswith("content-type=") for line in self.headers.get_all("X-Answer", [])):
                        self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(shown)))
                self.send_header("X-Upstream", "yes")
                for line in self.headers.get_all("X-Answer", []):
                    self.send_header(*line.split("=", 1))
                self.end_headers()
                if self.command != "HEAD" and status not in (204, 304):
                    self.wfile.write(shown)

            def read_body(self):
                if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
                    body = b""
                    while True:
                        size = int(self.rfile.readline().split(b";")[0], 16)
                        body += self.rfile.read(size)
                        self.rfile.readline()
                        if size == 0:
                            return body
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return self.answer
                raise AttributeError(name)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 1024

            def handle_error(self, request, client_address):
                pass  # clients that go away are part of the tests

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


def postgres_bin():
    base = "/usr/lib/postgresql"
    newest = max(os.listdir(base), key=lambda name: float(name))
    return os.path.join(base, newest, "bin")


def as_postgres(command, **more):
    """Postgres refuses to run as root."""
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    return subprocess.run(command, cwd="/", check=True, capture_output=True, text=True, **more)


class Postgres:
    def __init__(self, directory, options=""):
        self.directory, self.options = directory, options
        self.port = free_ports(1)[0]
        self.bin = postgres_bin()

    def make_directory(self):
        os.makedirs(self.directory)
        os.chmod(self.directory, 0o700)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)

    def start(self):
        if not os.path.exists(self.directory):
            self.make_directory()
            as_postgres([f"{self.bin}/initdb", "-D", self.directory, "-A", "trust", "-U", "freshet", "-E", "UTF8",
                         "--locale=C", "-N"])
        self.run()
        return self

    def run(self):
        # stdout must not be a pipe of ours: the server keeps it open.
        command = [f"{self.bin}/pg_ctl", "-D", self.directory, "-w", "-t", "60", "-l", f"{self.directory}/server.log", "-o",
                   f"-h 127.0.0.1 -p {self.port} -k {self.directory} -c max_connections=200 -c wal_level=replica "
                   f"-c max_wal_senders=8 -c log_min_duration_statement=-1 {self.options}", "start"]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self, mode="fast"):
        with contextlib.suppress(subprocess.CalledProcessError):
            as_postgres([f"{self.bin}/pg_ctl", "-D", self.directory, "-m", mode, "-w", "-t", "60", "stop"])

    def sql(self, text, database="freshet", check=True):
        run = subprocess.run([f"{self.bin}/psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "freshet", "-d", database,
                              "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", text], capture_output=True, text=True, check=False)
        if check and run.returncode != 0:
            raise AssertionError(run.stderr)
        return run.stdout.strip()

    def client(self, program, database):
        return [f"{self.bin}/{program}", "-h", "127.0.0.1", "-p", str(self.port), "-U", "freshet", "-d", database]

    def sql_in_background(self, database, text):
        return subprocess.Popen([*self.client("psql", database), "-c", text], stdout=subprocess.DEVNULL)

    def dump(self, database):
        return subprocess.run(self.client("pg_dump", database), check=True, capture_output=True, text=True).stdout

    def replace(self, database, dump):
        """Puts the state of `dump` in the place of the database, under whoever uses it."""
        self.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false", database="postgres")
        self.sql(f"DROP DATABASE {database} WITH (FORCE)", database="postgres")
        self.create_database(f"{database}_new")
        subprocess.run([*self.client("psql", f"{database}_new"), "-qX", "-v", "ON_ERROR_STOP=1"], input=dump, check=True,
                       text=True, stdout=subprocess.DEVNULL)
        self.sql(f"ALTER DATABASE {database}_new RENAME TO {database}", database="postgres")

    def standby(self, directory):
        """A streaming standby of this server, not yet started."""
        other = Postgres(directory)
        other.make_directory()
        as_postgres([f"{self.bin}/pg_basebackup", "-h", "127.0.0.1", "-p", str(self.port), "-U", "freshet", "-D", directory,
                     "-R", "-X", "stream", "-c", "fast"])
        return other

    def create_database(self, name):
        self.sql(f"CREATE DATABASE {name}", database="postgres")

    def pids(self):
        with open(os.path.join(self.directory, "postmaster.pid"), encoding="ascii") as file:
            postmaster = int(file.readline())
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True, check=False)
        return [postmaster, *map(int, children.stdout.split())]


class Redis:
    def __init__(self, directory, password=None):
        self.directory, self.password = directory, password
        self.port = free_ports(1)[0]
        self.process = None

    def start(self):
        os.makedirs(self.directory, exist_ok=True)
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory, "--save", "",
                   "--appendonly", "no"]
        if self.password:
            command += ["--requirepass", self.password]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: "PONG" in self.cli("PING") or "NOAUTH" in self.cli("PING"), 10, what="Redis answering")

    def cli(self, *words):
        command = ["redis-cli", "-p", str(self.port)]
        if self.password:
            command += ["-a", self.password, "--no-auth-warning"]
        return subprocess.run([*command, *words], capture_output=True, text=True, check=False).stdout.strip()

    def publish(self, channel, message):
        """Any bytes, which no command line can carry."""
        words = [b"PUBLISH", channel.encode(), message]
        command = b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as link:
            link.sendall(command)
            assert link.recv(100).startswith(b":"), "PUBLISH was refused"

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None


def is_running(pid):
    """A zombie with threads has not ended: they may still hold its files."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            state = file.read().rsplit(")", 1)[1].split()[0]
        return state not in "ZX" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


class Node:
    """One node in the foreground, its log in a file. `process` is its supervisor, `worker_pid` what serves."""

    def __init__(self, name, cluster):
        self.name, self.cluster = name, cluster
        self.directory = os.path.join(cluster.directory, name)
        self.proxy_port, self.tls_port, self.admin_port, self.status_port = free_ports(4)
        self.settings = {}
        self.program = PROGRAM
        self.process = None
        self.log_path = os.path.join(cluster.directory, f"{name}.log")
        self.conf = os.path.join(cluster.directory, f"{name}.conf")

    def write_settings(self):
        values = {
            "prefix": self.directory,
            "node_name": self.name,
            "nginx_worker_processes": "2",
            "proxy_listen": f"127.0.0.1:{self.proxy_port} reuseport, 127.0.0.1:{self.tls_port} ssl reuseport",
            "admin_listen": f"127.0.0.1:{self.admin_port}",
            "status_listen": f"127.0.0.1:{self.status_port}",
            "pg_host": "127.0.0.1",
            "pg_port": self.cluster.postgres.port,
            "pg_user": "freshet",
            "pg_database": self.cluster.database,
            "db_update_frequency": 1,
            "log_level": "info",
            "proxy_access_log": "off",
            "admin_access_log": "off",
            "syslog_socket": os.path.join(self.cluster.directory, f"{self.name}.syslog"),
        }
        if self.cluster.redis is not None:
            values |= {"fast_invalidation": "redis", "redis_port": self.cluster.redis.port}
            if self.cluster.redis.password:
                values["redis_password"] = self.cluster.redis.password
        values |= self.cluster.settings | self.settings
        with open(self.conf, "w", encoding="utf-8") as file:
            for name, value in values.items():
                if value is not None:
                    file.write(f"{name} = {value}\n")

    def environment(self):
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("KONG_", "FRESHET_"))}
        keep.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
        keep.setdefault("LSAN_OPTIONS", f"print_suppressions=0:suppressions={ROOT}/tests/support/lsan.supp")
        keep.setdefault("TSAN_OPTIONS", "halt_on_error=0:second_deadlock_stack=1")
        return keep

    def command(self, *words):
        return subprocess.run([PROGRAM, *words, "-c", self.conf], capture_output=True, text=True, check=False,
                              env=self.environment(), timeout=120)

    def start(self, wait=True):
        self.write_settings()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.program, "start", "-c", self.conf], stdout=log, stderr=log,
                                            env=self.environment())
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"node {self.name} ended:\n{self.log()[-3000:]}"
            try:
                return ask(self.status_port, "GET", "/status/ready", timeout=5).status == 200
            except OSError:
                return False

        eventually(ready, 30, what=f"node {self.name} being ready")
        self.learn_document()

    def learn_document(self):
        """What its Admin API says is compared with from now on; it may have none, or refuse us."""
        openapi.BY_PORT.pop(self.admin_port, None)
        answer = None
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = ask(self.admin_port, "GET", "/openapi.json", timeout=10)
        openapi.learn(self.admin_port, answer)

    def stop(self, number=signal.SIGTERM):
        if self.process is None:
            return None
        worker = 0
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it may have ended by itself
            worker = self.worker_pid
            if worker and self.is_paused():  # else the signal may hit one that ends, and take LeakSanitizer's stop of it away
                self.signal(signal.SIGCONT)
            self.process.send_signal(number)
        try:
            code = self.process.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"node {self.name} did not end on signal {number}") from None
        eventually(lambda: not is_running(worker), 5, what=f"the worker of a node {self.name} that has ended being gone")
        self.process = None
        return code

    @property
    def worker_pid(self):
        """The last one started; 0: there is none."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return max(map(int, file.read().split()), default=0)

    def is_paused(self):
        with open(f"/proc/{self.worker_pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"

    def signal(self, number):
        """Pausing is for the one who serves; the supervisor passes on what both must know."""
        if number in (signal.SIGSTOP, signal.SIGCONT):
            os.kill(self.worker_pid or self.process.pid, number)
        else:
            self.process.send_signal(number)

    def reload(self):
        self.write_settings()
        return self.command("reload")

    def log(self):
        with contextlib.suppress(FileNotFoundError), open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()
        return ""

    def rss_kb(self):
        with open(f"/proc/{self.worker_pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def admin(self, method, path, json=None, form=None, headers=None, data=None):
        headers = dict(headers or {})
        if json is not None:
            data = globals()["json"].dumps(json)
            headers.setdefault("Content-Type", "application/json")
        if form is not None:
            data = urlencode(form, doseq=True)
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return ask(self.admin_port, method, path, headers, data)

    def proxy(self, method, path, headers=None, data=None, timeout=30):
        return ask(self.proxy_port, method, path, headers, data, timeout)

    def status(self, method, path):
        return ask(self.status_port, method, path)

    def applied(self):
        return self.admin("GET", "/status").json["freshet"]["applied_position"]


class Cluster:
    _databases = 0

    def __init__(self, directory, postgres, redis, upstream, settings=None, names=("a", "b")):
        os.makedirs(directory, exist_ok=True)
        self.directory, self.postgres, self.redis, self.upstream = directory, postgres, redis, upstream
        self.settings = dict(settings or {})
        Cluster._databases += 1
        self.database = f"freshet_{Cluster._databases}"
        self.nodes = [Node(name, self) for name in names]
        for node in self.nodes:
            setattr(self, node.name, node)
        self.expected_in_log = []

    def start(self):
        self.postgres.create_database(self.database)
        self.nodes[0].write_settings()
        run = self.nodes[0].command("migrations", "bootstrap")
        assert run.returncode == 0, run.stderr
        with open(os.path.join(ROOT, "gateway", "store", "guard.sql"), encoding="ascii") as file:
            self.sql(file.read())  # no commit without its events from here on
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait_ready()
        return self

    def sql(self, text, check=True):
        return self.postgres.sql(text, self.database, check)

    def ensure_running(self):
        for node in self.nodes:
            if node.process is None or node.process.poll() is not None:
                node.start()

    def stop(self):
        for node in self.nodes:
            node.stop()

    def check_logs(self):
        """No sanitizer has found anything."""
        for node in self.nodes:
            text = node.log()
            for sign in ("ERROR: AddressSanitizer", "WARNING: ThreadSanitizer", "runtime error:", "LeakSanitizer"):
                if sign in text:
                    at = text.index(sign)
                    raise AssertionError(f"node {node.name}: {text[max(0, at - 200):at + 3000]}")

    # What most tests need.
    def service(self, name="s", path=None, **more):
        answer = self.a.admin("PUT", f"/services/{name}", json={"url": self.upstream.url + (path or "")} | more)
        assert answer.status == 200, answer
        return answer.json

    def route(self, name="r", service="s", **fields):
        fields = fields or {"paths": [f"/{name}"]}
        answer = self.a.admin("PUT", f"/services/{service}/routes/{name}", json=fields)
        assert answer.status == 200, answer
        return answer.json

    def consumer(self, username="c"):
        answer = self.a.admin("PUT", f"/consumers/{username}", json={})
        assert answer.status == 200, answer
        return answer.json

    def key(self, key, consumer="c", **more):
        answer = self.a.admin("POST", f"/consumers/{consumer}/key-auth", json={"key": key} | more)
        assert answer.status == 201, answer
        return answer.json

    def plugin(self, name, config=None, path="/plugins", **fields):
        answer = self.a.admin("POST", path, json={"name": name, "config": config or {}} | fields)
        assert answer.status == 201, answer
        return answer.json

    def configure(self, plugin, config):
        """These settings in the place of those it has."""
        answer = self.a.admin("PUT", f"/plugins/{plugin['id']}", json={"name": plugin["name"], "config": config,
                                                                        **{of: plugin[of] for of in ("route", "service", "consumer")}})
        assert answer.status == 200, answer
        return answer.json

    def settle(self):
        """Every node has applied what node A has."""
        position = self.a.applied()
        for node in self.nodes:
            eventually(lambda node=node: node.applied() >= position, 10, what=f"node {node.name} at {position}")


def default_entities(cluster):
    """Deletes everything clients can create."""
    node = cluster.a
    for path in ("/plugins", "/routes", "/services", "/consumers", "/upstreams", "/vaults", "/certificates", "/ca_certificates", "/keys", "/key-sets"):
        while True:
            rows = node.admin("GET", f"{path}?size=1000").json["data"]
            if not rows:
                break
            for row in rows:
                assert node.admin("DELETE", f"{path}/{row['id']}").status == 204
    cluster.settle()
