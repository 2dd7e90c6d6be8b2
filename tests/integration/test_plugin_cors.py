"""cors (plugin reference, 8)."""

import pytest

pytestmark = pytest.mark.usefixtures("clean")

METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT"
ASKS = {"Access-Control-Request-Method": "PUT"}
OURS = ("Access-Control-Allow-Origin", "Vary", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Access-Control-Allow-Methods",
        "Access-Control-Allow-Headers", "Access-Control-Max-Age", "Access-Control-Allow-Private-Network")


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.service()
    cluster.route()
    return cluster


def lines(answer):
    return {name.removeprefix("Access-Control-"): answer.all(name)[0] if len(answer.all(name)) == 1 else answer.all(name) for name in OURS if answer.all(name)}


A, B = "https://a.test", "https://b.test"
REGEX = [r"(.*\.)?shop\.test"]
# settings, the request's Origin, what Allow-Origin says; None: nothing
ORIGINS = [
    ({}, A, "*"), ({}, None, "*"), ({"origins": []}, A, "*"), ({"origins": ["*"]}, A, "*"), ({"origins": [A, "*"]}, B, "*"),
    ({"origins": [A]}, A, A), ({"origins": [A]}, B, A), ({"origins": [A]}, None, A), ({"origins": ["a.test"]}, B, "a.test"),
    ({"origins": [A, B]}, B, B), ({"origins": [A, B]}, "https://c.test", None), ({"origins": [A, B]}, None, None),
    ({"origins": [A, B]}, "https://a.test:443", A), ({"origins": [A, B]}, "https://a.test:444", None), ({"origins": [A, B]}, "http://a.test", None),
    ({"origins": [A, "http://b.test:80"]}, "http://b.test", "http://b.test"), ({"origins": [A, "https://b.test:8443"]}, "https://b.test:8443", "https://b.test:8443"),
    ({"origins": [A, B]}, "HTTPS://A.Test", A), ({"origins": ["a.test", "b.test"]}, A, None), ({"origins": [A, B]}, "null", None),
    ({"origins": REGEX}, "https://a.shop.test:8443", "https://a.shop.test:8443"), ({"origins": REGEX}, "https://shop.test", "https://shop.test"),
    ({"origins": REGEX}, "https://shop.test.evil.test", None), ({"origins": REGEX}, "https://evil-shop.test", None), ({"origins": REGEX}, "null", None),
    ({"origins": [r"^https?://shop\.test(:\d+)?$"]}, "http://shop.test:81", "http://shop.test:81"), ({"origins": [r"https?://shop\.test"]}, "ftp://shop.test", None),
    ({"origins": [r"https?://shop\.test"]}, "https://shop.test:81", None), ({"origins": [A, r".*\.b\.test"]}, "https://x.b.test", "https://x.b.test"),
    ({"origins": [r"a|b\.test"]}, "https://b.test", "https://b.test"), ({"origins": [r"a|b\.test"]}, "https://a.evil.test", None),
    ({"origins": REGEX}, "https://shop.test/x", None), ({"origins": REGEX}, "https://u@shop.test", None),
]


@pytest.mark.parametrize("config, origin, allowed", ORIGINS)
def test_whom_answers_are_for(routed, config, origin, allowed):
    plugin = routed.plugin("cors", config)
    sent = {"Origin": origin} if origin else {}
    expected = ({"Allow-Origin": allowed} if allowed else {}) | ({} if allowed == "*" else {"Vary": "Origin"})
    assert lines(routed.a.proxy("GET", "/r", headers=sent)) == expected
    if origin:
        preflight = routed.a.proxy("OPTIONS", "/r", headers=sent | ASKS)
        assert (preflight.status, preflight.body, preflight.headers["Content-Length"]) == (200, b"", "0")
        assert lines(preflight) == expected | {"Allow-Methods": METHODS}
    routed.configure(plugin, config | {"credentials": True})
    if allowed == "*":
        expected = {"Allow-Origin": origin, "Vary": "Origin", "Allow-Credentials": "true"} if origin else expected
    else:
        expected |= {"Allow-Credentials": "true"}
    assert lines(routed.a.proxy("GET", "/r", headers=sent)) == expected


