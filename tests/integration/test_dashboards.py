"""deploy/dashboards asks for nothing that a node does not say."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import exposition  # noqa: E402
from support import ROOT, default_entities, eventually  # noqa: E402

FOLDER = os.path.join(ROOT, "deploy", "dashboards")
ALERTS = os.path.join(FOLDER, "alerts.yaml")
PROMTOOL = shutil.which("promtool")
NAME = re.compile(r"\b(?:kong|freshet)_[a-z0-9_]+\b")
SELECTOR = re.compile(r"\b((?:kong|freshet)_[a-z0-9_]+)\{([^}]*)\}")
OF_PROMETHEUS = {"instance", "job"}  # labels it adds


def expressions_of_dashboard():
    with open(os.path.join(FOLDER, "freshet.json"), encoding="utf-8") as file:
        dashboard = json.load(file)
    yield from (variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query")
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


def expressions_of_alerts():
    """One line each, or a block."""
    with open(ALERTS, encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r"^ +expr: (?:\|\n((?: {10,}.*\n)+)|(.+)\n)", text, flags=re.M)
    assert len(found) == text.count("- alert:")
    return ["".join(parts) for parts in found]


@pytest.fixture
def samples(cluster):
    """name -> labels, of nodes where all is counted."""
    cluster.ensure_running()
    cluster.service("dash-s")
    cluster.route("dash-r", "dash-s")
    cluster.plugin("prometheus", dict.fromkeys(("per_consumer", "status_code_metrics", "latency_metrics", "bandwidth_metrics",
                                                "upstream_health_metrics"), True))
    cluster.a.admin("POST", "/upstreams", json={"name": "dash-u"})
    cluster.a.admin("POST", "/upstreams/dash-u/targets", json={"target": "127.0.0.1:1"})
    cluster.settle()
    cluster.a.proxy("GET", "/dash-r")
    read = lambda: exposition.parse(cluster.a.status("GET", "/metrics").text)
    eventually(lambda: "kong_request_latency_ms" in read(), what="a request that is counted")
    families = read()
    default_entities(cluster)
    return {name: set(labels) for family in families.values() for name, labels, _ in family.samples}


@pytest.mark.parametrize("expressions", (expressions_of_dashboard, expressions_of_alerts))
def test_every_name_and_label_is_in_a_scrape(samples, expressions):
    used = 0
    for expression in expressions():
        names = NAME.findall(expression)
        assert names and set(names) <= samples.keys(), expression
        for name, selector in SELECTOR.findall(expression):
            asked = set(re.findall(r"([a-z_]+)(?:=|!)", re.sub(r'"[^"]*"', '""', selector)))
            assert asked <= samples[name] | OF_PROMETHEUS, expression
        used += 1
    assert used > 20


def test_groupings_are_by_labels_there_are(samples):
    labels = set().union(*samples.values()) | OF_PROMETHEUS
    for expression in (*expressions_of_dashboard(), *expressions_of_alerts()):
        for by in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            assert {name.strip() for name in by.split(",")} <= labels, expression


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_takes_the_alerts():
    run = subprocess.run([PROMTOOL, "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
