"""Wrong values in every field of every entity, and random ones: an answer below 500, nothing half-written, a node that lives.

The seed is in the failure: FRESHET_SEED=<n> repeats a run.
"""

import collections
import json
import os
import random
import socket
import threading
from urllib.parse import quote

import pytest

from admin_api import CREDENTIALS, KINDS, MORE_LEAST, MORE_PATHS, NOWHERE, encode, least_credentials, make_parents, new_id
from support import default_entities

pytestmark = pytest.mark.usefixtures("clean")

ENTITIES = {"services": "/services", "routes": "/routes", "consumers": "/consumers", "plugins": "/plugins"} | CREDENTIALS | {
    entity: MORE_PATHS.get(entity, f"/{entity}") for entity in MORE_LEAST}
LEAST = {"services": {"host": "h"}, "routes": {"paths": ["/r"]}, "consumers": {"username": "c"}, "plugins": {"name": "key-auth"}} | (
    least_credentials("owner")) | MORE_LEAST | {"targets": {"target": "t.test"}}
VALUES = [None, True, False, 0, -1, 1, 1.5, 80, 1e15, 2**53, -2**53, 1e300, 2**31, "", " ", "a", "/", "/a", "~/(", "http", "tcp", "grpc", "x" * 3000, "a b", "äöü",
          "\u0001", "\U0001f600", "'; DROP TABLE services; --", "%s%n", "*", "*.a", "a:1", "[::1]", NOWHERE, NOWHERE.upper(), [], {}, [None], [[]], [{}], [1, "a", None],
          ["a", "a"], ["http"], ["tcp"], ["grpc", "http"], ["/a"], ["a.b"], [NOWHERE], {"a": 1}, {"a": None}, {"a": []}, {"a": ["b"]}, {"": ""}, {"id": NOWHERE},
          {"id": None}, {"id": 1}, {"name": "s"}, {"name": None}, {"username": "owner"}, {"key_names": 1}, {"status_code": 999}, {"@entity": ["x"]}, [{"ip": "1.2.3.4"}],
          [{"port": 1}, {"port": 1}], [{"ip": 7}], {"a": {"b": {"c": [1, {"d": None}]}}}, {"a.b": ["c"]}, {"0": "a", "1": "b"}]


def fields_of(cluster, entity):
    names = [next(iter(one)) for one in cluster.a.admin("GET", f"/schemas/{entity}").json["fields"]]
    return names + ["ttl", "url", "@entity", "unknown", "", "ws_id"]


def assert_sane(answer, what):
    assert answer.status in (200, 201, 204, 400, 404, 409), (what, answer)
    if answer.status == 204:
        return
    body = answer.json
    if answer.status in (400, 409):
        assert isinstance(body["message"], str) and body["message"], (what, answer)
        assert ("code" in body) == (body["message"] not in ("Cannot parse JSON body", "Cannot parse form body")), (what, answer)
    elif answer.status in (200, 201):
        assert "id" in body or "data" in body, (what, answer)


def assert_consistent(cluster):
    """What is stored can be read, is complete, and validates again; each row has an event; both nodes apply them all."""
    cluster.settle()
    for entity, path in ENTITIES.items():
        for row in cluster.b.admin("GET", f"{path}?size=1000").json["data"]:
            answer = cluster.a.admin("PATCH", f"{path}/{row['id']}", json={})
            assert answer.status == 200, (row, answer)
            ignored = ("updated_at", "ttl")
            assert {name: value for name, value in answer.json.items() if name not in ignored} == {
                name: value for name, value in row.items() if name not in ignored}
        rows = cluster.sql(f"SELECT id FROM {entity} EXCEPT SELECT id FROM cluster_log WHERE entity = '{entity}'")
        assert rows == "", f"{entity} without an event: {rows}"
    for node in cluster.nodes:
        assert node.process.poll() is None


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_wrong_value_in_every_field(cluster, entity):
    cluster.service("s")
    cluster.consumer("owner")
    make_parents(cluster)
    path = ENTITIES[entity]
    stored = cluster.a.admin("POST", path, json=LEAST[entity]).json
    for name in fields_of(cluster, entity):
        for value in VALUES:
            body = LEAST[entity] | {name: value}
            made = cluster.a.admin("POST", path, json=body)
            assert_sane(made, body)
            if made.status == 201 and made.json["id"] != stored["id"]:
                assert cluster.a.admin("DELETE", f"{path}/{made.json['id']}").status == 204
            changed = cluster.a.admin("PATCH", f"{path}/{stored['id']}", json={name: value})
            assert_sane(changed, {name: value})
            if changed.status == 200:
                restored = cluster.a.admin("PUT", f"{path}/{stored['id']}", json=LEAST[entity])
                assert restored.status == 200, (name, value, restored)
    assert_consistent(cluster)


