"""What the comments of deploy/chart/values.yaml say: rows of the README's table, and the schema.

A key's comment stands above it: lines of text, and at most one "schema: {...}" that adds to what the default shows.
Objects are closed, so that a typing mistake is an error; an empty map, or one with a schema, is left to who reads it.
"""

import yaml

TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


def comments(text):
    """By path, such as ("image", "tag"): the comment's text and its schema or None."""
    found, parents, pending = {}, [], []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            pending.append(stripped[1:].strip())
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        key, colon, _ = stripped.partition(":")
        if not stripped or not colon or stripped.startswith("-"):
            pending = []
            continue
        parents = parents[:depth] + [key]
        schemas = [part[len("schema:"):] for part in pending if part.startswith("schema:")]
        words = " ".join(part for part in pending if not part.startswith("schema:"))
        found[tuple(parents)] = (words, yaml.safe_load(schemas[0]) if schemas else None)
        pending = []
    return found


def schema_of(values, notes, path=()):
    properties = {}
    for key, value in values.items():
        words, extra = notes[(*path, key)]
        if isinstance(value, dict) and value and extra is None:
            properties[key] = schema_of(value, notes, (*path, key))
        elif extra is not None:
            properties[key] = dict(extra) if "type" in extra or "enum" in extra else {"type": TYPES[type(value)], **extra}
        else:
            properties[key] = {"type": TYPES[type(value)]}
        if words:
            properties[key]["description"] = words
    return {"type": "object", "additionalProperties": False, "properties": properties}


def schema(text):
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the Freshet chart. Written by deploy/render.",
            **schema_of(yaml.safe_load(text), comments(text))}


def shown(value):
    return "" if value in ("", None, [], {}) else f"`{yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix('...' + chr(10)).strip()}`"


def leaves(values, notes, path=()):
    """(path, default, text) of each key that has no keys of ours below it."""
    for key, value in values.items():
        words, extra = notes[(*path, key)]
        if isinstance(value, dict) and value and extra is None:
            if words:
                yield ".".join((*path, key)), "", words
            yield from leaves(value, notes, (*path, key))
        else:
            yield ".".join((*path, key)), shown(value), words


def table(text):
    notes = comments(text)
    rows = ["| value | default | |", "|---|---|---|"]
    for path, default, words in leaves(yaml.safe_load(text), notes):
        rows.append(f"| `{path}` | {default.replace('|', chr(92) + '|')} | {words.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)
