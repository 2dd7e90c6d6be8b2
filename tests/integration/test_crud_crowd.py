"""Fifty connections on both nodes that make, change and delete the same few entities of every kind.

Each is told the truth (no 500, no 503, no deadlock), what is stored obeys its constraints, and no node has missed an event.
FRESHET_SEED=<n> repeats what is asked, FRESHET_CROWD=<n> is how many requests each connection makes.
"""

import collections
import http.client
import json
import os
import random
import threading
from urllib.parse import quote

import pytest

from admin_api import new_id
from entity_specs import ENTITIES
from pems import CA, OTHER, OTHER_CA, OTHER_KEY, RSA, RSA_KEY, RSA_PUBLIC
from support import eventually

pytestmark = pytest.mark.usefixtures("clean")

CONNECTIONS = 50
NAMES = 3
KEYS = [f"key{n}" for n in range(NAMES)]


def bodies(random_, mine, other):
    """What each kind is asked to be; `mine` and `other` are numbers of names."""
    tags, consumer = [f"t{other}"], {"consumer": {"username": f"c{other}"}}
    scope = random_.choice([{"route": {"name": f"r{other}"}}, {"service": {"name": f"s{other}"}}, {"consumer": {"username": f"c{other}"}}])
    pair = random_.choice([{"cert": RSA, "key": RSA_KEY}, {"cert": OTHER, "key": OTHER_KEY}])
    return {
        "services": {"name": f"s{mine}", "host": "h.test", "retries": random_.randrange(100), "tags": tags},
        "routes": {"name": f"r{mine}", "paths": [f"/race-{mine}"], "service": random_.choice([None, {"name": f"s{other}"}])},
        "consumers": {"username": f"c{mine}", "custom_id": random_.choice([None, f"{other}"])},
        "plugins": {"instance_name": f"p{mine}", "name": "request-termination", "config": {"status_code": 418}} | scope,
        "upstreams": {"name": f"u{mine}", "slots": 100 + random_.randrange(100)},
        "targets": {"target": f"t{mine}:1", "weight": random_.randrange(100)},
        "certificates": pair | random_.choice([{}, {"snis": [f"n{mine}.test", f"n{other}.test"] if mine != other else []}]),
        "snis": {"name": f"n{mine}.test", "certificate": {"id": random_.choice(CERTIFICATES)}},
        "ca_certificates": {"cert": random_.choice([CA, OTHER_CA]), "tags": tags},
        "vaults": {"prefix": f"v{mine}", "name": "env", "description": f"{other}"},
        "key_sets": {"name": f"ks{mine}", "tags": tags},
        "keys": {"name": f"k{mine}", "kid": f"kid{other}", "pem": {"public_key": RSA_PUBLIC}, "set": random_.choice([None, {"name": f"ks{other}"}])},
        "keyauth_credentials": consumer | {"key": KEYS[mine]}, "basicauth_credentials": consumer | {"username": f"b{mine}", "password": "p"},
        "acls": consumer | {"group": f"g{mine}"}, "jwt_secrets": consumer | {"key": f"j{mine}"}, "hmacauth_credentials": consumer | {"username": f"h{mine}"},
    }


CERTIFICATES = [new_id() for _ in range(NAMES)]


def one_request(random_, entity):
    """(method, path, body) of a random thing done to a random one."""
    mine, other = random_.randrange(NAMES), random_.randrange(NAMES)
    spec, body = ENTITIES[entity], bodies(random_, mine, other)[entity]
    verb = random_.choice(["POST", "PUT", "PUT", "PATCH", "PATCH", "DELETE", "GET"])
    collection, key = f"/{spec.plural}", body.get(spec.key)
    if entity == "targets":
        collection = f"/upstreams/u{other}/targets"
    elif "consumer" in body and entity != "plugins" and random_.random() < 0.5:
        collection = f"/consumers/{body['consumer']['username']}/{spec.nested}"
        key = body.get("group", key)
    elif entity == "routes" and random_.random() < 0.3:
        collection = f"/services/s{other}/routes"
    elif entity == "certificates":
        key = random_.choice([f"n{mine}.test", CERTIFICATES[mine]])
    if key is None:
        key = CERTIFICATES[mine]  # an id like any other
    if verb == "PATCH":
        body = {name: value for name, value in body.items() if name not in ("password", "consumer", "name", "config") or entity in ("services", "routes")}
    return (verb, collection, body) if verb == "POST" else (verb, f"{collection}/{quote(key)}", body if verb != "GET" else None)


