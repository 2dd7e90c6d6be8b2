"""Every object against the schema of its kind: built-in ones strictly, for two versions of Kubernetes; those of operators as npm has them."""

import functools
import glob
import json
import os
import re
import subprocess
import zipfile

import jsonschema

from rendering import helm

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMAS = "kubernetes-validate==1.37.0"
MODELS = ["kubernetes-models@5.1.0", "@kubernetes-models/prometheus-operator@6.0.0", "@kubernetes-models/gateway-api@2.0.0",
          "@kubernetes-models/cert-manager@6.0.0"]


@functools.cache
def schema_archive():
    """A wheel of nothing but JSON schemas."""
    with helm.cache() as folder:
        pattern = os.path.join(folder, "kubernetes_validate-1.37.0-*.whl")
        if not glob.glob(pattern):
            helm.fetch("python3", "-m", "pip", "download", "--quiet", "--no-deps", "-d", ".", SCHEMAS, into=folder)
        return zipfile.ZipFile(glob.glob(pattern)[0])  # pylint: disable=consider-using-with


@functools.cache
def models():
    """Folder in which node finds the models."""
    with helm.cache() as folder:
        path = os.path.join(folder, "models-" + re.sub(r"\W+", "-", MODELS[0]))
        if not os.path.exists(os.path.join(path, "complete")):
            os.makedirs(path, exist_ok=True)
            helm.fetch("npm", "install", "--loglevel=error", "--ignore-scripts", "--prefix", path, *MODELS, into=path)
            with open(os.path.join(path, "complete"), "w", encoding="ascii"):
                pass
    return path


@functools.cache
def document(version, name):
    """One of the archive's files, or None."""
    path = f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict/{name}"
    try:
        return json.loads(schema_archive().read(path))
    except KeyError:
        return None


@functools.cache
def validator(version, api, kind):
    group, _, release = api.rpartition("/")
    schema = document(version, "-".join(filter(None, (kind.lower(), group.partition(".")[0], release))) + ".json")
    if schema is None:
        return None
    # Its references are to a file beside it, whose own are to itself.
    text = json.dumps({**schema, "$defs": document(version, "_definitions.json")["$defs"]}).replace("/api/_definitions.json#", "#")
    return jsonschema.Draft202012Validator(json.loads(text))


def strictly(objects, version):
    """(complaints, objects that no schema is known of)"""
    complaints, unknown = [], []
    for item in objects:
        found = validator(version, item["apiVersion"], item["kind"])
        if found is None:
            unknown.append(item)
            continue
        for error in found.iter_errors(item):
            where = ".".join(str(part) for part in error.path)
            complaints.append(f"{item['kind']} {item['metadata']['name']}: {where}: {error.message[:200]}")
    return complaints, unknown


def by_models(objects):
    """What the models say against the objects; all in one run of node."""
    run = subprocess.run(["node", os.path.join(HERE, "models.mjs"), models()], input=json.dumps(objects), capture_output=True, text=True,
                         check=False, timeout=120)
    return run.stdout.splitlines() if run.returncode == 0 else [run.stderr.strip() or "node failed"]
