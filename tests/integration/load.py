"""A load that knows what became of each of its requests. Standard library only.

Half of the clients keep their connections, half make one per request. A request is `lost` when it was sent and no whole
answer came back, or one with another status than 200. A connection that is refused is no lost request: nothing was sent, so
the client tries again, at the next of its ports as behind a load balancer.
"""

import http.client
import socket
import threading
import time


class Load:
    def __init__(self, ports, path, clients=8, pause=0.0, retry_seconds=60):
        self.ports, self.path, self.pause, self.retry_seconds = list(ports), path, pause, retry_seconds
        self.lost, self.answered, self.refused, self.closes = [], 0, 0, 0
        self.last_good = time.monotonic()
        self.longest_gap = 0.0
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(number,), daemon=True) for number in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a client hangs"

    def connect(self, number):
        end = time.monotonic() + self.retry_seconds
        turn = number
        while not self.over.is_set():
            port = self.ports[turn % len(self.ports)]
            try:
                link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                link.connect()
                link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return link
            except OSError as problem:
                with self.lock:
                    self.refused += 1
                    if time.monotonic() > end:
                        self.lost.append(f"no connection: {problem!r}")
                        return None
                turn += 1
                time.sleep(0.005)
        return None

    def client(self, number):
        link, keeps = None, number % 2 == 0
        while not self.over.is_set():
            link = link or self.connect(number)
            if link is None:
                return
            link = link if self.ask(link) and keeps else None
            if self.pause:
                time.sleep(self.pause)

    def ask(self, link):
        """Can the connection be used again?"""
        began = time.monotonic()
        try:
            link.request("GET", self.path)
            answer = link.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as problem:
            with self.lock:
                self.lost.append(f"{problem!r} after {time.monotonic() - began:.3f} s")
            link.close()
            return False
        with self.lock:
            now = time.monotonic()
            if answer.status == 200:
                self.answered += 1
                self.longest_gap = max(self.longest_gap, now - self.last_good)
                self.last_good = now
            else:
                self.lost.append(f"status {answer.status}")
            self.closes += answer.will_close
        if answer.will_close:
            link.close()
        return not answer.will_close
