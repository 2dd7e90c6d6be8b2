"""Helm runs of the chart, and objects out of what they print."""

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
CHART = os.path.join(TOP, "deploy", "chart")
CASES = os.path.join(CHART, "ci")
sys.path.insert(0, os.path.join(TOP, "deploy"))

import helm  # noqa: E402  pylint: disable=wrong-import-position

# The bound in Chart.yaml, and the newest there are schemas for.
OLDEST, NEWEST = "1.27.0", "1.35.0"


class StrictLoader(yaml.CSafeLoader):
    """A key that stands twice in a map is an error, as it is for an API server."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"{key} stands twice, line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


# "=" alone is a value of its own kind in YAML 1.1, and a text for everybody else.
StrictLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def objects(text):
    return [item for item in yaml.load_all(text, Loader=StrictLoader) if item]


def case_names():
    return sorted(name.removesuffix("-values.yaml") for name in os.listdir(CASES))


def versions(case):
    """The oldest and the newest Kubernetes the case is for."""
    with open(os.path.join(CASES, f"{case}-values.yaml"), encoding="utf-8") as file:
        oldest = re.search(r"[Ff]rom Kubernetes (1[.][0-9]+) on", file.readline())
    return (f"{oldest.group(1)}.0" if oldest else OLDEST, NEWEST)


@functools.cache
def template(case, sets=(), major=3, version=NEWEST, chart=CHART, release="rel"):
    """(exit status, what it printed). sets: texts of --set-json. case: a name in ci/, or None."""
    command = [helm.program(major), "template", release, chart, "--namespace", "apps", "--kube-version", version]
    if case:
        command += ["-f", os.path.join(CASES, f"{case}-values.yaml")]
    for text in sets:
        command += ["--set-json", text]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return run.returncode, run.stdout if run.returncode == 0 else run.stderr


def rendered(case, sets=(), **options):
    status, text = template(case, tuple(sets), **options)
    if status != 0:
        raise RuntimeError(f"{case} {sets}: {text.strip()}")
    return text


def copy_with_notes(folder):
    """A copy of the chart whose notes are an object, for helm template has none."""
    chart = os.path.join(folder, "freshet")
    shutil.copytree(CHART, chart)
    notes = os.path.join(chart, "templates", "NOTES.txt")
    with open(notes, encoding="utf-8") as file:
        text = file.read()
    os.remove(notes)
    with open(os.path.join(chart, "templates", "notes.yaml"), "w", encoding="utf-8") as file:
        file.write('{{ define "notes" }}' + text + '{{ end }}\napiVersion: v1\nkind: Notes\nmetadata: {name: notes}\ntext: {{ include "notes" . | toJson }}\n')
    return chart


def notes(case):
    with tempfile.TemporaryDirectory() as folder:
        return next(item["text"] for item in objects(rendered(case, chart=copy_with_notes(folder))) if item["kind"] == "Notes")
