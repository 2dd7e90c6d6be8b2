"""proxy-cache (plugin reference, 16)."""

import concurrent.futures
import email.utils
import http.client
import re
import socket
import threading
import time

import pytest

from raw_upstream import RawUpstream
from support import ask_lines, eventually, got, raw

pytestmark = pytest.mark.usefixtures("clean")

JSON = {"strategy": "memory"}


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.service()
    for name in ("r", "q"):
        cluster.route(name)
    return cluster


def cache(cluster, path="/routes/r/plugins", **config):
    return cluster.plugin("proxy-cache", JSON | config, path=path)


def get(cluster, path="/r", answer=(), method="GET", data=None, node=None, body=None, **headers):
    """`answer`: lines of the upstream's answer, NAME=VALUE."""
    lines = [("X-Answer", line) for line in ([answer] if isinstance(answer, str) else answer)]
    lines += [("X-Answer-Body", body)] if body is not None else []
    return ask_lines((node or cluster.a).proxy_port, method, path, lines + [(name.replace("_", "-"), value) for name, value in headers.items()], data)


def state(answer):
    return answer.headers.get("X-Cache-Status")


def states(cluster, count, **more):
    return [state(get(cluster, **more)) for _ in range(count)]


# ---- hit and miss ----

def test_the_second_is_a_hit(routed):
    cache(routed)
    before = routed.upstream.requests
    first = get(routed, answer=["X-One=1", "Set-Cookie=a=1", "Set-Cookie=b=2"])
    again = get(routed)
    assert (state(first), state(again)) == ("Miss", "Hit") and routed.upstream.requests == before + 1
    assert again.status == 200 and again.body == first.body and again.headers["content-type"] == "application/json"
    assert again.headers["x-one"] == "1" and again.all("set-cookie") == ["a=1", "b=2"]
    assert re.fullmatch("[0-9a-f]{64}", first.headers["x-cache-key"]) and again.headers["x-cache-key"] == first.headers["x-cache-key"]
    assert "age" not in first.headers and again.headers["age"] == "0"
    eventually(lambda: get(routed).headers["age"] == "1", 5, what="an answer that ages")
    assert get(routed).headers["date"] == first.headers["date"]


def test_a_hit_counts_as_proxied(routed):
    cache(routed)
    first, again = get(routed), get(routed)
    for answer in (first, again):
        assert {"via", "x-kong-upstream-latency", "x-kong-proxy-latency"} <= set(answer.headers) and "x-kong-response-latency" not in answer.headers
        assert answer.headers["server"].startswith("BaseHTTP")
    assert again.headers["x-kong-upstream-latency"] == "0"
    assert first.headers["x-kong-request-id"] != again.headers["x-kong-request-id"]


def test_what_is_not_given_again(routed):
    cache(routed)
    lines = ["Connection=X-Hop", "X-Hop=1", "Keep-Alive=timeout=5", "X-RateLimit-Remaining-Minute=5", "RateLimit-Remaining=5", "RateLimit-Limit=6", "Age=77", "X-Cache-Status=Mine",
             "Proxy-Authenticate=Basic", "X-Kept=yes"]
    get(routed, answer=lines)
    again = get(routed)
    assert state(again) == "Hit" and again.headers["age"] == "0" and again.headers["x-kept"] == "yes" and again.headers["ratelimit-limit"] == "6"
    assert not {"x-hop", "keep-alive", "x-ratelimit-remaining-minute", "ratelimit-remaining", "proxy-authenticate"} & set(again.headers)
    assert again.all("content-length") == [str(len(again.body))]


def test_the_diagnostic_headers_can_be_hidden(routed):
    cache(routed, response_headers={"age": False, "X-Cache-Status": False, "X-Cache-Key": False})
    names = {"age", "x-cache-status", "x-cache-key"}
    assert not names & set(get(routed).headers) and not names & set(get(routed).headers)
    assert names <= set(get(routed, Kong_Debug="1").headers)


