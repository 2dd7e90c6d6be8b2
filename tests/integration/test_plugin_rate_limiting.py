"""rate-limiting with policy local (plugin reference, 9)."""

import concurrent.futures
import time

import pytest

from support import ask, eventually

pytestmark = pytest.mark.usefixtures("clean")

PERIODS = ("Second", "Minute", "Hour", "Day", "Month", "Year")
SECONDS = dict(zip(PERIODS, (1, 60, 3600, 86400, 30 * 86400, 365 * 86400)))


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.service()
    for name in ("r", "q"):
        cluster.route(name)
    return cluster


def away_from_the_end(seconds=60, spare=10):
    """The minute does not end while the test counts."""
    left = seconds - time.time() % seconds
    if left < spare:
        time.sleep(left + 0.1)


def statuses(cluster, count, path="/r", **headers):
    return [cluster.a.proxy("GET", path, headers=headers).status for _ in range(count)]


def test_headers_count_down(routed):
    away_from_the_end()
    routed.plugin("rate-limiting", {"minute": 3, "hour": 5}, path="/routes/r/plugins")
    for left in (2, 1, 0, 0):
        answer = routed.a.proxy("GET", "/r")
        blocked = left == 0 and answer.status == 429
        shown = {name: answer.headers.get(name) for name in ("X-RateLimit-Limit-Minute", "X-RateLimit-Remaining-Minute", "X-RateLimit-Limit-Hour", "RateLimit-Limit", "RateLimit-Remaining")}
        assert shown == {"X-RateLimit-Limit-Minute": "3", "X-RateLimit-Remaining-Minute": str(left), "X-RateLimit-Limit-Hour": "5", "RateLimit-Limit": "3", "RateLimit-Remaining": str(left)}
        assert answer.headers["X-RateLimit-Remaining-Hour"] == ("2" if blocked else str(left + 2))
        assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 60
        assert ("Retry-After" in answer.headers) == blocked
    assert answer.status == 429 and answer.json["message"] == "API rate limit exceeded" and answer.json["request_id"]
    assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]


@pytest.mark.parametrize("period", PERIODS)
def test_periods(routed, period):
    routed.plugin("rate-limiting", {period.lower(): 2}, path="/routes/r/plugins")

    def tried():
        answers = [routed.a.proxy("GET", "/r") for _ in range(3)]
        return answers if [one.status for one in answers] == [200, 200, 429] else None

    answers = eventually(tried, 20, step=1.1, what="three requests in one period")
    reset = int(answers[2].headers["RateLimit-Reset"])
    assert 1 <= reset <= SECONDS[period]
    moment = time.gmtime()
    past = {"Second": 0, "Minute": moment.tm_sec, "Hour": moment.tm_min * 60 + moment.tm_sec, "Day": (moment.tm_hour * 60 + moment.tm_min) * 60 + moment.tm_sec}
    past |= {"Month": (moment.tm_mday - 1) * 86400 + past["Day"], "Year": (moment.tm_yday - 1) * 86400 + past["Day"]}
    assert abs(reset - max(1, SECONDS[period] - past[period])) <= 5


def test_the_next_window_lets_in_again(routed):
    routed.plugin("rate-limiting", {"second": 1})
    eventually(lambda: 429 in statuses(routed, 3), what="one too many")
    eventually(lambda: statuses(routed, 1) == [200], 5, step=0.3, what="the next second")


def test_never_one_over(routed):
    """However many come at once."""
    routed.plugin("rate-limiting", {"hour": 50, "day": 50})
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda _: ask(routed.a.proxy_port, "GET", "/r").status, range(200)))
    assert (got.count(200), got.count(429)) == (50, 150)


def test_scopes_share(routed):
    """A configuration of the service counts for its routes together; one of a route for itself; other nodes for themselves."""
    routed.plugin("rate-limiting", {"hour": 3}, path="/services/s/plugins")
    assert statuses(routed, 2) + statuses(routed, 2, "/q") == [200, 200, 200, 429]
    assert routed.b.proxy("GET", "/r").status == 200
    routed.plugin("rate-limiting", {"hour": 1}, path="/routes/q/plugins")
    assert statuses(routed, 2, "/q") == [200, 429]
    assert statuses(routed, 1) == [429]


def test_another_configuration_goes_on(routed):
    plugin = routed.plugin("rate-limiting", {"hour": 2}, path="/routes/r/plugins")
    assert statuses(routed, 3) == [200, 200, 429]
    assert routed.a.admin("PATCH", f"/plugins/{plugin['id']}", json={"config": {"hour": 4}}).status == 200
    assert statuses(routed, 3) == [200, 200, 429]


@pytest.mark.parametrize("config, one, other", [
    ({"limit_by": "header", "header_name": "X-Who"}, {"X-Who": "a"}, {"X-Who": "b"}), ({"limit_by": "consumer"}, {"apikey": "ka"}, {"apikey": "kb"}),
    ({"limit_by": "credential"}, {"apikey": "ka"}, {"apikey": "ka2"}), ({"limit_by": "path", "path": "/r/x"}, {"path": "/r/x"}, {"path": "/r/y"})])
def test_who_is_counted(routed, config, one, other):
    for name in "ab":
        routed.consumer(name)
        routed.key(f"k{name}", name)
    routed.key("ka2", "a")
    if "apikey" in one:
        routed.plugin("key-auth", path="/routes/r/plugins")
    routed.plugin("rate-limiting", {"hour": 2} | config, path="/routes/r/plugins")

    def tried(who, count):
        who = dict(who)
        return statuses(routed, count, who.pop("path", "/r"), **who)

    assert tried(one, 3) == [200, 200, 429]
    assert tried(other, 3) == [200, 200, 429]
    if config["limit_by"] == "consumer":
        assert tried({"apikey": "ka2"}, 1) == [429]


def test_by_service_and_by_address(routed):
    routed.service("t")
    routed.route("o", "t")
    plugin = routed.plugin("rate-limiting", {"hour": 1, "limit_by": "service"})
    assert statuses(routed, 2) + statuses(routed, 1, "/q") + statuses(routed, 2, "/o") == [200, 429, 429, 200, 429]
    routed.configure(plugin, {"month": 1, "limit_by": "ip"})
    assert statuses(routed, 1) + statuses(routed, 1, "/o") == [200, 429]


@pytest.mark.parametrize("config, status, message", [({"error_code": 404, "error_message": "slow down"}, 404, "slow down"), ({"error_code": 42}, 500, "An unexpected error occurred"), ({"hide_client_headers": True}, 429, "API rate limit exceeded")])
def test_refusals(routed, config, status, message):
    routed.plugin("rate-limiting", {"hour": 1} | config, path="/routes/r/plugins")
    assert statuses(routed, 1) == [200]
    answer = routed.a.proxy("GET", "/r")
    assert (answer.status, answer.json["message"]) == (status, message)
    names = [name for name, _ in answer._headers if "ratelimit" in name.lower() or name.lower() == "retry-after"]
    assert (names == []) == bool(config.get("hide_client_headers"))
