"""What a client can know of the whole cluster: positions, nodes, events, and when a change is live everywhere (consistency reference, 8)."""

import contextlib
import http.client
import json
import signal
import subprocess
import threading
import time

import pytest

from admin_api import NOT_FOUND, assert_answer
from support import eventually


def position_of(answer):
    return int(answer.headers["Freshet-Position"].split("-")[1])


def put(node, name, query=""):
    return node.admin("PUT", f"/consumers/{name}{query}", json={})


def nodes_by_name(node):
    page = node.admin("GET", "/cluster/nodes").json
    assert page["next"] is None
    return {row["name"]: row for row in page["data"]}


class Paused:
    """The worker of a node stands still: it applies nothing and sends no heartbeat."""

    def __init__(self, node):
        self.node = node

    def __enter__(self):
        self.node.signal(signal.SIGSTOP)

    def __exit__(self, *_):
        self.node.signal(signal.SIGCONT)


# ---- wait ----

@pytest.mark.parametrize("wait", ["none", "node", "cluster"])
def test_a_write_that_waits_is_answered_as_ever(cluster, clean, wait):
    made = put(cluster.a, "ann", f"?wait={wait}")
    assert made.status == 200 and made.json["username"] == "ann" and "Freshet-Laggards" not in made.headers
    assert position_of(made) >= 1
    assert cluster.a.admin("POST", f"/consumers?wait={wait}", json={"username": "bob"}).status == 201
    assert cluster.a.admin("PATCH", f"/consumers/bob?wait={wait}", json={"custom_id": "7"}).status == 200
    gone = cluster.a.admin("DELETE", f"/consumers/bob?wait={wait}")
    assert (gone.status, gone.body) == (204, b"")


def test_wait_cluster_means_every_node(cluster, clean):
    for i in range(20):
        answer = put(cluster.a, f"c{i}", "?wait=cluster")
        assert answer.status == 200
        assert cluster.b.applied() >= position_of(answer)


@pytest.mark.parametrize("query, option", [("wait=all", "wait"), ("wait=", "wait"), ("wait", "wait"), ("wait=cluster&wait_timeout=x", "wait_timeout"),
                                           ("wait_timeout=-1", "wait_timeout"), ("wait_timeout=301", "wait_timeout"), ("wait_timeout=nan", "wait_timeout"),
                                           ("wait_timeout=", "wait_timeout")])
def test_bad_wishes_change_nothing(cluster, clean, query, option):
    answer = put(cluster.a, "ann", f"?{query}")
    assert answer.status == 400 and list(answer.json["options"]) == [option], answer
    assert cluster.a.admin("GET", "/consumers/ann").status == 404


def test_who_is_not_there_in_time_is_named(own_cluster):
    cluster = own_cluster(settings={"cluster_lease": 60})
    with Paused(cluster.b):
        began = time.monotonic()
        late = put(cluster.a, "ann", "?wait=cluster&wait_timeout=0.5")
        assert 0.5 <= time.monotonic() - began < 5
        assert (late.status, late.headers["Freshet-Laggards"], late.json["username"]) == (202, "1: b", "ann")
        gone = cluster.a.admin("DELETE", "/consumers/ann?wait=cluster&wait_timeout=0.4")
        assert gone.status == 202
        assert [(node["name"], node["position"] < position_of(gone)) for node in gone.json["laggards"]] == [("b", True)]
        commit = cluster.a.admin("GET", f"/cluster/positions/{gone.headers['Freshet-Position']}").json
        assert ([node["name"] for node in commit["live_on"]], [node["name"] for node in commit["waiting_for"]]) == (["a"], ["b"])
        assert nodes_by_name(cluster.a)["b"]["lag"]["events"] == 2
        assert put(cluster.a, "bob", "?wait=node").status == 200  # nobody else waits
    commit = eventually(lambda: not (now := cluster.a.admin("GET", f"/cluster/positions/{position_of(gone)}").json)["waiting_for"] and now)
    assert [node["name"] for node in commit["live_on"]] == ["a", "b"]


