"""request-transformer (plugin reference, 13)."""

import json
from urllib.parse import parse_qsl

import pytest

from admin_api import assert_answer
from support import got, raw

pytestmark = pytest.mark.usefixtures("clean")

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=xx"


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.service()
    cluster.route(paths=["/r"], strip_path=False)
    cluster.route("c", paths=[r"~/users/(?<user>[^/]+)/(\d+)$"], strip_path=False)
    return cluster


def enable(cluster, config):
    return cluster.plugin("request-transformer", config)


HEADERS = [
    ({"remove": ["X-A"]}, {"x-a": "1", "X-B": "2"}, {"X-A": [], "X-B": ["2"]}),
    ({"rename": ["X-A:X-B"]}, {"x-a": "1", "X-B": "2"}, {"X-A": [], "X-B": ["1"]}),
    ({"rename": ["X-A:X-B"]}, {"X-B": "2"}, {"X-A": [], "X-B": ["2"]}),
    ({"replace": ["X-A:new"]}, {"X-a": "1"}, {"X-A": ["new"]}), ({"replace": ["X-A:new"]}, {}, {"X-A": []}),
    ({"replace": ["host:other.test"]}, {}, {"Host": ["other.test"]}), ({"add": ["host:other.test"]}, {}, None), ({"remove": ["Host"]}, {}, None),
    ({"append": ["Host:other.test"]}, {}, None), ({"rename": ["X-A:Host"]}, {"X-A": "1"}, None),
    ({"add": ["X-A:new:er", "X-B::b"]}, {"x-b": "there"}, {"X-A": ["new:er"], "X-B": ["there"]}),
    ({"append": ["X-A:2", "X-A:3"]}, {"X-A": "1"}, {"X-A": ["1", "2", "3"]}), ({"append": ["X-A:1"]}, {}, {"X-A": ["1"]}),
    ({"remove": ["X-A"], "add": ["X-A:$(headers.x_a)!"]}, {"X-A": "1"}, {"X-A": ["1!"]}),
    ({"rename": ["X-A:X-B"], "add": ["X-B:added", "X-A:again"]}, {"X-A": "1"}, {"X-B": ["1"], "X-A": ["again"]}),
]


@pytest.mark.parametrize("rules, sent, expected", HEADERS)
def test_headers(routed, rules, sent, expected):
    before = got(routed.a.proxy("GET", "/r"), "Host")
    enable(routed, {action: {"headers": rules[action]} for action in rules})
    answer = routed.a.proxy("GET", "/r", headers=sent)
    for name, values in (expected or {"Host": before}).items():
        assert got(answer, name) == values, name


QUERIES = [
    ({"remove": ["a"]}, "a=1&b=2&a=3", "b=2"), ({"remove": ["a"]}, "a=1", None), ({"remove": ["A"]}, "a=1", "a=1"), ({"rename": ["a:b"]}, "a=1&b=2", "b=1"),
    ({"rename": ["a:b"]}, "b=2", "b=2"), ({"rename": ["a:b"]}, "a=1&c=2&a=3", "b=1&c=2&b=3"), ({"replace": ["a:x y"]}, "a=1&a=2&b=3", "a=x%20y&b=3"),
    ({"replace": ["a:x"]}, "b=3", "b=3"), ({"add": ["a:x"]}, "a=1", "a=1"), ({"add": ["a:x"]}, "", "a=x"), ({"add": ["a:x"]}, None, "a=x"),
    ({"append": ["a:2"]}, "a=1", "a=1&a=2"), ({"append": ["a:2"]}, "b", "b&a=2"), ({"add": ["c:d:e"]}, "a=1&a=2&b", "a=1&a=2&b&c=d%3Ae"),
    ({"remove": ["a"], "rename": ["b:c"], "replace": ["c:3"], "add": ["d:4"], "append": ["d:5"]}, "a=1&b=2", "c=3&d=4&d=5"),
    ({"add": ["x:$(query_params.a)"], "remove": ["a"]}, "a=%20%26", "x=%20%26"), ({"remove": ["x"]}, "a=%2f+b&%c3%a4=1", "a=%2F%20b&%C3%A4=1"),
]


@pytest.mark.parametrize("rules, query, expected", QUERIES)
def test_queries(routed, rules, query, expected):
    enable(routed, {action: {"querystring": rules[action]} for action in rules})
    answer = routed.a.proxy("GET", "/r" + (f"?{query}" if query is not None else ""))
    assert answer.json["path"] == "/r" + (f"?{expected}" if expected is not None else "")


