"""A name server on loopback, UDP and TCP, whose zone a test changes while it runs. Standard library only."""

import contextlib
import socket
import struct
import threading
import time

A, CNAME, SOA, AAAA, SRV = 1, 5, 6, 28, 33
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3


def name_bytes(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.strip(".").split(".") if label) + b"\0"


def read_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += packet[at] + 1
    return ".".join(labels), at + 1


def record(owner, kind, ttl, value):
    if kind == A:
        data = socket.inet_aton(value)
    elif kind == AAAA:
        data = socket.inet_pton(socket.AF_INET6, value)
    elif kind == SRV:
        priority, weight, port, target = value
        data = struct.pack(">HHH", priority, weight, port) + name_bytes(target)
    else:
        data = name_bytes(value)
    return name_bytes(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


class NameServer:
    """names[name] = {kind: (ttl, [values])}. A name in `odd` is treated by a function instead: see ODD."""

    def __init__(self):
        self.names, self.odd, self.asked = {}, {}, []
        while True:
            self.tcp = socket.create_server(("127.0.0.1", 0))
            self.port = self.tcp.getsockname()[1]
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with contextlib.suppress(OSError):
                self.udp.bind(("127.0.0.1", self.port))
                break
            self.tcp.close()
            self.udp.close()
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def set(self, name, kind, values, ttl=300):
        self.names.setdefault(name, {})[kind] = (ttl, values)

    def count(self, name):
        return sum(1 for asked, _ in self.asked if asked == name)

    def answer(self, query, over_tcp):
        """The packets to send, in their order."""
        name, at = read_name(query, 12)
        kind = struct.unpack(">H", query[at:at + 2])[0]
        self.asked.append((name, kind))
        question = query[12:at + 4]
        plain = self.plain(query[:2], question, name, kind)
        odd = self.odd.get(name)
        return odd(plain, over_tcp) if odd else [plain]

    def plain(self, number, question, name, kind):
        kinds = self.names.get(name)
        ttl, values = (kinds or {}).get(kind, (0, []))
        records = [record(name, kind, ttl, value) for value in values]
        code = NO_ERROR if kinds is not None else NO_SUCH_NAME
        authority = [] if records else [record("test", SOA, 60, "a") + b""]
        return number + struct.pack(">BBHHHH", 0x81, 0x80 | code, 1, len(records), len(authority), 0) + question \
            + b"".join(records + authority)

    def serve_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if len(query) < 17:
                continue
            threading.Thread(target=self.reply_udp, args=(query, peer), daemon=True).start()

    def reply_udp(self, query, peer):
        with contextlib.suppress(OSError):
            for packet in self.answer(query, False):
                self.udp.sendto(packet, peer)

    def serve_tcp(self):
        while True:
            try:
                link, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.reply_tcp, args=(link,), daemon=True).start()

    def reply_tcp(self, link):
        with contextlib.suppress(OSError, struct.error), link, link.makefile("rb") as reader:
            while True:
                size = struct.unpack(">H", reader.read(2))[0]
                for packet in self.answer(reader.read(size), True):
                    link.sendall(struct.pack(">H", len(packet)) + packet)

    def stop(self):
        for one in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def silent(_plain, _over_tcp):
    return []


def fails(plain, _over_tcp):
    return [plain[:3] + bytes([0x80 | SERVER_FAILURE]) + plain[4:]]


def garbage(plain, _over_tcp):
    return [plain[:2] + b"\xee" * 40]


def another_number(plain, _over_tcp):
    return [bytes([plain[0] ^ 255]) + plain[1:]]


def another_question(plain, _over_tcp):
    return [plain[:13] + b"q" + plain[14:]]


def cut(plain, over_tcp):
    return [plain if over_tcp else plain[:2] + bytes([plain[2] | 2]) + plain[3:]]


def promises_too_much(plain, _over_tcp):
    return [plain[:6] + struct.pack(">H", 10000) + plain[8:]]


def late_and_again(plain, _over_tcp):
    time.sleep(0.3)
    return [plain] * 3


BAD = (silent, fails, garbage, another_number, another_question, promises_too_much)
