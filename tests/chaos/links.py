"""Every connection of a node to a server of the rig goes through a link; fault_proxy.py carries them."""

import json
import os
import subprocess
import sys
import threading

from support import free_ports


class Links:
    def __init__(self, seed):
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fault_proxy.py")
        self.process = subprocess.Popen([sys.executable, program, str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()
        self.ports = {}

    def tell(self, **command):
        with self.lock:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def open(self, name, target):
        """The port to connect to in the place of `target`."""
        self.ports[name] = free_ports(1)[0]
        self.tell(open=name, target=target, port=self.ports[name])
        return self.ports[name]

    def aim(self, prefix, target):
        """New connections of all links so named go to another server; those that are open end."""
        for name in self.named(prefix):
            self.tell(aim=name, target=target)
            self.tell(reset=name)

    def spoil(self, name, how, side="both", amount=0):
        self.tell(spoil=name, how=how, side=side, amount=amount)

    def heal(self, name):
        self.tell(spoil=name, how=None)

    def reset(self, name):
        self.tell(reset=name)

    def named(self, prefix):
        return [name for name in self.ports if name.startswith(prefix)]

    def stop(self):
        self.process.kill()
        self.process.wait()
