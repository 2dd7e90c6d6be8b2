"""The front against a strict reading of RFC 9112: of randomly mutated requests, what reaches the upstream is what the
specification says was sent, in that order, and nothing that it calls malformed.

The gateway may refuse more than the specification does; it must never understand something else.
FRESHET_SEED repeats a run, FRESHET_STREAMS makes it longer.
"""

import contextlib
import os
import random
import re
import socket
import threading
import time

import pytest

pytestmark = pytest.mark.usefixtures("clean")

STREAMS = int(os.environ.get("FRESHET_STREAMS", "800"))
SEED = int(os.environ.get("FRESHET_SEED", "9112"))
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([^ ]+) HTTP/1\.([01])")
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*")
AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]*)?")
TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]+)(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*|[ \t]*)")


class Malformed(Exception):
    pass


def line(data, at):
    end = data.find(b"\r\n", at)
    if end < 0:
        raise Malformed("a line without an end")
    text = data[at:end]
    if b"\r" in text or b"\n" in text or b"\0" in text:
        raise Malformed("a bare line end")
    return text, end + 2


def chunked_body(data, at):
    body = b""
    while True:
        text, at = line(data, at)
        match = CHUNK_LINE.fullmatch(text)
        if match is None:
            raise Malformed("chunk size")
        size = int(match.group(1), 16)
        if size == 0:
            break
        if len(data) < at + size + 2 or data[at + size:at + size + 2] != b"\r\n":
            raise Malformed("chunk data")
        body += data[at:at + size]
        at += size + 2
    while True:
        text, at = line(data, at)
        if text == b"":
            return body, at
        if text[:1] in b" \t" or re.fullmatch(rb"[\t\x20-\x7e\x80-\xff]*", text) is None:
            raise Malformed("trailer")


def origin_form(target, hosts):
    match = re.fullmatch(rb"(?i:https?)://([^/?]+)(/.*)?", target)
    if match is None:
        return target
    if hosts and match.group(1).lower() != hosts[0].lower():
        raise Malformed("two authorities")
    return match.group(2) or b"/"


def one_request(data, at):
    """(method, target, fields, body), where the next begins, is it the last."""
    if data[at:at + 2] == b"\r\n":
        at += 2
    text, at = line(data, at)
    first = REQUEST_LINE.fullmatch(text)
    if first is None:
        raise Malformed("request line")
    method, target, minor = first.groups()
    fields = []
    while True:
        text, at = line(data, at)
        if text == b"":
            break
        field = FIELD.fullmatch(text)
        if field is None:
            raise Malformed("field line")
        fields.append((field.group(1).lower(), field.group(2)))
    hosts, lengths, codings = ([value for name, value in fields if name == wanted]
                               for wanted in (b"host", b"content-length", b"transfer-encoding"))
    if len(hosts) > 1 or (minor == b"1" and not hosts) or any(AUTHORITY.fullmatch(host) is None for host in hosts):
        raise Malformed("host")
    target = origin_form(target, hosts)
    if TARGET.fullmatch(target) is None:
        raise Malformed("target")
    if len(lengths) + len(codings) > 1 or any(coding.lower() != b"chunked" for coding in codings) or (codings and minor == b"0"):
        raise Malformed("framing")
    body = b""
    if codings:
        body, at = chunked_body(data, at)
    elif lengths:
        if re.fullmatch(rb"[0-9]{1,18}", lengths[0]) is None or len(data) < at + int(lengths[0]):
            raise Malformed("length")
        body, at = data[at:at + int(lengths[0])], at + int(lengths[0])
    options = [option.strip().lower() for name, value in fields if name == b"connection" for option in value.split(b",")]
    last = b"close" in options or (minor == b"0" and b"keep-alive" not in options)
    return (method, target, fields, body), at, last


def all_requests(data):
    found, at, last = [], 0, False
    with contextlib.suppress(Malformed):
        while at < len(data) and not last:
            request, at, last = one_request(data, at)
            found.append(request)
    return found