def some(random_, depth=0):
    if depth < 4 and random_.random() < 0.4:
        if random_.random() < 0.5:
            return [some(random_, depth + 1) for _ in range(random_.randrange(4))]
        return {some_text(random_): some(random_, depth + 1) for _ in range(random_.randrange(4))}
    return random_.choice(VALUES) if random_.random() < 0.7 else some_text(random_)


def some_text(random_):
    alphabet = "abcXYZ019 ./:*~-_[]{}()'\"\\,;%&=+#?@!$^|<>`äß円\n\t"
    return "".join(random_.choice(alphabet) for _ in range(random_.randrange(12)))


def some_body(random_, entity, names):
    body = {}
    for _ in range(random_.randrange(6)):
        body[random_.choice(names)] = some(random_)
    return (LEAST[entity] if random_.random() < 0.6 else {}) | body


def some_request(random_, entity, names):
    path = ENTITIES[entity]
    key = random_.choice(["s", "r", "owner", "k", NOWHERE, new_id()])
    path = random_.choice([path, path, f"{path}/{key}", f"/services/s{path}", f"/routes/{key}{path}", f"/consumers/owner{path}/{key}", f"/routes/{key}/service",
                           f"/plugins/{key}/consumer", f"/consumers/owner/key-auth/{key}", f"/schemas/{entity}/validate"])
    method = random_.choice(["POST", "POST", "PUT", "PATCH", "PATCH", "GET", "DELETE"])
    kind = random_.choice(KINDS)
    headers, data = encode(kind, some_body(random_, entity, names))
    if random_.random() < 0.1:
        data = bytearray(data)
        for _ in range(random_.randrange(1, 4)):
            if data:
                data[random_.randrange(len(data))] = random_.randrange(256)
        data = bytes(data)[:random_.randrange(len(data) + 1)]
    return method, path, headers, data


def run_monkey(cluster, seed, count, seen, failures):
    random_ = random.Random(seed)
    names = {entity: fields_of(cluster, entity) for entity in ENTITIES}
    for number in range(count):
        entity = random_.choice(list(ENTITIES))
        request = some_request(random_, entity, names[entity])
        try:
            method, path, headers, data = request
            answer = random_.choice(cluster.nodes).admin(method, path, headers=headers, data=data)
            assert answer.status in (200, 201, 204, 400, 404, 405, 409), answer
            if answer.body:
                json.loads(answer.body.decode("utf-8"))
        except Exception as failure:  # pylint: disable=broad-except
            failures.append((seed, number, request, failure))
            return
        seen[method, answer.status] += 1


def visit(cluster, seed, is_over, failures):
    """Somebody uses what the writers make of the routes."""
    random_ = random.Random(seed)
    while not is_over.is_set():
        path = random_.choice(["/r", "/", "/a", "/" + quote(some_text(random_)), f"/{'x' * 3000}", "/r?apikey=k"])
        try:
            node = random_.choice(cluster.nodes)
            node.proxy(random_.choice(["GET", "POST", "OPTIONS"]), path, headers={"Host": random_.choice(["a.b", "a", "h:1"]), "a": "b"}, timeout=20)
        except socket.timeout:
            pass  # an upstream that nobody has
        except Exception as failure:  # pylint: disable=broad-except
            failures.append((seed, path, failure))
            return


def test_random_requests(cluster):
    """Several writers at once, on both nodes, over the same few entities, while others are proxied."""
    seed = int(os.environ.get("FRESHET_SEED", random.randrange(1 << 30)))
    count = int(os.environ.get("FRESHET_MONKEY", "250"))
    cluster.service("s")
    cluster.route("r")
    cluster.consumer("owner")
    make_parents(cluster)
    failures, seen = [], collections.Counter()
    monkeys = [threading.Thread(target=run_monkey, args=(cluster, seed + number, count, seen, failures)) for number in range(4)]
    is_over = threading.Event()
    visitor = threading.Thread(target=visit, args=(cluster, seed, is_over, failures))
    for thread in [visitor, *monkeys]:
        thread.start()
    for monkey in monkeys:
        monkey.join()
    is_over.set()
    visitor.join()
    assert not failures, failures
    for often in (("POST", 201), ("POST", 400), ("PUT", 200), ("PUT", 400), ("PATCH", 400), ("DELETE", 204), ("GET", 200)):
        assert seen[often] > 0, (seed, seen)
    assert_consistent(cluster)
    default_entities(cluster)
