"""Which version does a node answer with? One connection per thread and port is kept, as clients do."""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field

WORKSPACE = "5b1e0000-0000-4000-8000-000000000001"


class Client:
    """Threads: any; connections belong to one each."""

    def __init__(self):
        self.own = threading.local()

    def ask(self, port, method, path, headers=None, body=None, timeout=8):
        """(status, headers, body); OSError: no answer."""
        links = self.own.__dict__.setdefault("links", {})
        for is_kept in (True, False):
            link = links.pop(port, None) if is_kept else None
            if link is None:
                if is_kept:
                    continue
                link = http.client.HTTPConnection("127.0.0.1", port)
            try:
                link.timeout = timeout
                if link.sock is not None:
                    link.sock.settimeout(timeout)
                link.request(method, path, body, headers or {})
                got = link.getresponse()
                answer = got.status, got.headers, got.read()
            except (OSError, http.client.HTTPException) as error:
                link.close()
                # A kept connection may have been closed under us; what may have had an effect is not sent twice.
                if is_kept and method == "GET" and not isinstance(error, TimeoutError):
                    continue
                raise OSError(str(error)) from error
            if got.will_close:
                link.close()
            else:
                links[port] = link
            return answer
        raise OSError("unreachable")

    def admin(self, node, method, path, fields=None, timeout=20):
        headers = {"Content-Type": "application/json"} if fields is not None else {}
        return self.ask(node.admin_port, method, path, headers, None if fields is None else json.dumps(fields), timeout)


@dataclass
class Sight:
    """What one answer showed."""

    node: str
    how: str                      # proxy, cache
    versions: dict                # key -> version
    began: float
    ended: float
    claims: list = field(default_factory=list)   # (what, key, version): must be at least that one; "after X": newer than X
    commit: tuple = None          # (key, Version, seconds): asked so long after it had been seen


class Asker:
    def __init__(self, client):
        self.client = client
        self.ids = {}        # key of truth -> id of the entity, for /cache
        self.unanswered = 0

    def proxied(self, node, key, position=None):
        """A Sight, or None: no answer that shows a version."""
        kind, name = key.split(":", 1)
        headers = {"Freshet-Min-Position": position} if position else {}
        if kind in ("consumer", "credential"):
            path, headers = "/keyed", headers | {"apikey": name}
        else:
            path = f"/{name}"
        began = time.time()
        try:
            status, _, body = self.client.ask(node.proxy_port, "GET", path, headers)
        except OSError:
            self.unanswered += 1
            return None
        versions = self.versions_of(kind, name, status, body)
        if versions is None:
            self.unanswered += 1
            return None
        return Sight(node.name, "proxy", versions, began, time.time())

    @staticmethod
    def versions_of(kind, name, status, body):
        if status == 401 and kind == "credential":
            return {f"{kind}:{name}": "none"}
        if status != 200:
            return None
        shown = json.loads(body)
        headers = {key.lower(): value for key, value in shown["headers"]}
        if kind == "consumer":
            return {f"consumer:{name}": headers.get("x-consumer-custom-id", "none")}
        if kind == "credential":
            return {f"credential:{name}": headers.get("x-credential-identifier", "none")}
        versions = {f"service:{name}": shown["path"]}
        if kind == "pair":
            versions["plugin:pair"] = f"X-Pair:{headers.get('x-pair')}"
        return versions

    def cached(self, node, key):
        """What GET /cache/{key} shows of it; None: nothing is there."""
        kind, name = key.split(":", 1)
        if kind == "consumer" and key in self.ids:
            path = f"/cache/consumers:{self.ids[key]}:::::{WORKSPACE}"
        elif kind == "credential":
            path = f"/cache/keyauth_credentials:{name}:::::{WORKSPACE}"
        else:
            return None
        began = time.time()
        try:
            status, _, body = self.client.ask(node.admin_port, "GET", path)
        except OSError:
            return None
        if status != 200:
            return None
        shown = json.loads(body)
        version = shown.get("custom_id" if kind == "consumer" else "id") or "none"
        return Sight(node.name, "cache", {key: version}, began, time.time())