class Recorder:
    """An upstream that reads by the same rules and keeps what it got."""

    def __init__(self):
        self.got, self.malformed = [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                link = self.listener.accept()[0]
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        data = b""
        with contextlib.closing(link), contextlib.suppress(OSError):
            while True:
                part = link.recv(65536)
                if not part:
                    break
                data += part
                with contextlib.suppress(Malformed):
                    request, end, _ = one_request(data, 0)
                    data = data[end:]
                    self.got.append(request)
                    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        if data:
            self.malformed.append(data)


SEEDS = [
    b"GET /a/b?c=d HTTP/1.1\r\nHost: x.example\r\nX-One: 1\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /c HTTP/1.1\r\nHost: x:80\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e=f\r\nde\r\n0\r\nT: u\r\n\r\n",
    b"GET http://x/abs HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /h HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"PUT /s HTTP/1.1\r\nHost: [::1]:8000\r\nContent-Length: 37\r\n\r\nGET /inner HTTP/1.1\r\nHost: inner\r\n\r\n12",
    b"DELETE /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n25\r\nGET /inner HTTP/1.1\r\nHost: inner\r\n\r\n12\r\n0\r\n\r\n",
]
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PIECES = [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b" ", b"\t", b"\0", b"\x0b", b"\x7f", b"\xff", b":", b"#", b"%00", b"%2f",
          b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length:+5\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length : 5\r\n",
          b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: xchunked\r\n",
          b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding:\x0bchunked\r\n", b"Transfer-Encoding\r\n: chunked\r\n", b"TE: trailers\r\n",
          b"Host: y\r\n", b"Host:\r\n", b"Host: a,b\r\n", b" Host: z\r\n", b"Connection: close\r\n", b"Connection: Host\r\n",
          b"Connection: Content-Length\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"0x", b"0\r\n\r\n", b";", b"; a=\"\r\n\"", b"+", b"-",
          b"ffffffffffffffff", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"http://x", b"http://y/", b"GET /q HTTP/1.1\r\nHost: q\r\n\r\n"]


def mutate(dice, data):
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3))):
        at = dice.randrange(len(data) + 1)
        if dice.random() < 0.6:  # most of what is interesting happens at line ends
            ends = [match.start() for match in re.finditer(rb"\r\n|: |\n", data)]
            at = dice.choice(ends) + dice.choice((0, 1, 2)) if ends else at
        kind = dice.randrange(5)
        if kind <= 1:
            data = data[:at] + dice.choice(PIECES) + data[at:]
        elif kind == 2:
            data = data[:at] + data[at + dice.choice((1, 1, 2, 5)):]
        elif kind == 3:
            data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1:]
        else:
            lines = data.split(b"\r\n")
            place = dice.randrange(len(lines))
            lines.insert(dice.randrange(len(lines) + 1), lines[place])
            data = b"\r\n".join(lines)
    return data


def send(port, data, dice):
    """All answers. In one piece or in two."""
    cut = dice.choice((len(data), dice.randrange(len(data) + 1)))
    got, waits = b"", 0
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=0.1)) as link, \
            contextlib.suppress(ConnectionError, OSError):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(data[:cut])
        link.sendall(data[cut:])
        while waits < 20:
            try:
                part = link.recv(65536)
            except socket.timeout:  # it waits for the rest of a request: there is none
                waits += 1
                if waits == 1:
                    link.shutdown(socket.SHUT_WR)
                continue
            if not part:
                break
            got += part
    if waits > 0:
        time.sleep(0.03)  # what was cut off in the middle is at the upstream by then
    return got


ENDS_HERE = {b"connection", b"content-length", b"transfer-encoding", b"host", b"te", b"upgrade", b"expect", b"keep-alive"}


def differs(sent, came):
    """What is not the same in two requests, or None."""
    if sent[0] != came[0] or sent[3] != came[3]:
        return "method or body"
    plain = re.fullmatch(rb"[A-Za-z0-9/?=_-]+", sent[1]) is not None and b"//" not in sent[1] and b"/." not in sent[1]
    if plain and sent[1] != came[1]:
        return "target"
    dropped = {option.strip().lower() for name, value in sent[2] if name == b"connection" for option in value.split(b",")}
    passed = [(name, value) for name, value in sent[2] if name not in ENDS_HERE and name not in dropped]
    arrived = [(name, value) for name, value in came[2] if name not in ENDS_HERE and not name.startswith((b"x-real", b"x-forwarded", b"x-kong"))]
    if passed != arrived:
        return "fields"
    return None


def test_what_is_accepted_has_one_meaning(cluster):
    recorder = Recorder()
    answer = cluster.a.admin("PUT", "/services/recorder", json={"url": f"http://127.0.0.1:{recorder.port}", "retries": 0})
    assert answer.status == 200, answer
    cluster.route("all", service="recorder", paths=["/"], strip_path=False)
    dice = random.Random(SEED)
    accepted = 0
    for number in range(STREAMS):
        data = mutate(dice, dice.choice(SEEDS)) + dice.choice(SEEDS) + LAST
        recorder.got.clear()
        answers = send(cluster.a.proxy_port, data, dice)
        came, meant = list(recorder.got), all_requests(data)
        told = f"stream {number} of seed {SEED}: {data!r}\n-> {came!r}\nanswers {answers!r}"
        assert len(came) <= len(meant), told
        for sent, arrived in zip(meant, came):
            assert differs(sent, arrived) is None, f"{differs(sent, arrived)}; {told}"
        assert answers.count(b"HTTP/1.1 200 OK") <= len(meant), told
        accepted += len(came)
    print(f"{accepted} requests of {STREAMS} streams came through")
    assert not recorder.malformed, recorder.malformed[:3]
    assert accepted > STREAMS / 4, f"only {accepted} requests got through: the mutations are too wild"
    assert cluster.a.process.poll() is None
