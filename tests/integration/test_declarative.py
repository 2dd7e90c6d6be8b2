"""Declarative files: `freshet config init|parse|db_import|db_export`."""

import json
import os
import random
import re
import shutil
import subprocess
import time

import pytest

from entity_moves import Mover
from entity_world import World
from support import PATIENCE, ROOT, default_entities, eventually

INSO = os.path.join(ROOT, "tests", "vendor", "inso")

FILE = """
_format_version: "3.0"
_comment: everything hangs together
services:
- name: one
  url: http://127.0.0.1:1/base
  <<: &timeouts {connect_timeout: 1000, read_timeout: 2000}
  tags: [a, "true"]
  routes:
  - name: r1
    paths: [/r1, "~/r1/[0-9]+$"]
    plugins:
    - name: request-termination
      config: {status_code: 418, message: short}
  - paths: [/nameless]
  - paths: [/nameless]
- host: nameless.test
  <<: *timeouts
consumers:
- username: somebody
  keyauth_credentials:
  - key: "0123"
  acls:
  - group: readers
  basicauth_credentials:
  - {username: u, password: p}
  jwt_secrets:
  - algorithm: HS256
plugins:
- name: key-auth
  service: one
- name: key-auth
  route: {name: r1}
  config: {key_names: [other]}
upstreams:
- name: u1
  targets:
  - target: 127.0.0.1
    weight: 10
key_sets:
- name: set
"""


@pytest.fixture
def run(cluster, clean, tmp_path):
    """Runs `freshet config` on a file made of `text`, or on a name."""

    def command(verb, text=None, name="kong.yml"):
        path = tmp_path / name
        if text is not None:
            path.write_text(text if isinstance(text, str) else json.dumps(text))
        return cluster.a.command("config", verb, str(path))

    yield command


def good(answer, text="import successful\n"):
    assert answer.returncode == 0 and answer.stdout == text, answer.stderr
    assert answer.stderr == ""


def bad(answer, *texts):
    assert answer.returncode == 1 and answer.stdout == "", answer.stdout
    assert answer.stderr.startswith("Error: ")
    for text in texts:
        assert text in answer.stderr, answer.stderr


def state(cluster):
    """All rows of all entities, and the last position of the log."""
    tables = cluster.sql("SELECT table_name FROM information_schema.columns WHERE table_schema = current_schema() "
                         "AND column_name = 'ws_id' ORDER BY 1").split()
    rows = {table: cluster.sql(f"SELECT row_to_json(t) FROM {table} t ORDER BY id") for table in tables}
    return rows, cluster.sql("SELECT max(pos) FROM cluster_log")


def test_init_writes_a_template_and_overwrites_nothing(run, tmp_path):
    good(run("init"), "")
    text = (tmp_path / "kong.yml").read_text()
    assert '_format_version: "3.0"' in text
    bad(run("init"), "already exists")
    assert (tmp_path / "kong.yml").read_text() == text
    good(run("parse"), "parse successful\n")


def test_an_import_is_seen_by_running_nodes(cluster, run):
    good(run("parse", FILE), "parse successful\n")
    before = state(cluster)
    good(run("db_import", FILE))
    assert int(state(cluster)[1]) == int(before[1]) + 1  # one transaction, one position
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/r1").status == 401, 10, what="the new route")
    service = cluster.a.admin("GET", "/services/one").json
    assert service["path"] == "/base" and service["connect_timeout"] == 1000 and service["tags"] == ["a", "true"]
    assert len(cluster.a.admin("GET", "/routes").json["data"]) == 3
    assert cluster.a.admin("GET", "/consumers/somebody/key-auth/0123").status == 200
    assert cluster.a.admin("GET", "/upstreams/u1/targets").json["data"][0]["target"] == "127.0.0.1:8000"


def test_a_second_import_changes_nothing(cluster, run):
    good(run("db_import", FILE))
    before = state(cluster)
    good(run("db-import", FILE))
    assert state(cluster) == before


def test_an_import_updates_what_has_the_same_key(cluster, run):
    made = cluster.a.admin("PUT", "/services/one", json={"host": "old.test", "retries": 1}).json
    cluster.a.admin("PUT", "/consumers/somebody", json={"custom_id": "gone"})
    other = cluster.a.admin("PUT", "/services/other", json={"host": "other.test"}).json
    good(run("db_import", FILE))
    now = cluster.a.admin("GET", "/services/one").json
    assert now["id"] == made["id"] and now["created_at"] == made["created_at"]
    assert now["host"] == "127.0.0.1" and now["retries"] == 5
    assert cluster.a.admin("GET", "/consumers/somebody").json["custom_id"] is None
    assert cluster.a.admin("GET", "/services/other").json == other


