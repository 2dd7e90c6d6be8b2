"""Types of values, as the Admin API reference (1.6, 1.8, 1.10) describes them: what each refuses, and what a form means by it."""

import copy

HOST_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
NAME_LETTERS = HOST_LETTERS | {"~"}
PROTOCOLS = ["grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"]
REQUIRED = "required field missing"


class Text:
    """`check`: value -> what is wrong with it, or None."""

    expected = "expected a string"

    def __init__(self, check=None, one_of=None, starts=None):
        self.check_more, self.one_of, self.starts = check, one_of, starts

    def check(self, value):
        if not isinstance(value, str):
            return self.expected
        if self.one_of and value not in self.one_of:
            return f"expected one of: {', '.join(self.one_of)}"
        if value == "":
            return "length must be at least 1"
        if self.starts and not value.startswith(self.starts):
            return f"should start with: {self.starts}"
        return self.check_more(value) if self.check_more else None

    def infer(self, value):
        return value


class Whole:
    expected = "expected an integer"

    def __init__(self, low=None, high=None, one_of=None):
        self.low, self.high, self.one_of = low, high, one_of

    def check(self, value):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            return self.expected
        if self.one_of and value not in self.one_of:
            return f"expected one of: {', '.join(map(str, self.one_of))}"
        if self.low is not None and not self.low <= value <= self.high:
            return f"value should be between {self.low} and {self.high}"
        return None

    def infer(self, value):
        if isinstance(value, str):
            for make in (int, float):
                try:
                    return make(value)
                except ValueError:
                    pass
        return value


class Flag:
    def check(self, value):
        return None if isinstance(value, bool) else "expected a boolean"

    def infer(self, value):
        return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


class Array:
    expected = "expected an array"

    def __init__(self, element):
        self.element = element

    def check(self, value):
        if not isinstance(value, list):
            return self.expected
        wrong = [REQUIRED if item is None else self.element.check(item) for item in value]
        while wrong and wrong[-1] is None:
            wrong.pop()
        return wrong or None

    def infer(self, value):
        if isinstance(value, list):
            return [self.element.infer(item) for item in value]
        return value if value is None or isinstance(value, dict) else [self.element.infer(value)]

    def normal(self, value):
        return [complete(self.element, item) for item in value]


class Set(Array):
    expected = "expected a set"

    def normal(self, value):
        found = []
        for item in super().normal(value):
            if item not in found:
                found.append(item)
        return found


class Map:
    def __init__(self, key, value):
        self.key, self.value = key, value

    def check(self, value):
        if not isinstance(value, dict):
            return "expected a map"
        for name, inner in value.items():
            wrong = self.key.check(name) or self.value.check(inner)
            if wrong:
                return wrong
        return None

    def infer(self, value):
        return {name: self.value.infer(inner) for name, inner in value.items()} if isinstance(value, dict) else value


class Field:
    def __init__(self, kind, default=None, required=False, auto=None, unique=False):
        self.kind, self.default, self.required, self.auto, self.unique = kind, default, required, auto, unique


class Record:
    def __init__(self, **fields):
        self.fields = fields

    def check(self, value):
        if not isinstance(value, dict):
            return "expected a record"
        wrong = {name: "unknown field" for name in value if name not in self.fields}
        for name, field in self.fields.items():
            given = value.get(name, field.default)
            if given is None:
                if field.required:
                    wrong[name] = REQUIRED
            elif field.kind.check(given):
                wrong[name] = field.kind.check(given)
        return wrong or None

    def infer(self, value):
        if not isinstance(value, dict):
            return value
        return {name: self.fields[name].kind.infer(inner) if name in self.fields else inner for name, inner in value.items()}

    def normal(self, value):
        return {name: complete(field.kind, value.get(name, copy.deepcopy(field.default))) for name, field in self.fields.items()}


class Ref:
    """A foreign key. `on_delete`: cascade, or restrict."""

    def __init__(self, entity, on_delete):
        self.entity, self.on_delete = entity, on_delete

    def check(self, value):
        if not isinstance(value, dict) or "id" not in value:
            return {"id": "missing primary key"}
        if value["id"] is None:
            return {"id": REQUIRED}
        return None if is_id(value["id"]) else {"id": "expected a valid UUID"}

    def infer(self, value):
        return value

    def normal(self, value):
        return {"id": value["id"]}


