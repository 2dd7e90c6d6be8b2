"""Random moves for the model of the Admin API: mostly good ones, over few names, so that they meet."""

import random

from entity_kinds import Array, Flag, Map, Record, Ref, Text, Whole
from entity_model import NOWHERE, URLS, Model
from entity_specs import ENTITIES
from pems import CA, ECDSA, ECDSA_KEY, EXPIRED_CA, OTHER, OTHER_CA, OTHER_KEY, RSA, RSA_KEY, RSA_PUBLIC, jwk_of_rsa

WEIGHTS = {"services": 6, "routes": 7, "consumers": 7, "plugins": 7, "upstreams": 4, "targets": 4, "certificates": 4, "snis": 4, "ca_certificates": 1, "vaults": 2,
           "key_sets": 2, "keys": 3, "keyauth_credentials": 7, "basicauth_credentials": 3, "acls": 4, "jwt_secrets": 3, "hmacauth_credentials": 2}
IDS = [f"00000000-0000-4000-8000-0000000000{n:02}" for n in range(8)]
NAMES = ["n1", "n2", "n3", "a-b_c.d~", "n\u00e4me"]
WORDS = ["one", "two", "three four", "five/six", "\u5186"]
JWKS = {kid: jwk_of_rsa(kid) for kid in ("k1", "k2")}
SNIS = ["a.test", "b.test", "*.c.test", "d.*"]
POOLS = {
    "services.host": ["h.test", "10.0.0.1", "b-c.test"], "services.protocol": ["http", "https", "http", "https", "tcp", "grpc"], "services.path": ["/", "/a", "/b/c"],
    "services.ca_certificates": [[], [NOWHERE]], "services.url": list(URLS),
    "routes.protocols": [["http"], ["https"], ["http", "https"], ["https", "http", "https"], ["tcp"], ["grpc"], ["grpc", "grpcs"]],
    "routes.methods": [["GET"], ["GET", "POST", "GET"], []], "routes.hosts": [["x.test"], ["*.x.test", "y.test:80"], []], "routes.paths": [["/p"], ["/p", "/q/r"], ["~/r[0-9]+$"]],
    "routes.headers": [{"x-one": ["a"]}, {"x-one": ["a", "b"], "X-two": ["c"]}], "routes.snis": [["a.test"], ["a.test", "b.test", "a.test"]],
    "routes.sources": [[{"ip": "10.0.0.0/8"}], [{"port": 80}]], "routes.destinations": [[{"ip": "10.0.0.1", "port": 1}]], "routes.regex_priority": [0, 7, -1],
    "consumers.username": WORDS, "consumers.custom_id": WORDS, "plugins.name": ["key-auth", "request-termination"],
    "plugins.protocols": [["http"], ["grpc", "http"], ["grpc", "grpcs", "http", "https"]], "upstreams.name": ["u1.test", "u2", "u3"],
    "upstreams.algorithm": ["round-robin", "consistent-hashing", "least-connections", "latency"], "upstreams.host_header": ["h.test", "h.test:80"],
    "upstreams.healthchecks": [{"active": {"healthy": {"interval": 1}}}, {"passive": {"type": "tcp"}, "threshold": 50}, {}],
    "targets.target": ["t.test", "t.test:80", "10.0.0.1:1", "t2.test"], "certificates.cert_alt": [ECDSA], "certificates.key_alt": [ECDSA_KEY],
    "snis.name": SNIS, "ca_certificates.cert": [CA, OTHER_CA], "vaults.prefix": ["v1", "v-2"], "vaults.name": ["env"], "vaults.config": [{"prefix": "P_"}, {}],
    "vaults.description": WORDS, "keys.kid": ["k1", "k2"], "keys.pem": [{"public_key": RSA_PUBLIC}, {"public_key": RSA_PUBLIC, "private_key": RSA_KEY}],
    "keys.jwk": list(JWKS.values()), "keyauth_credentials.key": ["secret1", "secret2", "secret3", "s/4"], "keyauth_credentials.ttl": [1000000, 0, 5000],
    "basicauth_credentials.username": WORDS, "hmacauth_credentials.username": WORDS, "acls.group": ["g1", "g2", "g 3"], "jwt_secrets.key": ["j1", "j2"],
    "jwt_secrets.rsa_public_key": [RSA_PUBLIC],
}
CONFIGS = {"key-auth": [{}, {"key_names": ["k", "l"]}, {"hide_credentials": True, "key_in_body": True}],
           "request-termination": [{}, {"status_code": 418}, {"status_code": 404, "message": "no"}, {"trigger": "x-stop"}]}
