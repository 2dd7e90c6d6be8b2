"""wire_checklist.tsv names tests that exist."""

import os
import re

from support import ROOT

HERE = os.path.dirname(__file__)


def source(module):
    path = os.path.join(ROOT, "tests", "unit", module + ".c") if "/" in module else os.path.join(HERE, module + ".py")
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_every_row_names_a_test():
    with open(os.path.join(HERE, "wire_checklist.tsv"), encoding="ascii") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    assert len({what for what, _ in rows}) == len(rows)
    for what, where in rows:
        module, name = where.split("::")
        form = r"(FACT|WATCHED|unit_test\w*)\(%s\b" if "/" in module else r"^def %s\("
        assert re.search(form % name, source(module), re.MULTILINE), (what, where)
