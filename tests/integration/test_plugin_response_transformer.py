"""response-transformer (plugin reference, 14)."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.service()
    cluster.route()
    return cluster


def ask(cluster, lines=(), body=None, path="/r", method="GET"):
    headers = [("X-Answer", line) for line in lines] + ([("X-Answer-Body", body)] if body is not None else [])
    return cluster.a.proxy(method, path, headers=dict(headers))


HEADERS = [
    ({"remove": ["x-one"]}, "X-One=1", {"X-One": []}), ({"rename": ["x-one:X-Two"]}, "X-One=1", {"X-One": [], "X-Two": ["1"]}),
    ({"rename": ["X-Upstream:X-One"]}, "X-One=1", {"X-Upstream": [], "X-One": ["yes"]}), ({"rename": ["X-None:X-One"]}, "X-One=1", {"X-One": ["1"]}),
    ({"replace": ["X-One:2:3"]}, "X-One=1", {"X-One": ["2:3"]}), ({"replace": ["X-None:2"]}, "X-One=1", {"X-None": []}), ({"add": ["X-One:2", "X-New:3"]}, "X-One=1", {"X-One": ["1"], "X-New": ["3"]}),
    ({"append": ["X-One:2"]}, "X-One=1", {"X-One": ["1", "2"]}), ({"append": ["X-New:2"]}, "X-One=1", {"X-New": ["2"]}),
    ({"remove": ["X-One"], "add": ["X-One:2"], "append": ["X-One:3"]}, "X-One=1", {"X-One": ["2", "3"]}),
]


@pytest.mark.parametrize("rules, line, expected", HEADERS)
def test_headers(routed, rules, line, expected):
    routed.plugin("response-transformer", {action: {"headers": rules[action]} for action in rules})
    answer = ask(routed, [line], '{"a":1}')
    assert {name: answer.all(name) for name in expected} == expected
    assert answer.body == b'{"a":1}' and answer.headers["Content-Length"] == "7"


BODIES = [
    ({"remove": {"json": ["a"]}}, '{"a":1,"b":[]}', '{"b":[]}'), ({"replace": {"json": ["a:x"]}}, '{"a":1,"b":2}', '{"a":"x","b":2}'), ({"replace": {"json": ["c:x"]}}, '{"a":1}', '{"a":1}'),
    ({"replace": {"json": ["a:x"]}}, '{"a":false}', '{"a":"x"}'), ({"add": {"json": ["a:x"]}}, '{"a":false}', '{"a":false}'), ({"add": {"json": ["a:x"]}}, "{}", '{"a":"x"}'),
    ({"add": {"json": ["a:1", "b:true", "c:x", "d:1"], "json_types": ["number", "boolean", "string"]}}, "{}", '{"a":1,"b":true,"c":"x","d":"1"}'),
    ({"add": {"json": ["a:yes", "b:x", "c:-1.5e3"], "json_types": ["boolean", "number", "number"]}}, "{}", '{"a":false,"c":-1.5e3}'),
    ({"append": {"json": ["a:2"]}}, '{"a":"1"}', '{"a":["1","2"]}'), ({"append": {"json": ["a:2"], "json_types": ["number"]}}, '{"a":[]}', '{"a":[2]}'), ({"append": {"json": ["a:2"]}}, "{}", '{"a":["2"]}'),
    ({"remove": {"json": ["a"]}, "replace": {"json": ["b:2"]}, "add": {"json": ["a:3"]}, "append": {"json": ["a:4"]}}, '{"a":1,"b":1}', '{"b":"2","a":["3","4"]}'),
    ({"add": {"json": ['a:say "hi"\\n']}}, "{}", '{"a":"say \\"hi\\"\\\\n"}'), ({"add": {"json": ["a:1"]}}, "not JSON", "not JSON"), ({"add": {"json": ["a:1"]}}, "[1]", "[1]"), ({"add": {"json": ["a:1"]}}, "", ""),
    ({"remove": {"json": ["a"]}}, '{"b":{"a":1}, "c":12345678901234567890}', '{"b":{"a":1},"c":12345678901234567890}'),
]


@pytest.mark.parametrize("config, body, expected", BODIES)
def test_bodies(routed, config, body, expected):
    routed.plugin("response-transformer", config)
    answer = ask(routed, body=body)
    assert answer.text == expected
    assert answer.headers.get("Content-Length", str(len(expected))) == str(len(expected))


@pytest.mark.parametrize("content_type, changed", [("application/json; charset=utf-8", True), ("text/plain, application/json", True), ("APPLICATION/JSON", True), ("text/plain", False), ("application/json+x", False)])
def test_only_json_is_changed(routed, content_type, changed):
    routed.plugin("response-transformer", {"add": {"json": ["a:1"]}})
    assert ask(routed, [f"Content-Type={content_type}"], "{}").text == ('{"a":"1"}' if changed else "{}")


def test_answers_of_the_gateway_are_changed_too(routed):
    routed.plugin("response-transformer", {"add": {"json": ["a:1"], "headers": ["X-New:1"]}, "remove": {"json": ["request_id"]}})
    answer = routed.a.proxy("GET", "/nowhere")
    assert answer.status == 404 and set(answer.json) == {"message", "a"} and answer.headers["X-New"] == "1"
    routed.plugin("key-auth", path="/routes/r/plugins")
    answer = ask(routed)
    assert answer.status == 401 and answer.json == {"message": "No API key found in request", "a": "1"}


def test_what_is_not_global_leaves_404_alone(routed):
    routed.plugin("response-transformer", {"add": {"headers": ["X-New:1"]}}, path="/routes/r/plugins")
    assert "X-New" not in routed.a.proxy("GET", "/nowhere").headers and ask(routed).headers["X-New"] == "1"


def test_head_and_empty_answers(routed):
    routed.plugin("response-transformer", {"add": {"json": ["a:1"]}})
    assert ask(routed, method="HEAD").body == b""
    for status in (204, 304):
        answer = ask(routed, path=f"/r/status/{status}")
        assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("size, changed", [(1000, True), (900000, True), (1 << 20, True), ((1 << 20) + 1, False), (3000000, False)])
def test_bodies_of_all_sizes(routed, size, changed):
    """Those over the bound pass as they came."""
    routed.plugin("response-transformer", {"add": {"json": ["a:1"]}})
    body = json.dumps({"filler": "x" * (size - len('{"filler": ""}'))})
    assert len(body) == size
    answer = routed.a.proxy("POST", "/r/echo", data=body)
    assert answer.text == (body if not changed else json.dumps(json.loads(body) | {"a": "1"}, separators=(",", ":")))


def test_connections_are_kept(routed):
    routed.plugin("response-transformer", {"add": {"json": ["a:1"]}})
    peers = {ask(routed).json["peer"] for _ in range(6)}
    assert len(peers) <= 2