def test_a_node_whose_lease_is_over_is_not_waited_for(own_cluster):
    cluster = own_cluster(settings={"cluster_lease": 1})
    with Paused(cluster.b):
        eventually(lambda: nodes_by_name(cluster.a)["b"]["state"] == "gone", 15)
        assert put(cluster.a, "ann", "?wait=cluster").status == 200
        assert cluster.a.admin("GET", "/cluster/position").json["nodes"] == 1
    eventually(lambda: nodes_by_name(cluster.a)["b"]["state"] == "live", 15)


def test_polling_alone_is_waited_for_too(own_cluster):
    cluster = own_cluster(redis=False)
    answer = put(cluster.a, "ann", "?wait=cluster")
    assert answer.status == 200 and cluster.b.applied() >= position_of(answer)
    row = nodes_by_name(cluster.b)["a"]
    assert (row["mode"], row["channel"]) == ("polling", "off")


def test_a_write_that_a_failover_lost_is_not_called_live(own_cluster):
    cluster = own_cluster(settings={"cluster_lease": 60})
    with Paused(cluster.b):
        answers = []
        asking = threading.Thread(target=lambda: answers.append(put(cluster.a, "ann", "?wait=cluster&wait_timeout=20")))
        asking.start()
        eventually(lambda: cluster.a.admin("GET", "/consumers/ann").status == 200)
        cluster.sql("DELETE FROM cluster_log WHERE pos = (SELECT max(pos) FROM cluster_log)")
        asking.join()
    assert answers[0].status == 503 and "lost" in answers[0].json["message"]


def test_many_wait_at_once(cluster, clean):
    answers = []

    def write(i):
        answers.append(put((cluster.a, cluster.b)[i % 2], f"c{i}", "?wait=cluster"))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 40


