"""How figures are shown, and what several of them need."""

import re
import socket

FIGURES = {}


def show(name, value, goal, unit=""):
    FIGURES[name] = value
    text = f"{value:.3g}" if isinstance(value, float) and value < 1000 else f"{value}"
    print(f"    {name:<66} {text:>9} {unit:<4} goal {goal}", flush=True)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Wire:
    """A kept HTTP connection, as thin as Python allows: the client must not be what is measured."""

    def __init__(self, port):
        self.link = socket.create_connection(("127.0.0.1", port))
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left = b""

    def ask(self, method, path, body=b"", headers=""):
        more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        self.link.sendall(f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}{more}\r\n".encode() + body)
        data = self.left
        while b"\r\n\r\n" not in data:
            part = self.link.recv(65536)
            if not part:
                raise ConnectionError("closed")
            data += part
        head, data = data.split(b"\r\n\r\n", 1)
        status = int(head[9:12])
        length = re.search(rb"(?i)content-length: (\d+)", head)
        wanted = int(length.group(1)) if length else 0
        if length is None and status not in (204, 304):
            while not data.endswith(b"0\r\n\r\n"):
                data += self.link.recv(65536)
            self.left = b""
            return status, data
        while len(data) < wanted:
            data += self.link.recv(65536)
        self.left = data[wanted:]
        return status, data[:wanted]
