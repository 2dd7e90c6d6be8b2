"""Bodies of requests: what is read, how forms become entities, and everything that cannot be (reference 1.4-1.6; checklist 47-52, 363, 490)."""

import contextlib
import json
import random
import socket

import pytest

from admin_api import BAD_JSON, BOUNDARY, KINDS, assert_answer, exchange, multipart, rule, send, violation, without, wrong
from support import eventually

pytestmark = pytest.mark.usefixtures("clean")

NAMELESS = rule("at least one of these fields must be non-empty: 'custom_id', 'username'")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def post(cluster, kind, data, path="/consumers", method="POST"):
    return cluster.a.admin(method, path, headers={} if kind is None else {"Content-Type": kind}, data=data)


def assert_nothing_was_stored(cluster):
    for path in ("/services", "/routes", "/consumers", "/plugins", "/key-auths"):
        assert cluster.a.admin("GET", path).json["data"] == []


BROKEN = [  # what is no JSON object
    b"", b" ", b"{", b'{"username"', b'{"username":', b'{"username":"a"', b'{"username":"a"}}', b'{"username":"a"} x', b'{"username":"a",}',
    b"{'username':'a'}", b"{username:1}", b'"a"', b"1", b"null", b"true", b'[1]', b'[{"username":"a"}]', b'{"username":"\\ud800"}', b'{"username":"\xff"}',
    b'{"username":"a\x00b"}', b'{"username":"a\\u0000b"}', b'{"a\\u0000b":1}', b'{"username":nope}', b'{"username":01x}', b"\x00", b'\xef\xbb\xbf',
    b"[" * 100000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"username":"' + b"x" * 100000, b'{"a":tru}', b'{"a":1e}', b'{"a":-}', b'{"a":"\\x"}',
]


@pytest.mark.parametrize("data", BROKEN, ids=lambda data: ascii(data[:20]))
def test_what_is_no_json_object(cluster, data):
    for method, path in (("POST", "/consumers"), ("PUT", "/consumers/x"), ("POST", "/schemas/consumers/validate")):
        assert_answer(post(cluster, JSON, data, path, method), 400, BAD_JSON)
    assert_nothing_was_stored(cluster)


def test_broken_json_of_a_patch(cluster):
    made = cluster.a.admin("POST", "/consumers", json={"username": "a"}).json
    for path in ("/consumers/a", "/consumers/nobody"):
        assert_answer(post(cluster, JSON, '{"hello": "world"', path, "PATCH"), 400, BAD_JSON)
        assert_answer(post(cluster, JSON, None, path, "PATCH"), 400, BAD_JSON)
    assert cluster.a.admin("GET", "/consumers/a").json == made


def test_an_empty_list_is_an_empty_object(cluster):
    for data in ("[]", " [ ] ", "{}", "\n{\t}\r\n"):
        assert_answer(post(cluster, JSON, data), 400, NAMELESS)


def test_json_with_every_escape(cluster):
    answer = post(cluster, "application/json; charset=utf-8", '{"username":"\\u00e4\\ud83d\\ude00\\/\\"\\\\\\n\\t","tags":["\\u5186"]}')
    assert (answer.status, answer.json["username"], answer.json["tags"]) == (201, "ä😀/\"\\\n\t", ["円"])
    assert "ä😀/".encode() in answer.body and "円".encode() in answer.body


def test_the_last_of_repeated_members_counts(cluster):
    assert post(cluster, JSON, '{"username":1,"username":"a"}').json["username"] == "a"


def test_names_are_taken_with_their_case(cluster):
    assert_answer(post(cluster, JSON, '{"Username":"a","custom_id":"1"}'), 400, wrong("Username", "unknown field"))


@pytest.mark.parametrize("kind, data, status", [
    (None, None, 400), (None, "username=a", 415), ("invalid", None, 415), ("invalid", "{}", 415), ("text/plain", "x", 415), ("text/yaml", "a: 1", 415),
    ("Application/JSON", "{}", 415), ("application/jsonx", '{"username":"a"}', 201), ("application/json", None, 400), (FORM, None, 400),
    (MULTIPART, None, 400), ("multipart/form-data", None, 400), ("multipart/form-data", "username=a", 400), ("", "{}", 415)])