def test_more_wait_than_one_look_has_room_for(own_cluster):
    cluster = own_cluster(settings={"cluster_lease": 60})
    answers = []

    def write(i):
        answers.append(put(cluster.a, f"c{i}", "?wait=cluster&wait_timeout=2"))

    with Paused(cluster.b):
        threads = [threading.Thread(target=write, args=(i,)) for i in range(400)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - began < 20
    assert {(answer.status, answer.headers["Freshet-Laggards"]) for answer in answers} == {(202, "1: b")} and len(answers) == 400


def test_a_client_that_goes_away_while_it_waits_harms_nobody(own_cluster):
    cluster = own_cluster(settings={"cluster_lease": 60})
    with Paused(cluster.b):
        for _ in range(5):
            link = http.client.HTTPConnection("127.0.0.1", cluster.a.admin_port, timeout=0.3)
            link.request("PUT", "/consumers/ann?wait=cluster", "{}", {"Content-Type": "application/json"})
            with pytest.raises(TimeoutError):
                link.getresponse()
            link.close()
        assert put(cluster.a, "bob").status == 200
    assert put(cluster.a, "eve", "?wait=cluster").status == 200


def test_a_node_can_end_while_somebody_waits_for_the_others(own_cluster):
    """It has just asked who is behind, and hears it when there is nobody left to ask again."""
    cluster = own_cluster(settings={"cluster_lease": 60})

    def write():
        with contextlib.suppress(OSError, http.client.HTTPException):
            put(cluster.a, "ann", "?wait=cluster&wait_timeout=60")

    with Paused(cluster.b):
        asking = threading.Thread(target=write)
        asking.start()
        eventually(lambda: cluster.a.admin("GET", "/consumers/ann").status == 200)
        lock = cluster.postgres.sql_in_background(cluster.database, "BEGIN; LOCK TABLE cluster_node; SELECT pg_sleep(3)")
        eventually(lambda: cluster.sql("SELECT count(*) FROM pg_locks WHERE relation = 'cluster_node'::regclass AND NOT granted") > "0", what="a question that waits")
        assert cluster.a.stop() == 0
        asking.join()
        lock.wait()


# ---- positions ----

def test_min_position_on_the_admin_api(cluster, clean):
    position = put(cluster.a, "ann").headers["Freshet-Position"]
    answer = cluster.b.admin("GET", "/status", headers={"Freshet-Min-Position": position})
    assert answer.json["freshet"]["applied_position"] >= int(position.split("-")[1])
    history, number = position.split("-")
    other = f"{int(history, 16) ^ 1:08x}-{number}"
    assert cluster.b.admin("GET", "/status", headers={"Freshet-Min-Position": other}).status == 504
    for bad in ("", "1", "x", f"{history}-", f"{history}-x", f"{history}--1", f"{history}-99999999999999999999", position + " 1", "z" * 100):
        assert cluster.b.admin("GET", "/status", headers={"Freshet-Min-Position": bad}).status == 400, bad
    ahead = f"{history}-{int(number) + 1000}"
    began = time.monotonic()
    assert cluster.b.admin("GET", "/status", headers={"Freshet-Min-Position": ahead}).status == 504
    assert 1.9 < time.monotonic() - began < 10


def test_min_position_on_the_proxy(own_cluster):
    cluster = own_cluster(redis=False, settings={"proxy_min_position": "on", "db_update_frequency": 30})
    cluster.service()
    for i in range(10):  # a route that B cannot have heard of, but for the position
        made = cluster.a.admin("POST", "/services/s/routes", json={"paths": [f"/r{i}"]})
        answer = cluster.b.proxy("GET", f"/r{i}", {"Freshet-Min-Position": made.headers["Freshet-Position"]})
        assert answer.status == 200, answer
    history, number = made.headers["Freshet-Position"].split("-")
    assert cluster.b.proxy("GET", "/r1", {"Freshet-Min-Position": "nonsense"}).status == 400
    assert cluster.b.proxy("GET", "/r1", {"Freshet-Min-Position": f"00000000-{number}"}).status == 504
    assert cluster.b.proxy("GET", "/r1", {"Freshet-Min-Position": f"{history}-{int(number) + 5}"}).status == 504


def test_the_proxy_does_not_listen_to_it_unless_told_to(cluster, clean):
    assert cluster.a.proxy("GET", "/nothing", {"Freshet-Min-Position": "nonsense"}).status == 404


def test_position_and_commit(cluster, clean):
    answer = put(cluster.a, "ann", "?wait=cluster")
    position = position_of(answer)
    known = cluster.b.admin("GET", "/cluster/position").json
    assert known["head"] == known["applied_everywhere"] == known["applied_here"] == position
    assert known["position"] == answer.headers["Freshet-Position"] and known["history"].startswith(known["position"][:8]) and known["nodes"] == 2
    for form in (position, answer.headers["Freshet-Position"]):
        commit = cluster.b.admin("GET", f"/cluster/positions/{form}").json
        assert commit["changes"] == [{"kind": "row", "entity": "consumers", "id": answer.json["id"]}]
        assert (commit["position"], commit["by"]["name"], commit["nodes"], commit["applied_by"]) == (position, "a", 2, 2)
        assert abs(commit["at"] - time.time()) < 60
    for unknown in (position + 1, "0", "-1", "x", f"00000000-{position}", "9" * 30):
        assert_answer(cluster.a.admin("GET", f"/cluster/positions/{unknown}"), 404, NOT_FOUND)


def test_events_page_by_page(cluster, clean):
    positions = [position_of(put(cluster.a, f"c{i}")) for i in range(7)]
    seen, path = [], "/cluster/events?size=3"
    while len(seen) < 7:
        page = cluster.b.admin("GET", path).json
        assert len(page["data"]) == 3
        seen += page["data"]
        path = page["next"] + "&size=3"
    assert [row["position"] for row in seen[:7]] == positions[::-1]
    everything, path = [], "/cluster/events?size=1000"
    while path:
        page = cluster.b.admin("GET", path).json
        everything += [row["position"] for row in page["data"]]
        path = page["next"] and page["next"] + "&size=1000"
    assert everything == list(range(everything[0], everything[-1] - 1, -1))  # no position is left out or shown twice
    for bad in ("size=0", "size=1001", "size=x", "offset=0", "offset=x"):
        assert cluster.a.admin("GET", f"/cluster/events?{bad}").status == 400, bad


def test_a_large_commit_shows_its_first_changes(cluster, clean):
    consumer = put(cluster.a, "ann").json
    for i in range(120):
        assert cluster.a.admin("POST", "/consumers/ann/acls", json={"group": f"g{i}"}).status == 201
    gone = cluster.a.admin("DELETE", "/consumers/ann")
    commit = cluster.a.admin("GET", f"/cluster/positions/{position_of(gone)}").json
    assert commit["change_count"] == 121 and len(commit["changes"]) == 100
    assert consumer["id"] in [change["id"] for change in commit["changes"]] or commit["change_count"] > 100


def test_nodes(cluster, clean):
    put(cluster.a, "ann", "?wait=cluster")
    rows = nodes_by_name(cluster.b)
    assert sorted(rows) == ["a", "b"]
    for name, row in rows.items():
        assert row["state"] == "live" and row["history"] == "this" and row["lag"] == {"events": 0, "seconds": 0}, row
        assert row["id"] == getattr(cluster, name).admin("GET", "/").json["node_id"]
        assert row["silent_seconds"] < row["lease_seconds"]
    eventually(lambda: all((row["mode"], row["channel"]) == ("redis", "up") for row in nodes_by_name(cluster.a).values()), 20)


# ---- purging everywhere ----

def test_every_node_forgets(cluster, clean):
    cluster.service()
    cluster.route()
    cluster.plugin("key-auth")
    cluster.consumer()
    cluster.key("k1")
    cluster.settle()
    for node in cluster.nodes:
        assert node.proxy("GET", "/r", {"apikey": "k1"}).status == 200
        assert node.admin("GET", "/cache").json["data"]
    answer = cluster.a.admin("DELETE", "/cache?scope=cluster&wait=cluster")
    assert (answer.status, answer.body) == (204, b"")
    for node in cluster.nodes:
        assert node.admin("GET", "/cache").json["data"] == []
        assert node.proxy("GET", "/r", {"apikey": "k1"}).status == 200
    commit = cluster.b.admin("GET", f"/cluster/positions/{position_of(answer)}").json
    assert commit["changes"] == [{"kind": "everything", "entity": None, "id": None}]
    assert cluster.a.admin("DELETE", "/cache?scope=all").status == 400


def test_rows_written_by_hand_are_seen_after_a_purge_everywhere(own_cluster):
    cluster = own_cluster()
    cluster.service()
    cluster.route()
    cluster.settle()
    cluster.sql("ALTER TABLE routes DISABLE TRIGGER ALL; UPDATE routes SET paths = '{/other}'")
    assert cluster.b.proxy("GET", "/r").status == 200
    assert cluster.a.admin("DELETE", "/cache?scope=cluster&wait=cluster").status == 204
    for node in cluster.nodes:
        assert (node.proxy("GET", "/r").status, node.proxy("GET", "/other").status) == (404, 200)


# ---- the commands ----

def test_status_as_a_table(cluster, clean):
    position = position_of(put(cluster.a, "ann", "?wait=cluster"))
    run = cluster.a.command("cluster", "status")
    lines = run.stdout.splitlines()
    assert run.returncode == 0 and f"newest position {position}, 2 nodes, all have applied {position}" in lines[0]
    assert lines[2].split() == ["NAME", "STATE", "POSITION", "BEHIND", "FOR", "MODE", "LINE", "SILENT", "VERSION"]
    assert [line.split()[:5] for line in lines[3:]] == [[name, "live", str(position), "0", "0.0s"] for name in ("a", "b")]
    whole = json.loads(cluster.a.command("cluster", "status", "--json").stdout)
    assert whole["head"] == position and [member["name"] for member in whole["members"]] == ["a", "b"]


def test_watching(cluster):
    command = subprocess.Popen([cluster.a.program, "cluster", "status", "--watch", "-c", cluster.a.conf], stdout=subprocess.PIPE,
                               text=True, env=cluster.a.environment())
    seen = 0
    for line in command.stdout:
        seen += line.startswith("history ")
        if seen == 3:
            break
    command.kill()
    command.wait()
    assert seen == 3


def test_what_the_commands_refuse(cluster):
    for words in (["cluster"], ["cluster", "x"], ["cluster", "status", "x"], ["db"], ["db", "x"], ["db", "touch", "nothing"],
                  ["db", "touch", "routes", "no-id"], ["db", "touch", "a", "b", "c"], ["db", "fork", "x"], ["db", "fork"]):
        run = cluster.a.command(*words)
        assert run.returncode == 1 and run.stderr.startswith("Error: "), words


def test_touch(own_cluster):
    cluster = own_cluster()
    cluster.service()
    route = cluster.route()
    cluster.plugin("key-auth")
    consumer = cluster.consumer()
    credential = cluster.key("old")
    cluster.settle()
    for node in cluster.nodes:
        assert node.proxy("GET", "/r", {"apikey": "old"}).status == 200
        for _ in range(3):  # an absence is remembered from the second time on
            assert node.proxy("GET", "/r", {"apikey": "new"}).status == 401
    cluster.sql(f"ALTER TABLE keyauth_credentials DISABLE TRIGGER ALL; ALTER TABLE routes DISABLE TRIGGER ALL; "
                f"UPDATE keyauth_credentials SET key = 'new' WHERE id = '{credential['id']}'; UPDATE routes SET paths = '{{/other}}'")
    assert cluster.b.proxy("GET", "/r", {"apikey": "old"}).status == 200
    for words in (("keyauth_credentials", credential["id"]), ("routes", route["id"])):
        run = cluster.a.command("db", "touch", *words)
        assert run.returncode == 0, run.stderr
    position = int(run.stdout.split()[-1])
    for node in cluster.nodes:
        eventually(lambda node=node: node.applied() >= position)
        assert [node.proxy("GET", path, {"apikey": key}).status for path, key in (("/r", "old"), ("/other", "old"), ("/other", "new"))] == [404, 401, 200]
    cluster.sql("UPDATE routes SET paths = '{/third}'")
    assert cluster.a.command("db", "touch").returncode == 0
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/third", {"apikey": "new"}).status == 200)
    assert consumer["id"]


def test_fork(own_cluster):
    cluster = own_cluster()
    before = put(cluster.a, "ann", "?wait=cluster").headers["Freshet-Position"]
    run = cluster.a.command("db", "fork", "--yes")
    assert run.returncode == 0, run.stderr
    history = run.stdout.split()[-1]
    for node in cluster.nodes:
        eventually(lambda node=node: node.admin("GET", "/cluster/position").json["position"].startswith(history[:8]), 15)
        assert node.admin("GET", "/status", headers={"Freshet-Min-Position": before}).status == 504
    eventually(lambda: sorted(name for name, row in nodes_by_name(cluster.a).items() if row["state"] == "live") == ["a", "b"], 15)
    assert put(cluster.b, "bob", "?wait=cluster").status == 200


# ---- without a database ----

def test_no_database(own_cluster):
    cluster = own_cluster(settings={"pg_timeout": 1000})
    put(cluster.a, "ann")
    cluster.postgres.stop("immediate")
    for path in ("/cluster/position", "/cluster/nodes", "/cluster/events", "/cluster/positions/1"):
        assert cluster.a.admin("GET", path).status == 500, path
    assert cluster.a.admin("DELETE", "/cache?scope=cluster").status == 500
