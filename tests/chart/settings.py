"""The settings file of each case in the hands of the program that is to read it."""

import os
import re
import subprocess
import tempfile

from facts import containers, named, pods
from rendering import TOP


def program():
    """The newest build there is, or None."""
    folders = [os.environ.get("FRESHET_BUILD") or "", *(os.path.join(TOP, ".build", kind) for kind in ("Asan", "Release"))]
    return next((os.path.join(folder, "freshet") for folder in folders if folder and os.path.exists(os.path.join(folder, "freshet"))), None)


def make_files(folder):
    """What Secrets would hold."""
    pair = [os.path.join(folder, name) for name in ("tls.crt", "tls.key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x",
                    "-days", "2", "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True)
    with open(os.path.join(folder, "tokens"), "w", encoding="ascii") as file:
        file.write("a read-only 0123456789abcdef0123456789abcdef\n")


def complaint(objects):
    """What `freshet check` says against the ConfigMap, or None."""
    text = next(item["data"]["freshet.conf"] for item in named(objects, "ConfigMap") if "freshet.conf" in (item.get("data") or {}))
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        text = re.sub(r"/run/[\w-]+/(?:[\w-]+/)?(ca\.crt|tls\.crt|tls\.key|tokens)", lambda match: os.path.join(folder, match[1].replace("ca.crt", "tls.crt")), text)
        path = os.path.join(folder, "freshet.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("/var/lib/freshet", folder))
        run = subprocess.run([program(), "check", path], capture_output=True, text=True, check=False, timeout=60)
    said = [line for line in run.stderr.splitlines() if "accepted without effect" not in line]
    return "; ".join(said) if run.returncode != 0 or said else None


def unknown_variables(objects, known):
    """Variables that look like settings and are none."""
    for _, _, spec, _ in pods(objects):
        for container in containers(spec):
            for variable in container.get("env", []):
                name = variable["name"].removeprefix("FRESHET_").removesuffix("_FILE").lower()
                if variable["name"].startswith("FRESHET_") and name not in known:
                    yield variable["name"]
