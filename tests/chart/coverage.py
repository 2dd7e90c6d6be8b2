"""Is every value used, and is every branch of every template rendered by some case?"""

import concurrent.futures
import json
import os
import re
import tempfile

import yaml

from rendering import CASES, CHART, NEWEST, case_names, copy_with_notes, template, versions

import chart_values  # of deploy/, which rendering.py has put on the path

BRANCH = re.compile(r"\{\{-? *(?:if|with|range|else)\b.*?\}\}", re.S)
# Branches that refuse, which the table of refusals takes.
REFUSING = re.compile(r"\A\s*\{\{-? *fail\b|\A\s*\{\{-? *if .*\}\}\s*\{\{-? *fail\b")


def templates(chart=CHART):
    for folder, _, names in os.walk(os.path.join(chart, "templates")):
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                yield os.path.relpath(path, chart), file.read()


def chart_leaves():
    """(path, default, its schema) of each value."""
    with open(os.path.join(CHART, "values.yaml"), encoding="utf-8") as file:
        text = file.read()
    values, notes = yaml.safe_load(text), chart_values.comments(text)
    for path, _, _ in chart_values.leaves(values, notes):
        value, schema = values, chart_values.schema(text)
        for name in path.split("."):
            value, schema = value[name], schema["properties"][name]
        if "properties" not in schema:
            yield path, value, schema


def unused_values():
    """Values whose own name no template says: neither after a dot nor as a text of a table."""
    text = "\n".join(part for _, part in templates())
    for path, _, _ in chart_leaves():
        name = path.rpartition(".")[2]
        if path != "global" and not re.search(rf'\.{name}\b|"{name}"', text):
            yield path


def others(value, schema):
    """Values that the schema allows, one of which at least is neither this one nor a case's."""
    if "enum" in schema:
        return schema["enum"]
    if isinstance(value, bool):
        return [True, False]
    if isinstance(value, int):
        return [value + 1, value + 2]
    if "items" in schema:
        return [["other"]]
    if isinstance(value, dict):
        return [{"other": "other"}]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    some = {"integer": 4321, "string": "other", "boolean": False, "array": [{"other": "other"}], "object": {"other": "other"}}
    if "pattern" in schema and "sha256" in schema["pattern"]:
        return ["sha256:" + "0" * 64]
    return [some[kind] for kind in kinds if kind in some]


def matters(path, values):
    """Does one of them change, in some case, what is rendered? A refusal is a change, too. The cases that speak of it come first."""
    words = path.split(".")
    order = sorted(case_names(), key=lambda case: -sum(word in case_text(case) for word in words))
    for case in order:
        for value in values:
            status, text = template.__wrapped__(case, (f"{path}={json.dumps(value)}",), version=NEWEST)
            if (status, text) != template(case):
                return status == 0 or "specifications of the schema" not in text
    return False


def case_text(case):
    with open(os.path.join(CASES, f"{case}-values.yaml"), encoding="utf-8") as file:
        return file.read()


def idle_values():
    """Values that change nothing in any case; the one left open is for others."""
    leaves = [(path, others(value, schema)) for path, value, schema in chart_leaves() if path != "global"]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (path, _), fine in zip(leaves, pool.map(lambda leaf: matters(*leaf), leaves)):
            if not fine:
                yield path


def branches(texts):
    """(file, place after the branch's head, line) of each that is not a refusal."""
    for name, text in texts.items():
        for match in BRANCH.finditer(text):
            if not REFUSING.match(text[match.end():]):
                yield name, match.end(), text.count("\n", 0, match.start()) + 1


def write(chart, texts, left):
    """The templates with a failure in each branch that is left, which has its number."""
    for name, text in texts.items():
        for number, (_, place, _) in sorted(left.items(), key=lambda item: -item[1][1]):
            if left[number][0] == name:
                text = text[:place] + f'{{{{ fail "reached {number}." }}}}' + text[place:]
        with open(os.path.join(chart, name), "w", encoding="utf-8") as file:
            file.write(text)


def unreached_branches():
    """"file:line" of each branch that no case renders. Whoever is reached fails, and is then left alone."""
    with tempfile.TemporaryDirectory() as folder:
        chart = copy_with_notes(folder)
        texts = dict(templates(chart))
        left = dict(enumerate(branches(texts)))
        write(chart, texts, left)
        for case in case_names():
            for release, version in [("rel", version) for version in versions(case)] + [("my-freshet", NEWEST)]:
                while found := re.search(r"reached (\d+)[.]", template.__wrapped__(case, (), 3, version, chart, release)[1]):
                    name = left.pop(int(found.group(1)))[0]
                    write(chart, {name: texts[name]}, left)
        return [f"{name}:{line}" for name, _, line in left.values()]
