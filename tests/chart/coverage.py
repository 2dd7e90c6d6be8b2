"""Is every value used, and is every branch of every template rendered by some case?"""

import os
import re
import tempfile

import yaml

import chart_values  # of deploy/, which rendering.py has put on the path
from rendering import CHART, NEWEST, case_names, copy_with_notes, template, versions

BRANCH = re.compile(r"\{\{-? *(?:if|with|range|else)\b.*?\}\}", re.S)
# Branches that refuse, which the table of refusals takes.
REFUSING = re.compile(r"\A\s*\{\{-? *fail\b|\A\s*\{\{-? *if .*\}\}\s*\{\{-? *fail\b")


def templates(chart=CHART):
    for folder, _, names in os.walk(os.path.join(chart, "templates")):
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                yield os.path.relpath(path, chart), file.read()


def unused_values():
    """Values whose own name no template says: neither after a dot nor as a text of a table."""
    text = "\n".join(part for _, part in templates())
    with open(os.path.join(CHART, "values.yaml"), encoding="utf-8") as file:
        values = file.read()
    for path, _, _ in chart_values.leaves(yaml.safe_load(values), chart_values.comments(values)):
        name = path.rpartition(".")[2]
        if path != "global" and not re.search(rf'\.{name}\b|"{name}"', text):
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
