"""A Debian in a directory, booted: systemd is process 1 of namespaces of its own. Only the network is that of this machine."""

import os
import shutil
import subprocess
import time

# pivot_root and not chroot: the kernel allows a chroot no user namespaces, which PrivateUsers= is.
BOOT = """
mount --bind {root} {root} && mount -t proc proc {root}/proc && mount -t sysfs -o ro sysfs {root}/sys &&
mount -t tmpfs tmpfs {root}/run && mount -t tmpfs tmpfs {root}/tmp && mount -t tmpfs -o mode=755 tmpfs {root}/dev &&
for name in null zero full random urandom tty; do touch {root}/dev/$name && mount --bind /dev/$name {root}/dev/$name; done &&
mkdir {root}/dev/shm {root}/dev/pts && mount -t tmpfs tmpfs {root}/dev/shm &&
mount -t devpts -o newinstance,ptmxmode=0666 devpts {root}/dev/pts && ln -s pts/ptmx {root}/dev/ptmx && mount -t cgroup2 cgroup2 {root}/sys/fs/cgroup &&
cd {root} && mkdir -p before && pivot_root . before && cd / && umount -l /before &&
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --show-status=0 --unit=basic.target
"""


class Machine:
    def __init__(self, root, archive, packages):
        """The directory is filled from the archive; packages that apt has fetched are kept in the other."""
        self.root, self.packages = root, packages
        self.process = None
        os.makedirs(root)
        os.makedirs(packages, exist_ok=True)
        subprocess.run(["tar", "-xf", archive, "-C", root], check=True)
        shutil.copy("/etc/resolv.conf", os.path.join(root, "etc", "resolv.conf"))

    def path(self, name):
        return self.root + name

    def before_boot(self, command):
        """A shell command in the directory."""
        script = (f"mount -t proc proc {self.root}/proc && mount --rbind /dev {self.root}/dev && "
                  f"mount --bind {self.packages} {self.root}/var/cache/apt/archives && exec chroot {self.root} /bin/sh -ec \"$1\"")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", command], env=environment,
                              capture_output=True, text=True, check=False, timeout=600)

    def boot(self):
        """Does it come up? Where namespaces or cgroups may not be made, it does not."""
        self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--cgroup", "--ipc", "--uts",
                                         "sh", "-c", BOOT.format(root=self.root)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            if self.process.poll() is not None:
                return False
            if self.init and self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"):
                return True
            time.sleep(0.1)
        return False

    @property
    def init(self):
        """Its process 1, as this machine counts; 0: there is none yet."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return int((file.read().split() or ["0"])[0])

    def run(self, *words, timeout=120):
        command = ["nsenter", "-t", str(self.init), "--mount", "--pid", "--ipc", "--uts", "--cgroup", *words]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=timeout)

    def show(self, unit, name):
        """A property of a unit."""
        return self.run("systemctl", "show", unit, "--value", "-p", name).stdout.strip()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
