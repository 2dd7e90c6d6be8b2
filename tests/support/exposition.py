"""A strict reader of what /metrics says (Prometheus' text format 0.0.4). Standard library only.

Everything that a reader could stumble over is an error: families that are not one piece, series that come twice, labels
that are not escaped, histograms whose parts contradict each other.
"""

import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
TYPES = ("counter", "gauge", "histogram")


class Family:
    """name, type, help; samples: (name, labels, value) in their order."""

    def __init__(self, name, text):
        self.name, self.help, self.type, self.samples = name, text, None, []

    def value(self, **labels):
        """The one sample with these labels, whatever others it has."""
        found = [value for name, has, value in self.samples if name == self.name and labels.items() <= has.items()]
        assert len(found) == 1, f"{self.name} {labels}: {len(found)} samples"
        return found[0]

    def total(self, **labels):
        return sum(value for name, has, value in self.samples if name in (self.name, f"{self.name}_count") and labels.items() <= has.items())

    def buckets(self, **labels):
        return {has["le"]: value for name, has, value in self.samples if name == f"{self.name}_bucket" and labels.items() <= has.items()}

    def sum(self, **labels):
        return sum(value for name, has, value in self.samples if name == f"{self.name}_sum" and labels.items() <= has.items())


def read_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"labels: {text[at:]!r}"
        name, value = match.groups()
        assert name not in labels and not name.startswith("__"), f"label {name}"
        labels[name] = re.sub(r"\\.", lambda escape: ESCAPES[escape.group()], value)
        at = match.end()
        assert at == len(text) or text[at] == ",", f"labels: {text[at:]!r}"
        at += 1
        assert at != len(text), f"labels end in a comma: {text!r}"
    return labels


def read_sample(line):
    match = NAME.match(line)
    assert match, line
    name, rest, labels = match.group(), line[match.end():], {}
    if rest.startswith("{"):
        end = re.match(r'\{((?:[^"}]|"(?:[^"\\]|\\.)*")+)\} ', rest)
        assert end, line
        labels, rest = read_labels(end.group(1)), " " + rest[end.end():]
    assert rest.startswith(" ") and NUMBER.fullmatch(rest[1:]), line
    return name, labels, float(rest[1:])


def check_histogram(family):
    series = {}
    for name, labels, value in family.samples:
        key = tuple(sorted((of, text) for of, text in labels.items() if of != "le"))
        part = name[len(family.name):]
        assert ("le" in labels) == (part == "_bucket"), (name, labels)
        series.setdefault(key, []).append((part, labels.get("le"), value))
    for key, parts in series.items():
        assert [part for part, _, _ in parts[-2:]] == ["_sum", "_count"], (family.name, key)
        buckets = parts[:-2]
        limits = [float(limit) for _, limit, _ in buckets]
        counts = [value for _, _, value in buckets]
        assert buckets and all(part == "_bucket" for part, _, _ in buckets), (family.name, key)
        assert limits == sorted(set(limits)) and buckets[-1][1] == "+Inf", (family.name, key)
        assert counts == sorted(counts) and counts[-1] == parts[-1][2], (family.name, key)


def check_family(family):
    assert family.type in TYPES, family.name
    assert family.samples, f"{family.name} has no samples"
    seen = set()
    for name, labels, value in family.samples:
        key = (name, tuple(sorted(labels.items())))
        assert key not in seen, f"twice: {key}"
        seen.add(key)
        assert family.type == "gauge" or value >= 0, key
    if family.type == "histogram":
        check_histogram(family)


def belongs(family, name):
    if family.type != "histogram":
        return name == family.name
    return name in (f"{family.name}_bucket", f"{family.name}_sum", f"{family.name}_count")


def parse(text):
    """Families by name. Raises AssertionError for everything that is not as it should be."""
    families, now = {}, None
    assert text.endswith("\n"), "the last line has no end"
    for line in text[:-1].split("\n"):
        words = line.split(" ", 3)
        if line.startswith("# HELP "):
            assert len(words) == 4 and words[3] and NAME.fullmatch(words[2]), line
            assert words[2] not in families, f"{words[2]} comes twice"
            now = families[words[2]] = Family(words[2], words[3])
        elif line.startswith("# TYPE "):
            assert now is not None and words[2] == now.name and now.type is None and not now.samples, line
            now.type = words[3]
        else:
            sample = read_sample(line)
            assert now is not None and now.type is not None and belongs(now, sample[0]), f"stray: {line}"
            now.samples.append(sample)
    for family in families.values():
        check_family(family)
    return families