PART = '--xx\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
FILE = '--xx\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\nContent-Type: a/b\r\n\r\n\x00\x01\r\n'
BODIES = [
    (FORM, {"remove": ["a"]}, "a=1&b=2", "b=2"), (FORM, {"add": ["a:1"], "append": ["b:3"]}, "b=2", "b=2&a=1&b=3"), (FORM, {"rename": ["a:b"]}, "a=1", "b=1"),
    (FORM, {"remove": ["a"]}, "a=1", ""), (FORM, {"add": ["a:x y"]}, "", "a=x%20y"),
    (JSON, {"remove": ["a"]}, '{"a":[1,{"x":","}], "b" : 12345678901234567890}', '{"b":12345678901234567890}'), (JSON, {"rename": ["a:b"]}, '{"a":1,"b":2}', '{"b":1}'),
    (JSON, {"replace": ["a:x\"y"]}, '{"a":1,"c":[]}', '{"a":"x\\"y","c":[]}'), (JSON, {"replace": ["a:x"]}, '{"b":{}}', '{"b":{}}'), (JSON, {"add": ["a:1"]}, '{"a":null}', '{"a":null}'),
    (JSON, {"add": ["a:1"]}, "{}", '{"a":"1"}'), (JSON, {"add": ["a:1"]}, "", '{"a":"1"}'), (JSON, {"append": ["a:1"]}, "", '{"a":["1"]}'), (JSON, {"remove": ["a"]}, "", ""),
    (JSON, {"append": ["a:2"]}, '{"a":"1"}', '{"a":["1","2"]}'), (JSON, {"append": ["a:2"]}, '{"a":[]}', '{"a":["2"]}'), (JSON, {"append": ["a:2"]}, '{"a":[1]}', '{"a":[1,"2"]}'),
    (JSON, {"append": ["a:2"]}, '{"a":1}', '{"a":["2"]}'), (JSON, {"append": ["a:2"]}, '{"a":{"b":1}}', '{"a":{"b":1}}'), (JSON, {"append": ["a:2", "a:3"]}, "{}", '{"a":["2","3"]}'),
    (JSON, {"add": ["a:1"]}, "[1]", "[1]"), (JSON, {"add": ["a:1"]}, '{"b":', '{"b":'), (JSON, {"add": ["a:1"]}, '{"b":1}x', '{"b":1}x'), (JSON, {"remove": ["a"]}, '{"\\u0061":1,"b":2}', '{"b":2}'),
    (JSON + "; charset=utf-8", {"add": ["a:1"]}, "{}", '{"a":"1"}'),
    (MULTIPART, {"remove": ["a"]}, PART % ("a", "1") + PART % ("b", "2") + "--xx--\r\n", PART % ("b", "2") + "--xx--\r\n"),
    (MULTIPART, {"rename": ["a:b"], "replace": ["c:9"], "add": ["d:4", "f:5"], "append": ["c:7"]}, PART % ("a", "1") + FILE + PART % ("c", "3") + "--xx--\r\n",
     PART % ("b", "1") + FILE + PART % ("c", "9") + PART % ("d", "4") + "--xx--\r\n"),
    ("multipart/form-data", {"remove": ["a"]}, PART % ("a", "1") + "--xx--\r\n", PART % ("a", "1") + "--xx--\r\n"),
    ("text/plain", {"remove": ["a"], "add": ["b:1"]}, "a=1", "a=1"), (None, {"add": ["b:1"]}, "a=1", "a=1"),
]


@pytest.mark.parametrize("content_type, rules, body, expected", BODIES)
def test_bodies(routed, content_type, rules, body, expected):
    enable(routed, {action: {"body": rules[action]} for action in rules})
    sent = f"POST /r HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n" + (f"Content-Type: {content_type}\r\n" if content_type else "")
    shown = json.loads(raw(routed.a.proxy_port, f"{sent}\r\n{body}".encode("latin-1")).split(b"\r\n\r\n", 1)[1])
    assert shown["body"] == expected
    assert [value for name, value in shown["headers"] if name.lower() == "content-length"] == [str(len(expected))]


def test_a_body_without_rules_goes_as_it_came(routed):
    enable(routed, {"add": {"headers": ["X-A:1"]}})
    assert routed.a.proxy("POST", "/r", headers={"Content-Type": FORM}, data="a=+&b").json["body"] == "a=+&b"


@pytest.mark.parametrize("method, query", [("GET", [("q", "0"), ("a", "1"), ("b", "2")]), ("TRACE", [("q", "0"), ("a", "1"), ("b", "2")]), ("PUT", [("q", "0")])])
def test_methods(routed, method, query):
    enable(routed, {"http_method": method, "add": {"body": ["b:2"]}})
    answer = routed.a.proxy("POST", "/r?q=0", headers={"Content-Type": FORM}, data="a=1")
    if method != "TRACE":
        assert answer.json["method"] == method and parse_qsl(answer.json["path"].split("?")[1]) == query


