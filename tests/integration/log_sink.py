"""A server that writes down what loggers send it, and answers as it is told."""

import contextlib
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Delivery:
    """One request of a logger."""

    def __init__(self, method, path, headers, body, peer):
        self.method, self.path, self.headers, self.body, self.peer = method, path, headers, body, peer
        self.at = time.monotonic()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def entries(self):
        return self.json if isinstance(self.json, list) else [self.json]


class LogSink:
    """`answer`: the status of each answer, or a function of how many came before; `delay`: seconds before it."""

    def __init__(self, port=0, certificate=None):
        self.got, self.answer, self.delay, self.headers = [], 200, 0, {}
        self.free = threading.Event()  # a sink that hangs does so until this is set
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def take(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with outer.lock:
                    number = len(outer.got)
                    outer.got.append(Delivery(self.command, self.path, self.headers, body, self.client_address[1]))
                if outer.delay:
                    outer.free.wait(outer.delay)
                status = outer.answer(number) if callable(outer.answer) else outer.answer
                self.send_response(status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_POST = do_PUT = do_PATCH = do_GET = take

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.scheme = "https" if certificate else "http"
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def entries(self):
        with self.lock:
            return [entry for delivery in self.got for entry in delivery.entries]

    def clear(self):
        with self.lock:
            self.got = []

    def stop(self):
        self.free.set()
        with contextlib.suppress(OSError):
            self.server.shutdown()
            self.server.server_close()
