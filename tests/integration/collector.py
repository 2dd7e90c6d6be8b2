"""A server that takes what plugins tell by HTTP and keeps it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Collector:
    """`bodies` of the requests that were taken, `heads` of all; `refusals` are statuses for the next ones instead of 200."""

    def __init__(self):
        self.bodies, self.heads, self.refusals = [], [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.heads.append((self.path, self.headers))
                status = outer.refusals.pop(0) if outer.refusals else 200
                if status == 200:
                    outer.bodies.append(body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forget(self):
        self.bodies.clear()
        self.heads.clear()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
