"""bot-detection (plugin reference, 7)."""

import time

import pytest

from support import raw

pytestmark = pytest.mark.usefixtures("clean")

ROBOTS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "Mozilla/5.0 (compatible; Baiduspider/2.0)", "msnbot/2.0b",
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)", "DuckDuckBot/1.0; (+http://duckduckgo.com/duckduckbot.html)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "Twitterbot/1.0", "LinkedInBot/1.0 (compatible; Mozilla/5.0)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "WhatsApp/2.19.81 A", "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "ia_archiver (+http://www.alexa.com/site/help/webmasters)", "CCBot/2.0 (https://commoncrawl.org/faq/)", "Python-urllib/2.5", "python-requests/2.31.0",
    "Go-http-client/1.1", "axios/0.21.1", "okhttp/4.9.0", "Java/1.8.0_151", "Wget/1.21", "aws-sdk-java/1.11", "S3Browser-4-0-1", "aws-cli/2.4.6 Python/3.8",
    "some-unheard-of-crawler/1.0", "acmebot/0.1",
]
PEOPLE = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", "curl/7.88.1", "",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0", "Opera/9.80 (Windows NT 6.1) Presto/2.12",
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)", "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36", "insomnia/2023.5.8", "robots in disguise",
]


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.service()
    cluster.route()
    return cluster


def status(cluster, agent):
    return cluster.a.proxy("GET", "/r", headers={"User-Agent": agent}).status


def test_the_built_in_list(routed):
    routed.plugin("bot-detection")
    assert {agent: status(routed, agent) for agent in ROBOTS} == dict.fromkeys(ROBOTS, 403)
    assert {agent: status(routed, agent) for agent in PEOPLE} == dict.fromkeys(PEOPLE, 200)
    answer = routed.a.proxy("GET", "/r", headers={"User-Agent": ROBOTS[0]})
    assert answer.json["message"] == "Forbidden" and answer.json["request_id"]
    assert routed.a.proxy("GET", "/r").status == 200  # no agent at all


def test_several_agents(routed):
    routed.plugin("bot-detection", {"allow": ["a"]})
    got = raw(routed.a.proxy_port, b"GET /r HTTP/1.1\r\nHost: a\r\nUser-Agent: a\r\nUser-Agent: a\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400 ") and b"Only one User-Agent header allowed" in got


@pytest.mark.parametrize("config, agent, expected", [
    ({"deny": ["^bad"]}, "bad one", 403), ({"deny": ["^bad"]}, "a bad one", 200), ({"deny": ["bad"]}, "a bad one", 403), ({"deny": ["bad"]}, "BAD", 200),
    ({"deny": ["(?i)bad"]}, "BAD", 403), ({"allow": ["Googlebot"]}, ROBOTS[0], 200), ({"allow": ["x"]}, ROBOTS[0], 403),
    ({"allow": ["bad"], "deny": ["bad"]}, "bad", 200), ({"deny": ["x", "curl/7"]}, "curl/7.88.1", 403)])
def test_lists_of_ones_own(routed, config, agent, expected):
    routed.plugin("bot-detection", config)
    assert status(routed, agent) == expected


def test_lists_change(routed):
    plugin = routed.plugin("bot-detection", {"deny": ["bad"]})
    assert status(routed, "bad") == 403
    routed.configure(plugin, {"deny": ["other"]})
    assert (status(routed, "bad"), status(routed, "other")) == (200, 403)


def test_a_pattern_that_would_run_for_ever_is_given_up(routed):
    routed.plugin("bot-detection", {"deny": [r"^(a+)+$"]})
    before = time.monotonic()
    assert status(routed, "a" * 4000 + "!") == 200
    assert time.monotonic() - before < 5
