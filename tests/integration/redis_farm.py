"""Several Redis servers as one: a master and a replica under Sentinels, and a Cluster."""

import contextlib
import os
import subprocess

from support import Redis, eventually, free_ports


class Sentinels:
    """One master, one replica, three Sentinels that take two seconds to give up a master."""

    NAME = "freshet-master"

    def __init__(self, directory, password=None):
        self.directory, self.password = directory, password
        self.servers = [Redis(os.path.join(directory, f"server{i}")) for i in range(2)]
        self.ports = free_ports(3)
        self.processes = []

    def start(self):
        for server in self.servers:
            server.start()
        self.servers[1].cli("REPLICAOF", "127.0.0.1", str(self.servers[0].port))
        eventually(lambda: "master_link_status:up" in self.servers[1].cli("INFO", "replication"), 20)
        for port in self.ports:
            conf = os.path.join(self.directory, f"sentinel{port}.conf")
            with open(conf, "w", encoding="ascii") as file:
                file.write(f"port {port}\nbind 127.0.0.1\ndir {self.directory}\n"
                           f"sentinel monitor {self.NAME} 127.0.0.1 {self.servers[0].port} 2\n"
                           f"sentinel down-after-milliseconds {self.NAME} 1000\nsentinel failover-timeout {self.NAME} 3000\n")
                if self.password:
                    file.write(f"requirepass {self.password}\nsentinel sentinel-pass {self.password}\n")
            self.processes.append(subprocess.Popen(["redis-server", conf, "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        eventually(lambda: all(self.count(port, "slaves") == 1 and self.count(port, "sentinels") == 2 for port in self.ports), 30,
                   what="the Sentinels knowing each other")

    def ask(self, port, *words):
        secret = ["-a", self.password, "--no-auth-warning"] if self.password else []
        return subprocess.run(["redis-cli", "-p", str(port), *secret, "SENTINEL", *words, self.NAME], capture_output=True, text=True, check=False).stdout.split()

    def count(self, port, kind):
        return self.ask(port, kind).count("name")

    def master(self):
        answer = self.ask(self.ports[0], "get-master-addr-by-name")
        return next((server for server in self.servers if answer and server.port == int(answer[1])), None)

    def addresses(self):
        return ", ".join(f"127.0.0.1:{port}" for port in self.ports)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        for server in self.servers:
            server.stop()


class RedisCluster:
    """Three masters that share the slots."""

    def __init__(self, directory):
        self.directory = directory
        self.ports = free_ports(3)
        self.bus_ports = dict(zip(self.ports, free_ports(3)))
        self.processes = {}

    def start_one(self, port):
        directory = os.path.join(self.directory, str(port))
        os.makedirs(directory, exist_ok=True)
        self.processes[port] = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--cluster-enabled", "yes",
             "--cluster-port", str(self.bus_ports[port]),
             "--cluster-node-timeout", "1500", "--cluster-require-full-coverage", "no", "--cluster-allow-pubsubshard-when-down", "yes"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def cli(self, port, *words):
        return subprocess.run(["redis-cli", "-p", str(port), *words], capture_output=True, text=True, check=False).stdout

    def start(self):
        for port in self.ports:
            self.start_one(port)
        eventually(lambda: all("PONG" in self.cli(port, "PING") for port in self.ports), 20)
        subprocess.run(["redis-cli", "--cluster", "create", *[f"127.0.0.1:{port}" for port in self.ports], "--cluster-yes"], check=True,
                       stdout=subprocess.DEVNULL)
        eventually(lambda: all("cluster_state:ok" in self.cli(port, "CLUSTER", "INFO") for port in self.ports), 30)

    def addresses(self):
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def stop_one(self, port):
        process = self.processes.pop(port, None)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def stop(self):
        for port in self.ports:
            self.stop_one(port)
