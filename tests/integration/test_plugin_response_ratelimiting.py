"""response-ratelimiting with policy local (plugin reference, 10)."""

import time

import pytest

from support import ask_lines, eventually, got

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.service()
    for name in ("r", "q"):
        cluster.route(name)
    left = 60 - time.time() % 60
    if left < 10:  # the minute does not end while the test counts
        time.sleep(left + 0.1)
    return cluster


def limit(cluster, limits, path="/routes/r/plugins", **config):
    return cluster.plugin("response-ratelimiting", {"limits": limits} | config, path=path)


def cost(cluster, what=None, path="/r", method="GET", name="x-kong-limit", **headers):
    """An answer of the upstream that says what it costs: one line, or several."""
    lines = [what] if isinstance(what, str) else what or []
    return ask_lines(cluster.a.proxy_port, method, path, [("X-Answer", f"{name}={line}") for line in lines] + list(headers.items()))


def shown(answer):
    return {key.lower().removeprefix("x-ratelimit-"): value for key, value in answer._headers if "ratelimit" in key.lower()}


def test_counts_what_the_upstream_says(routed):
    limit(routed, {"video": {"minute": 6, "hour": 10}, "image": {"minute": 4}})
    answer = cost(routed)
    assert shown(answer) == {"limit-video-minute": "6", "remaining-video-minute": "6", "limit-video-hour": "10", "remaining-video-hour": "10",
                             "limit-image-minute": "4", "remaining-image-minute": "4"}
    assert (got(answer, "X-RateLimit-Remaining-video"), got(answer, "X-RateLimit-Remaining-image")) == (["6"], ["4"])
    answer = cost(routed, "video=2, image=1")
    assert shown(answer)["remaining-video-minute"] == "4" and shown(answer)["remaining-video-hour"] == "8" and shown(answer)["remaining-image-minute"] == "3"
    assert "x-kong-limit" not in answer.headers
    answer = cost(routed, **{"X-RateLimit-Remaining-video": "1000"})  # a client's own word is not passed on
    assert (got(answer, "X-RateLimit-Remaining-video"), got(answer, "X-RateLimit-Remaining-image")) == (["4"], ["3"])
    assert shown(answer)["remaining-video-minute"] == "4"


@pytest.mark.parametrize("lines, left", [("video=2", "4"), (["video=2", "image=1"], "4"), (["image=1", "video=3"], "3"), ("  video = 1 ,", "5"), ("audio=5", "6"), ("video", "6"),
                                         ("video=", "6"), ("video=-2", "6"), ("video=x", "6"), ("=2,video=2", "4"), ("Video=2", "6"), ("video=99999999999999999999", "6"), (",,,", "6"), ("video=7", "0")])
def test_what_is_understood(routed, lines, left):
    limit(routed, {"video": {"minute": 6}, "image": {"minute": 6}})
    answer = cost(routed, lines)
    assert answer.status == 200 and shown(answer)["remaining-video-minute"] == left
    assert shown(cost(routed))["remaining-video-minute"] == left
    assert "x-kong-limit" not in answer.headers


def test_the_request_that_crosses_succeeds_and_the_next_is_stopped(routed):
    limit(routed, {"video": {"minute": 3}, "image": {"minute": 3}})
    assert cost(routed, "video=2").status == 200
    assert cost(routed, "video=2").status == 200
    for method in ("GET", "HEAD"):
        answer = cost(routed, "video=1", method=method)
        assert (answer.status, answer.body) == (429, b"") and answer.headers["content-length"] == "0"
        assert shown(answer)["remaining-video-minute"] == "0" and shown(answer)["remaining-image-minute"] == "3"
        assert "x-kong-limit" not in answer.headers and "content-type" not in answer.headers
        assert "via" in answer.headers and "x-kong-upstream-latency" in answer.headers and answer.headers["x-upstream"] == "yes"
    assert cost(routed).status == 200 and cost(routed, "video=0").status == 200  # what costs nothing passes
    assert cost(routed, "image=2").status == 200
    assert shown(cost(routed))["remaining-image-minute"] == "1"
    assert cost(routed, "video=1,image=1").status == 429  # and what was stopped is not counted
    assert shown(cost(routed))["remaining-image-minute"] == "1"


def test_block_on_first_violation(routed):
    plugin = limit(routed, {"video": {"minute": 2}, "image": {"minute": 9}}, block_on_first_violation=True)
    assert cost(routed, "video=2").status == 200
    eventually(lambda: cost(routed).status == 429, what="the count, which comes when the answer has gone")
    before = routed.upstream.requests
    answer = cost(routed, "image=1")
    assert answer.status == 429 and answer.json["message"] == "API rate limit exceeded for 'video'" and answer.json["request_id"]
    assert shown(answer)["remaining-video-minute"] == "0" and routed.upstream.requests == before
    routed.configure(plugin, {"limits": {"video": {"minute": 2}, "image": {"minute": 9}}})
    answer = cost(routed, "image=1")
    assert answer.status == 200 and shown(answer)["remaining-image-minute"] == "8" and got(answer, "X-RateLimit-Remaining-video") == ["0"]