def test_head_and_get_are_separate(routed):
    cache(routed)
    assert [state(get(routed, method=method)) for method in ("GET", "HEAD", "GET", "HEAD")] == ["Miss", "Miss", "Hit", "Hit"]
    first = get(routed, "/r/2?x", method="HEAD")
    again = get(routed, "/r/2?x", method="HEAD")
    assert state(again) == "Hit" and again.body == b"" and again.headers["content-length"] == first.headers["content-length"] != "0"


@pytest.mark.parametrize("path, status", [("/r/status/404/x", 404), ("/r/status/301/x", 301)])
def test_statuses_that_are_stored(routed, path, status):
    cache(routed)
    assert [(one.status, state(one)) for one in (get(routed, path), get(routed, path))] == [(status, "Miss"), (status, "Hit")]


@pytest.mark.parametrize("path", ["/r/status/500/x", "/r/status/302/x", "/r/status/204/x", "/r/status/206/x"])
def test_statuses_that_are_not(routed, path):
    cache(routed)
    assert states(routed, 2, path=path) == ["Bypass", "Bypass"]


def test_listed_statuses(routed):
    cache(routed, response_code=[500, 302])
    assert states(routed, 2, path="/r/status/500/x") == ["Miss", "Hit"]
    assert states(routed, 2) == ["Bypass", "Bypass"]


@pytest.mark.parametrize("config, type_, stored", [
    (None, "application/json", True), (None, "text/plain", True), (None, "application/json; charset=utf-8", False), (None, "text/html", False), (["text/*"], "text/html", True),
    (["*/*"], "image/png", True), (["application/json; charset=utf-8"], "application/json; charset=UTF-8", True), (["application/json; charset=utf-8"], "application/json", False)])
def test_types(routed, config, type_, stored):
    cache(routed, **({"content_type": config} if config else {}))
    assert states(routed, 2, answer=f"Content-Type={type_}") == (["Miss", "Hit"] if stored else ["Bypass", "Bypass"])


def test_two_types_are_none(routed):
    cache(routed)
    assert states(routed, 2, answer=["Content-Type=text/plain", "Content-Type=text/plain"]) == ["Bypass", "Bypass"]


@pytest.mark.parametrize("config, method, wanted", [(None, "POST", ["Bypass", "Bypass"]), (None, "DELETE", ["Bypass", "Bypass"]), (["POST"], "POST", ["Miss", "Hit"]), (["POST"], "GET", ["Bypass", "Bypass"])])
def test_methods(routed, config, method, wanted):
    cache(routed, **({"request_method": config} if config else {}))
    got_states = [get(routed, method=method, data=data) for data in (b"one", b"two")]  # the body is not part of the key
    assert [state(one) for one in got_states] == wanted
    assert ("x-cache-key" in got_states[0].headers) == (wanted[0] != "Bypass")


# ---- the key ----

def key(cluster, path, **more):
    return get(cluster, path, **more).headers["x-cache-key"]


@pytest.mark.parametrize("config, same, different", [
    ({}, ["/r/a?b=1&c=2", "/r/a?c=2&b=1", "/r/a?c=2&&b=%31"], ["/r/a?b=1", "/r/a?b=1&c=3", "/r/a?b=1&c=2&d", "/r/A?b=1&c=2", "/r/a", "/r/a/?b=1&c=2"]),
    ({}, ["/r?a=1&a=2&b", "/r?b&a=2&a=1"], ["/r?a=1&b", "/r?a=1&a=2&b=", "/r?a=1,2&b", "/r?a=1%26a=2&b", "/r?a=1&a=2&b=b"]),
    ({"vary_query_params": ["b"]}, ["/r?a=1&b=2", "/r?b=2", "/r?b=2&x=y"], ["/r?a=1&B=2", "/r?b=3", "/r?b=2&b=2"]),
    ({"vary_query_params": []}, ["/r?a=1&b=2", "/r?b=2&a=1"], ["/r?a=1"]),
    ({"ignore_uri_case": True}, ["/r/AbC?x=Y", "/r/abc?x=Y"], ["/r/abc?x=y", "/r/abd?x=Y"])])
