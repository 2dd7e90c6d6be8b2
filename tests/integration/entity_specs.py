"""The entities of the Admin API reference, section 2: fields, keys, and the rules over several fields."""

import json

from entity_kinds import (PROTOCOLS, REQUIRED, Array, Field, Flag, Map, Record, Ref, Set, Text, Whole, cookie_name, header_name, host, method, path, route_header,
                          router_host, router_path, sni, tag, target, upstream_name, utf8_name, uuid)
from pems import CA, EXPIRED_CA, OTHER, OTHER_CA, OTHER_KEY, RSA, RSA_KEY, digest


class Entity:
    """`nested`: its collection under a parent; `key`: what stands in a URL; `together`: names that are unique as one."""

    def __init__(self, fields, nested, plural=None, key=None, together=(), rule=None, updated=True):
        self.fields, self.nested, self.plural, self.key, self.together, self.rule = fields, nested, plural or nested, key, together, rule
        self.fields = {"id": Field(Text(uuid))} | fields | {"created_at": Field(None), "tags": Field(Set(Text(tag)))}
        if updated:
            self.fields["updated_at"] = Field(None)
        self.refs = {name: field.kind for name, field in fields.items() if isinstance(field.kind, Ref)}
        self.unique = [(name,) for name, field in fields.items() if field.unique] + ([together] if together else [])


TIMEOUT = (Whole(1, 2147483646), 60000)
FALLBACKS = ["none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"]
FAILED = "failed conditional validation given value of field '{}'"


def note(wrong, name, text):
    wrong.setdefault(name, text)


def entity(wrong, text):
    wrong.setdefault("@entity", []).append(text)


def check_service(doc, wrong, _):
    if "protocol" in wrong:
        return
    refused = ["path"] if doc["protocol"] in ("tcp", "tls", "udp", "grpc", "grpcs") else []
    if doc["protocol"] not in ("https", "tls"):
        refused += ["client_certificate", "tls_verify", "tls_verify_depth", "ca_certificates"]
    for name in refused:
        if name not in wrong and doc[name] is not None:
            note(wrong, name, "value must be null")
            entity(wrong, FAILED.format("protocol"))


L7 = ["methods", "hosts", "headers", "paths"]
L4 = ["sources", "destinations"]


def quoted(names):
    return ", ".join(f"'{name}'" for name in names)


def check_route(doc, wrong, _):
    """Only protocols of one group are ever generated."""
    if "protocols" in wrong:
        return
    given = doc["protocols"]
    if doc["snis"] and not set(given) & {"grpcs", "https", "tls", "tls_passthrough"}:
        entity(wrong, "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'")
        note(wrong, "snis", "length must be 0")
    if given[0] in ("http", "https"):
        refused, called = L4, "'http' or 'https'"
        some, last = (L7 + ["snis"], "https") if "https" in given else (L7, "http")
        text = f"must set one of {quoted(some)} when 'protocols' is '{last}'"
    elif given[0] in ("grpc", "grpcs"):
        refused, called = ["methods"] + L4, "'grpc' or 'grpcs'"
        some, last = (["hosts", "headers", "paths", "snis"], "grpcs") if "grpcs" in given else (["hosts", "headers", "paths"], "grpc")
        text = f"must set one of {quoted(some)} when 'protocols' is '{last}'"
        if doc["strip_path"] and "strip_path" not in wrong:
            note(wrong, "strip_path", "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'")
    else:
        refused, called, some = L7, "'tcp', 'tls', 'tls_passthrough' or 'udp'", L4 + ["snis"]
        text = "must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'"
    for name in refused:
        if doc[name] and name not in wrong:
            note(wrong, name, f"cannot set '{name}' when 'protocols' is {called}")
    if not any(doc[name] for name in some):
        entity(wrong, text)


def check_consumer(doc, wrong, when):
    if not doc["username"] and not doc["custom_id"] and not {"username", "custom_id"} & set(wrong):
        entity(wrong, f"{when}at least one of these fields must be non-empty: 'custom_id', 'username'")