def test_block_after_crossing(routed):
    """Below zero is no less than zero."""
    limit(routed, {"video": {"minute": 2}}, block_on_first_violation=True)
    assert cost(routed, "video=5").status == 200
    eventually(lambda: cost(routed).status == 429, what="the count, which comes when the answer has gone")


def test_hidden(routed):
    limit(routed, {"video": {"minute": 2}}, hide_client_headers=True)
    answer = cost(routed, "video=2")
    assert shown(answer) == {} and got(answer, "X-RateLimit-Remaining-video") == ["2"] and "x-kong-limit" not in answer.headers
    answer = cost(routed, "video=2")
    assert answer.status == 429 and shown(answer) == {}


def test_another_header(routed):
    limit(routed, {"video": {"minute": 2}}, header_name="X-Cost")
    answer = cost(routed, "video=1")
    assert shown(answer)["remaining-video-minute"] == "2" and answer.headers["x-kong-limit"] == "video=1"
    answer = cost(routed, "video=1", name="x-cost")
    assert shown(answer)["remaining-video-minute"] == "1" and "x-cost" not in answer.headers


@pytest.mark.parametrize("period", ["second", "minute", "hour", "day", "month", "year"])
def test_periods(routed, period):
    limit(routed, {"video": {period: 1}})

    def tried():
        return [cost(routed, "video=1").status for _ in range(2)] == [200, 429]

    eventually(tried, 20, step=1.1, what="two answers in one period")
    answer = cost(routed)
    assert shown(answer)[f"limit-video-{period}"] == "1"
    if period == "second":
        eventually(lambda: cost(routed, "video=1").status == 200, 5, step=0.3, what="the next second")


@pytest.mark.parametrize("limit_by", ["consumer", "credential", "ip"])
def test_who_is_counted(routed, limit_by):
    for name in "ab":
        routed.consumer(name)
        routed.key(f"k{name}", name)
    routed.key("ka2", "a")
    routed.plugin("key-auth", path="/routes/r/plugins")
    limit(routed, {"video": {"hour": 2}}, limit_by=limit_by)

    def left(key):
        return int(shown(cost(routed, apikey=key))["remaining-video-hour"])

    assert cost(routed, "video=1", apikey="ka").status == 200
    assert [left(key) for key in ("ka", "ka2", "kb")] == {"consumer": [1, 1, 2], "credential": [1, 2, 2], "ip": [1, 1, 1]}[limit_by]


def test_scopes_share(routed):
    """A configuration of the service counts for its routes together, nodes count for themselves, and so does another configuration's name."""
    plugin = limit(routed, {"video": {"hour": 3}}, path="/services/s/plugins")
    assert cost(routed, "video=1").status == 200
    assert shown(cost(routed, path="/q"))["remaining-video-hour"] == "2"
    routed.settle()
    assert routed.b.proxy("GET", "/r").headers["X-RateLimit-Remaining-video-hour"] == "3"
    routed.configure(plugin, {"limits": {"video": {"hour": 5}}})  # goes on
    assert shown(cost(routed))["remaining-video-hour"] == "4"


def test_answers_of_the_gateway_cost_nothing(routed):
    """Nor does a client's own line, and lines of plugins before stay in what is stopped."""
    limit(routed, {"video": {"hour": 1}})
    routed.plugin("cors", {"origins": ["http://a.test"]}, path="/routes/r/plugins")
    answer = cost(routed, **{"x-kong-limit": "video=1"})
    assert shown(answer)["remaining-video-hour"] == "1"
    assert cost(routed, "video=1").status == 200
    answer = cost(routed, "video=1", Origin="http://a.test")
    assert answer.status == 429 and answer.headers["access-control-allow-origin"] == "http://a.test"
    termination = routed.plugin("request-termination", {"status_code": 418}, path="/routes/r/plugins")
    answer = cost(routed, "video=1")
    assert answer.status == 418 and shown(answer)["remaining-video-hour"] == "0"
    assert routed.a.admin("DELETE", f"/plugins/{termination['id']}").status == 204


def test_names_that_are_no_headers(routed):
    """They are counted, and not told."""
    limit(routed, {"a b": {"hour": 1}})
    answer = cost(routed, "a b=1")
    assert answer.status == 200 and shown(answer) == {}
    assert cost(routed, "a b=1").status == 429