def test_content_types(cluster, kind, data, status):
    for method, path in (("POST", "/consumers"), ("PUT", f"/consumers/{'0' * 8}-0000-4000-8000-{'0' * 12}")):
        answer = post(cluster, kind, data, path, method)
        if status == 201:
            assert answer.status in (200, 201), answer
            assert cluster.a.admin("DELETE", "/consumers/a").status == 204
        else:
            assert answer.status == status, answer
        if status == 415:
            assert answer.headers["Content-Type"].startswith("text/html")
        if status == 400:
            assert answer.json == (BAD_JSON if kind == JSON else NAMELESS)


def test_content_types_of_a_patch(cluster):
    cluster.a.admin("POST", "/consumers", json={"username": "a"})
    for kind, data in (("invalid", "{}"), (None, '{"username":"b"}')):
        assert post(cluster, kind, data, "/consumers/a", "PATCH").status == 415
    assert post(cluster, None, None, "/consumers/a", "PATCH").status == 200


def test_a_chunked_body(cluster):
    def chunked(kind, body):
        kind = f"Content-Type: {kind}\r\n" if kind else ""
        head = f"POST /consumers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{kind}Transfer-Encoding: chunked\r\n\r\n"
        return exchange(cluster.a, head.encode() + b"".join(b"%x\r\n%s\r\n" % (1, body[i:i + 1]) for i in range(len(body))) + b"0\r\n\r\n")

    assert chunked(JSON, b'{"username":"a"}').status == 201
    assert chunked(FORM, b"username=b").status == 201
    assert chunked(None, b"username=c").status == 415
    assert_answer(chunked(None, b""), 400, NAMELESS)


# ---- forms ----

def record(**fields):
    return {"paths": ["/p"]} | fields


@pytest.mark.parametrize("pairs, expected", [
    ("hosts[]=a&hosts[]=b", {"hosts": ["a", "b"]}), ("hosts=a&hosts=b", {"hosts": ["a", "b"]}), ("hosts=a", {"hosts": ["a"]}),
    ("hosts[2]=b&hosts[1]=a", {"hosts": ["a", "b"]}), ("hosts%5B1%5D=a", {"hosts": ["a"]}), ("hosts=a,b", None), ("hosts[]=a", {"hosts": ["a"]}),
    ("headers.x-tenant=a", {"headers": {"x-tenant": ["a"]}}), ("headers.x[1]=a&headers.x[2]=b", {"headers": {"x": ["a", "b"]}}),
    ("headers.x=a&headers.x=b", {"headers": {"x": ["a", "b"]}}), ("headers.x[]=a&headers.y[]=b", {"headers": {"x": ["a"], "y": ["b"]}}),
    ("strip_path=false&preserve_host=true", {"strip_path": False, "preserve_host": True}), ("preserve_host", {"preserve_host": True}),
    ("regex_priority=-5", {"regex_priority": -5}), ("regex_priority=0x10", {"regex_priority": 16}), ("name=a+b", None), ("name=a%2Bb", None),
    ("tags=", {"tags": None}), ("tags=a b&tags=c", {"tags": ["a b", "c"]}), ("tags=%C3%A4", {"tags": ["ä"]}), ("name=", {"name": None}),
    ("regex_priority=", {"regex_priority": None}), ("methods=GET&methods=POST&methods=GET", {"methods": ["GET", "POST"]}), ("&&", {}), ("=x", {}),
])
def test_forms(cluster, pairs, expected):
    answer = post(cluster, FORM, f"paths=/p&{pairs}", "/routes")
    if expected is None:
        assert answer.status == 400, answer
    else:
        assert answer.status == 201, answer
        assert {name: answer.json[name] for name in expected} == expected


@pytest.mark.parametrize("pairs, expected", [
    ("hosts[0]=a", wrong("hosts", "expected an array")), ("hosts[1]=a&hosts[3]=b", wrong("hosts", "expected an array")),
    ("methods[0]=GET", wrong("methods", "expected a set")), ("name", wrong("name", "expected a string")),
    ("tags[]=", violation({"tags": ["required field missing"]}, "tags.1: required field missing")),
    ("regex_priority=1.5", wrong("regex_priority", "expected an integer")), ("strip_path=1", wrong("strip_path", "expected a boolean")),
    ("strip_path=TRUE", wrong("strip_path", "expected a boolean")), ("name.x=1", wrong("name", "expected a string")),
    ("name=a&name=b", wrong("name", "expected a string")), ("regex_priority=nan", wrong("regex_priority", "expected an integer")),
    ("regex_priority=1e400", wrong("regex_priority", "expected an integer")), ("regex_priority=inf", wrong("regex_priority", "expected an integer")),
])
def test_forms_that_mean_something_else(cluster, pairs, expected):
    assert_answer(post(cluster, FORM, f"paths=/p&{pairs}", "/routes"), 400, expected)