def test_path_and_arguments(routed, config, same, different):
    cache(routed, **config)
    keys = {key(routed, path) for path in same}
    assert len(keys) == 1
    others = {key(routed, path) for path in different}
    assert len(others) == len(different) and not keys & others


def test_chosen_headers(routed):
    cache(routed, vary_headers=["X-B", "x-a", "Host"])
    keys = {tuple(sorted(lines.items())): key(routed, "/r", **lines) for lines in
            ({}, {"X_A": "1"}, {"X_B": "1"}, {"X_A": "1", "X_B": "1"}, {"X_A": "1", "X_B": ""}, {"Host": "other.test"}, {"X_A": "X-B"})}
    assert len(set(keys.values())) == len(keys)
    assert key(routed, "/r", x_a="1", X_Other="z") == keys[(("X_A", "1"),)]
    one = ask_lines(routed.a.proxy_port, "GET", "/r", [("X-A", "1"), ("X-A", "2")]).headers["x-cache-key"]
    other = ask_lines(routed.a.proxy_port, "GET", "/r", [("X-A", "12")]).headers["x-cache-key"]
    assert one != other and one not in keys.values()


def test_vary_of_the_upstream_is_not_looked_at(routed):
    cache(routed)
    assert state(get(routed, answer="Vary=Accept", Accept="text/plain")) == "Miss"
    assert state(get(routed, Accept="text/html")) == "Hit"


def test_a_host_that_the_upstream_sees_counts(routed):
    routed.route("p", paths=["/p"], preserve_host=True)
    cache(routed, path="/services/s/plugins")
    assert [state(get(routed, "/r", Host=host)) for host in ("a.test", "b.test")] == ["Miss", "Hit"]
    assert [state(get(routed, "/p", Host=host)) for host in ("a.test", "b.test", "a.test")] == ["Miss", "Miss", "Hit"]


def test_routes_and_consumers_are_separate(routed):
    for name in "ab":
        routed.consumer(name)
        routed.key(f"k{name}", name)
    routed.plugin("key-auth", {"anonymous": "a"}, path="/routes/q/plugins")
    cache(routed, path="/services/s/plugins")
    assert state(get(routed, "/r")) == "Miss"
    assert [state(get(routed, "/q", apikey=name)) for name in ("ka", "kb", "ka", "kb")] == ["Miss", "Miss", "Hit", "Hit"]
    assert got(get(routed, "/q", apikey="kb"), "X-Consumer-Username") == ["b"]


# ---- time ----

def test_ttl(routed):
    cache(routed, cache_ttl=1)
    assert states(routed, 2) == ["Miss", "Hit"]
    time.sleep(1.1)
    assert states(routed, 2) == ["Miss", "Hit"]


def test_storage_outlives_freshness(routed):
    cache(routed, cache_ttl=1, storage_ttl=60)
    assert states(routed, 2) == ["Miss", "Hit"]
    time.sleep(2.1)
    before = get(routed, path="/r/x")
    assert state(before) == "Miss"
    assert states(routed, 2) == ["Refresh", "Hit"]
    time.sleep(2.1)
    assert state(get(routed, answer="Content-Type=text/html")) == "Bypass"  # and what was stored stays
    assert states(routed, 1) == ["Refresh"]


def test_storage_ends_before_freshness(routed):
    cache(routed, cache_ttl=60, storage_ttl=1)
    assert states(routed, 2) == ["Miss", "Hit"]
    time.sleep(1.1)
    assert states(routed, 1) == ["Miss"]


# ---- Cache-Control ----