PLUGINS = {
    "key-auth": Record(key_names=Field(Array(Text(header_name)), ["apikey"], True), hide_credentials=Field(Flag(), False, True), anonymous=Field(Text()),
                       key_in_header=Field(Flag(), True, True), key_in_query=Field(Flag(), True, True), key_in_body=Field(Flag(), False, True),
                       run_on_preflight=Field(Flag(), True, True)),
    "request-termination": Record(status_code=Field(Whole(100, 599), 503, True), message=Field(Text()), content_type=Field(Text()), body=Field(Text()),
                                  echo=Field(Flag(), False, True), trigger=Field(Text(header_name))),
}


def check_plugin(doc, wrong, _):
    if doc["name"] == "key-auth" and doc["consumer"] is not None:  # whatever it is
        wrong["consumer"] = "value must be null"


def check_upstream(doc, wrong, _):
    def needs(name, value, other):
        if doc[name] == value and not {name, other} & (set(wrong) | set(found)) and doc[other] is None:
            found[other] = REQUIRED
            texts.append(FAILED.format(name))

    def allows(value, choices):
        if doc["hash_on"] == value and "hash_on" not in wrong and doc["hash_fallback"] not in [None, *choices]:
            found["hash_fallback"] = f"expected one of: {', '.join(choices)}"
            texts.append(FAILED.format("hash_on"))

    def differ(*names):
        if not set(names) & set(wrong) and doc[names[0]] is not None and doc[names[0]] == doc[names[1]]:
            texts.append(f"values of these fields must be distinct: {quoted(names)}")

    found, texts = {}, []
    for name in ("header", "cookie"):
        needs("hash_on", name, f"hash_on_{name}")
        needs("hash_fallback", name, "hash_on_cookie" if name == "cookie" else "hash_fallback_header")
    allows("none", ["none"])
    allows("cookie", ["none"])
    allows("consumer", ["none", "ip", "header", "cookie", "path", "query_arg", "uri_capture"])
    allows("ip", ["none", "consumer", "header", "cookie", "path", "query_arg", "uri_capture"])
    allows("path", ["none", "consumer", "header", "cookie", "query_arg", "ip", "uri_capture"])
    differ("hash_on_header", "hash_fallback_header")
    for name in ("query_arg", "uri_capture"):
        needs("hash_on", name, f"hash_on_{name}")
        needs("hash_fallback", name, f"hash_fallback_{name}")
        differ(f"hash_on_{name}", f"hash_fallback_{name}")
    wrong.update(found)
    for text in texts:
        entity(wrong, text)


HEALTHCHECKS = {
    "passive": {"healthy": {"successes": 0, "http_statuses": [*range(200, 209), 226, *range(300, 309)]},
                "unhealthy": {"tcp_failures": 0, "http_statuses": [429, 500, 503], "http_failures": 0, "timeouts": 0}, "type": "http"},
    "active": {"type": "http", "concurrency": 10, "http_path": "/", "https_sni": None, "https_verify_certificate": True,
               "healthy": {"http_statuses": [200, 302], "successes": 0, "interval": 0},
               "unhealthy": {"http_statuses": [429, 404, 500, 501, 502, 503, 504, 505], "tcp_failures": 0, "timeouts": 0, "http_failures": 0, "interval": 0},
               "timeout": 1, "headers": None},
    "threshold": 0}


def record_of(default):
    """The healthchecks, from their default: counters, lists of statuses, texts."""
    kinds = {bool: Flag(), int: Whole(0, 255), list: Array(Whole(100, 999)), str: Text(), type(None): Text()}
    return Record(**{name: Field(record_of(value), {}) if isinstance(value, dict) else Field(kinds[type(value)], value) for name, value in default.items()})


def check_certificate(doc, wrong, _):
    if (doc["cert_alt"] is None) != (doc["key_alt"] is None):
        entity(wrong, "all or none of these fields must be set: 'cert_alt', 'key_alt'")
    if doc["cert"] and doc["key"] and {RSA: RSA_KEY, OTHER: OTHER_KEY}[doc["cert"]] != doc["key"]:
        entity(wrong, "certificate does not match key")


DIGESTS = {CA: digest("ca.crt"), OTHER_CA: digest("ca2.crt")}