def test_a_changed_credential_is_forgotten_everywhere(cluster, run):
    text = """
_format_version: "3.0"
services:
- name: s
  url: URL
  routes: [{name: r, paths: [/r]}]
  plugins: [{name: key-auth}]
consumers:
- username: c
  keyauth_credentials: [{id: 11111111-1111-4111-8111-111111111111, key: KEY}]
""".replace("URL", cluster.upstream.url)
    good(run("db_import", text.replace("KEY", "first")))
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/r", {"apikey": "first"}).status == 200)
        assert node.proxy("GET", "/r", {"apikey": "second"}).status == 401
    good(run("db_import", text.replace("KEY", "second")))
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/r", {"apikey": "second"}).status == 200)
        eventually(lambda node=node: node.proxy("GET", "/r", {"apikey": "first"}).status == 401)


@pytest.mark.parametrize("name", ["export.yml", "export.json"])
def test_export_and_import_into_an_empty_database_is_the_same(cluster, run, tmp_path, name):
    good(run("db_import", FILE))
    cluster.a.admin("PUT", "/services/odd", json={
        "host": "h", "tags": ["on", "1.5", "é", "a: b", "0x1f", "null", "~"], "retries": None})
    good(run("db_export", name=name), "")
    bad(run("db_export", name=name), "already exists")
    assert os.stat(tmp_path / name).st_mode & 0o77 == 0
    rows = state(cluster)[0]
    for kind in ("services", "consumers", "plugins", "routes", "upstreams", "key-sets"):
        while True:
            found = cluster.a.admin("GET", f"/{kind}").json["data"]
            if not found:
                break
            for entity in found:
                path = f"/{kind}/{entity['id']}"
                if kind == "services":
                    for route in cluster.a.admin("GET", f"{path}/routes").json["data"]:
                        cluster.a.admin("DELETE", f"/routes/{route['id']}")
                assert cluster.a.admin("DELETE", path).status == 204
    assert not any(value for key, value in state(cluster)[0].items() if key not in ("workspaces",))
    good(run("db_import", name=name))
    assert state(cluster)[0] == rows
    good(run("db_export", name="again" + name), "")
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again{name}").read_bytes()
    before = state(cluster)
    good(run("db_import", name=name))
    assert state(cluster) == before


def test_all_mistakes_are_told_with_their_places_and_nothing_is_written(cluster, run):
    text = """_format_version: "3.0"
services:
- name: fine
  host: fine.test
- name: "not fine"
  host: h
  port: many
  routes:
  - paths: [no-slash]
consumers:
- username: a
- username: a
plugins:
- name: nothing
- name: key-auth
  service: nobody
nonsense: []
"""
    before = state(cluster)
    for verb in ("parse", "db_import"):
        answer = run(verb, text)
        bad(answer, "kong.yml: 7 mistakes\n", "nonsense: unknown field", "services.2 (line 5): name: ",
            "services.2 (line 5): port: expected an integer", "services.2.routes.1 (line 9): paths.1: should start with",
            "consumers.2 (line 12): username: consumers.1 has the same", "plugins.1 (line 14): name: plugin 'nothing' not",
            "plugins.2 (line 15): service: there is no entity 'nobody' among services")
    assert state(cluster) == before


def test_files_that_are_none(cluster, run):
    before = state(cluster)
    bad(run("parse", "a: [1, 2"), "line ")
    bad(run("parse", "a: *nobody"), "alias")
    bad(run("parse", "- 1"), "expected an object")
    bad(run("parse", "services: []"), "_format_version: required field missing")
    bad(run("parse", '_format_version: "9"'), "expected one of: 1.1, 2.1, 3.0")
    bad(run("db_import", name="absent.yml"), "absent.yml: No such file")
    bad(run("fly"), "No such command for config: fly")
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for i in range(1, 12):
        bomb += f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]\n"
    bad(run("parse", bomb), "aliases make too much of this file")
    assert state(cluster) == before


def test_a_name_of_somebody_else_is_refused(cluster, run):
    cluster.a.admin("PUT", "/services/one", json={"host": "h"})
    before = state(cluster)
    bad(run("db_import", '_format_version: "3.0"\nservices: [{id: 11111111-1111-4111-8111-111111111111, name: one, host: h}]'),
        "services.1 (line 2): name: the stored entity ")
    assert state(cluster) == before


def test_patterns_of_older_formats_are_marked(cluster, run):
    for version in ("1.1", "2.1"):
        file = {"_format_version": version, "services": [{"name": "s", "host": "h", "routes": [
            {"name": "r", "paths": ["/a/\\d+", "/plain"]}]}]}
        good(run("db_import", file))
        assert cluster.a.admin("GET", "/routes/r").json["paths"] == ["~/a/\\d+", "/plain"]


def without_clock(text):
    """What expires does so some seconds after whatever is done now."""
    return re.sub(r'("expires_at":)"[^"]*"', r"\1later", re.sub(r'(ttl"?: ?)\d+', r"\1later", text))