def test_forms_of_records_in_lists(cluster):
    answer = post(cluster, FORM, "protocols=tcp&sources[1].ip=10.0.0.0/8&sources[2].port=80&sources[1].port=1", "/routes")
    assert answer.json["sources"] == [{"ip": "10.0.0.0/8", "port": 1}, {"ip": None, "port": 80}]


def test_multipart(cluster):
    headers, data = multipart([("username", "first"), ("username", "last"), ("tags[]", "a"), ("tags[]", "b")])
    answer = cluster.a.admin("POST", "/consumers", headers=headers, data=data)
    assert (answer.status, answer.json["username"], answer.json["tags"]) == (201, "last", ["b"])
    headers, data = multipart([("username", "x"), ("tags[2]", "b"), ("tags[1]", "a")])
    assert cluster.a.admin("POST", "/consumers", headers=headers, data=data).json["tags"] == ["a", "b"]
    file = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; filename="f.txt"; name="username"\r\nContent-Type: text/plain\r\n\r\nline\r\nline\r\n'
            f'--{BOUNDARY}--\r\n').encode()
    assert post(cluster, MULTIPART, file).json["username"] == "line\r\nline"
    quoted = file.replace(b"line\r\nline", b"y")
    assert post(cluster, f'multipart/form-data; boundary="{BOUNDARY}"', quoted).json["username"] == "y"


