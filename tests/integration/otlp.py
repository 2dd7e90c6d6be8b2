"""An OpenTelemetry collector for tests: takes OTLP over HTTP and decodes it strictly, by the published numbers of fields
(opentelemetry-proto 1.0) and none of ours. Whatever is unknown, doubled, out of type or cut short is an error."""

from collector import Collector

TEXT, BYTES, NUMBER, FIXED = "text", "bytes", "number", "fixed"

VALUE = {1: ("string", TEXT), 2: ("bool", NUMBER), 3: ("int", NUMBER)}
PAIR = {1: ("key", TEXT), 2: ("value", VALUE)}
RESOURCE = {1: ("attributes", [PAIR])}
SCOPE = {1: ("name", TEXT), 2: ("version", TEXT)}
STATUS = {2: ("message", TEXT), 3: ("code", NUMBER)}
SPAN = {1: ("trace", BYTES), 2: ("id", BYTES), 3: ("state", TEXT), 4: ("parent", BYTES), 5: ("name", TEXT), 6: ("kind", NUMBER),
        7: ("start", FIXED), 8: ("end", FIXED), 9: ("attributes", [PAIR]), 15: ("status", STATUS)}
SCOPE_SPANS = {1: ("scope", SCOPE), 2: ("spans", [SPAN]), 3: ("schema_url", TEXT)}
RESOURCE_SPANS = {1: ("resource", RESOURCE), 2: ("scope_spans", [SCOPE_SPANS]), 3: ("schema_url", TEXT)}
REQUEST = {1: ("resource_spans", [RESOURCE_SPANS])}

INTERNAL, SERVER, CLIENT = 1, 2, 3
ERROR = 2


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            assert shift == 7 or byte, "a varint is longer than it need be"
            assert value < 1 << 64
            return value, at


def scalar(kind, data, at, wire):
    if kind == NUMBER:
        assert wire == 0
        value, at = varint(data, at)
        return value - (1 << 64) if value >> 63 else value, at
    assert wire == 1 and kind == FIXED
    assert at + 8 <= len(data)
    return int.from_bytes(data[at:at + 8], "little"), at + 8


def decode(layout, data):
    found, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        name, kind = layout[tag >> 3]
        if kind in (NUMBER, FIXED):
            value, at = scalar(kind, data, at, tag & 7)
        else:
            assert tag & 7 == 2
            size, at = varint(data, at)
            part = data[at:at + size]
            assert len(part) == size, "cut short"
            at += size
            value = part.decode() if kind == TEXT else part if kind == BYTES else decode(kind[0] if isinstance(kind, list) else kind, part)
        if isinstance(kind, list):
            found.setdefault(name, []).append(value)
        else:
            assert name not in found, f"{name} twice"
            found[name] = value
    return found


def named(pairs):
    """Attributes as a mapping; each name comes once."""
    result = {}
    for pair in pairs:
        assert pair["key"] and pair["key"] not in result, pair
        (result[pair["key"]],) = pair["value"].values()
    return result


def spans_of(body):
    """(resource, span) of all spans in a body, ids as hexadecimal, attributes as mappings."""
    for part in decode(REQUEST, body)["resource_spans"]:
        resource = named(part["resource"]["attributes"])
        for scoped in part["scope_spans"]:
            for span in scoped["spans"]:
                assert len(span["trace"]) == 16 and len(span["id"]) == 8 and len(span.get("parent", b"8 bytes!")) == 8
                assert 1_700_000_000_000_000_000 < span["start"] <= span["end"]
                span |= {"scope": scoped["scope"], "attributes": named(span.get("attributes", [])), "failed": span.get("status", {}).get("code") == ERROR}
                for name in ("trace", "id", "parent"):
                    span[name] = span[name].hex() if name in span else None
                yield resource, span


class OtlpCollector(Collector):
    def spans(self):
        return [span for body in self.bodies for _, span in spans_of(body)]

    def resources(self):
        return [resource for body in self.bodies for resource, _ in spans_of(body)]
