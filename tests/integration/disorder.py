"""Upstreams, name servers and clients that end at any point, for test_stress.py. Everything on loopback."""

import asyncio
import contextlib
import random
import socket
import ssl
import struct
import subprocess
import threading
import time

UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


def make_certificate(directory):
    path = f"{directory}/upstream.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    return path, f"{path}.crt"


class Upstream:
    """Plain and TLS. What a request gets is chance; the path may ask for /calm (an answer) or /bytes/N."""

    def __init__(self, seed, directory):
        self.dice = random.Random(seed)
        self.key, self.certificate = make_certificate(directory)
        self.loop = asyncio.new_event_loop()
        self.port = self.tls_port = self.dns_port = None
        started = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(started,), daemon=True)
        self.thread.start()
        started.wait()

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(lambda *_: None)  # connections that break are what this is for
        self.loop.run_until_complete(self.listen())
        started.set()
        self.loop.run_forever()

    async def listen(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        plain = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=512)
        secret = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=512, ssl=context)
        names, _ = await self.loop.create_datagram_endpoint(lambda: Names(self), local_addr=("127.0.0.1", 0))
        self.port, self.tls_port, self.dns_port = (one.sockets[0].getsockname()[1] for one in (plain, secret, names_of(names)))

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    async def serve(self, reader, writer):
        try:
            while await self.answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            pass
        finally:
            writer.close()

    def cut(self, writer):
        if self.dice.random() < 0.5:
            with contextlib.suppress(OSError, AttributeError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return False

    async def answer(self, reader, writer):
        """True: the connection may be used again."""
        dice = self.dice
        if dice.random() < 0.03:
            return False  # not cut: what the answer before was may still be on its way
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        whim = 1.0 if b"/calm" in head else dice.random()
        if b"pgrade: websocket" in head and whim > 0.1:
            return await self.tunnel(reader, writer, length, whim)
        if whim < 0.1:
            return self.cut(writer)
        if whim < 0.2 or length == 0:
            length = 0 if whim < 0.2 else length  # answers while the body is on its way
        if whim >= 0.2 and length:
            await reader.readexactly(length)
        if whim < 0.3:
            await asyncio.sleep(dice.uniform(0, 1.5))
        return await self.send(head, writer, whim) and whim >= 0.2

    async def tunnel(self, reader, writer, length, whim):
        if length and whim > 0.5:
            await reader.readexactly(length)
        writer.write(UPGRADE + b"x" * self.dice.choice([0, 0, 10, 70000]))
        for _ in range(self.dice.randrange(20)):
            part = await reader.read(65536)
            if not part:
                break
            writer.write(part)
            await writer.drain()
        return self.cut(writer)

    async def send(self, head, writer, whim):
        dice = self.dice
        words = head.split(b" ", 2)[1].split(b"?")[0].split(b"/")
        size = int(words[words.index(b"bytes") + 1]) if b"bytes" in words else dice.choice([0, 10, 3000, 200000])
        kind = 2 if whim == 1.0 else dice.randrange(3)
        if dice.random() < 0.1:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        framing = [b"Connection: close", b"Transfer-Encoding: chunked", b"Content-Length: %d" % size][kind]
        start = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\nX-Upstream: yes\r\n\r\n"
        if 0.3 < whim < 0.34:
            writer.write(start[:dice.randrange(len(start))])
            return self.cut(writer)
        writer.write(start)
        if head.startswith(b"HEAD"):
            return True
        left = size
        while left > 0:
            piece = min(left, dice.choice([1, 1000, 65536]) if whim < 0.5 else 65536)
            left -= piece
            writer.write((b"%x\r\n%s\r\n" % (piece, b"y" * piece)) if kind == 1 else b"y" * piece)
            await writer.drain()
            if 0.34 < whim < 0.44 and dice.random() < 0.2:
                return self.cut(writer)
            if 0.44 < whim < 0.46:
                await asyncio.sleep(0.01)
        if kind == 1:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return kind != 0


class Names(asyncio.DatagramProtocol):
    """A name server: mostly 127.0.0.1, sometimes late, nothing, or no such name."""

    def __init__(self, upstream):
        self.upstream, self.transport = upstream, None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, query, peer):
        dice, question = self.upstream.dice, query[12:]
        whim = dice.random()
        if whim < 0.1:
            return
        if whim < 0.2:
            answer = query[:2] + b"\x81\x83" + query[4:6] + b"\0\0\0\0\0\0" + question
        else:
            record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1"
            end = question.index(b"\0") + 5
            answer = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[:end] + record
        self.upstream.loop.call_later(dice.choice([0, 0, 0.5]), self.transport.sendto, answer, peer)