C = "/users/ann/7?user=q&flag&a=1&a=2"
TEMPLATES = [
    ("$(headers.x_a)", "one"), ('$(headers["X-A"])', "one"), ("$(headers['x-a'])", "one"), ("$(query_params.user)", "q"), ('$(query_params["user"])', "q"),
    ("$(query_params.flag)", "true"), ("$(query_params.a)", "1"), ("$(uri_captures.user)", "ann"), ('$(uri_captures["user"])', "ann"), ("$(uri_captures[1])", "ann"),
    ("$(uri_captures[2])", "7"), ("$(uri_captures[9] or 'no')", "no"), ("$(shared.correlation_id or 'none')", "none"), ('$(headers.nothing or "literal")', "literal"),
    ("$(headers.nothing or headers.x_a)", "one"), ("$(headers.x_a or headers.nothing or 'x')", "one"), ('$("a" .. headers.x_a)', "aone"),
    ("$(headers.x_a .. '-' .. uri_captures.user)", "one-ann"), ("$(headers.nothing or 'a' .. 'b')", "ab"), ("$(headers.x_a or 'a' .. 'b')", "one"),
    ("/u/$(uri_captures.user)/v", "/u/ann/v"), ("$(headers.x_a)$(query_params.user)!", "oneq!"), ("$('text with $(dollar)')", "text with $(dollar)"),
    ("plain $ (text)", "plain $ (text)"), ("$( headers.x_a )", "one"), ("a$(headers.nothing)", "a"), ("$('a\\'b')", "a'b"), ("$(headers.host)", "h.test"),
]


@pytest.mark.parametrize("template, expected", TEMPLATES)
def test_templates(routed, template, expected):
    enable(routed, {"add": {"headers": [f"X-Made:{template}"]}})
    answer = routed.a.proxy("GET", C, headers={"X-A": "one", "Host": "h.test"})
    assert got(answer, "X-Made") == [expected]


def test_a_value_that_is_not_there_is_empty(routed):
    enable(routed, {"add": {"headers": ["X-Made:$(headers.nothing)"], "querystring": ["made:$(headers.nothing)"]}})
    answer = routed.a.proxy("GET", "/r")
    assert got(answer, "X-Made") == [""] and answer.json["path"] == "/r?made="


REFUSED = ["$(os.exit())", "$(headers.x == 1)", "$(headers.x", "$(headers)", "$(1)", "$(headers.x or)", "$('a)", "$()", "$(headers[x])", "$(headers.x .. )", "$(a)",
           "$(headers.x and 'y')", "$(headers[1])", "$((headers.x))", "$(uri_captures[99999])", "$(headers.x) $(" + "x" * 300, "$('a' or " * 3]


@pytest.mark.parametrize("template", REFUSED)
def test_what_is_no_template_is_refused(cluster, template):
    for config in ({"add": {"headers": [f"X-A:{template}"]}}, {"replace": {"querystring": [f"a:{template}"]}}, {"append": {"body": [f"a:{template}"]}}, {"replace": {"uri": template}}):
        answer = cluster.a.admin("POST", "/plugins", json={"name": "request-transformer", "config": config})
        assert answer.status == 400 and "' is not in supported format, error:" in answer.json["message"], answer


URIS = [("/fixed", 200, "/fixed?q=1"), ("/u/$(uri_captures.user)/$(uri_captures[2])", 200, "/u/a%20b/7?q=1"), ("/x?y", 200, "/x%3Fy?q=1"), ("x", 500, None),
        ("$(headers.nothing)", 500, None), ("$(headers.nothing .. '/')", 500, None), ("/$(headers.x_a)", 200, "/a/b?q=1"), ("/ \u00e4", 200, "/%20%C3%A4?q=1")]


@pytest.mark.parametrize("uri, status, path", URIS)
def test_paths(routed, uri, status, path):
    enable(routed, {"replace": {"uri": uri}})
    answer = routed.a.proxy("GET", "/users/a%20b/7?q=1", headers={"X-A": "a/b"})
    assert answer.status == status
    if path:
        assert answer.json["path"] == path
    else:
        assert_answer(answer, 500, {"message": "An unexpected error occurred"})


def test_line_breaks_do_not_get_into_headers(routed):
    """Nor anything else that would end a line: the request fails, and is counted."""
    enable(routed, {"add": {"headers": ["X-Made:$(query_params.a)"]}})
    before = routed.upstream.requests
    answer = routed.a.proxy("GET", "/r?a=x%0d%0aEvil:%201")
    assert answer.status == 500 and routed.upstream.requests == before


def test_the_most_specific_counts(routed):
    for value, path in (("global", "/plugins"), ("service", "/services/s/plugins"), ("route", "/routes/r/plugins")):
        routed.plugin("request-transformer", {"add": {"headers": [f"X-Made:{value}"]}}, path=path)
        assert got(routed.a.proxy("GET", "/r"), "X-Made") == [value]
    assert got(routed.a.proxy("GET", C), "X-Made") == ["service"]


def test_settings(cluster):
    empty = {"body": [], "headers": [], "querystring": []}
    assert cluster.plugin("request-transformer")["config"] == {"http_method": None, "remove": empty, "rename": empty, "replace": empty | {"uri": None}, "add": empty, "append": empty}
    for config, fields in (({"add": {"headers": ["a"]}}, {"add": {"headers": ["invalid value: a"]}}), ({"http_method": "get"}, {"http_method": "invalid value: get"})):
        answer = cluster.a.admin("POST", "/plugins", json={"name": "request-transformer", "config": config})
        assert answer.status == 400 and answer.json["fields"] == {"config": fields}