@pytest.mark.parametrize("line", ["no-store", "no-cache", "max-age=0, No-Store", "x, no-cache=\"y\""])
def test_requests_that_want_nothing_of_it(routed, line):
    plugin = cache(routed, cache_control=True)
    assert states(routed, 2, answer="Cache-Control=max-age=60", Cache_Control=line) == ["Bypass", "Bypass"]
    routed.configure(plugin, JSON)
    assert states(routed, 2, Cache_Control=line) == ["Miss", "Hit"]


def test_credentials_the_gateway_does_not_know(routed):
    """What the upstream says to one client is not for the next, unless the gateway tells them apart itself."""
    routed.consumer("a")
    assert routed.a.admin("POST", "/consumers/a/basic-auth", json={"username": "u", "password": "p"}).status == 201
    plugin = cache(routed, cache_control=True)
    headers = {"Authorization": "Basic dTpw", "answer": "Cache-Control=max-age=60"}
    assert states(routed, 2, **headers) == ["Bypass", "Bypass"]
    routed.plugin("basic-auth", path="/routes/r/plugins")
    assert states(routed, 2, **headers) == ["Miss", "Hit"]
    routed.configure(plugin, JSON)
    assert states(routed, 1, path="/r/z", **headers) == ["Miss"]


@pytest.mark.parametrize("lines, stored", [
    ("Cache-Control=max-age=60", True), ("Cache-Control=public, s-maxage=60, max-age=0", True), ("Cache-Control=s-maxage=0, max-age=60", False), ("X-None=1", False),
    ("Cache-Control=private, max-age=60", False), ("Cache-Control=no-store, max-age=60", False), ("Cache-Control=no-cache, max-age=60", False), ("Cache-Control=max-age=0", False),
    ("Cache-Control=max-age=x", False), (["Cache-Control=max-age=60", "Cache-Control=private"], False), ("Expires=later", True), ("Expires=before", False), ("Expires=0", False),
    (["Expires=later", "Cache-Control=max-age=0"], False), (["Expires=before", "Cache-Control=max-age=60"], True)])
def test_answers_that_say_for_how_long(routed, lines, stored):
    lines = [lines] if isinstance(lines, str) else lines
    lines = [line.replace("later", email.utils.formatdate(time.time() + 60, usegmt=True)).replace("before", email.utils.formatdate(time.time() - 60, usegmt=True)) for line in lines]
    plugin = cache(routed, cache_control=True)
    assert states(routed, 2, answer=lines) == (["Miss", "Hit"] if stored else ["Bypass", "Bypass"])
    routed.configure(plugin, JSON)
    assert states(routed, 2, path="/r/z", answer=lines) == ["Miss", "Hit"]  # nobody asks what they say


def test_their_time_is_the_ttl(routed):
    cache(routed, cache_control=True)
    assert states(routed, 2, answer="Cache-Control=max-age=1") == ["Miss", "Hit"]
    time.sleep(1.1)
    assert states(routed, 1, answer="Cache-Control=max-age=1") == ["Miss"]


def test_what_a_request_takes(routed):
    cache(routed, cache_control=True, storage_ttl=600)
    assert state(get(routed, answer="Cache-Control=max-age=2")) == "Miss"
    for line in ("max-age=10", "min-fresh=1", "max-stale", "only-if-cached"):
        assert states(routed, 1, Cache_Control=line) == ["Hit"], line
    assert states(routed, 1, answer="Cache-Control=max-age=2", Cache_Control="min-fresh=5") == ["Refresh"]
    time.sleep(1.1)
    assert states(routed, 1, answer="Cache-Control=max-age=2", Cache_Control="max-age=0") == ["Refresh"]
    time.sleep(3.1)  # stale now
    assert states(routed, 1, Cache_Control="max-stale") == ["Hit"]
    assert states(routed, 1, Cache_Control="max-stale=60") == ["Hit"]
    assert states(routed, 1, answer="X-None=1", Cache_Control="max-stale=0") == ["Bypass"]  # refreshed in vain
    assert states(routed, 1, answer="Cache-Control=max-age=2") == ["Refresh"]


