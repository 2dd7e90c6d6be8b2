"""The Admin API in memory, written from its reference: what each request is answered, and what is there afterwards.

Whatever a server makes up has a name instead: "@7" is the id that the seventh move made, "@7.now" its time, "@7.key" a key.
A move is (method, path segments, kind of body, body).
"""

import copy
import hashlib

from entity_kinds import PROTOCOLS, REQUIRED, Record, Whole, as_form, complete, is_id, is_symbol, message_of, sni
from entity_specs import BY_NESTED, BY_PLURAL, DIGESTS, ENTITIES, PLUGINS

NOWHERE = "00000000-0000-4000-8000-00000000dead"
URLS = {"https://api.test/v1": ("https", "api.test", 443, "/v1"), "http://api.test": ("http", "api.test", 80, None), "//api.test:443": ("https", "api.test", 443, None),
        "http://u:p@h.test/x?y=1#z": ("http", "h.test", 80, "/x"), "grpc://h.test": ("grpc", "h.test", 80, None)}


class Refused(Exception):
    """`choices`: any of these bodies is right; (code, fields, message), or the whole object."""

    def __init__(self, status, *choices):
        super().__init__(status, choices)
        self.status, self.choices = status, list(choices)


class Ttl:
    def __init__(self, seconds):
        self.seconds = seconds


class Hashed:
    """A password as it is shown: SHA-1 of itself and the consumer's id."""

    def __init__(self, password, consumer):
        self.password, self.consumer = password, consumer

    def real(self, translate):
        return hashlib.sha1((self.password + translate(self.consumer)).encode()).hexdigest()


def not_found(text="Not found"):
    return Refused(404, {"message": text})


def first_protocol(value):
    """What is said of a list of one, or of none, besides the usual."""
    if not value:
        return "unknown type: nil"
    return f"unknown type: {value[0]}" if isinstance(value[0], str) and value[0] not in PROTOCOLS else None


def violations(wrong):
    return Refused(400, (2, wrong, message_of(wrong)))


def merge(kind_of, stored, change):
    """PATCH: records deeply, everything else whole."""
    merged = dict(stored)
    for name, value in change.items():
        kind = kind_of(name)
        if isinstance(kind, Record) and isinstance(value, dict) and isinstance(stored.get(name), dict):
            value = merge(lambda inner, kind=kind: kind.fields[inner].kind if inner in kind.fields else None, stored[name], value)
        merged[name] = value
    return merged


