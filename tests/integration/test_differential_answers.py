"""Upstream answers against a strict reading of RFC 9112: of randomly mutated answers a client gets exactly what the
specification says was sent, or an error of the gateway's, or a connection that visibly breaks off.

FRESHET_SEED repeats a run, FRESHET_STREAMS makes it longer.
"""

import contextlib
import random
import re
import socket
import threading

import pytest

from support import raw
from test_differential import FIELD, SEED, STREAMS, Malformed, chunked_body, line, mutate

pytestmark = pytest.mark.usefixtures("clean")

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t \x21-\x7e\x80-\xff]*)?")
SEEDS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Up: 1\r\n\r\nhello",
    b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e=f\r\nde\r\n0\r\nT: u\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
]


def one_answer(data):
    """(status, body). What is behind it is for nobody. Malformed: also when it breaks off."""
    at = 0
    while True:
        text, at = line(data, at)
        first = STATUS_LINE.fullmatch(text)
        if first is None:
            raise Malformed("status line")
        minor, status = first.group(1), int(first.group(2))
        fields = []
        while True:
            text, at = line(data, at)
            if text == b"":
                break
            field = FIELD.fullmatch(text)
            if field is None:
                raise Malformed("field line")
            fields.append((field.group(1).lower(), field.group(2)))
        lengths, codings = ([value for name, value in fields if name == wanted] for wanted in (b"content-length", b"transfer-encoding"))
        if len(lengths) + len(codings) > 1 or any(coding.lower() != b"chunked" for coding in codings) or (codings and minor == b"0"):
            raise Malformed("framing")
        if lengths and re.fullmatch(rb"[0-9]{1,18}", lengths[0]) is None:
            raise Malformed("length")
        if status >= 200:
            break
        if status == 101:
            raise Malformed("nobody asked for it")
    if status in (204, 304):
        return status, b""
    if codings:
        return status, chunked_body(data, at)[0]
    if lengths and len(data) < at + int(lengths[0]):
        raise Malformed("it breaks off")
    return status, data[at:at + int(lengths[0])] if lengths else data[at:]


class Speaker:
    """An upstream that answers each request with `answer` and closes."""

    def __init__(self):
        self.answer = b""
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                link = self.listener.accept()[0]
                with contextlib.closing(link), contextlib.suppress(OSError):
                    link.recv(65536)
                    link.sendall(self.answer)
                    link.shutdown(socket.SHUT_WR)
                    link.settimeout(1)
                    while link.recv(65536):
                        pass


def test_answers_have_one_meaning(cluster):
    speaker = Speaker()
    answer = cluster.a.admin("PUT", "/services/speaker", json={"url": f"http://127.0.0.1:{speaker.port}", "retries": 0})
    assert answer.status == 200, answer
    cluster.route("all", service="speaker", paths=["/"])
    dice = random.Random(SEED)
    passed = 0
    for number in range(STREAMS):
        speaker.answer = mutate(dice, dice.choice(SEEDS))
        got = raw(cluster.a.proxy_port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        told = f"stream {number} of seed {SEED}: {speaker.answer!r}\n-> {got!r}"
        try:
            meant = one_answer(speaker.answer)
        except Malformed:
            meant = None
        try:
            came = one_answer(got)
        except Malformed:  # it breaks off, as it should if the upstream's does
            assert meant is None, told
            continue
        if meant is None or came != meant:
            assert came[0] == 502 and b"An invalid response was received from the upstream server" in got, told
        else:
            passed += 1
    speaker.listener.close()
    assert passed > STREAMS / 4, f"only {passed} answers got through: the mutations are too wild"
    assert cluster.a.process.poll() is None
