"""Who is measured beside a node: nginx and HAProxy in front of the same upstream, and how their time is read.

Each has one worker, the node's own headers to add, keep-alive on both sides, no access log. All loads come from wrk, in turns, so
that the moods of the machine strike everybody: figures are of processor time, which suffers less from neighbours than the clock does.
"""

import os
import random
import re
import signal
import statistics
import subprocess

from support import eventually, free_ports

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
DESCRIPTORS = 16384


def cpu_seconds(*pids):
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def kernel_share(*pids):
    """Ticks in the program and in the kernel."""
    user = kernel = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        user, kernel = user + int(fields[11]), kernel + int(fields[12])
    return user / CLOCK_TICKS, kernel / CLOCK_TICKS


def wrk(port, seconds, connections=32, script=None, path="/plain", scheme="http"):
    """Requests done, p99 in ms."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"{scheme}://127.0.0.1:{port}{path}"]
    if script:
        command[1:1] = ["-s", script]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    done = int(re.search(r"(\d+) requests in", out).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad:
        print(f"      note: {bad.group(1)} of {done} answers were errors")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    return done, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


class Certificate:
    """Self-signed, P-256."""

    def __init__(self, directory):
        self.certificate, self.key = os.path.join(directory, "bench.crt"), os.path.join(directory, "bench.key")
        self.both = os.path.join(directory, "bench.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                        "-subj", "/CN=localhost", "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        with open(self.both, "w", encoding="ascii") as both:
            for path in (self.certificate, self.key):
                with open(path, encoding="ascii") as part:
                    both.write(part.read())
        for path in (self.key, self.both):
            os.chmod(path, 0o644)  # nginx and the like read it as another user


class Nginx:
    """One worker; `body` is what stands in http{}, with PORT and SECOND for its ports."""
    name = "nginx"

    def __init__(self, directory, body):
        self.directory = directory
        self.port, self.second_port = free_ports(2)
        os.makedirs(directory)
        os.chmod(directory, 0o755)
        with open(os.path.join(directory, "nginx.conf"), "w", encoding="ascii") as file:
            file.write(f"""
worker_processes 1; daemon on; pid {directory}/pid; error_log {directory}/error.log crit;
{'user www-data;' if os.geteuid() == 0 else ''}
events {{ worker_connections {DESCRIPTORS}; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; sendfile on;
  client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
  uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  {body.replace('PORT', str(self.port)).replace('SECOND', str(self.second_port))} }}""")

    def start(self):
        subprocess.run(["nginx", "-c", f"{self.directory}/nginx.conf", "-e", f"{self.directory}/error.log"], check=True)
        eventually(lambda: os.path.exists(f"{self.directory}/pid") and self.workers(), 5)
        return self

    def master(self):
        with open(f"{self.directory}/pid", encoding="ascii") as file:
            return int(file.read())

    def workers(self):
        text = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.master())], capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in text.split()]

    def stop(self):
        os.kill(self.master(), signal.SIGTERM)


def upstream(directory):
    """Answers at once, on two ports, and has a file of 400 MB without blocks on the disk."""
    files = os.path.join(directory, "files")
    os.makedirs(files)
    os.chmod(files, 0o755)
    with open(os.path.join(files, "long"), "wb") as file:
        file.truncate(400_000_000)
    server = Nginx(os.path.join(directory, "upstream"), f"""server {{ listen 127.0.0.1:PORT backlog=16384; listen 127.0.0.1:SECOND backlog=16384;
  location / {{ return 200 "hello from the upstream\\n"; }} location /long {{ root {files}; }} }}""").start()
    server.url = f"http://127.0.0.1:{server.port}"
    return server


def nginx(directory, behind, certificate):
    forward = """proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_set_header X-Real-IP $remote_addr; proxy_set_header Host $proxy_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-Port $server_port; proxy_buffering on;"""
    kept = "keepalive 512; keepalive_requests 1000000000;"
    return Nginx(os.path.join(directory, "peer"), f"""
  upstream one {{ server 127.0.0.1:{behind.port}; {kept} }}
  upstream two {{ server 127.0.0.1:{behind.port}; server 127.0.0.1:{behind.second_port}; {kept} }}
  server {{ listen 127.0.0.1:PORT backlog=16384; listen 127.0.0.1:SECOND ssl backlog=16384;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key};
    location / {{ proxy_pass http://one/; {forward} }} location /balanced {{ proxy_pass http://two/; {forward} }} }}""").start()


class Haproxy:
    name = "HAProxy"

    def __init__(self, directory, behind, certificate):
        self.port, self.second_port = free_ports(2)
        self.process = None
        self.path = os.path.join(directory, "haproxy.cfg")
        with open(self.path, "w", encoding="ascii") as file:
            file.write(f"""
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 60s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 600s
  http-reuse always
frontend clients
  bind 127.0.0.1:{self.port}
  bind 127.0.0.1:{self.second_port} ssl crt {certificate.both}
  option forwardfor
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  use_backend two if {{ path_beg /balanced }}
  default_backend one
backend one
  server a 127.0.0.1:{behind.port}
backend two
  balance roundrobin
  server a 127.0.0.1:{behind.port}
  server b 127.0.0.1:{behind.second_port}
""")

    def start(self):
        self.process = subprocess.Popen(["haproxy", "-db", "-f", self.path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def workers(self):
        return [self.process.pid]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class OurNode:
    """A node as a peer among the others."""
    name = "node"

    def __init__(self, node):
        self.node, self.port, self.second_port = node, node.proxy_port, node.tls_port

    def workers(self):
        return [self.node.worker_pid]


class Load:
    """What wrk asks for; `path` and `script` are the node's, others may need their own."""

    def __init__(self, path="/plain", peer_path="/plain", script=None, tls=False, connections=32):
        self.path, self.peer_path, self.script, self.tls, self.connections = path, peer_path, script, tls, connections

    def run(self, server, seconds):
        return wrk(server.second_port if self.tls else server.port, seconds, self.connections, self.script,
                   self.path if server.name == "node" else self.peer_path, "https" if self.tls else "http")


def in_turns(servers, load, rounds, seconds):
    """By name: medians of CPU seconds per 100,000 requests, of those in the program and in the kernel, requests a second, p99 in ms."""
    samples = {server.name: [] for server in servers}
    for server in servers:
        load.run(server, 1)
    for _ in range(rounds):
        for server in random.sample(servers, len(servers)):
            pids = server.workers()
            cpu, (user, kernel) = cpu_seconds(*pids), kernel_share(*pids)
            done, p99 = load.run(server, seconds)
            cpu, (user, kernel) = cpu_seconds(*pids) - cpu, [now - was for now, was in zip(kernel_share(*pids), (user, kernel))]
            samples[server.name].append([cpu / done * 1e5, user / done * 1e5, kernel / done * 1e5, done / seconds, p99])
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in samples.items()}
