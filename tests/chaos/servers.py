"""PostgreSQL as a primary and two streaming standbys that change places: `second` is promoted when the primary is given up, `late`
replays some time after the others and is the replica nodes read from. Whoever is asked for is reached through a link."""

import contextlib
import os
import shutil
import signal
import subprocess
import time

from support import Postgres, as_postgres, eventually

LATE_S = 2
DISK = "256m"   # each server has one of its own, in memory, which can be filled
OPTIONS = "-c max_wal_size=64MB -c min_wal_size=32MB -c wal_keep_size=64MB"


class Farm:
    def __init__(self, directory, links, database):
        self.directory, self.links, self.database = directory, links, database
        self.made, self.has_disks, self.servers = 0, False, []
        self.primary = self.second = self.late = None
        self.backup = os.path.join(directory, "backup")

    @property
    def port(self):
        return self.primary.port

    def start(self):
        self.primary = Postgres(self.new_directory(), OPTIONS)
        self.servers.append(self.primary)
        self.primary.start()
        self.links.open("ship-second", self.port)
        self.links.open("ship-late", self.port)
        self.primary.create_database(self.database)
        self.second, self.late = self.standby("second"), self.standby("late")

    def new_directory(self):
        self.made += 1
        disk = os.path.join(self.directory, f"disk{self.made}")
        os.makedirs(disk)
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", disk], stderr=subprocess.DEVNULL, check=False)
        self.has_disks = made.returncode == 0
        return os.path.join(disk, "data")

    def drop(self, server):
        self.servers.remove(server)
        server.stop("immediate")
        shutil.rmtree(server.directory, ignore_errors=True)
        if self.has_disks:
            subprocess.run(["umount", "-l", os.path.dirname(server.directory)], check=False)

    def fill_disk(self):
        """The file that takes the last byte from the primary."""
        ballast = os.path.join(os.path.dirname(self.primary.directory), "ballast")
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65536))
        return ballast

    def is_running(self):
        run = [f"{self.primary.bin}/pg_ctl", "-D", self.primary.directory, "status"]
        with contextlib.suppress(subprocess.CalledProcessError):
            as_postgres(run)
            return True
        return False

    def standby(self, name):
        """Made from the primary through the link it will follow it by."""
        server = Postgres(self.new_directory(), OPTIONS + (f" -c recovery_min_apply_delay={LATE_S}s" if name == "late" else ""))
        self.servers.append(server)
        server.make_directory()
        as_postgres([f"{server.bin}/pg_basebackup", "-h", "127.0.0.1", "-p", str(self.links.ports[f"ship-{name}"]), "-U", "freshet",
                     "-D", server.directory, "-R", "-X", "stream", "-c", "fast"])
        server.run()
        return server

    def rebuild(self, *names):
        for name in names:
            self.drop(getattr(self, name))
            setattr(self, name, self.standby(name))
        self.links.aim("ro-", self.late.port)

    def sql(self, text, check=True):
        return self.primary.sql(text, self.database, check)

    def signal(self, number):
        for pid in self.primary.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def restart(self, mode, seconds):
        self.primary.stop(mode)
        time.sleep(seconds)
        self.primary.run()

    def kill(self, seconds):
        """Not only the postmaster: nobody is left to flush anything."""
        self.signal(signal.SIGKILL)
        time.sleep(seconds)
        self.run_again()

    def run_again(self):
        """After a death: where nobody reaps the dead at once, their pids look alive to the next postmaster."""
        for name in os.listdir(self.primary.directory):
            if name.startswith((".s.PGSQL", "postmaster.pid")):
                os.unlink(os.path.join(self.primary.directory, name))
        self.primary.run()

    def catch_up(self):
        """`second` has received all that the primary has now."""
        position = self.primary.sql("SELECT pg_current_wal_lsn()", "postgres")
        eventually(lambda: self.second.sql(f"SELECT pg_last_wal_receive_lsn() >= '{position}'", "postgres", check=False) == "t", 20,
                   what="the standby having caught up")

    def promote(self):
        """`second` is the primary from now on; the old one is not touched and still answers who reaches it."""
        as_postgres([f"{self.second.bin}/pg_ctl", "-D", self.second.directory, "-w", "-t", "60", "promote"])
        old, self.primary = self.primary, self.second
        self.links.aim("ship-", self.port)
        return old

    def replace(self, old):
        """What was the primary starts again as a standby of the new one, empty."""
        self.second = old
        self.rebuild("second", "late")

    def back_up(self):
        shutil.rmtree(self.backup, ignore_errors=True)
        Postgres(self.backup).make_directory()
        as_postgres([f"{self.primary.bin}/pg_basebackup", "-h", "127.0.0.1", "-p", str(self.port), "-U", "freshet", "-D", self.backup,
                     "-X", "stream", "-c", "fast"])

    def restore(self):
        """The last backup in the place of the data of the primary, which has been stopped."""
        shutil.rmtree(self.primary.directory)
        subprocess.run(["cp", "-a", self.backup, self.primary.directory], check=True)
        self.run_again()

    def stop(self):
        for server in list(self.servers):
            with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
                for pid in server.pids():
                    os.kill(pid, signal.SIGCONT)
            self.drop(server)
