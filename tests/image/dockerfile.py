"""A Dockerfile as lists, and its stages as directories: enough of it to try an image where there is no container engine."""

import glob
import os
import shlex
import shutil
import subprocess

MIRROR = "http://deb.debian.org/debian"
RELEASES = {"debian:12-slim": "bookworm"}


def instructions(text):
    """(word, rest) of each instruction; lines that end in a backslash are one."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()


def stages(text):
    """List of (base, name, instructions after FROM)."""
    found = []
    for word, rest in instructions(text):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append((base, name or str(len(found)), []))
        else:
            found[-1][2].append((word, rest))
    return found


class Unreachable(Exception):
    """A base image cannot be made here; the text says why."""


def base_archive(name, cache):
    """What stands for a base image: the same release out of Debian's packages."""
    path = os.path.join(cache, f"{RELEASES[name]}.tar")
    if not os.path.exists(path):
        os.makedirs(cache, exist_ok=True)
        run = subprocess.run(["mmdebstrap", "--variant=apt", "--quiet", RELEASES[name], path + ".new.tar", MIRROR],
                             capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise Unreachable((run.stderr or run.stdout).strip().splitlines()[-1])
        os.rename(path + ".new.tar", path)
    return path


def in_root(root, command, directory="/", before=""):
    """Runs a shell command in the directory as root of a file system; its mounts end with it."""
    script = (f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && {before or 'true'} && "
              f"exec chroot {root} /bin/sh -c {shlex.quote(f'cd {directory} && {command}')}")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], env=environment,
                          capture_output=True, text=True, check=False)


class Builder:
    """Makes each stage a directory under `folder`; `context` is the build's context."""

    def __init__(self, context, folder, cache):
        self.context, self.folder, self.cache = context, folder, cache
        self.roots = {}

    def build(self, text):
        """Root of the last stage."""
        for base, name, steps in stages(text):
            root = os.path.join(self.folder, name)
            os.makedirs(root)
            if base != "scratch":
                subprocess.run(["tar", "-xf", base_archive(base, self.cache), "-C", root], check=True)
                shutil.copy("/etc/resolv.conf", os.path.join(root, "etc", "resolv.conf"))
            self.roots[name] = root
            self.directory = "/"
            for word, rest in steps:
                getattr(self, f"do_{word.lower()}", lambda root, rest: None)(root, rest)
        return root

    def do_workdir(self, root, rest):
        self.directory = rest
        os.makedirs(root + rest, exist_ok=True)

    def do_copy(self, root, rest):
        words = rest.split()
        source = self.context
        if words[0].startswith("--from="):
            source = self.roots[words.pop(0).partition("=")[2]]
        *names, target = words
        place = os.path.normpath(os.path.join(root + self.directory, target)) if not target.startswith("/") else root + target
        for name in names:
            for path in glob.glob(os.path.join(source, name.lstrip("/"))):
                if os.path.isdir(path):
                    subprocess.run(["cp", "-a", path + "/.", place] if os.path.isdir(place) else ["cp", "-a", path, place], check=True)
                else:
                    inside = target.endswith("/")
                    os.makedirs(place if inside else os.path.dirname(place), exist_ok=True)
                    shutil.copy2(path, os.path.join(place, os.path.basename(path)) if inside else place)

    def do_run(self, root, rest):
        packages = os.path.join(self.cache, "packages")
        os.makedirs(packages, exist_ok=True)
        run = in_root(root, rest, self.directory, f"mount --bind {packages} {root}/var/cache/apt/archives")
        if run.returncode != 0:
            raise RuntimeError(f"RUN {rest}: {run.stdout[-1500:]}{run.stderr[-1500:]}")