PREFLIGHTS = [
    ({}, {"Access-Control-Request-Headers": "X-A, x-b"}, {"Allow-Headers": "X-A, x-b"}),
    ({"headers": ["X-C", "X-D"]}, {"Access-Control-Request-Headers": "X-A"}, {"Allow-Headers": "X-C,X-D"}),
    ({"methods": ["GET", "PUT"]}, {}, {"Allow-Methods": "GET,PUT"}),
    ({"max_age": 23}, {}, {"Max-Age": "23"}),
    ({"exposed_headers": ["X-E"]}, {}, {}),
    ({"private_network": True}, {"Access-Control-Request-Private-Network": "true"}, {"Allow-Private-Network": "true"}),
    ({"private_network": True}, {}, {}),
    ({}, {"Access-Control-Request-Private-Network": "true"}, {}),
]


@pytest.mark.parametrize("config, sent, expected", PREFLIGHTS)
def test_preflights(routed, config, sent, expected):
    routed.plugin("cors", config)
    before = routed.upstream.requests
    answer = routed.a.proxy("OPTIONS", "/r", headers={"Origin": A} | ASKS | sent)
    assert lines(answer) == {"Allow-Origin": "*", "Allow-Methods": METHODS} | expected
    assert routed.upstream.requests == before


def test_other_options_requests_are_ordinary(routed):
    routed.plugin("cors", {"exposed_headers": ["X-E", "X-F"], "max_age": 1})
    for sent in ({}, {"Origin": A}, ASKS):
        answer = routed.a.proxy("OPTIONS", "/r", headers=sent)
        assert answer.headers["X-Upstream"] == "yes"
        assert lines(answer) == {"Allow-Origin": "*", "Expose-Headers": "X-E,X-F"}


def test_the_upstream_may_answer_preflights(routed):
    routed.plugin("cors", {"preflight_continue": True, "origins": [A, B]})
    answer = routed.a.proxy("OPTIONS", "/r", headers={"Origin": A} | ASKS)
    assert answer.headers["X-Upstream"] == "yes" and lines(answer) == {}
    assert lines(routed.a.proxy("GET", "/r", headers={"Origin": A})) == {"Allow-Origin": A, "Vary": "Origin"}


def test_answers_of_the_gateway_have_the_lines(routed):
    routed.plugin("cors", {"origins": [A]})
    expected = {"Allow-Origin": A, "Vary": "Origin"}
    assert lines(routed.a.proxy("GET", "/nowhere")) == expected
    routed.plugin("key-auth", path="/routes/r/plugins")
    refused = routed.a.proxy("GET", "/r")
    assert refused.status == 401 and lines(refused) == expected
    assert routed.a.proxy("OPTIONS", "/r", headers={"Origin": A} | ASKS).status == 200  # before authentication
    routed.service("gone", "")
    assert routed.a.admin("PATCH", "/services/gone", json={"host": "127.0.0.1", "port": 1}).status == 200
    routed.route("g", "gone")
    failed = routed.a.proxy("GET", "/g")
    assert failed.status in (502, 503) and lines(failed) == expected


def test_what_the_upstream_says_is_replaced(routed):
    """Its Allow-Origin goes, its Vary gets one more."""
    routed.plugin("cors", {"origins": [A, B]})
    answer = routed.a.proxy("GET", "/r", headers={"Origin": "https://c.test", "X-Answer": "Access-Control-Allow-Origin=*"})
    assert lines(answer) == {"Vary": "Origin"}
    answer = routed.a.proxy("GET", "/r", headers={"Origin": A, "X-Answer": "Vary=Accept"})
    assert lines(answer) == {"Allow-Origin": A, "Vary": ["Accept", "Origin"]}
    answer = routed.a.proxy("GET", "/r", headers={"Origin": A, "X-Answer": "Vary=accept, origin"})
    assert lines(answer) == {"Allow-Origin": A, "Vary": "accept, origin"}


def test_no_consumer(cluster):
    consumer = cluster.consumer()
    answer = cluster.a.admin("POST", "/plugins", json={"name": "cors", "consumer": {"id": consumer["id"]}})
    assert answer.status == 400 and answer.json["fields"] == {"consumer": "value must be null"}
