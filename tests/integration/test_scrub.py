"""The scrubber finds what no event has told (consistency reference, 6.7; failure matrix 39)."""

import re
import time

from support import eventually

OFTEN = {"cluster_scrub_interval": 0.2, "log_level": "info"}


def figure(node, name):
    text = node.status("GET", "/metrics").text
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M))


def filled(own_cluster, **more):
    cluster = own_cluster(settings={**OFTEN, **more})
    cluster.service()
    cluster.route()
    cluster.plugin("key-auth")
    cluster.consumer()
    cluster.key("k1")
    cluster.a.admin("POST", "/upstreams", json={"name": "up"})
    cluster.a.admin("POST", "/upstreams/up/targets", json={"target": "127.0.0.1:1"})
    cluster.settle()
    for node in cluster.nodes:
        assert node.proxy("GET", "/r", {"apikey": "k1"}).status == 200
        for _ in range(3):
            assert node.proxy("GET", "/r", {"apikey": "absent"}).status == 401
    return cluster


def by_hand(cluster, table, change):
    cluster.sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL; {change}")


def test_a_node_that_is_right_is_left_alone(own_cluster):
    cluster = filled(own_cluster)
    for i in range(30):  # while things change
        cluster.a.admin("PUT", f"/services/s{i}", json={"url": cluster.upstream.url})
        cluster.b.admin("PATCH", "/routes/r", json={"paths": ["/r", f"/r{i}"]})
        time.sleep(0.05)
    for node in cluster.nodes:
        eventually(lambda node=node: figure(node, "freshet_scrubbed_rows_total") > 30 and figure(node, "freshet_scrubbed_entries_total") > 30, 15)
        assert figure(node, "freshet_scrub_mismatch_total") == 0 and "scrub:" not in node.log()
        assert figure(node, "freshet_bus_resyncs_total") <= 1


def test_a_row_changed_by_hand(own_cluster):
    cluster = filled(own_cluster)
    by_hand(cluster, "routes", "UPDATE routes SET paths = '{/by-hand}'")
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/by-hand", {"apikey": "k1"}).status == 200, 12)
        assert node.proxy("GET", "/r").status == 404
        assert figure(node, "freshet_scrub_mismatch_total") >= 1
        assert "entity=routes" in node.log() and "another version here" in node.log()


def test_a_row_made_by_hand_and_one_taken_away(own_cluster):
    cluster = filled(own_cluster)
    by_hand(cluster, "routes", "INSERT INTO routes SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), 'name', 'copy', 'paths', "
                               "'{/copy}'))).* FROM routes r")
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/copy", {"apikey": "k1"}).status == 200, 12)
    cluster.sql("DELETE FROM routes WHERE name = 'copy'")
    for node in cluster.nodes:
        eventually(lambda node=node: node.proxy("GET", "/copy", {"apikey": "k1"}).status == 404, 12)
        assert "another number of rows" in node.log()


def test_entries_of_the_cache(own_cluster):
    cluster = filled(own_cluster)
    by_hand(cluster, "keyauth_credentials", "UPDATE keyauth_credentials SET key = 'absent'")
    for node in cluster.nodes:
        eventually(lambda node=node: [node.proxy("GET", "/r", {"apikey": key}).status for key in ("k1", "absent")] == [401, 200], 15)
        assert "entity=keyauth_credentials lookup=key" in node.log()
        assert "k1" not in node.log() and "absent" not in node.log(), "a secret in the log"
        assert figure(node, "freshet_bus_resyncs_total") <= 1  # an entry is dropped, nothing is loaded anew


def test_it_can_be_turned_off(own_cluster):
    cluster = filled(own_cluster, cluster_scrub_interval=0)
    by_hand(cluster, "routes", "UPDATE routes SET paths = '{/by-hand}'")
    time.sleep(3)
    assert cluster.a.proxy("GET", "/by-hand", {"apikey": "k1"}).status == 404
    assert figure(cluster.a, "freshet_scrubbed_rows_total") == 0
