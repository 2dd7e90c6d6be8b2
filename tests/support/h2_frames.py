"""HTTP/2 by the frame (RFC 9113), so that a test can send what no library would. HPACK without tables and Huffman (RFC 7541)."""

import contextlib
import socket
import ssl
import struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return (bytes([len(value)]) if len(value) < 127 else b"\x7f" + number(len(value) - 127)) + value


def number(value):
    out = b""
    while value >= 128:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def literal(name, value, indexed=False):
    return (b"\x40" if indexed else b"\x00") + text(name) + text(value)


def head(method="GET", path="/", host="x.test", more=()):
    fields = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path), *more]
    return b"".join(literal(name, value) for name, value in fields if value is not None)


class Link:
    """One connection. Streams are numbered 1, 3, 5 ..."""

    def __init__(self, port, settings=b"", protocols=("h2",)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(list(protocols))
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link = context.wrap_socket(plain, server_hostname="x.test")
        self.protocol = self.link.selected_alpn_protocol()
        self.left, self.stream = b"", -1
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, data):
        self.link.sendall(data)

    def ask(self, more=(), body=None, end=True, **parts):
        self.stream += 2
        flags = END_HEADERS | (END_STREAM if body is None and end else 0)
        data = frame(HEADERS, flags, self.stream, head(more=more, **parts))
        for at in range(0, len(body or b""), 16384):
            data += frame(DATA, 0, self.stream, body[at:at + 16384])
        if body is not None and end:
            data += frame(DATA, END_STREAM, self.stream)
        self.send(data)
        return self.stream

    def read(self):
        """(kind, flags, stream, payload), or None at the end."""
        while len(self.left) < 9 or len(self.left) < 9 + int.from_bytes(self.left[:3], "big"):
            try:
                part = self.link.recv(65536)
            except (ConnectionError, ssl.SSLError):
                part = b""
            if not part:
                return None
            self.left += part
        size = int.from_bytes(self.left[:3], "big")
        kind, flags, stream = self.left[3], self.left[4], int.from_bytes(self.left[5:9], "big")
        payload, self.left = self.left[9:9 + size], self.left[9 + size:]
        if kind == SETTINGS and not flags & ACK:
            with contextlib.suppress(ConnectionError, ssl.SSLError):  # the rest is still to be read
                self.send(frame(SETTINGS, ACK, 0))
        return kind, flags, stream, payload

    def answer(self, stream):
        """(first byte of the header block, or None if the stream was reset; body). 0x88 is :status 200 of the static table."""
        body, block = b"", None
        while True:
            got = self.read()
            if got is None:
                raise ConnectionError("closed")
            kind, flags, number_, payload = got
            if number_ != stream:
                continue
            if kind == RST_STREAM:
                return None, body
            if kind == HEADERS:
                block = payload
            if kind == DATA:
                body += payload
                if payload:
                    self.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload))) +
                              (b"" if flags & END_STREAM else frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", len(payload)))))
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                return block, body

    def close(self):
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def status(block):
    """The status of a header block as h2o writes it: indexed, or a literal on the static name."""
    known = {0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500}
    if block is None:
        return None
    at = block
    while at and at[0] & 0xe0 == 0x20:  # sizes of tables
        at = at[1:]
    return known.get(at[0]) or huffman_digits(at)


def huffman_digits(block):
    """A literal status: three digits, plain or in Huffman's code (RFC 7541, appendix B)."""
    length = block[1] & 0x7f
    value = block[2:2 + length]
    if not block[1] & 0x80:
        return int(value)
    codes = {"00000": "0", "00001": "1", "00010": "2", "011001": "3", "011010": "4", "011011": "5", "011100": "6", "011101": "7",
             "011110": "8", "011111": "9"}
    bits, found, piece = "".join(f"{byte:08b}" for byte in value), "", ""
    for bit in bits:
        piece += bit
        if piece in codes and len(found) < 3:
            found, piece = found + codes[piece], ""
    return int(found)