# What is wrong with a certificate or a key is its own subject: these get no nonsense.
UNTOUCHED = {"certificates.cert", "certificates.key", "certificates.cert_alt", "certificates.key_alt", "ca_certificates.cert", "ca_certificates.cert_digest", "keys.jwk",
             "keys.pem", "plugins.name", "vaults.name", "jwt_secrets.rsa_public_key", "services.url", "vaults.config", "routes.sources", "routes.destinations", "routes.paths",
             "upstreams.host_header", "upstreams.healthchecks", "services.ca_certificates"}
NONSENSE = {Flag: [1, "yes", None, [True]], Whole: [-1, 1.5, "x", True, 1e9, None, [1]], Text: [7, True, "", "a b", ["x"], "a:1", None], Ref: [7, {"id": "x"}, {"id": NOWHERE}],
            Array: ["x y", [7], [None], [""], {"x": 1}, [True, "GET"]], Map: [7, {"host": ["x"]}, {"x y": ["a"]}, {"x": [7]}], Record: [7, {"unknown": 1}]}


class Mover:
    def __init__(self, seed):
        self.random, self.model = random.Random(seed), Model()

    def chance(self, share):
        return self.random.random() < share

    def moves(self, count):
        made = []
        for number in range(count):
            made.append(self.one())
            self.model.apply(number, made[-1])
        return made

    # ---- bodies ----

    def a_row(self, name):
        rows = list(self.model.rows[name])
        return self.random.choice(rows) if rows and not self.chance(0.05) else self.random.choice([NOWHERE, "@0"])

    def a_reference(self, ref):
        key = self.a_row(ref.entity)
        row = self.model.rows[ref.entity].get(key, {})
        names = [unique[0] for unique in ENTITIES[ref.entity].unique if len(unique) == 1 and isinstance(row.get(unique[0]), str) and row[unique[0]][0] != "@"]
        if names and self.chance(0.4):
            name = self.random.choice(names)
            return {name: row[name] if self.chance(0.9) else "nobody"}
        return {"id": key}

    def a_value(self, entity, name, body):
        place, field = f"{entity}.{name}", ENTITIES[entity].fields.get(name)
        if place in POOLS:
            return self.random.choice(POOLS[place])
        if name == "tags":
            return self.random.choice([["t1"], ["t1", "t 2"], ["t2", "t1", "t2"], [], None])
        if name == "config":
            return self.random.choice(CONFIGS[body.get("name", "key-auth")])
        if isinstance(field.kind, Ref):
            wanted = field.required or self.model.rows[field.kind.entity] and self.chance(0.9)
            return self.a_reference(field.kind) if wanted or self.chance(0.05) else None
        if isinstance(field.kind, Flag):
            return self.chance(0.5)
        if isinstance(field.kind, Whole):
            return self.random.choice(field.kind.one_of or [field.kind.low, field.kind.high, (field.kind.low + field.kind.high) // 2])
        return self.random.choice(field.kind.one_of or NAMES)

    def nonsense(self, entity, body):
        names = [name for name in ENTITIES[entity].fields if f"{entity}.{name}" not in UNTOUCHED and name not in ("id", "created_at", "updated_at", "config")]
        name = self.random.choice(names + ["unknown"])
        if name == "unknown":
            body[name] = 1
            return
        kind = ENTITIES[entity].fields[name].kind
        body[name] = self.random.choice(next(values for one, values in NONSENSE.items() if isinstance(kind, one)))

    def a_body(self, entity, is_change):
        spec, body = ENTITIES[entity], {}
        optional = 0.25 if len(spec.fields) < 12 else 0.12
        for name, field in spec.fields.items():
            if name in ("id", "created_at", "updated_at", "cert_digest") or is_change and entity == "plugins" and name in ("name", "config"):
                continue
            must = field.required and field.default is None or name in ("username", "paths", "instance_name") and self.chance(0.7) or name == "name" and self.chance(0.8)
            if (must and not is_change) or self.chance(optional):
                body[name] = self.a_value(entity, name, body)
        if entity == "services" and self.chance(0.2):
            body["url"] = self.a_value(entity, "url", body)
        if entity == "keyauth_credentials" and self.chance(0.2):
            body["ttl"] = self.a_value(entity, "ttl", body) if self.chance(0.8) else self.random.choice(["x", -1, None, 1e9])
        self.complete_pairs(entity, body, is_change)
        if self.chance(0.12):
            self.nonsense(entity, body)
        return body

    def complete_pairs(self, entity, body, is_change):
        """What is refused alone."""
        if entity == "certificates":
            if "cert" in body or "key" in body:
                body["cert"], body["key"] = self.random.choice([(RSA, RSA_KEY), (OTHER, OTHER_KEY), (RSA, RSA_KEY), (RSA, OTHER_KEY)])
            if ("cert_alt" in body) != ("key_alt" in body) and self.chance(0.7):
                body["cert_alt"], body["key_alt"] = ECDSA, ECDSA_KEY
            if self.chance(0.5):
                body["snis"] = self.random.choice([None, self.random.sample(SNIS, 2), [self.random.choice(SNIS)], ["a.test", "a.test"], ["1.2.3.4"], []])
        elif entity == "keys" and not is_change and not {"pem", "jwk"} & set(body) and self.chance(0.9):
            body["jwk"] = JWKS[body["kid"]] if self.chance(0.8) else JWKS["k1"]
        elif entity == "upstreams" and "hash_on" in body and body["hash_on"] in ("header", "query_arg", "uri_capture") and self.chance(0.8):
            body.setdefault("hash_on_" + body["hash_on"], "x-h")
        elif entity == "ca_certificates" and self.chance(0.1):
            body["cert"] = self.random.choice([EXPIRED_CA, RSA])

    # ---- paths ----

    def a_key(self, entity, parent=None):
        """How a URL names one: by its id, by its name, or one that may not be there."""
        rows = [row for row in self.model.rows[entity].values() if parent is None or parent in (ref and ref["id"] for ref in map(row.get, ENTITIES[entity].refs))]
        field = "group" if entity == "acls" and parent else ENTITIES[entity].key
        row = self.random.choice(rows) if rows and self.chance(0.9) else {}
        if entity == "certificates" and self.chance(0.3):
            return self.random.choice(SNIS)
        if isinstance(row.get(field), str) and row[field][0] != "@" and self.chance(0.5):
            return row[field]
        if row:
            return row["id"] if ".sni." not in row["id"] else row["name"]
        if field and self.chance(0.6):
            pool = POOLS.get(f"{entity}.{field}", NAMES)
            return self.random.choice(pool)
        last = self.a_row(entity)
        return self.random.choice(IDS + [last if ".sni." not in last else NOWHERE])

    def one(self):
        entity = self.random.choices(list(WEIGHTS), WEIGHTS.values())[0]
        kind = self.random.choices(["json", "form", "multipart"], [6, 2, 1])[0]
        spec = ENTITIES[entity]
        if self.chance(0.01) and entity != "targets":
            return "POST", [spec.plural], "json", "{"
        if self.chance(0.01) and entity in ("services", "routes", "upstreams", "snis", "vaults", "ca_certificates", "acls", "certificates", "plugins"):
            return self.random.choice(["GET", "DELETE", "PATCH", "PUT"]), [spec.plural, "a b"], "json", {}
        refs = [(name, ref) for name, ref in spec.refs.items() if (entity, name) not in (("snis", "certificate"), ("targets", "upstream"))]
        if refs and self.chance(0.08):
            return self.through_child(entity, self.random.choice(refs), kind)
        if spec.refs and (entity == "targets" or self.chance(0.35)):
            return self.nested(entity, kind)
        return self.top(entity, kind)

    def a_verb(self):
        return self.random.choices(["POST", "PUT", "PATCH", "DELETE", "GET"], [36, 18, 26, 14, 3])[0]

    def finished(self, verb, segments, kind, entity):
        body = self.a_body(entity, verb == "PATCH" or entity == "targets" and verb == "PUT") if verb in ("POST", "PUT", "PATCH") else {}
        if verb == "POST" and self.chance(0.15):
            body["id"] = self.random.choice(IDS)
        if verb in ("POST", "PUT") and self.chance(0.05):
            body["created_at"] = 1600000000 + self.random.randrange(1000)
        return verb, segments, kind, body

    def top(self, entity, kind):
        verb = self.a_verb() if self.model.rows[entity] or self.chance(0.2) else "POST"
        segments = [ENTITIES[entity].plural] + ([] if verb == "POST" else [self.a_key(entity)])
        return self.finished(verb, segments, kind, entity)

    def nested(self, entity, kind):
        spec, verb = ENTITIES[entity], self.a_verb() if self.model.rows[entity] or self.chance(0.2) else "POST"
        seen, choices = set(), []
        for name, ref in spec.refs.items():
            if ref.entity not in seen:
                choices += [ref] * (20 if self.model.rows[ref.entity] else 1)
            seen.add(ref.entity)
        ref = self.random.choice(choices)
        above = self.a_key(ref.entity)
        parent = next((row["id"] for row in self.model.rows[ref.entity].values() if above in (row["id"], row.get(ENTITIES[ref.entity].key or "id"))), None)
        segments = [ENTITIES[ref.entity].plural, above, spec.nested]
        if verb != "POST":
            segments.append(self.a_key(entity, parent if entity in ("acls", "targets") or self.chance(0.8) else None))
        return self.finished(verb, segments, kind, entity)

    def through_child(self, entity, ref, kind):
        name, kind_of = ref
        verb = self.random.choice(["GET", "PUT", "PATCH", "DELETE"])
        segments = [ENTITIES[entity].plural, self.a_key(entity), name]
        move = self.finished(verb, segments, kind, kind_of.entity)
        if isinstance(move[3], dict):
            move[3].pop("snis", None)
        return move