class Model:
    def __init__(self):
        self.rows = {name: {} for name in ENTITIES}
        self.made = set()
        self.number = 0

    def apply(self, number, move):
        """(status, what the body is: an entity, a Refused's choices, or None)."""
        self.number = number
        before = {name: dict(rows) for name, rows in self.rows.items()}
        try:
            status, doc = self.run(*move)
            self.made |= {key for rows in self.rows.values() for key in rows}
            return status, doc
        except Refused as refused:
            self.rows = before
            return refused.status, refused.choices

    def run(self, verb, segments, kind, body):
        if body == "{":
            raise Refused(400, {"message": "Cannot parse JSON body"})
        segments = [self.known(segment) for segment in segments]
        body = self.known(as_form(body) if kind != "json" else copy.deepcopy(body))
        name = BY_PLURAL.get(segments[0], "targets")
        if len(segments) == 1:
            return 201, self.show(name, self.insert(name, body, kind))
        if len(segments) == 2:
            return self.run_entity(verb, name, segments[1], kind, body)
        if segments[2] in ENTITIES[name].refs:
            return self.run_parent(verb, name, segments[1], segments[2], kind, body)
        child = BY_NESTED[segments[2]]
        return self.run_nested(verb, (name, segments[1]), child, segments[3:], kind, body)

    def known(self, value):
        """What no move has made is nowhere."""
        if isinstance(value, dict):
            return {name: self.known(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.known(inner) for inner in value]
        if is_symbol(value) and value not in self.made:
            return NOWHERE
        return value

    # ---- looking up ----

    def find(self, name, key, parent=None):
        """(field, value) by which it was looked for, and the row or None."""
        spec = ENTITIES[name]
        if is_id(key):
            return ("id", key), self.rows[name].get(key)
        if name == "certificates":
            self.refuse_key("snis", "name", key)
            rows = [row for row in self.rows["snis"].values() if row["name"] == key]
            return ("sni", key), self.rows[name][rows[0]["certificate"]["id"]] if rows else None
        field = "group" if name == "acls" and parent else spec.key
        if field is None:
            raise Refused(400, (1, {"id": "expected a valid UUID"}, "invalid primary key: '{id=\"expected a valid UUID\"}'"))
        if name not in ("targets", "acls"):
            self.refuse_key(name, field, key)
        rows = [row for row in self.rows[name].values() if row[field] == key and (parent is None or name not in ("targets", "acls") or parent in (
            row.get("upstream"), row.get("consumer")))]
        return (field, key), rows[0] if rows else None

    def refuse_key(self, name, field, key):
        wrong = ENTITIES[name].fields[field].kind.check(key)
        if wrong:
            raise Refused(400, {"code": 10, "name": f"invalid unique {field}", "message": wrong})

    def lost(self, found, either=False):
        """Below a certificate that is not there the reference does not say which of two texts."""
        if found[0] != "sni":
            return not_found()
        return Refused(404, *[{"message": text} for text in ["SNI not found"] + ["Not found"] * either])

    def show(self, name, row):
        if name != "certificates":
            return row
        return row | {"snis": sorted(sni_row["name"] for sni_row in self.rows["snis"].values() if sni_row["certificate"]["id"] == row["id"])}

    # ---- the kinds of paths ----

    def run_entity(self, verb, name, key, kind, body):
        found, row = self.find(name, key)
        if verb == "PUT":
            return 200, self.show(name, self.put(name, found, row, body, kind))
        if row is None and verb == "DELETE" and found[0] != "sni":
            return 204, None
        if row is None and verb == "PATCH" and name != "plugins" and found[0] != "sni":
            how = "primary key " if found[0] == "id" else ""
            raise Refused(404, (6, {found[0]: found[1]}, f"could not find the entity with {how}'{{{found[0]}=\"{found[1]}\"}}'"))
        if row is None:
            raise self.lost(found)
        if verb == "DELETE":
            self.delete(name, row)
            return 204, None
        return 200, self.show(name, row if verb == "GET" else self.patch(name, row, body, kind, nested=False))

    def run_nested(self, verb, parent, child, rest, kind, body):
        found, above = self.find(*parent)
        if above is None:
            raise self.lost(found, either=True)
        field = next(name for name, ref in ENTITIES[child].refs.items() if ref.entity == parent[0])
        link = {"id": above["id"]}
        if not rest:
            return 201, self.show(child, self.insert(child, body | {field: link}, kind))
        found, row = self.find(child, rest[0], link)
        if verb == "PUT" and child != "targets":
            return 200, self.show(child, self.put(child, found, row, body | {field: link}, kind))
        if row is None or row[field] != link:
            raise self.lost(found)
        if verb == "DELETE":
            self.delete(child, row)
            return 204, None
        return 200, self.show(child, row if verb == "GET" else self.patch(child, row, body, kind, nested=True))

    def run_parent(self, verb, name, key, field, kind, body):
        found, child = self.find(name, key)
        if child is None:
            raise self.lost(found)
        parent = ENTITIES[name].refs[field].entity
        row = self.rows[parent][child[field]["id"]] if child[field] else None
        if verb == "PUT":
            made = self.put(parent, ("id", row["id"]) if row else (None, None), row, body, kind, with_names=False)
            if row is None:
                self.link(name, child, field, made["id"])
            return 200, made
        if row is None:
            raise not_found()
        if verb == "DELETE":
            raise Refused(405, {"message": "Method not allowed"})
        return 200, row if verb == "GET" else self.patch(parent, row, body, kind, nested=True, with_names=False)

    # ---- writing ----

    def typed(self, name, body, kind, stored=None):
        if kind == "json":
            return body
        fields = ENTITIES[name].fields
        typed = {member: fields[member].kind.infer(value) if member in fields and fields[member].kind else value for member, value in body.items()}
        if name == "plugins" and "config" in typed:
            typed["config"] = PLUGINS[body.get("name") or (stored or {}).get("name")].infer(typed["config"])
        return typed | {member: Whole().infer(body[member]) for member in ("ttl", "created_at") if member in body}

    def insert(self, name, body, kind):
        names = self.take_names(name, body, None)
        row = self.save(name, self.typed(name, body, kind), None, "create")
        self.keep_names(row, names)
        return row

    def put(self, name, found, row, body, kind, with_names=True):
        body = dict(body)
        if found[0] not in ("sni", None):
            body[found[0]] = found[1]
        if row:
            body["id"] = row["id"]
        adds_own = found[0] == "sni" and row is None and isinstance(body.get("snis"), list)
        names = self.take_names(name, body, row) if with_names else None
        saved = self.save(name, self.typed(name, body, kind), row, "replace")
        if with_names and name == "certificates":
            self.keep_names(saved, (names or []) + ([found[1]] if adds_own else []))
        return saved

    def patch(self, name, row, body, kind, nested, with_names=True):
        change = self.typed(name, dict(body), kind, row)
        if is_id(change.get("id")):
            del change["id"]
        names = self.take_names(name, change, row) if with_names else None
        wrong = {}
        has_owner = isinstance(change.get("consumer"), dict) and bool(change["consumer"])
        if name == "basicauth_credentials" and not nested and (change.get("password") is not None) != has_owner:
            wrong["@entity"] = ["all or none of these fields must be set: 'password', 'consumer.id'"]
        saved = self.save(name, change, row, "update", wrong)
        self.keep_names(saved, names)
        return saved

    def take_names(self, name, body, row):
        """None: not given."""
        if name != "certificates" or "snis" not in body:
            return None
        names = body.pop("snis") or []
        for one in names:
            if sni(one):
                raise Refused(400, {"code": 10, "name": "invalid unique name", "message": sni(one)})
        twice = sorted(one for one in names if names.count(one) > 1)
        if twice:
            raise violations({"snis": f"{twice[0]} is duplicated"})
        taken = [other for other in self.rows["snis"].values() if other["name"] in names and (row is None or other["certificate"]["id"] != row["id"])]
        if taken:
            wrongs = [{"snis": f"{one['name']} already associated with existing certificate '{one['certificate']['id']}'"} for one in taken]
            raise Refused(400, *((2, wrong, message_of(wrong)) for wrong in wrongs))
        return names

    def keep_names(self, row, names):
        if names is None:
            return
        rows = self.rows["snis"]
        had = {other["name"]: key for key, other in rows.items() if other["certificate"]["id"] == row["id"]}
        for name in set(had) - set(names):
            del rows[had[name]]
        for name in set(names) - set(had):
            key = f"@{self.number}.sni.{name}"
            now = f"@{self.number}.now.{name}"
            rows[key] = {"id": key, "name": name, "certificate": {"id": row["id"]}, "tags": None, "created_at": now, "updated_at": now}

    def save(self, name, given, old, how, wrong=None):
        """Validates `given` (a change of `old` if how is update) and puts it in the place of `old`. `wrong`: what is known to be."""
        given = dict(given)
        wrong = wrong or {}
        if name == "services":
            self.expand_url(given, wrong)
        ttl = self.take_ttl(name, given)
        self.resolve(name, given)
        doc = given
        if how == "update":
            doc = merge(lambda member: self.kind_of(name, old, member), old, given)
        full = self.validate(name, doc, wrong, how)
        self.finish(name, full, given, old, how)
        if name == "keyauth_credentials":
            full["ttl"] = old["ttl"] if how == "update" and ttl is False else (ttl or None)
        self.refuse_stored(name, full, old)
        self.rows[name][full["id"]] = full
        return full

    def kind_of(self, name, old, member):
        if name == "plugins" and member == "config":
            return PLUGINS[old["name"]]
        return ENTITIES[name].fields[member].kind if member in ENTITIES[name].fields else None

    @staticmethod
    def expand_url(given, wrong):
        if "url" not in given:
            return
        url = given.pop("url")
        if url is None:
            return
        if not isinstance(url, str):
            wrong["url"] = "expected a string"
        elif url == "":
            wrong["url"] = "length must be at least 1"
        else:
            given.update(zip(("protocol", "host", "port", "path"), URLS[url]))

    @staticmethod
    def take_ttl(name, given):
        """False: not given; None: no expiry."""
        if name != "keyauth_credentials" or "ttl" not in given:
            return False
        ttl = given.pop("ttl")
        if ttl is None or ttl == 0 and not isinstance(ttl, bool):
            return None
        if isinstance(ttl, bool) or not isinstance(ttl, int) or not 0 <= ttl <= 100000000:
            raise Refused(400, {"code": 11, "name": "invalid options", "options": {"ttl": "must be an integer between 0 and 100000000"},
                                "message": "invalid option (ttl: must be an integer between 0 and 100000000)"})
        return Ttl(ttl)

    def resolve(self, name, given):
        unresolved = {}
        for field, ref in ENTITIES[name].refs.items():
            value = given.get(field)
            if not isinstance(value, dict) or "id" in value:
                continue
            for (unique, *more) in ENTITIES[ref.entity].unique:
                if more or not isinstance(value.get(unique), str):
                    continue
                rows = [row for row in self.rows[ref.entity].values() if row[unique] == value[unique]]
                if rows:
                    given[field] = {"id": rows[0]["id"]}
                else:
                    unresolved[field] = {unique: f"the foreign key cannot be resolved with '{{{unique}=\"{value[unique]}\"}}' for an existing '{ref.entity}' entity"}
                break
        if unresolved:
            raise Refused(400, (13, unresolved, None))

    def validate(self, name, doc, wrong, how):
        spec, full = ENTITIES[name], {}
        if name == "plugins" and doc.get("name") is None:
            raise violations({"name": REQUIRED})
        for member in doc:
            if member not in spec.fields and member != "ttl":
                wrong[member] = "unknown field"
        for member, field in spec.fields.items():
            kind, default = field.kind, field.default
            if name == "plugins" and member == "config":
                kind = PLUGINS[doc["name"]]
            if name == "routes" and member == "strip_path" and isinstance(doc.get("protocols"), list) and doc["protocols"][:1] in (["grpc"], ["grpcs"]):
                default = False
            value = doc[member] if member in doc else copy.deepcopy(default)
            if kind is None:
                continue
            if value is None:
                error = REQUIRED if field.required else None
            else:
                error = None if isinstance(value, Hashed) else kind.check(value)
            if (name, member) == ("routes", "protocols") and isinstance(value, list) and len(value) < 2:
                error = first_protocol(value) or error
            if error == "Invalid target":
                error += f"{'' if how == 'create' else f' ({chr(39)}{value}{chr(39)})'}; not a valid hostname or ip address"
            if error:
                wrong[member] = error
            full[member] = value
        if spec.rule:
            spec.rule(full, wrong, "when updating, " if how == "update" else "")
        if wrong:
            raise violations(wrong)
        full = {member: complete(PLUGINS[doc["name"]] if member == "config" and name == "plugins" else spec.fields[member].kind, value)
                for member, value in full.items()}
        return full | {member: doc.get(member) for member in ("created_at", "updated_at") if member in spec.fields}

    def finish(self, name, full, given, old, how):
        """What the server adds."""
        spec, now = ENTITIES[name], f"@{self.number}.now"
        full["id"] = full["id"].lower() if full["id"] else f"@{self.number}"
        if how != "update":
            full["created_at"] = given.get("created_at", now)
        if "updated_at" in spec.fields:
            full["updated_at"] = now
        for member, field in spec.fields.items():
            if field.auto and full[member] is None and how != "update":
                full[member] = f"@{self.number}.{field.auto}"
        if name == "basicauth_credentials" and "password" in given:
            full["password"] = Hashed(given["password"], full["consumer"]["id"])
        elif name == "ca_certificates":
            full["cert_digest"] = DIGESTS[full["cert"]]
        elif name == "targets" and ":" not in full["target"]:
            full["target"] += ":8000"
        elif name == "upstreams":
            if full["algorithm"] in ("least-connections", "latency"):
                full["hash_on"] = "none"
            else:
                full["algorithm"] = "round-robin" if full["hash_on"] in (None, "none") else "consistent-hashing"
            if full["hash_on"] in (None, "none"):
                full["hash_on"] = "none"
                full["hash_fallback"] = full["hash_fallback"] and "none"
        if name == "plugins":
            self.refuse_protocols(full)
        assert old is None or full["id"] == old["id"]

    def refuse_protocols(self, full):
        wrong = None
        route = full["route"] and self.rows["routes"].get(full["route"]["id"])
        if full["route"]:
            if route and not set(route["protocols"]) & set(full["protocols"]):
                wrong = "must match the associated route's protocols"
        elif full["service"]:
            routes = [row for row in self.rows["routes"].values() if row["service"] == full["service"]]
            if routes and not any(set(row["protocols"]) & set(full["protocols"]) for row in routes):
                wrong = "must match the protocols of at least one route pointing to this Plugin's service"
        if wrong:
            raise violations({"protocols": wrong})

    def refuse_stored(self, name, full, old):
        """The database's say; when several things are wrong any may be told."""
        spec, choices, status = ENTITIES[name], [], set()
        if old is None and full["id"] in self.rows[name]:
            choices.append((3, {"id": full["id"]}, None))
            status.add(400)
        for together in spec.unique:
            value = [full[member] for member in together]
            others = [row for key, row in self.rows[name].items() if (old is None or key != old["id"]) and [row[member] for member in together] == value]
            if others and (value != [None]):
                choices.append((5, dict(zip(together, value)), None))
                status.add(409)
        for member, ref in spec.refs.items():
            if full[member] and full[member]["id"] not in self.rows[ref.entity]:
                choices.append((4, {member: full[member]}, f"the foreign key '{{id=\"{full[member]['id']}\"}}' does not reference an existing '{ref.entity}' entity."))
                status.add(400)
        if choices:
            raise Refused(status.pop() if len(status) == 1 else status, *choices)

    def link(self, name, child, field, key):
        """A child gets a parent: it has to obey its own rules as after a PATCH."""
        stamp = child.get("updated_at")
        row = self.save(name, {field: {"id": key}}, child, "update")
        if stamp is not None:
            self.rows[name][row["id"]] = row | {"updated_at": f"@{self.number}.now.child"}

    def delete(self, name, row):
        holders = [child for child, spec in ENTITIES.items() for field, ref in spec.refs.items() if ref.entity == name and ref.on_delete == "restrict" and any(
            other[field] == {"id": row["id"]} for other in self.rows[child].values())]
        if holders:
            raise Refused(400, *((4, {"@referenced_by": child}, f"an existing '{child}' entity references this '{name}' entity") for child in holders))
        for child, spec in ENTITIES.items():
            for field, ref in spec.refs.items():
                for other in list(self.rows[child].values()):
                    if ref.entity == name and other[field] == {"id": row["id"]}:
                        self.delete(child, other)
        del self.rows[name][row["id"]]