def check_authority(doc, wrong, _):
    if "cert" in wrong:
        return
    if doc["cert"] == EXPIRED_CA:
        entity(wrong, 'certificate expired, "Not After" time is in the past')
    elif doc["cert"] == RSA:
        entity(wrong, 'certificate does not appear to be a CA because it is missing the "CA" basic constraint')


def check_key(doc, wrong, when):
    if {"pem", "jwk"} & set(wrong):
        return
    if doc["pem"] and doc["jwk"]:
        entity(wrong, "only one or none of these fields must be set: 'pem', 'jwk'")
    elif not doc["pem"] and not doc["jwk"]:
        entity(wrong, f"{when}at least one of these fields must be non-empty: 'pem', 'jwk'")
    if doc["jwk"] and "kid" not in wrong and json.loads(doc["jwk"])["kid"] != doc["kid"]:
        entity(wrong, "kid in jwk.kid must be equal to keys.kid")


def check_jwt(doc, wrong, _):
    if "algorithm" not in wrong and doc["algorithm"] in ("RS256", "RS384", "RS512") and doc["rsa_public_key"] is None:
        note(wrong, "rsa_public_key", REQUIRED)
        entity(wrong, FAILED.format("algorithm"))


def vault_prefix(value):
    if value == "env":
        return "must not be one of: env"
    good = len(value) > 1 and value[0].islower() and value[-1] != "-" and all(c.islower() or c.isdigit() or c == "-" for c in value)
    return None if good else f"invalid value: {value}"