@pytest.mark.parametrize("data", [b"", b"--", b"junk", f"--{BOUNDARY}".encode(), f"--{BOUNDARY}--".encode(), f"--{BOUNDARY}\r\n\r\n".encode(),
                                  f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n--{BOUNDARY}--".encode(),
                                  f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="username\r\n\r\nx\r\n--{BOUNDARY}--'.encode(),
                                  f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="username"\r\n\r\ncut off'.encode()])
def test_multipart_that_says_nothing(cluster, data):
    assert_answer(post(cluster, MULTIPART, data), 400, NAMELESS)


def test_a_thousand_arguments_and_one_more(cluster):
    for count, status in ((999, 201), (1000, 400)):
        answer = post(cluster, FORM, "username=many&" + "&".join(f"tags[]={i}" for i in range(count)))
        assert answer.status == status, answer
    assert_answer(answer, 400, {"message": "Too many arguments"})
    headers, data = multipart([("username", "m")] + [(f"tags[{i}]", str(i)) for i in range(1, 1501)])
    assert len(cluster.a.admin("POST", "/consumers", headers=headers, data=data).json["tags"]) == 1500


@pytest.mark.parametrize("data", ["username=%ff", "username=%00", "%ff=1", "a%00b=1", "tags[]=%c3%28&username=a"])
def test_forms_that_are_no_text(cluster, data):
    answer = post(cluster, FORM, data)
    assert answer.status == 400 and answer.json["message"]
    headers, body = multipart([("username", "a")])
    assert cluster.a.admin("POST", "/consumers", headers=headers, data=body.replace(b"\r\na\r\n", b"\r\n\xff\x00\r\n")).status == 400
    assert_nothing_was_stored(cluster)


def test_forms_of_strange_shapes(cluster):
    for data in ("a[=1", "a]=1", "[]=1", "[1]=1", "a[[1]]=1", "a[x]=1", "a[1][2]=3", "a.=1", ".a=1", "..=1", "a[]b=1", "a[1]b=1", "a" * 5000 + "=1",
                 "a" + ".b" * 3000 + "=1", "a" + "[1]" * 3000 + "=1", "a=1&a.b=2&a[]=3&a[1]=4", "a[99999999999999999999]=1", "a[-1]=1"):
        answer = post(cluster, FORM, data)
        assert answer.status == 400 and answer.json["code"] == 2, answer
    assert_nothing_was_stored(cluster)


# ---- sizes, depths, numbers ----

def test_numbers_beyond_all_bounds(cluster):
    for text in ("1e400", "-1e400", "9007199254740993", "1e300", "99999999999999999999999999", "1.5", "-0.1"):
        for field, path in (("port", "/services"), ("created_at", "/services"), ("regex_priority", "/routes"), ("retries", "/services")):
            body = f'{{"host":"h","{field}":{text}}}' if path == "/services" else f'{{"paths":["/p"],"{field}":{text}}}'
            answer = post(cluster, JSON, body, path)
            assert answer.status == 400 and field in answer.json["fields"], answer
    largest = post(cluster, JSON, '{"paths":["/p"],"regex_priority":9007199254740991}', "/routes")
    assert largest.json["regex_priority"] == 9007199254740991
    assert b"9007199254740991" in cluster.a.admin("GET", f"/routes/{largest.json['id']}").body


def test_deep_nesting(cluster):
    for depth in (100, 900):
        for field in ("tags", "foo", "headers", "sources", "service"):
            body = f'{{"paths":["/p"],"{field}":' + '{"a":[' * (depth // 2) + "]}" * (depth // 2) + "}"
            answer = post(cluster, JSON, body, "/routes")
            assert answer.status == 400 and answer.json["code"] == 2, answer


def test_a_body_over_the_limit(cluster):
    body = json.dumps({"username": "x" * (11 * 1024 * 1024)}).encode()
    head = f"POST /consumers HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    answer = exchange(cluster.a, head)
    assert answer.status == 413
    assert answer.headers["Content-Type"].startswith("text/html") and b"<html>" in answer.body
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert_nothing_was_stored(cluster)


def test_a_chunked_body_over_the_limit(cluster):
    head = b"POST /consumers HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    part = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", cluster.a.admin_port), timeout=20) as link:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            link.sendall(head)
            for _ in range(12):
                link.sendall(part)
        with contextlib.suppress(ConnectionResetError):
            assert link.recv(1000).startswith(b"HTTP/1.1 413")
    assert cluster.a.admin("GET", "/consumers").status == 200


def test_a_body_just_under_the_limit(cluster):
    tags = [f"tag-{i:06}" for i in range(200000)]
    answer = cluster.a.admin("POST", "/schemas/consumers/validate", json={"username": "a", "tags": tags})
    assert_answer(answer, 200, {"message": "schema validation successful"})
    wrongs = cluster.a.admin("POST", "/consumers", json={"username": "a", "tags": [1] * 2000000})
    assert wrongs.status == 400 and len(wrongs.body) < 100000
    members = "{" + ",".join(f'"m{i}":1' for i in range(300000)) + "}"
    assert post(cluster, JSON, members).status == 400
    assert post(cluster, FORM, "&".join(["a=1"] * 1000)).status == 400
    assert_nothing_was_stored(cluster)


def test_a_body_cut_off(cluster):
    before = cluster.a.applied()
    for kind, body in ((JSON, b'{"username":"cut"}'), (FORM, b"username=cut"), (MULTIPART, multipart([("username", "cut")])[1])):
        head = f"POST /consumers HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {len(body) + 10}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", cluster.a.admin_port), timeout=10) as link:
            link.sendall(head + body)
            link.shutdown(socket.SHUT_WR)
            link.settimeout(10)
            assert b" 201 " not in link.recv(1000)
        with socket.create_connection(("127.0.0.1", cluster.a.admin_port), timeout=10) as link:
            link.sendall(head + body)
    assert_nothing_was_stored(cluster)
    assert cluster.a.applied() == before


def test_clients_that_do_not_wait(cluster):
    """The answer finds nobody: what was asked is done as a whole all the same."""
    for i in range(50):
        body = json.dumps({"username": f"gone-{i}"}).encode()
        head = f"POST /consumers HTTP/1.1\r\nHost: a\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", cluster.a.admin_port), timeout=10) as link:
            link.sendall(head + body)
            if random.random() < 0.5:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    eventually(lambda: cluster.a.admin("GET", "/").status == 200, 10)
    assert cluster.sql("SELECT id FROM consumers EXCEPT SELECT id FROM cluster_log WHERE entity = 'consumers'") == ""
    # Whoever has begun ends before the next test begins with what there is.
    eventually(lambda: cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'") == "1", 10)


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_members_of_every_entity(cluster, kind):
    for path, good in (("/services", {"host": "h"}), ("/routes", {"paths": ["/p"]}), ("/consumers", {"username": "u"}), ("/plugins", {"name": "key-auth"})):
        answer = send(cluster.a, kind, "POST", path, good | {"foo": "bar", "zoo": "x"})
        assert_answer(answer, 400, violation({"foo": "unknown field", "zoo": "unknown field"}, "foo: unknown field", "zoo: unknown field"))
        made = send(cluster.a, kind, "POST", path, good)
        assert made.status == 201
        assert "foo" not in without(made.json)
