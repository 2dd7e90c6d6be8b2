"""Moves made on real nodes: each answer and what is there afterwards, compared with the model of the Admin API."""

import json
import re
import time
from urllib.parse import quote

from admin_api import encode
from entity_kinds import is_symbol
from entity_model import NOWHERE, Hashed, Model, Ttl
from entity_specs import ENTITIES
from support import default_entities

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SYMBOLS = re.compile(r"@\d+(\.sni\.[a-z0-9.*-]+)?")


class Mismatch(Exception):
    pass


class World:
    """The model, and the real names of what the servers made up."""

    def __init__(self, cluster):
        self.cluster, self.model, self.real = cluster, Model(), {}
        self.began = time.time()

    def translate(self, value):
        if isinstance(value, dict):
            return {name: self.translate(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.translate(inner) for inner in value]
        return self.real.get(value, NOWHERE) if is_symbol(value) else value

    def text(self, text):
        return SYMBOLS.sub(lambda found: self.real.get(found.group(), found.group()), text)

    def bind(self, symbol, value):
        """A name's first appearance: is it what such a thing looks like?"""
        if ".now" in symbol:
            good = isinstance(value, (int, float)) and int(self.began) <= value <= time.time() + 1
        elif symbol.endswith((".key", ".secret")):
            good = isinstance(value, str) and re.fullmatch("[A-Za-z0-9]{32}", value)
        else:
            good = isinstance(value, str) and UUID4.fullmatch(value)
        if not good or value in self.real.values() and ".now" not in symbol:
            raise Mismatch(f"{value!r} is no {symbol}")
        self.real[symbol] = value

    def match(self, expected, got, where):
        if is_symbol(expected):
            if expected not in self.real:
                self.bind(expected, got)
            expected = self.real[expected]
        elif isinstance(expected, Hashed):
            expected = expected.real(self.translate)
        elif isinstance(expected, Ttl):
            if not (isinstance(got, int) and expected.seconds - (time.time() - self.began) - 2 <= got <= expected.seconds):
                raise Mismatch(f"{where}: ttl {got} of {expected.seconds}")
            return
        elif isinstance(expected, dict) and isinstance(got, dict):
            if set(expected) != set(got):
                raise Mismatch(f"{where}: members {sorted(set(expected) ^ set(got))} are on one side only")
            for name, value in expected.items():
                self.match(value, got[name], f"{where}.{name}")
            return
        elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
            for place, value in enumerate(expected):
                self.match(value, got[place], f"{where}.{place}")
            return
        if expected != got or isinstance(expected, bool) != isinstance(got, bool):
            raise Mismatch(f"{where}: {got!r} instead of {expected!r}")

    # ---- moves ----

    def make(self, number, move):
        verb, segments, kind, body = move
        path = "/" + "/".join(quote(self.translate(segment), safe="") for segment in segments)
        headers, data = ({"Content-Type": "application/json"}, b"{") if body == "{" else encode(kind, self.translate(body))
        answer = self.cluster.nodes[number % 2].admin(verb, path, headers=headers, data=data if verb in ("POST", "PUT", "PATCH") else None)
        status, expected = self.model.apply(number, move)
        try:
            self.compare(answer, status, expected)
        except Mismatch as mismatch:
            raise Mismatch(f"{mismatch}\n    answer: {answer}\n    wanted: {status} {expected}") from None

    def compare(self, answer, status, expected):
        if answer.status != status and not (isinstance(status, set) and answer.status in status):
            raise Mismatch(f"status {answer.status}")
        if expected is None:
            return
        if isinstance(expected, dict):
            self.match(expected, answer.json, "entity")
        elif not any(self.is_refusal(choice, answer.json) for choice in expected):
            raise Mismatch("another refusal")

    def is_refusal(self, choice, body):
        if isinstance(choice, dict):
            return self.translate(choice) == body
        code, fields, message = choice
        same = body.get("code") == code and (code == 11 or json.loads(self.text(json.dumps(fields))) == body.get("fields"))
        return same and (message is None or self.text(message) == body["message"])

    # ---- what is there afterwards ----

    def verify(self):
        self.cluster.settle()
        for name, spec in ENTITIES.items():
            self.verify_rows(name, spec)
            for node in self.cluster.nodes:
                self.verify_answers(node, name, spec)
        for node in self.cluster.nodes:
            self.verify_tags(node)

    def wanted(self, name):
        rows = [self.model.show(name, row) for row in self.model.rows[name].values()]
        return rows

    def sort(self, rows):
        return sorted(rows, key=lambda row: self.translate(row["id"]))

    def bind_ids(self, name, got):
        """Ids that no answer has told yet: rows are known by their unique names."""
        for row in self.model.rows[name].values():
            if is_symbol(row["id"]) and row["id"] not in self.real:
                same = [other["id"] for other in got if other.get("name") == row["name"]]
                if len(same) != 1:
                    raise Mismatch(f"{name}: no row is {row}")
                self.bind(row["id"], same[0])

    def verify_rows(self, name, spec):
        got = [json.loads(line) for line in self.cluster.sql(f"SELECT row_to_json(t) FROM {name} t ORDER BY id").splitlines()]
        self.bind_ids(name, got)
        rows = self.sort(self.model.rows[name].values())
        if [self.translate(row["id"]) for row in rows] != [row["id"] for row in got]:
            raise Mismatch(f"rows of {name}: {[row['id'] for row in got]} instead of {[self.translate(row['id']) for row in rows]}")
        for row, stored in zip(rows, got):
            for field in spec.fields:
                value = row[field]
                if field in spec.refs:
                    self.match(value["id"] if value else None, stored[f"{field}_id"], f"row of {name}.{field}")
                elif not isinstance(value, (dict, list)) or field == "tags":
                    self.match(value, stored[field], f"row of {name}.{field}")

    def pages(self, node, path):
        """All entities of a list, and that its pages say the same."""
        whole = node.admin("GET", f"{path}?size=1000").json["data"]
        paged, following = [], f"{path}?size=3"
        while following and len(paged) <= len(whole):
            page = node.admin("GET", following).json
            paged += page["data"]
            following = page["next"]
        if [row["id"] for row in paged] != [row["id"] for row in whole]:
            raise Mismatch(f"pages of {path}")
        return whole

    def verify_answers(self, node, name, spec):
        rows = self.sort(self.wanted(name))
        if name != "targets":
            self.match(rows, self.pages(node, f"/{spec.plural}"), f"{node.name} /{spec.plural}")
            for tags, good in (("t1", {"t1"}), ("t1,t2", {"t1", "t2"})):
                got = node.admin("GET", f"/{spec.plural}?size=1000&tags={tags}").json["data"]
                self.match([row for row in rows if good <= set(row["tags"] or [])], got, f"{node.name} /{spec.plural}?tags={tags}")
            for row in rows[:6]:
                keys = [row["id"]] + ([row[spec.key]] if spec.key and row[spec.key] else [])
                for key in keys:
                    answer = node.admin("GET", f"/{spec.plural}/{quote(self.translate(key), safe='')}")
                    self.match([200, row], [answer.status, answer.json], f"{node.name} /{spec.plural}/{key}")
        seen = set()
        for field, ref in spec.refs.items():
            if ref.entity in seen:
                continue
            seen.add(ref.entity)
            for parent in list(self.model.rows[ref.entity].values())[:4]:
                path = f"/{ENTITIES[ref.entity].plural}/{self.translate(parent['id'])}/{spec.nested}"
                mine = [row for row in rows if row[field] == {"id": parent["id"]}]
                got = node.admin("GET", path + "?size=1000").json["data"]
                self.match(mine, sorted(got, key=lambda row: row["id"]), f"{node.name} {path}")

    def verify_tags(self, node):
        got = node.admin("GET", "/tags?size=1000").json["data"]
        tables = {"vaults": "sm_vaults"}
        wanted = [{"tag": tag, "entity_name": tables.get(name, name), "entity_id": self.translate(row["id"])}
                  for name, rows in self.model.rows.items() for row in rows.values() for tag in row["tags"] or []]
        order = lambda rows: sorted(rows, key=lambda row: (row["entity_id"], row["entity_name"], row["tag"]))  # noqa: E731
        self.match(order(wanted), order(got), f"{node.name} /tags")


class Probe:
    """A route of our own that asks for keys: whose are good, on both nodes, and what they remember of it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.host = {"Host": "probe.test"}

    def check(self, world):
        """Inside a world of its own: made after the comparison, gone before the next."""
        self.cluster.a.admin("PUT", "/services/probe", json={"url": self.cluster.upstream.url})
        self.cluster.a.admin("PUT", "/services/probe/routes/probe", json={"hosts": ["probe.test"], "paths": ["/probe"], "methods": ["GET"]})
        for plugin in ("key-auth", "request-termination"):
            made = self.cluster.a.admin("PUT", f"/plugins/probe-{plugin}", json={"name": plugin, "route": {"name": "probe"}})
            assert made.status == 200, made
        self.cluster.settle()
        rows = {row["key"]: row for row in world.model.rows["keyauth_credentials"].values() if row["key"]}
        for key in {"secret1", "secret2", "secret3", "never", *rows}:
            for node in self.cluster.nodes:
                self.check_key(world, node, world.translate(key), rows.get(key))

    def check_key(self, world, node, key, row):
        answer = node.proxy("GET", "/probe", self.host | {"apikey": key})
        if (answer.status == 401) != (row is None):
            raise Mismatch(f"key {key} on {node.name}: {answer.status}, stored: {row}")
        kept = node.admin("GET", f"/cache/keyauth_credentials:{quote(key, safe='')}:::::5b1e0000-0000-4000-8000-000000000001")
        if kept.status == 200:
            world.match(row["id"] if row else None, kept.json.get("id"), f"cache of {node.name}: {key}")


def play(cluster, moves):
    """None, or what went wrong and with which move."""
    default_entities(cluster)
    world = World(cluster)
    number = len(moves)
    try:
        for number, move in moves:
            world.make(number, move)
        number = None
        world.verify()
        Probe(cluster).check(world)
    except Mismatch as mismatch:
        return str(mismatch), number
    return None


def shrink(cluster, moves, what):
    """Fewer moves with the same kind of failure, by leaving out ever smaller pieces; gives up after two minutes."""
    end, size = time.monotonic() + 120, max(1, len(moves) // 2)
    while time.monotonic() < end:
        shorter = None
        for start in range(0, len(moves), size):
            tried = moves[:start] + moves[start + size:]
            failed = play(cluster, tried) if tried and time.monotonic() < end else None
            if failed:
                shorter, what = tried, failed[0]
                break
        if shorter is None and size == 1:
            break
        moves, size = shorter or moves, size if shorter else max(1, size // 2)
    return moves, what
