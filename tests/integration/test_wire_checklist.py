"""wire_checklist.tsv and failures.tsv name tests that exist, and the latter has every row of its matrix."""

import os
import re

from support import ROOT

HERE = os.path.dirname(__file__)


def source(module):
    path = os.path.join(ROOT, "tests", "unit", module + ".c") if "/" in module else os.path.join(HERE, module + ".py")
    with open(path, encoding="utf-8") as file:
        return file.read()


def rows_of(name):
    with open(os.path.join(HERE, name), encoding="ascii") as file:
        return [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]


def assert_there(what, where):
    module, name = where.split("::")
    form = r"([A-Z_]+|unit_test\w*)\(%s\b" if "/" in module else r"^def %s\("
    assert re.search(form % name, source(module), re.MULTILINE), (what, where)


def test_every_row_names_a_test():
    rows = rows_of("wire_checklist.tsv")
    assert len({what for what, _ in rows}) == len(rows)
    for what, where in rows:
        assert_there(what, where)


def test_every_row_of_the_failure_matrix_has_its_tests():
    rows = rows_of("failures.tsv")
    assert [int(number) for number, _, _ in rows] == list(range(1, 54))
    for number, fault, places in rows:
        for where in places.split():
            assert_there(f"{number} {fault}", where)
