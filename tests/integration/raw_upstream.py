"""An upstream whose every connection is played by a function."""

import contextlib
import socket
import ssl
import threading


class RawUpstream:
    """Gives every connection to `serve(upstream, link)`, after the head of its first request, which is left in `head`."""

    def __init__(self, serve, tls_files=None):
        self.serve, self.sent, self.stopping, self.head, self.context = serve, 0, False, b"", None
        if tls_files:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls_files)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls_files else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._run, args=(self.listener.accept()[0],), daemon=True).start()

    def _run(self, link):
        with contextlib.suppress(OSError):
            if self.context:
                link = self.context.wrap_socket(link, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                part = link.recv(1)
                if not part:
                    break
                head += part
            if head:
                self.head = head
                self.serve(self, link)
        link.close()

    def send(self, link, data):
        link.sendall(data)
        self.sent += len(data)

    def stop(self):
        self.stopping = True
        self.listener.close()