def crowd(cluster, seed, turns):
    """Statuses by method; what nobody should be told."""
    start, seen, wrong = threading.Barrier(CONNECTIONS), collections.Counter(), []

    def run(number):
        random_ = random.Random(seed + number)
        link = http.client.HTTPConnection("127.0.0.1", cluster.nodes[number % 2].admin_port, timeout=120)
        version = None  # of what was seen last, which is most often something else
        start.wait()
        for _ in range(turns):
            entity = random_.choice(list(ENTITIES))
            verb, path, body = one_request(random_, entity)
            headers = {"Content-Type": "application/json"} | ({"If-Match": version} if version and verb not in ("GET", "POST") and random_.random() < 0.1 else {})
            try:
                link.request(verb, path, json.dumps(body) if verb in ("POST", "PUT", "PATCH") else None, headers)
                answer = link.getresponse()
                text = answer.read()
            except OSError as failure:
                wrong.append((verb, path, repr(failure)))
                return
            version = answer.getheader("ETag") or version
            seen[verb, answer.status] += 1
            if answer.status not in (200, 201, 204, 400, 404, 409, 412):
                wrong.append((verb, path, body, answer.status, text[:300]))
            elif answer.status == 400 and b'"code":' not in text:
                wrong.append((verb, path, body, text[:300]))
        link.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen, wrong


def visit(cluster, is_over):
    """Somebody whose requests make the nodes remember what there is and what there is not."""
    random_ = random.Random(0)
    while not is_over.is_set():
        node = random_.choice(cluster.nodes)
        node.proxy("GET", "/guard", {"Host": "guard.test", "apikey": random_.choice(KEYS)})


def guard(cluster):
    cluster.service("guard")
    cluster.route("guard", service="guard", hosts=["guard.test"], paths=["/guard"], methods=["GET"])
    for plugin, config in (("key-auth", {}), ("request-termination", {"status_code": 299})):
        assert cluster.a.admin("POST", "/routes/guard/plugins", json={"name": plugin, "config": config}).status == 201


def assert_constraints(cluster):
    for entity, spec in ENTITIES.items():
        for name, ref in spec.refs.items():
            orphans = cluster.sql(f"SELECT count(*) FROM {entity} WHERE {name}_id IS NOT NULL AND {name}_id NOT IN (SELECT id FROM {ref.entity})")
            assert orphans == "0", (entity, name)
        for together in spec.unique:
            columns = ", ".join(f"{name}_id" if name in spec.refs else f'"{name}"' for name in together)
            present = " AND ".join(f'"{name}" IS NOT NULL' for name in together if name not in spec.refs)
            assert cluster.sql(f"SELECT {columns} FROM {entity} WHERE {present} GROUP BY {columns} HAVING count(*) > 1") == "", (entity, together)


def assert_remembered(cluster):
    """What a node remembers of an entity is what is stored."""
    for entity, spec in ENTITIES.items():
        ids = cluster.sql(f"SELECT id FROM {entity}").split()
        for key in ids if entity != "targets" else []:
            stored = cluster.a.admin("GET", f"/{spec.plural}/{key}")
            assert stored.status == 200, (entity, key, stored)
            name = stored.headers.get("X-Cache-Key")
            for node in cluster.nodes if name else []:
                kept = node.admin("GET", f"/cache/{name}")
                if kept.status == 200:
                    assert {one: value for one, value in kept.json.items() if value != stored.json.get(one, value)} == {}, (entity, node.name, kept, stored)


def assert_in_force(cluster):
    routes = set(cluster.sql("SELECT paths[1] FROM routes").split())
    keys = set(cluster.sql("SELECT key FROM keyauth_credentials").split())
    for node in cluster.nodes:
        for number in range(NAMES):
            path = f"/race-{number}"
            eventually(lambda node=node, path=path: (node.proxy("GET", path).status != 404) == (path in routes), 5, what=f"{path} on {node.name}")
        for key in KEYS:
            answer = node.proxy("GET", "/guard", {"Host": "guard.test", "apikey": key})
            assert (answer.status != 401) == (key in keys), (node.name, key, keys, answer)  # a plugin of its consumer may have its say


def test_fifty_connections_on_the_same_names(cluster):
    seed = int(os.environ.get("FRESHET_SEED", random.randrange(1 << 30)))
    turns = int(os.environ.get("FRESHET_CROWD", "12"))
    guard(cluster)
    cluster.settle()
    before = cluster.a.applied()
    is_over = threading.Event()
    visitor = threading.Thread(target=visit, args=(cluster, is_over))
    visitor.start()
    seen, wrong = crowd(cluster, seed, turns)
    is_over.set()
    visitor.join()
    assert not wrong, (seed, len(wrong), wrong[:5])
    for often in (("POST", 201), ("PUT", 200), ("PATCH", 200), ("DELETE", 204), ("POST", 409)):
        assert seen[often] > 0, (seed, seen)
    head = int(cluster.sql("SELECT max(pos) FROM cluster_log"))
    for node in cluster.nodes:
        eventually(lambda node=node: node.applied() >= head, 10, what=f"node {node.name} at {head}")
    assert [int(row) for row in cluster.sql(f"SELECT DISTINCT pos FROM cluster_log WHERE pos > {before} ORDER BY pos").split()] == list(range(before + 1, head + 1))
    assert_constraints(cluster)
    assert_remembered(cluster)
    assert_in_force(cluster)
    print(sum(seen.values()), "requests", dict(seen))