def test_only_if_cached(routed):
    plugin = cache(routed, cache_control=True)
    before = routed.upstream.requests
    answer = get(routed, Cache_Control="only-if-cached")
    assert (answer.status, answer.body) == (504, b"") and routed.upstream.requests == before
    routed.configure(plugin, JSON)
    assert states(routed, 1, Cache_Control="only-if-cached") == ["Miss"]


# ---- other plugins ----

def test_plugins_have_their_say_on_a_hit_too(routed):
    """What is stored is what the upstream has said: nothing is changed twice."""
    cache(routed)
    routed.plugin("response-transformer", {"append": {"headers": ["X-Twice:1"]}, "add": {"json": ["added:1"]}, "remove": {"headers": ["X-Gone"]}}, path="/routes/r/plugins")
    routed.plugin("cors", {"origins": ["http://a.test", "http://b.test"]}, path="/routes/r/plugins")
    routed.plugin("correlation-id", {"echo_downstream": True}, path="/routes/r/plugins")
    answers = [get(routed, answer="X-Gone=1", Origin=f"http://{name}.test", body='{"own":1}') for name in "aba"]
    assert [state(one) for one in answers] == ["Miss", "Hit", "Hit"]
    for answer, name in zip(answers, "aba"):
        assert answer.json == {"own": 1, "added": "1"} and answer.all("x-twice") == ["1"] and "x-gone" not in answer.headers
        assert answer.headers["access-control-allow-origin"] == f"http://{name}.test"
    assert len({one.headers["kong-request-id"] for one in answers}) == 3


def test_limits_count_hits_too(routed):
    cache(routed)
    routed.plugin("rate-limiting", {"hour": 3}, path="/routes/r/plugins")
    routed.plugin("response-ratelimiting", {"limits": {"video": {"hour": 9}}}, path="/routes/r/plugins")
    answers = [get(routed, answer="x-kong-limit=video=2")]
    time.sleep(0.5)  # what an answer costs is counted behind it
    answers += [get(routed, answer="x-kong-limit=video=2") for _ in range(3)]
    assert [one.status for one in answers] == [200, 200, 200, 429] and [state(one) for one in answers] == ["Miss", "Hit", "Hit", None]
    assert [one.headers["X-RateLimit-Remaining-Hour"] for one in answers] == ["2", "1", "0", "0"]
    assert [one.headers.get("X-RateLimit-Remaining-video-hour") for one in answers[:3]] == ["7", "7", "7"]  # a hit costs nothing
    assert "x-kong-limit" not in answers[1].headers


def test_answers_of_the_gateway_are_not_stored(routed):
    cache(routed, response_code=[200, 418, 502], content_type=["*/*", "application/json; charset=utf-8"])
    termination = routed.plugin("request-termination", {"status_code": 418}, path="/routes/r/plugins")
    assert states(routed, 2) == ["Bypass", "Bypass"]
    assert routed.a.admin("DELETE", f"/plugins/{termination['id']}").status == 204
    assert routed.a.admin("PATCH", "/services/s", json={"port": 1}).status == 200
    assert [(one.status, state(one)) for one in (get(routed), get(routed))] == [(502, "Bypass"), (502, "Bypass")]


# ---- bodies ----

def test_long_bodies_pass_and_are_not_stored(routed):
    cache(routed)
    most = 128 * 1024 * 1024 // 64
    before = routed.upstream.requests
    assert states(routed, 2, path=f"/r/bytes/{most}/x") == ["Miss", "Hit"]
    assert len(get(routed, f"/r/bytes/{most}/x").body) == most
    answer = get(routed, f"/r/bytes/{most + 1}/x")
    assert state(answer) == "Bypass" and answer.body == b"x" * (most + 1)
    assert states(routed, 1, path=f"/r/bytes/{most + 1}/x") == ["Bypass"]
    assert routed.upstream.requests == before + 3