@pytest.mark.parametrize("name", ["random.yml", "random.json"])
def test_random_entities_survive_export_and_import(cluster, run, tmp_path, name):
    seed = int(os.environ.get("FRESHET_SEED", random.randrange(1 << 30)))
    for turn in range(int(os.environ.get("FRESHET_ROUND_TRIPS", "1"))):
        world = World(cluster)
        for number, move in enumerate(Mover(seed + turn).moves(150)):
            world.make(number, move)
        rows = without_clock(json.dumps(state(cluster)[0]).replace('\\"', '"'))
        good(run("db_export", name=f"{turn}{name}"), "")
        default_entities(cluster)
        good(run("db_import", name=f"{turn}{name}"))
        assert without_clock(json.dumps(state(cluster)[0]).replace('\\"', '"')) == rows, f"FRESHET_SEED={seed + turn}"
        good(run("db_export", name=f"{turn}again{name}"), "")
        texts = [without_clock((tmp_path / f"{turn}{which}{name}").read_text()) for which in ("", "again")]
        assert texts[0] == texts[1], f"FRESHET_SEED={seed + turn}"
        default_entities(cluster)


def test_seconds_that_a_credential_has_left(cluster, run, tmp_path):
    file = {"_format_version": "3.0", "consumers": [{"username": "c", "keyauth_credentials": [{"key": "short", "ttl": 500}, {"key": "long", "ttl": 0}]}]}
    good(run("db_import", file))
    left = {row["key"]: row["ttl"] for row in cluster.a.admin("GET", "/key-auths").json["data"]}
    assert 400 < left["short"] <= 500 and left["long"] is None
    for wrong in (-1, 1.5, "500", 100000001, True):
        file["consumers"][0]["keyauth_credentials"][0]["ttl"] = wrong
        bad(run("parse", file), "ttl: must be an integer between 0 and 100000000")


def made_by_inso(where):
    """What inso makes of an OpenAPI file: of today if there is one, otherwise as it was recorded."""
    with open(os.path.join(INSO, "tour.kong.yml"), encoding="utf-8") as file:
        recorded = file.read()
    program = os.environ.get("FRESHET_INSO") or shutil.which("inso")
    if program is None:
        return recorded
    subprocess.run([program, "generate", "config", os.path.join(INSO, "tour.yaml"), "--type", "declarative", "-o", str(where)], check=True, cwd=INSO,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    assert where.read_text().strip() == recorded.strip()
    return where.read_text()


def test_what_inso_makes_of_an_openapi_file(cluster, run, tmp_path):
    text = made_by_inso(tmp_path / "inso.yml")
    good(run("parse", text), "parse successful\n")
    good(run("db_import", text))
    service = cluster.b.admin("GET", "/services/Tour").json
    assert (service["host"], service["path"], service["retries"], service["connect_timeout"]) == ("Tour.upstream", "/v1", 3, 2000)
    routes = {route["name"]: route for route in cluster.b.admin("GET", "/services/Tour/routes").json["data"]}
    assert set(routes) == {"Tour-listPlaces", "Tour-places-post", "Tour-showPlace", "Tour-places-place-delete", "Tour-old-get"}
    assert routes["Tour-showPlace"]["paths"] == ["~/places/(?<place>[^\\/]+)$"] and routes["Tour-showPlace"]["preserve_host"] is True
    assert {tag for route in routes.values() for tag in route["tags"]} == {"OAS3_import", "OAS3file_tour.yaml"}
    plugins = cluster.b.admin("GET", "/plugins").json["data"]
    assert sorted((plugin["name"], plugin["route"] is None) for plugin in plugins) == [("key-auth", False), ("key-auth", True), ("request-termination", False)]
    assert {target["target"] for target in cluster.b.admin("GET", "/upstreams/Tour.upstream/targets").json["data"]} == {
        "tour.test:443", "backup.tour.test:8080", "old.tour.test:80"}
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/places/rome").status == 401)
        assert node.proxy("GET", "/places/rome/more").status == 404
    before = state(cluster)
    good(run("db_import", text))
    assert state(cluster) == before


def test_ten_thousand_services_with_routes(own_cluster, postgres, tmp_path):
    """Without the guard, whose look at every event for every row is what would be measured."""
    cluster = own_cluster(redis=False, postgres=postgres, names=("a",), start=False)
    cluster.postgres.create_database(cluster.database)
    cluster.a.write_settings()
    assert cluster.a.command("migrations", "bootstrap").returncode == 0
    path = tmp_path / "large.json"
    path.write_text(json.dumps({"_format_version": "3.0", "services": [
        {"name": f"s{i}", "host": f"h{i}.test", "routes": [{"name": f"r{i}", "paths": [f"/p{i}"]}]} for i in range(10000)]}))
    positions = "SELECT count(DISTINCT pos) FROM cluster_log"
    before = int(cluster.sql(positions))
    began = time.monotonic()
    good(cluster.a.command("config", "db_import", str(path)))
    first = time.monotonic() - began
    began = time.monotonic()
    good(cluster.a.command("config", "db_import", str(path)))
    print(f"first {first:.2f} s, again {time.monotonic() - began:.2f} s")
    assert first < 5 * PATIENCE
    assert cluster.sql("SELECT count(*) FROM routes") == "10000"
    assert int(cluster.sql(positions)) == before + 1