class names_of:  # noqa: N801 - gives a datagram transport the face of a server
    def __init__(self, transport):
        self.sockets = [transport.get_extra_info("socket")]


class Client:
    """One after another: connections to a proxy that begin well and end in one of many ways."""

    def __init__(self, seed, node):
        self.dice, self.node, self.served = random.Random(seed), node, 0
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    def connect(self):
        secret = self.dice.random() < 0.4
        link = socket.socket()
        if self.dice.random() < 0.1:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.settimeout(self.dice.choice([0.1, 0.3, 1.5]))
        link.connect(("127.0.0.1", self.node.tls_port if secret else self.node.proxy_port))
        if not secret:
            return link
        self.context.maximum_version = self.dice.choice([ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
        if self.dice.random() < 0.05:
            return link  # never says hello, or says it in plain text
        return self.context.wrap_socket(link, server_hostname="localhost")

    def head(self, method="GET", more=b"", path=None):
        dice = self.dice
        path = path or dice.choice(["/plain", "/plain/calm", "/named", "/named/calm", "/secret", "/secret/calm", "/keyed/calm",
                                    "/keyed", "/plain/bytes/2000000", "/secret/bytes/2000000", "/moving", "/no-such-route"])
        key = b"apikey: key-%d\r\n" % dice.randrange(40) if "keyed" in path else b""
        return b"%s %s HTTP/1.1\r\nHost: x\r\n%s%s\r\n" % (method.encode(), path.encode(), key, more)

    def request(self):
        """Bytes of a request, body included; sometimes with an upgrade."""
        dice, whim = self.dice, self.dice.random()
        if whim < 0.5:
            return self.head(dice.choice(["GET", "GET", "HEAD", "DELETE"]))
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        if whim < 0.65:
            return self.head(more=upgrade)
        size = dice.choice([0, 1, 5000, 300000, 3000000])
        upgrade = upgrade if dice.random() < 0.2 else b""
        if whim < 0.9:
            return self.head("POST", upgrade + b"Content-Length: %d\r\n" % size) + b"b" * size
        return self.head("POST", b"Transfer-Encoding: chunked\r\n") + b"%x\r\n%s\r\n" % (size or 1, b"c" * (size or 1)) + b"0\r\n\r\n"

    def read(self, link, most):
        got = 0
        while got < most:
            part = link.recv(65536)
            if not part:
                break
            got += len(part)
        self.served += got > 0

    def once(self):
        dice = self.dice
        link = self.connect()
        try:
            for _ in range(dice.choice([1, 1, 2, 8])):
                data = b"".join(self.request() for _ in range(dice.choice([1, 1, 1, 4])))
                if dice.random() < 0.2:
                    data = data[:dice.randrange(len(data))]
                if dice.random() < 0.02:
                    data = dice.randbytes(200)
                link.sendall(data)
                self.leave_or_read(link)
        finally:
            if dice.random() < 0.3:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            link.close()

    def leave_or_read(self, link):
        dice, whim = self.dice, self.dice.random()
        if whim < 0.15:
            raise OSError("leaves at once")
        if whim < 0.3:
            time.sleep(dice.uniform(0, 0.05))
            raise OSError("leaves soon")
        if whim < 0.35:
            link.shutdown(socket.SHUT_WR)
        if whim < 0.4 and isinstance(link, ssl.SSLSocket):
            link.settimeout(0.05)
            link.unwrap()
        if whim < 0.5:
            self.read(link, 1000)
            time.sleep(dice.uniform(0, 0.3))
            return
        self.read(link, dice.choice([1, 1, 200, 10000, 3000000]))

    def run(self, stop):
        while not stop.is_set():
            with contextlib.suppress(OSError, ValueError):
                self.once()