def complete(kind, value):
    """What is stored of a good value."""
    return kind.normal(value) if value is not None and hasattr(kind, "normal") else value


def is_symbol(value):
    """"@7", "@7.key": what the seventh move made."""
    return isinstance(value, str) and value[:1] == "@" and value[1:2].isdigit()


def is_id(value):
    if not isinstance(value, str):
        return False
    return is_symbol(value) and "." not in value or "@" in value and ".sni." in value or (
        len(value) == 36 and [value[at] for at in (8, 13, 18, 23)] == ["-"] * 4 and all(c in "0123456789abcdefABCDEF-" for c in value))


def as_form(value):
    """What is left of a JSON value once it has been a form: texts, nulls, and nothing of what is empty."""
    if isinstance(value, dict):
        inner = {name: as_form(item) for name, item in value.items() if item not in ([], {})}
        return inner
    if isinstance(value, list):
        return [as_form(item) for item in value]
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def message_of(fields):
    """Reference 1.8; None: deeper than it says to the letter."""
    clauses = list(fields.get("@entity", []))
    for name in sorted(name for name in fields if name != "@entity"):
        wrong = fields[name]
        if isinstance(wrong, str):
            clauses.append(f"{name}: {wrong}")
            continue
        pairs = sorted(wrong.items()) if isinstance(wrong, dict) else [(n, item) for n, item in enumerate(wrong, 1) if item is not None]
        for key, inner in pairs:
            if not isinstance(inner, str):
                return None
            clauses.append(f"{name}.{key}: {inner}")
    start = "schema violation" if len(clauses) == 1 else f"{len(clauses)} schema violations"
    return f"{start} ({'; '.join(clauses)})"


# ---- what texts may be ----

def is_ipv4(value):
    return value.count(".") == 3 and value.replace(".", "").isdigit()


def utf8_name(value):
    if all(ord(c) > 127 or c in NAME_LETTERS for c in value):
        return None
    return f"invalid value '{value}': the only accepted ascii characters are alphanumerics or ., -, _, and ~"


def tag(value):
    if "," in value or "/" in value:
        return f"invalid tag '{value}': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"
    return None


def host(value):
    if ":" in value:
        return "must not have a port"
    return None if set(value) <= HOST_LETTERS else f"invalid value: {value}"


def sni(value):
    if is_ipv4(value):
        return "must not be an IP"
    if ":" in value:
        return "must not have a port"
    if value.count("*") > 1:
        return "only one wildcard must be specified"
    if "*" in value and not (value.startswith("*.") or value.endswith(".*")):
        return "wildcard must be leftmost or rightmost character"
    return None if set(value.replace("*", "")) <= HOST_LETTERS else f"invalid value: {value}"


def path(value):
    return "must not have empty segments" if "//" in value else None


def router_path(value):
    if value[:1] not in "/~":
        return "should start with: / (fixed path) or ~/ (regex path)"
    return path(value)


def router_host(value):
    name, colon, port = value.partition(":")
    if colon and not port.isdigit():
        return "invalid port number"
    return None if set(name.removeprefix("*.").removesuffix(".*")) <= HOST_LETTERS else f"invalid hostname: {value}"


def method(value):
    return None if value.isupper() and value.isalpha() else f"invalid value: {value}"


def name_of(what):
    def check(value):
        if all(c.isascii() and (c.isalnum() or c in "-_") for c in value):
            return None
        return f"bad {what} name '{value}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
    return check


header_name, cookie_name = name_of("header"), name_of("cookie")


def route_header(value):
    if value.lower() == "host":
        return "cannot contain 'host' header, which must be specified in the 'hosts' attribute"
    return header_name(value)


def upstream_name(value):
    if is_ipv4(value):
        return f"Invalid name ('{value}'); no ip addresses allowed"
    if ":" in value:
        return f"Invalid name ('{value}'); no port allowed"
    return None if set(value) <= HOST_LETTERS else f"Invalid name ('{value}'); must be a valid hostname"


def target(value):
    return "Invalid target" if " " in value or value.isdigit() else None


def uuid(value):
    return None if is_id(value) else "expected a valid UUID"
