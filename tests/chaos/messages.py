"""What can be said on the channel by who should not: messages heard before, damaged, of another past or future (bus/hint.h)."""

import contextlib
import os
import socket
import struct
import threading
from collections import deque

HEAD = struct.Struct(">4sBBH16sQQqQQ4sHH")


class Eavesdropper:
    """Keeps the last messages of every channel of ours. One thread."""

    def __init__(self, port):
        self.port = port
        self.heard = deque(maxlen=500)
        self.is_stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_stopping.is_set():
            with contextlib.suppress(OSError):
                self.listen()
            self.is_stopping.wait(0.3)

    def listen(self):
        with socket.create_connection(("127.0.0.1", self.port()), timeout=5) as link:
            link.sendall(b"PSUBSCRIBE freshet*\r\n")
            link.settimeout(0.5)
            got = b""
            while not self.is_stopping.is_set():
                try:
                    part = link.recv(65536)
                except TimeoutError:
                    continue
                if not part:
                    return
                got = self.take(got + part)

    def take(self, got):
        """Messages out of what has come; the rest. Lengths are told, and those of messages are binary."""
        while b"pmessage\r\n" in got:
            at = got.index(b"pmessage\r\n") + 10
            words = []
            for _ in range(3):
                end = got.find(b"\r\n", at)
                if end < 0:
                    return got
                size = int(got[at + 1:end])
                if len(got) < end + 2 + size + 2:
                    return got
                words.append(got[end + 2:end + 2 + size])
                at = end + 2 + size + 2
            self.heard.append((words[1].decode(), words[2]))
            got = got[at:]
        return got

    def stop(self):
        self.is_stopping.set()
        self.thread.join()


def forged(message, dice):
    """Another message made from a true one: well-formed, and wrong."""
    if len(message) < HEAD.size:
        return message
    fields = list(HEAD.unpack_from(message))
    for _ in range(dice.randint(1, 3)):
        what = dice.randrange(6)
        if what == 0:
            fields[6] = fields[6] + dice.choice([-100, -1, 1, 5, 1000, 10**6, 2**62]) & 2**64 - 1     # last position
        elif what == 1:
            fields[5] = dice.randrange(2**63)                                                  # first position
        elif what == 2:
            fields[7] = dice.randrange(-2**63, 2**63)                                          # tag
        elif what == 3:
            fields[2] ^= dice.choice([1, 2, 4, 8, 16])                                         # flags
        elif what == 4:
            fields[4] = os.urandom(16)                                                         # history
        else:
            fields[1] = dice.choice([0, 2, 255])                                               # version
    return HEAD.pack(*fields) + message[HEAD.size:]


def damaged(message, dice):
    at = dice.randrange(len(message))
    return dice.choice([message[:at], message + os.urandom(at), message[:at] + os.urandom(1) + message[at + 1:], b"", os.urandom(9000)])
