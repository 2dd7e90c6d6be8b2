"""Servers that loggers tell: they keep what they get."""

import contextlib
import os
import queue
import socket
import ssl
import threading

import pems


class Sink:
    """What comes in is in `got`, in order."""

    def __init__(self):
        self.got = queue.Queue()
        self.socket = None
        self.port = 0

    def take(self, count=1, seconds=10):
        return [self.got.get(timeout=seconds) for _ in range(count)]

    def take_all(self, quiet=0.3):
        """All that comes until nothing has come for a while."""
        taken = []
        with contextlib.suppress(queue.Empty):
            while True:
                taken.append(self.got.get(timeout=quiet))
        return taken

    def is_silent(self, seconds=0.3):
        return self.take_all(seconds) == []

    def __enter__(self):
        self.open()
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def open(self):
        raise NotImplementedError

    def run(self):
        raise NotImplementedError


class UdpSink(Sink):
    """Datagrams, as texts."""

    def __init__(self, port=0, address="127.0.0.1"):
        super().__init__()
        self.port, self.address = port, address

    def open(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, self.port))
        self.port = self.socket.getsockname()[1]

    def run(self):
        with contextlib.suppress(OSError):
            while data := self.socket.recv(70000):
                self.got.put(data.decode())


class LocalSink(UdpSink):
    """A syslog daemon."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def open(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def __exit__(self, *more):
        super().__exit__(*more)
        os.unlink(self.path)


class TcpSink(Sink):
    """Lines, as texts without their ends. `connections`: all there were; `names`: what TLS clients asked for."""

    def __init__(self, port=0, tls=False, reads=True, address="127.0.0.1"):
        super().__init__()
        self.port, self.reads, self.address = port, reads, address
        self.connections, self.names = [], []
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(os.path.join(pems.DIRECTORY, "other.crt"), os.path.join(pems.DIRECTORY, "other.key"))
            self.context.sni_callback = lambda _, name, __: self.names.append(name)

    def open(self):
        self.socket = socket.create_server((self.address, self.port))
        self.port = self.socket.getsockname()[1]

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.connections.append(connection)
                if self.reads:
                    threading.Thread(target=self.read, args=(connection,), daemon=True).start()

    def read(self, connection):
        with contextlib.suppress(OSError):
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection.makefile("rb") as file:
                for line in file:
                    self.got.put(line.decode(errors="replace").rstrip("\n"))
        with contextlib.suppress(OSError):
            connection.close()

    def __exit__(self, *more):
        super().__exit__(*more)
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
