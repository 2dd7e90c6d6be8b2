"""Answers of the Admin API against its own OpenAPI document.

Each node gives its document when it is ready; from then on support.ask() hands every answer of its Admin API to
note(). What does not fit is kept until the test ends, which then fails (conftest.py): so it is seen in threads too.
"""

import hashlib
import json
from urllib.parse import unquote_plus

import fastjsonschema

UUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
MESSAGE = {"$ref": "#/components/schemas/message"}
# What is refused before it is a request, or by who owns the connection (info.description of the document).
ANY_REQUEST = (400, 401, 403, 408, 414, 431)
DOCUMENTS = {}  # by digest
BY_PORT = {}
DEVIATIONS = []


class Document:
    def __init__(self, text):
        self.json = json.loads(text)
        self.validators = {}
        # Literal segments win over parameters.
        self.paths = sorted(((form.strip("/").split("/"), item) for form, item in self.json["paths"].items()),
                            key=lambda entry: [segment.startswith("{") for segment in entry[0]])

    def item(self, path):
        """The path item that a path of a request means, or None."""
        bare = path.split("?")[0].split("#")[0]
        segments = [unquote_plus(part) for part in (bare[1:-1] if bare.endswith("/") and len(bare) > 1 else bare[1:]).split("/")]
        for form, item in self.paths:
            if len(form) == len(segments) and all(want == got or (want.startswith("{") and got) for want, got in zip(form, segments)):
                return item
        return None

    def resolve(self, part):
        while "$ref" in part:
            found = self.json
            for step in part["$ref"][2:].split("/"):
                found = found[step]
            part = found
        return part

    def validate(self, schema, value):
        key = json.dumps(schema)
        if key not in self.validators:
            whole = {"allOf": [schema], "components": self.json["components"]}
            self.validators[key] = fastjsonschema.compile(whole, formats={"uuid": UUID}, use_default=False)
        self.validators[key](value)

    def fault(self, method, path, answer):
        """None, or what does not fit."""
        item = self.item(path)
        if method == "OPTIONS" and answer.status in (204, 404):
            return None if (answer.status == 404) == (item is None) else "OPTIONS does not say whether the path is there"
        operation = (item or {}).get("get" if method == "HEAD" else method.lower())
        if operation is not None and str(answer.status) in operation["responses"]:
            return self.content_fault(method, self.resolve(operation["responses"][str(answer.status)]).get("content", {}), answer)
        may_be = ANY_REQUEST if operation is not None else (404, *ANY_REQUEST) if item is None else (404, 405, *ANY_REQUEST)
        if answer.status not in may_be:
            return "the status is not in the document" if operation is not None else "the document does not have it"
        return self.content_fault(method, {"application/json": {"schema": MESSAGE}, "text/html": {"schema": {}}}, answer)

    def content_fault(self, method, content, answer):
        media = (answer.headers.get("Content-Type") or "").split(";")[0]
        if method == "HEAD" or not content:
            return "there is a body" if answer.body else None
        if media not in content:
            return f"the type is {media!r}, not one of {sorted(content)}"
        try:
            self.validate(content[media]["schema"], answer.json if media == "application/json" else answer.text)
        except (fastjsonschema.JsonSchemaValueException, ValueError) as problem:
            return str(problem)
        return None


def learn(port, answer):
    """The node on that port has said what it is; one that does not is as the one before."""
    if answer is not None and answer.status == 200:
        digest = hashlib.sha256(answer.body).digest()
        if digest not in DOCUMENTS:
            DOCUMENTS[digest] = Document(answer.body)
        BY_PORT[port] = DOCUMENTS[digest]
    elif DOCUMENTS:
        BY_PORT[port] = next(iter(DOCUMENTS.values()))


def note(port, method, path, answer):
    document = BY_PORT.get(port)
    fault = document.fault(method, path, answer) if document is not None else None
    if fault is not None:
        DEVIATIONS.append(f"{method} {path[:200]} {answer.status}: {fault[:1000]}\n  {answer.text[:600]}")


def take_deviations():
    """Those since the last time, each kind once."""
    found = list(dict.fromkeys(DEVIATIONS))
    DEVIATIONS.clear()
    return found
