"""prometheus (plugin reference, 17), GET /metrics, and what a node counts about itself (consistency reference, 8 and 11)."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import exposition  # noqa: E402
from support import ask, default_entities, eventually, free_ports  # noqa: E402

ALL = dict.fromkeys(("per_consumer", "status_code_metrics", "latency_metrics", "bandwidth_metrics", "upstream_health_metrics"), True)
OWN_LIMITS = ["1", "2", "5", "7", "10", "15", "20", "30", "50", "75", "100", "200", "500", "750", "1000", "+Inf"]
LIMITS = ["25", "50", "80", "100", "250", "400", "700", "1000", "2000", "5000", "10000", "30000", "60000", "+Inf"]
STATES = ("healthchecks_off", "healthy", "unhealthy", "dns_error")

# What the dashboards made for Kong 3.5 ask for (their official one, 7424), but for the memory of Lua VMs.
DASHBOARD_OF_KONG = {"kong_http_requests_total", "kong_kong_latency_ms", "kong_request_latency_ms", "kong_upstream_latency_ms",
                     "kong_bandwidth_bytes", "kong_memory_lua_shared_dict_bytes", "kong_memory_lua_shared_dict_total_bytes",
                     "kong_upstream_target_health", "kong_nginx_connections_total", "kong_nginx_requests_total", "kong_nginx_timers",
                     "kong_datastore_reachable", "kong_node_info", "kong_nginx_metric_errors_total"}

# Of the node, always there: name, labels of one of its series.
OF_THE_NODE = [
    ("freshet_log_applied_position", {}), ("freshet_log_head_position", {}), ("freshet_config_position", {}),
    ("freshet_behind_positions", {}), ("freshet_behind_seconds", {}), ("freshet_staleness_seconds", {}),
    ("freshet_last_poll_seconds", {}), ("freshet_poll_seconds_total", {}), ("freshet_polls_total", {}), ("freshet_idle_polls_total", {}),
    *[("freshet_poll_failures_total", {"reason": reason}) for reason in ("connect", "deadline", "other")],
    ("freshet_polls_failing", {}), ("freshet_events_applied_total", {}), ("freshet_batches_applied_total", {}),
    *[("freshet_resync_total", {"reason": reason}) for reason in ("start", "history", "lag", "gap")],
    ("freshet_pg_reconnects_total", {}), ("freshet_bells_rung_total", {}), ("freshet_hint_rate_limited_total", {}),
    ("freshet_log_trimmed_rows_total", {}), ("freshet_heartbeats_total", {}), ("freshet_cluster_nodes", {"state": "live"}),
    ("freshet_cluster_min_applied_position", {}), ("freshet_hint_wanted", {}), ("freshet_hint_up", {}), ("freshet_hint_beacon_age_seconds", {}),
    ("freshet_hint_lag_seconds", {}), ("freshet_hint_reconnects_total", {}), ("freshet_hint_errors_total", {}), ("freshet_hint_sent_total", {}),
    ("freshet_hint_received_total", {}), ("freshet_hint_missed_total", {}), ("freshet_hint_reannounced_total", {}),
    *[("freshet_hint_dropped_total", {"reason": reason}) for reason in ("old", "mac", "size", "history", "version", "implausible", "tag", "queue")],
    ("freshet_cache_entries", {"kind": "value"}), ("freshet_cache_entries", {"kind": "negative"}), ("freshet_cache_bytes", {}),
    ("freshet_cache_hits_total", {}), ("freshet_cache_negative_hits_total", {}), ("freshet_cache_misses_total", {}),
    ("freshet_cache_evictions_total", {}), ("freshet_fill_flights", {}), ("freshet_fill_queue", {}), ("freshet_fill_statements_total", {}),
    *[("freshet_fill_total", {"source": source}) for source in ("primary", "replica")], ("freshet_fill_failures_total", {}),
    *[("freshet_fill_refused_total", {"reason": reason}) for reason in ("fence", "gate", "tag")],
    *[("freshet_replica_fallbacks_total", {"reason": reason}) for reason in ("failed", "paused")],
    ("freshet_fill_renewals_total", {}), ("freshet_fill_rate_limited_total", {}), ("freshet_stale_served_total", {}),
    ("freshet_router_misses_total", {}), ("freshet_config_row_errors", {}), ("freshet_snapshots_total", {}),
    *[("freshet_config_entities", {"entity": entity}) for entity in ("services", "routes", "plugins", "upstreams", "targets")],
    ("freshet_upstream_connections", {}), ("freshet_upstream_connections_idle", {}), ("freshet_upstream_connects_total", {}),
    ("freshet_upstream_reuses_total", {}), ("freshet_upstream_retries_total", {}), ("freshet_upstream_failures_total", {}),
    ("freshet_health_probes_total", {}), ("freshet_health_probe_failures_total", {}), ("freshet_health_flips_total", {}),
    ("freshet_store_jobs_total", {}), ("freshet_store_jobs_running", {}), ("freshet_store_jobs_waiting", {}), ("freshet_store_jobs_refused_total", {}),
    ("freshet_appends_total", {}),
    *[("freshet_append_errors_total", {"class": of}) for of in ("unavailable", "unknown_outcome", "conflict", "rejected")],
    ("freshet_dns_lookups_total", {}), ("freshet_dns_waits_total", {}),
    *[("freshet_dns_failures_total", {"reason": reason}) for reason in ("not_found", "failed")],
    ("freshet_worker_restarts_total", {}), ("freshet_wakeups_total", {}), ("freshet_log_dropped_total", {}), ("freshet_plugin_failures_total", {}),
    *[("freshet_settings_reloads_total", {"result": result}) for result in ("applied", "refused")],
    ("freshet_http_requests_total", {}), ("freshet_http_requests_running", {}), ("freshet_connections_active", {}), ("freshet_timers", {}),
    ("freshet_series_bytes", {}), ("freshet_admin_requests_total", {}),
]


@pytest.fixture
def clean(cluster):
    yield
    cluster.ensure_running()
    default_entities(cluster)


def scrape(node, text=False):
    answer = node.status("GET", "/metrics")
    assert answer.status == 200 and answer.headers["content-type"] == "text/plain; charset=UTF-8", answer
    families = exposition.parse(answer.text)
    return answer.text if text else families


def requests_of(node, **labels):
    """Requests counted on this node; 0 also where the family is not there yet."""
    family = scrape(node).get("kong_http_requests_total")
    return family.total(**labels) if family else 0


def counted(node, count, **labels):
    """An answer may arrive before its request has ended."""
    eventually(lambda: requests_of(node, **labels) >= count, what=f"{count} requests of {labels}")
    assert requests_of(node, **labels) == count


PROMTOOL = shutil.which("promtool")  # Debian's package prometheus has it


# ---- requests ----

def test_requests_by_service_route_code_source_and_consumer(cluster, clean):
    cluster.service("prom-s")
    cluster.route("prom-r", "prom-s")
    cluster.plugin("prometheus", ALL, path="/services/prom-s/plugins")
    cluster.plugin("key-auth", path="/routes/prom-r/plugins")
    cluster.consumer("prom-ann")
    cluster.key("prom-key", "prom-ann")
    cluster.settle()
    for node, times in ((cluster.a, 3), (cluster.b, 2)):
        for _ in range(times):
            assert node.proxy("GET", "/prom-r/status/201", {"apikey": "prom-key"}).status == 201
        assert node.proxy("GET", "/prom-r").status == 401
        assert node.proxy("GET", "/nowhere-at-all").status == 404  # without a service: not counted
        counted(node, times, service="prom-s", route="prom-r", code="201", source="service", consumer="prom-ann")
        counted(node, 1, service="prom-s", route="prom-r", code="401", source="kong", consumer="")
        counted(node, times + 1, service="prom-s")
        assert requests_of(node, code="404") == 0
    assert cluster.a.admin("GET", "/metrics").text.startswith("# HELP ")  # there, too


def test_the_consumer_is_named_only_where_it_is_wanted(cluster, clean):
    cluster.service("prom-s2")
    cluster.route("prom-r2", "prom-s2")
    cluster.plugin("prometheus", ALL | {"per_consumer": False})
    cluster.plugin("key-auth", path="/routes/prom-r2/plugins")
    cluster.consumer("prom-bob")
    cluster.key("prom-bob-key", "prom-bob")
    cluster.settle()
    assert cluster.a.proxy("GET", "/prom-r2", {"apikey": "prom-bob-key"}).status == 200
    counted(cluster.a, 1, service="prom-s2", consumer="")


def test_names_and_what_stands_in_their_place(cluster, clean):
    host = cluster.upstream.url
    service = cluster.a.admin("POST", "/services", json={"url": host}).json
    route = cluster.a.admin("POST", f"/services/{service['id']}/routes", json={"paths": ["/prom-nameless"]}).json
    cluster.plugin("prometheus", ALL)
    cluster.settle()
    assert cluster.a.proxy("GET", "/prom-nameless").status == 200
    counted(cluster.a, 1, service="127.0.0.1", route=route["id"])


def test_names_are_escaped(cluster, clean):
    cluster.service("prom-s3")
    cluster.route("prom-r3", "prom-s3")
    cluster.plugin("prometheus", ALL)
    cluster.plugin("key-auth", path="/routes/prom-r3/plugins")
    name = 'a "quote", a \\ and\na {line}=ü'
    assert cluster.a.admin("POST", "/consumers", json={"username": name}).status == 201
    consumer = cluster.a.admin("GET", "/consumers").json["data"][0]["id"]
    cluster.key("prom-odd", consumer)
    cluster.settle()
    assert cluster.a.proxy("GET", "/prom-r3", {"apikey": "prom-odd"}).status == 200
    counted(cluster.a, 1, service="prom-s3", consumer=name)
    assert 'consumer="a \\"quote\\", a \\\\ and\\na {line}=ü"' in scrape(cluster.a, text=True)


def test_bytes_both_ways(cluster, clean):
    cluster.service("prom-s4")
    cluster.route("prom-r4", "prom-s4")
    cluster.plugin("prometheus", {"bandwidth_metrics": True})
    cluster.settle()
    assert len(cluster.a.proxy("POST", "/prom-r4/bytes/5000", data=b"x" * 3000).body) == 5000
    eventually(lambda: "kong_bandwidth_bytes" in scrape(cluster.a))
    eventually(lambda: scrape(cluster.a)["kong_bandwidth_bytes"].total(service="prom-s4") > 0)
    bandwidth = scrape(cluster.a)["kong_bandwidth_bytes"]
    assert bandwidth.type == "counter"
    assert 3050 < bandwidth.value(service="prom-s4", route="prom-r4", direction="ingress", consumer="") < 3400
    assert 5050 < bandwidth.value(service="prom-s4", route="prom-r4", direction="egress", consumer="") < 5600
    assert requests_of(cluster.a, service="prom-s4") == 0  # nobody asked for codes


def test_latencies_are_histograms(cluster, clean):
    cluster.service("prom-s5")
    cluster.route("prom-r5", "prom-s5")
    cluster.plugin("prometheus", {"latency_metrics": True})
    cluster.plugin("request-termination", {"status_code": 418, "trigger": "end"}, path="/routes/prom-r5/plugins")
    cluster.settle()
    labels = {"service": "prom-s5", "route": "prom-r5"}
    assert cluster.a.proxy("GET", "/prom-r5/delay/0.3/x").status == 200
    assert cluster.a.proxy("GET", "/prom-r5?end=1").status == 418
    families = eventually(lambda: (lambda now: now if "kong_request_latency_ms" in now and now["kong_request_latency_ms"].total(**labels) == 2
                                   else None)(scrape(cluster.a)))
    own, upstream, whole = (families[f"kong_{name}_latency_ms"] for name in ("kong", "upstream", "request"))
    assert list(own.buckets(**labels)) == OWN_LIMITS
    assert list(upstream.buckets(**labels)) == list(whole.buckets(**labels)) == LIMITS
    assert own.total(**labels) == 2 and upstream.total(**labels) == 1  # no upstream, no time of it
    assert upstream.buckets(**labels)["250"] == 0 and upstream.buckets(**labels)["+Inf"] == 1
    assert 300 <= upstream.sum(**labels) < 5000
    assert abs(own.sum(**labels) + upstream.sum(**labels) - whole.sum(**labels)) < 0.01
    assert own.sum(**labels) < 250


def test_the_wait_for_an_upstream_that_says_nothing_is_not_the_gateways(cluster, clean):
    cluster.service("prom-s6", read_timeout=300, retries=0)
    cluster.route("prom-r6", "prom-s6")
    cluster.plugin("prometheus", ALL)
    cluster.settle()
    assert cluster.a.proxy("GET", "/prom-r6/delay/2/x").status == 504
    counted(cluster.a, 1, service="prom-s6", code="504", source="kong")
    families = scrape(cluster.a)
    assert families["kong_kong_latency_ms"].sum(service="prom-s6") < 200
    assert families["kong_upstream_latency_ms"].total(service="prom-s6") == 0
    assert families["kong_request_latency_ms"].sum(service="prom-s6") >= 300


def test_counts_are_exact_under_load_from_all_loops(cluster, clean):
    """Clients on several connections, of which both loops get some, while somebody scrapes."""
    cluster.service("prom-s7")
    for i in range(5):
        cluster.route(f"prom-r7-{i}", "prom-s7")
    cluster.plugin("prometheus", ALL)
    cluster.settle()
    clients, each, ended = 8, 40, threading.Event()

    def load(number):
        for turn in range(each):
            assert cluster.a.proxy("GET", f"/prom-r7-{(number + turn) % 5}/status/{200 + turn % 2}").status == 200 + turn % 2

    def look():
        before = 0
        while not ended.is_set():
            now = requests_of(cluster.a, service="prom-s7")
            assert now >= before
            before = now

    reader = threading.Thread(target=look)
    threads = [threading.Thread(target=load, args=(number,)) for number in range(clients)]
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join()
    ended.set()
    reader.join()
    counted(cluster.a, clients * each, service="prom-s7")
    for i in range(5):
        counted(cluster.a, clients * each / 5, service="prom-s7", route=f"prom-r7-{i}")
    counted(cluster.a, clients * each / 2, service="prom-s7", code="201", source="service")
    families = scrape(cluster.a)
    assert families["kong_request_latency_ms"].total(service="prom-s7") == clients * each
    assert families["kong_nginx_metric_errors_total"].value() == 0


def test_values_survive_changes_and_deletions(cluster, clean):
    cluster.service("prom-s8")
    cluster.route("prom-r8", "prom-s8")
    cluster.plugin("prometheus", ALL)
    cluster.settle()
    cluster.a.proxy("GET", "/prom-r8")
    counted(cluster.a, 1, service="prom-s8")
    assert cluster.a.reload().returncode == 0
    cluster.a.admin("PATCH", "/routes/prom-r8", json={"paths": ["/prom-r8", "/other"]})
    cluster.a.proxy("GET", "/prom-r8")
    counted(cluster.a, 2, service="prom-s8")
    default_entities(cluster)
    counted(cluster.a, 2, service="prom-s8", route="prom-r8")


# ---- health ----

def health(node, **labels):
    family = scrape(node).get("kong_upstream_target_health")
    if family is None:
        return None
    states = {}
    for name, has, value in family.samples:
        if labels.items() <= has.items():
            assert has["subsystem"] == "http"
            states.setdefault((has["target"], has["address"]), {})[has["state"]] = value
    for of, values in states.items():
        assert tuple(values) == STATES and sum(values.values()) == 1, (of, values)
    return {of: next(state for state in STATES if values[state]) for of, values in states.items()}


def test_health_of_upstreams_in_four_states(cluster, clean):
    dead = f"127.0.0.1:{free_ports(1)[0]}"
    alive = cluster.upstream.url.removeprefix("http://")
    probes = {"active": {"type": "tcp", "healthy": {"interval": 0.1, "successes": 1}, "unhealthy": {"interval": 0.1, "tcp_failures": 1}}}
    node = cluster.a
    for name, more in (("prom-off", {}), ("prom-on", {"healthchecks": probes})):
        assert node.admin("POST", "/upstreams", json={"name": name} | more).status == 201
        for target in (alive, dead):
            assert node.admin("POST", f"/upstreams/{name}/targets", json={"target": target}).status == 201
    node.admin("POST", "/upstreams/prom-on/targets", json={"target": "no-such-name.invalid:80"})
    plugin = cluster.plugin("prometheus", {"status_code_metrics": True})
    cluster.settle()
    assert health(node) is None  # nobody asks for it
    cluster.configure(plugin, {"upstream_health_metrics": True})
    cluster.settle()
    for one in cluster.nodes:
        eventually(lambda one=one: health(one, upstream="prom-on").get((dead, dead)) == "unhealthy", 20, what="a dead peer being seen")
        assert health(one, upstream="prom-off") == {(alive, alive): "healthchecks_off", (dead, dead): "healthchecks_off"}
        eventually(lambda one=one: health(one, upstream="prom-on") == {
            (alive, alive): "healthy", (dead, dead): "unhealthy", ("no-such-name.invalid:80", ""): "dns_error"}, 20, what="four states")
    assert node.admin("PATCH", f"/plugins/{plugin['id']}", json={"enabled": False}).status == 200
    eventually(lambda: health(node) is None, what="health not being shown for an instance that is off")


# ---- the node ----

def test_every_figure_of_the_node_is_there(cluster, clean):
    cluster.service("prom-s9")
    cluster.settle()
    families = scrape(cluster.b)
    for name, labels in OF_THE_NODE:
        assert name in families, name
        families[name].value(**labels)
    node_id = cluster.b.admin("GET", "/").json["node_id"]
    assert families["kong_node_info"].value(node_id=node_id, version="3.5.0") == 1
    assert families["kong_datastore_reachable"].value() == 1
    for state in ("accepted", "handled", "total", "active", "reading", "writing", "waiting"):
        families["kong_nginx_connections_total"].value(node_id=node_id, subsystem="http", state=state)
    assert families["kong_nginx_requests_total"].value(node_id=node_id, subsystem="http") > 0
    assert [has["state"] for _, has, _ in families["kong_nginx_timers"].samples] == ["running", "pending"]
    assert families["freshet_cluster_nodes"].value(state="live") == 2
    assert families["freshet_log_applied_position"].value() == families["freshet_config_position"].value()
    for name in ("kong_memory_lua_shared_dict_bytes", "kong_memory_lua_shared_dict_total_bytes"):
        for pool in ("kong", "kong_db_cache", "prometheus_metrics"):
            families[name].value(node_id=node_id, shared_dict=pool, kong_subsystem="http")


def test_every_name_a_dashboard_for_kong_asks_for(cluster, clean):
    cluster.service("prom-s10")
    cluster.route("prom-r10", "prom-s10")
    cluster.plugin("prometheus", ALL)
    cluster.a.admin("POST", "/upstreams", json={"name": "prom-u10"})
    cluster.a.admin("POST", "/upstreams/prom-u10/targets", json={"target": "127.0.0.1:1"})
    cluster.settle()
    cluster.a.proxy("GET", "/prom-r10")
    counted(cluster.a, 1, service="prom-s10")
    families = scrape(cluster.a)
    assert DASHBOARD_OF_KONG <= families.keys()
    assert {name for name in families if name.startswith("kong_")} == DASHBOARD_OF_KONG


def applied(node, path):
    return scrape(node)["freshet_apply_seconds"].total(path=path)


def test_commits_by_the_path_they_came(cluster, clean):
    eventually(lambda: scrape(cluster.b)["freshet_hint_up"].value() == 1, what="a channel")
    before_a, before_b = applied(cluster.a, "wake"), applied(cluster.b, "hint")
    for i in range(5):
        cluster.service(f"prom-hint-{i}")
    cluster.settle()
    assert applied(cluster.a, "wake") == before_a + 5
    eventually(lambda: applied(cluster.b, "hint") + applied(cluster.b, "poll") >= before_b + 5)
    delays = scrape(cluster.b)["freshet_apply_seconds"]
    assert delays.sum(path="hint") < 5 * delays.total(path="hint")


def test_commits_that_nobody_tells_of(own_cluster):
    cluster = own_cluster(redis=False, settings={"db_update_frequency": 0.2})
    families = scrape(cluster.b)
    assert families["freshet_hint_wanted"].value() == families["freshet_hint_up"].value() == 0
    assert "freshet_hint_beacon_age_seconds" not in families
    before = applied(cluster.b, "poll")
    for i in range(3):
        cluster.service(f"s{i}")
    cluster.settle()
    assert applied(cluster.b, "poll") == before + 3 and applied(cluster.b, "hint") == 0
    assert applied(cluster.a, "wake") == 3
    eventually(lambda: scrape(cluster.a)["freshet_cluster_min_applied_position"].value() == cluster.a.applied(), 20,
               what="heartbeats telling of the newest position")


def test_a_node_says_how_far_behind_it_is(own_cluster):
    """PostgreSQL stops: the database is not reachable, polls fail, staleness grows; and all of it ends when it is back."""
    cluster = own_cluster(settings={"db_update_frequency": 0.2})
    cluster.service()
    cluster.settle()
    eventually(lambda: scrape(cluster.b)["freshet_behind_positions"].value() == 0)
    cluster.postgres.stop("immediate")
    families = eventually(lambda: (lambda now: now if now["kong_datastore_reachable"].value() == 0 else None)(scrape(cluster.b)), 20)
    assert families["freshet_polls_failing"].value() > 0
    eventually(lambda: scrape(cluster.b)["freshet_staleness_seconds"].value() > 1, 20)
    failures = scrape(cluster.b)["freshet_poll_failures_total"]
    assert failures.total() > 0 and failures.value(reason="connect") > 0
    cluster.postgres.run()
    eventually(lambda: scrape(cluster.b)["kong_datastore_reachable"].value() == 1, 30, what="the database being found again")
    assert scrape(cluster.b)["freshet_staleness_seconds"].value() < 5


def test_metrics_of_a_node_without_the_plugin(own_cluster):
    cluster = own_cluster(redis=False, settings={"plugins": "key-auth"}, names=("a",))
    assert cluster.a.status("GET", "/metrics").status == 404
    assert cluster.a.admin("GET", "/metrics").status == 404


# ---- the answer ----

def test_methods_and_clients_that_leave(cluster, clean):
    assert ask(cluster.a.status_port, "HEAD", "/metrics").body == b""
    assert cluster.a.status("POST", "/metrics").status == 405
    for _ in range(20):  # in the middle of it
        with socket.create_connection(("127.0.0.1", cluster.a.status_port)) as link:
            link.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    with socket.create_connection(("127.0.0.1", cluster.a.status_port)) as link:  # HTTP/1.0: until the connection's end
        link.sendall(b"GET /metrics HTTP/1.0\r\nHost: a\r\n\r\n")
        got = b"".join(iter(lambda: link.recv(65536), b""))
    exposition.parse(got.split(b"\r\n\r\n", 1)[1].decode())
    scrape(cluster.a)


def test_many_routes(cluster, clean):
    """A long answer is whole, and while it is made the Admin API answers others."""
    cluster.plugin("prometheus", ALL)
    cluster.service("prom-many")
    rows = [{"paths": [f"/prom-many/{i}/"], "name": f"prom-many-{i}"} for i in range(300)]
    for row in rows:
        assert cluster.a.admin("POST", "/services/prom-many/routes", json=row).status == 201
    for i in range(300):
        cluster.a.proxy("GET", f"/prom-many/{i}/")
    counted(cluster.a, 300, service="prom-many")
    families = scrape(cluster.a)
    for name in ("kong_kong_latency_ms", "kong_upstream_latency_ms", "kong_request_latency_ms"):
        assert families[name].total(service="prom-many") == 300
    with socket.create_connection(("127.0.0.1", cluster.a.status_port)) as slow:  # asks and does not read
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        assert cluster.a.admin("GET", "/status").status == 200
        scrape(cluster.a)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_reads_it(cluster, clean):
    cluster.service("prom-s11")
    cluster.route("prom-r11", "prom-s11")
    cluster.plugin("prometheus", ALL)
    cluster.settle()
    cluster.a.proxy("GET", "/prom-r11")
    counted(cluster.a, 1, service="prom-s11")
    run = subprocess.run([PROMTOOL, "check", "metrics"], input=scrape(cluster.a, text=True), capture_output=True, text=True, check=False)
    assert run.returncode in (0, 3), run.stderr  # 3: it does not like names
    disliked = {line.split()[0] for line in (run.stdout + run.stderr).splitlines()}
    assert all(name.startswith("kong_") for name in disliked), disliked  # and those are as Kong has them