CONSUMER = Field(Ref("consumers", "cascade"), required=True)
CERTIFICATE = Field(Ref("certificates", "restrict"))
ENTITIES = {
    "services": Entity({
        "name": Field(Text(utf8_name), unique=True), "retries": Field(Whole(0, 32767), 5), "protocol": Field(Text(one_of=PROTOCOLS), "http", True),
        "host": Field(Text(host), required=True), "port": Field(Whole(0, 65535), 80, True), "path": Field(Text(path, starts="/")),
        "connect_timeout": Field(*TIMEOUT), "write_timeout": Field(*TIMEOUT), "read_timeout": Field(*TIMEOUT), "client_certificate": CERTIFICATE,
        "tls_verify": Field(Flag()), "tls_verify_depth": Field(Whole(0, 64)), "ca_certificates": Field(Array(Text(uuid))),
        "enabled": Field(Flag(), True, True)}, "services", key="name", rule=check_service),
    "routes": Entity({
        "name": Field(Text(utf8_name), unique=True), "protocols": Field(Set(Text(one_of=PROTOCOLS)), ["http", "https"], True), "methods": Field(Set(Text(method))),
        "hosts": Field(Array(Text(router_host))), "paths": Field(Array(Text(router_path))), "headers": Field(Map(Text(route_header), Array(Text()))),
        "https_redirect_status_code": Field(Whole(one_of=[426, 301, 302, 307, 308]), 426, True), "regex_priority": Field(Whole(), 0),
        "strip_path": Field(Flag(), True, True), "path_handling": Field(Text(one_of=["v0", "v1"]), "v0"), "preserve_host": Field(Flag(), False, True),
        "request_buffering": Field(Flag(), True, True), "response_buffering": Field(Flag(), True, True), "snis": Field(Set(Text(sni))),
        "sources": Field(Set(Record(ip=Field(Text()), port=Field(Whole(0, 65535))))), "destinations": Field(Set(Record(ip=Field(Text()), port=Field(Whole(0, 65535))))),
        "service": Field(Ref("services", "restrict"))}, "routes", key="name", rule=check_route),
    "consumers": Entity({"username": Field(Text(), unique=True), "custom_id": Field(Text(), unique=True)}, "consumers", key="username", rule=check_consumer),
    "plugins": Entity({
        "name": Field(Text(), required=True), "instance_name": Field(Text(utf8_name), unique=True), "route": Field(Ref("routes", "cascade")),
        "service": Field(Ref("services", "cascade")), "consumer": Field(Ref("consumers", "cascade")), "config": Field(None, {}, True),
        "protocols": Field(Set(Text(one_of=PROTOCOLS[:4])), PROTOCOLS[:4], True), "enabled": Field(Flag(), True, True)},
                      "plugins", key="instance_name", together=("name", "route", "service", "consumer"), rule=check_plugin),
    "upstreams": Entity({
        "name": Field(Text(upstream_name), required=True, unique=True),
        "algorithm": Field(Text(one_of=["consistent-hashing", "least-connections", "round-robin", "latency"]), "round-robin"),
        "hash_on": Field(Text(one_of=FALLBACKS), "none"), "hash_fallback": Field(Text(one_of=FALLBACKS), "none"), "hash_on_header": Field(Text(header_name)),
        "hash_fallback_header": Field(Text(header_name)), "hash_on_cookie": Field(Text(cookie_name)), "hash_on_cookie_path": Field(Text(path, starts="/"), "/"),
        "hash_on_query_arg": Field(Text()), "hash_fallback_query_arg": Field(Text()), "hash_on_uri_capture": Field(Text()),
        "hash_fallback_uri_capture": Field(Text()), "slots": Field(Whole(10, 65536), 10000), "healthchecks": Field(record_of(HEALTHCHECKS), {}, True),
        "host_header": Field(Text(router_host)), "client_certificate": CERTIFICATE, "use_srv_name": Field(Flag(), False)},
                        "upstreams", key="name", rule=check_upstream),
    "targets": Entity({"upstream": Field(Ref("upstreams", "cascade"), required=True), "target": Field(Text(target), required=True),
                       "weight": Field(Whole(0, 65535), 100)}, "targets", key="target", together=("upstream", "target")),
    "certificates": Entity({"cert": Field(Text(), required=True), "key": Field(Text(), required=True), "cert_alt": Field(Text()), "key_alt": Field(Text())},
                           "certificates", rule=check_certificate),
    "snis": Entity({"name": Field(Text(sni), required=True, unique=True), "certificate": Field(Ref("certificates", "cascade"), required=True)}, "snis", key="name"),
    "ca_certificates": Entity({"cert": Field(Text(), required=True), "cert_digest": Field(Text(), unique=True)}, "ca_certificates", rule=check_authority),
    "vaults": Entity({"prefix": Field(Text(vault_prefix), required=True, unique=True), "name": Field(Text(), required=True), "description": Field(Text()),
                      "config": Field(Record(prefix=Field(Text())), {})}, "vaults", key="prefix"),
    "key_sets": Entity({"name": Field(Text(), unique=True)}, "key-sets", key="name"),
    "keys": Entity({"set": Field(Ref("key_sets", "cascade")), "name": Field(Text(), unique=True), "kid": Field(Text(), required=True), "jwk": Field(Text()),
                    "pem": Field(Record(private_key=Field(Text()), public_key=Field(Text())))}, "keys", key="name", together=("kid", "set"), rule=check_key),
    "keyauth_credentials": Entity({"consumer": CONSUMER, "key": Field(Text(), auto="key", unique=True)}, "key-auth", "key-auths", "key", updated=False),
    "basicauth_credentials": Entity({"consumer": CONSUMER, "username": Field(Text(), required=True, unique=True), "password": Field(Text(), required=True)},
                                    "basic-auth", "basic-auths", "username", updated=False),
    "acls": Entity({"consumer": CONSUMER, "group": Field(Text(), required=True)}, "acls", together=("consumer", "group"), updated=False),
    "jwt_secrets": Entity({"consumer": CONSUMER, "key": Field(Text(), auto="key", unique=True), "secret": Field(Text(), auto="secret"),
                           "rsa_public_key": Field(Text()),
                           "algorithm": Field(Text(one_of=["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384"]), "HS256")},
                          "jwt", "jwts", "key", rule=check_jwt, updated=False),
    "hmacauth_credentials": Entity({"consumer": CONSUMER, "username": Field(Text(), required=True, unique=True), "secret": Field(Text(), auto="secret")},
                                   "hmac-auth", "hmac-auths", "username", updated=False),
}
BY_PLURAL = {one.plural: name for name, one in ENTITIES.items()}
BY_NESTED = {one.nested: name for name, one in ENTITIES.items()}
