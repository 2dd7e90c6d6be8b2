"""An upstream that lies: what it answers, and what clients must see of it. For test_hostile_upstreams.py."""

import contextlib
import socket
import ssl
import struct
import threading
import time

RESET = struct.pack("ii", 1, 0)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CUT = "cut"  # begun, and never shown as complete


def answer(body, more=b""):
    return OK + b"Content-Length: %d\r\n" % len(body) + more + b"\r\n" + body


# name: (bytes, or pieces of which each is followed by a pause; what the client sees)
LIES = {
    "two lengths": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 502),
    "two equal lengths": (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", 502),
    "length and coding": (OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
    "coding and length": (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 502),
    "coding in capitals": (OK + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
    "two codings": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502),
    "coding twice": (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
    "identity": (OK + b"Transfer-Encoding: identity\r\n\r\nab", 502),
    "coding on 1.0": (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
    "length in words": (OK + b"Content-Length: two\r\n\r\nab", 502),
    "length with a sign": (OK + b"Content-Length: +2\r\n\r\nab", 502),
    "negative length": (OK + b"Content-Length: -1\r\n\r\nab", 502),
    "list of lengths": (OK + b"Content-Length: 2, 2\r\n\r\nab", 502),
    "length beyond all numbers": (OK + b"Content-Length: 99999999999999999999\r\n\r\nab", 502),
    "empty length": (OK + b"Content-Length:\r\n\r\nab", 502),
    "chunk size of another language": (CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n", CUT),
    "negative chunk": (CHUNKED + b"-2\r\nab\r\n0\r\n\r\n", CUT),
    "endless chunk size": (CHUNKED + b"2" * 100 + b"\r\nab", CUT),
    "chunk longer than said": (CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", CUT),
    "chunk ended by a bare line feed": (CHUNKED + b"2\nab\n0\n\n", CUT),
    "chunks without an end": (CHUNKED + b"2\r\nab\r\n", CUT),
    "trailer line without an end": (CHUNKED + b"2\r\nab\r\n0\r\nX: y", CUT),
    "folded line": (OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nab", 502),
    "blank before the colon": (OK + b"Content-Length : 2\r\n\r\nab", 502),
    "line without a colon": (OK + b"nothing\r\nContent-Length: 2\r\n\r\nab", 502),
    "line without a name": (OK + b": x\r\nContent-Length: 2\r\n\r\nab", 502),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab", 502),
    "return in a value": (OK + b"X: a\rb\r\nContent-Length: 2\r\n\r\nab", 502),
    "nul in a value": (OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\nab", 502),
    "nul in a name": (OK + b"X\0: a\r\nContent-Length: 2\r\n\r\nab", 502),
    "nul in the reason": (b"HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nab", 502),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab", 200),
    "huge reason": (b"HTTP/1.1 200 " + b"a" * 1_000_000 + b"\r\nContent-Length: 2\r\n\r\nab", 502),
    "a hundred thousand lines": (OK + b"X: y\r\n" * 100_000 + b"\r\n", 502),
    "three digits are not enough": (b"HTTP/1.1 99 OK\r\nContent-Length: 2\r\n\r\nab", 502),
    "status of 999": (b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nab", 502),
    "version 2": (b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab", 502),
    "another protocol": (b"ICY 200 OK\r\n\r\n", 502),
    "nothing": (b"", 502),
    "half a head": (OK + b"Content-Le", 502),
    "half a body": (OK + b"Content-Length: 20\r\n\r\nhalf", CUT),
    "half a body in pieces": ([OK + b"Content-Length: 20\r\n\r\n", b"ha", b"lf"], CUT),
    "change of protocol": (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nxxxx", 502),
    "interim answers": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
                        b"HTTP/1.1 103 Early Hints\r\nX-Hint: y\r\n\r\n" + answer(b"ab"), 200),
    "interim answers only": (b"HTTP/1.1 100 Continue\r\n\r\n" * 3, 502),
    "a thousand interim answers": (b"HTTP/1.1 102 Processing\r\n\r\n" * 1000 + answer(b"ab"), 502),
    "trailers": (CHUNKED + b"2\r\nab\r\n0\r\nX-Hint: y\r\nContent-Length: 9\r\n\r\n", 200),
    "an answer too many": (answer(b"ab") + answer(b"stolen"), 200),
    "an answer too many behind a full buffer": (answer(b"a" * 8000, b"X: %s\r\n" % (b"x" * 148)) + answer(b"stolen"), 200),
    "bytes behind the last chunk": (CHUNKED + b"2\r\nab\r\n0\r\n\r\n" + answer(b"stolen"), 200),
    "body of a 204": (b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\nstolen", 204),
    "chunks of a 204": (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nstolen\r\n0\r\n\r\n", 204),
    "body of a 304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nstolen", 304),
}
# What comes when the next request is on its way already looks like the answer to it, to anybody: not among these lies.
LATE = answer(b"ab"), answer(b"stolen")
ENDS = ("close", "reset", "stay")


class Liar:
    """Paths: /<number of a lie>/<end> lies; /token/<word> answers with the word, on connections that are kept."""

    def __init__(self, tls_files=None):
        self.names, self.context = list(LIES), None
        if tls_files:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls_files)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.scheme = "https" if tls_files else "http"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, link):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(20)
        with contextlib.suppress(OSError):
            if self.context:
                link = self.context.wrap_socket(link, server_side=True)
            while self.talk(link):
                pass
        link.close()

    def talk(self, link):
        head = b""
        while b"\r\n\r\n" not in head:
            part = link.recv(65536)
            if not part:
                return False
            head += part
        words = head.split(b" ", 2)[1].split(b"/")[1:]
        if words[0] == b"token":
            link.sendall(answer(words[1]))
            return True
        data = list(LATE) if words[0] == b"late" else LIES[self.names[int(words[0])]][0]
        for piece in data if isinstance(data, list) else [data]:
            link.sendall(piece)
            time.sleep(0.03 if isinstance(data, list) else 0)
        if words[1] == b"stay":
            return True
        if words[1] == b"reset":
            time.sleep(0.03)  # a reset overtakes what is under way
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return False

    def stop(self):
        self.listener.close()