@pytest.fixture(name="played")
def made_played(routed):
    """An upstream that sends what the test says, of each request one piece after the other, and closes; `wait` waits for the test."""
    made, go = [], threading.Event()

    def play(*pieces):
        def serve(upstream, link):
            for piece in pieces:
                if piece == "wait":
                    assert go.wait(20)
                else:
                    upstream.send(link, piece)

        made.append(RawUpstream(serve))
        routed.service("played", None, url=made[-1].url, retries=0)
        routed.route("p", "played", paths=["/p"])
        cache(routed, path="/routes/p/plugins")

    yield play, go
    go.set()
    for one in made:
        one.stop()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def test_a_miss_is_not_held_up(routed, played):
    """The beginning is with the client while the upstream still sends."""
    play, go = played
    play(HEAD + b"Content-Length: 10\r\n\r\nbegin", "wait", b"ended")
    with socket.create_connection(("127.0.0.1", routed.a.proxy_port), timeout=20) as link:
        link.sendall(b"GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
        seen = b""
        while b"begin" not in seen:
            seen += link.recv(4096)
        assert b"X-Cache-Status: Miss" in seen and b"ended" not in seen
        go.set()
        while b"ended" not in seen:
            seen += link.recv(4096)
    assert (state(get(routed, "/p")), get(routed, "/p").body) == ("Hit", b"beginended")


@pytest.mark.parametrize("pieces, body", [
    ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"), b"abcde"), ((HEAD + b"Connection: close\r\n\r\nabc", b"de"), b"abcde"),
    ((HEAD + b"Content-Length: 0\r\n\r\n",), b"")])
def test_however_the_body_is_framed(routed, played, pieces, body):
    played[0](*pieces)
    first, again = get(routed, "/p"), get(routed, "/p")
    assert (state(first), state(again), first.body, again.body) == ("Miss", "Hit", body, body)
    assert again.headers["content-length"] == str(len(body)) and "transfer-encoding" not in again.headers


@pytest.mark.parametrize("pieces", [(HEAD + b"Content-Length: 10\r\n\r\nhalf",), (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",)])
def test_a_body_that_breaks_off_is_not_stored(routed, played, pieces):
    played[0](*pieces)
    for _ in range(2):
        with pytest.raises(http.client.IncompleteRead):
            get(routed, "/p")
    assert not got_keys(routed, "/p")


def got_keys(cluster, path):
    """Whether anything is stored for a path."""
    answer = raw(cluster.a.proxy_port, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    name = re.search(rb"X-Cache-Key: (\w+)", answer).group(1).decode()
    return cluster.a.admin("GET", f"/proxy-cache/{name}").status == 200


@pytest.mark.parametrize("line, length", [(b"", None), (b"Content-Length: 77\r\n", "77"), (b"Content-Length: 0\r\n", "0")])
def test_lengths_of_head(routed, played, line, length):
    """What the upstream did not say of a body that it did not send is not made up."""
    played[0](HEAD + line + b"\r\n")
    first, again = get(routed, "/p", method="HEAD"), get(routed, "/p", method="HEAD")
    assert (state(first), state(again)) == ("Miss", "Hit")
    assert (first.headers.get("content-length"), again.headers.get("content-length")) == (length, length)


def test_a_long_body_of_no_announced_length_passes(routed, played):
    played[0](HEAD + b"Connection: close\r\n\r\n" + b"x" * (2 ** 21 + 1))
    for _ in range(2):
        answer = get(routed, "/p")
        assert (state(answer), len(answer.body)) == ("Miss", 2 ** 21 + 1)


def test_many_at_once(routed):
    """Whoever is answered from the cache gets what belongs to his path."""
    cache(routed)
    bodies = {f"/r/bytes/{size}/x": b"x" * size for size in (0, 1, 1000, 100000)}

    def one(i):
        path = list(bodies)[i % len(bodies)]
        answer = get(routed, path)
        return answer.status == 200 and answer.body == bodies[path] and state(answer)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(one, range(400)))
    assert all(seen) and set(seen) <= {"Miss", "Hit"} and seen.count("Hit") > 300
