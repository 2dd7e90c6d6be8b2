#!/usr/bin/env python3
"""A TCP proxy that spoils connections on command. A program of its own, so that bytes wait for nobody's interpreter lock.

A line of standard input is a command as JSON, a line of standard output its answer:

    {"open": NAME, "target": PORT}                listen on a port of ours: {"port": PORT}
    {"aim": NAME, "target": PORT}                 new connections go there
    {"spoil": NAME, "how": HOW, ...}              from now on, old connections included; HOW null: all is well again
    {"reset": NAME}                               RST on everything that is open

HOW ("amount"): refuse, hang (accepted, never carried), delay (ms), bandwidth (bytes per second), drip, blackhole, half_open (the far side ends and
the near side is not told), and for those who must take garbage: flip, truncate, duplicate, reorder (share of the pieces).
"side": up (towards the target), down, both. What a blackhole holds arrives when it ends, as TCP would have it.
"""

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys

RESET = struct.pack("ii", 1, 0)


def end(writer, by_reset=False):
    if by_reset:
        with contextlib.suppress(OSError, AttributeError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.close()


class Link:
    def __init__(self, target, dice):
        self.target, self.dice = target, dice
        self.how, self.side, self.amount = None, "both", 0
        self.changed = asyncio.Event()
        self.writers = set()

    def spoil(self, how, side="both", amount=0):
        self.how, self.side, self.amount = how, side, amount
        self.changed.set()
        self.changed = asyncio.Event()
        if how in ("refuse", "half_open"):
            self.end_all(far_only=how == "half_open")

    def end_all(self, far_only=False):
        for writer, is_far in list(self.writers):
            if is_far or not far_only:
                end(writer, by_reset=True)

    def is_spoilt(self, *hows):
        return self.how in hows

    async def healed(self, *hows):
        while self.is_spoilt(*hows):
            await self.changed.wait()

    async def serve(self, near_reader, near):
        if self.is_spoilt("refuse"):
            return end(near, by_reset=True)
        await self.healed("hang")
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return end(near, by_reset=True)
        pair = {(near, False), (far, True)}
        self.writers |= pair
        await asyncio.gather(self.pump(near_reader, far, "up"), self.pump(far_reader, near, "down"))
        self.writers -= pair
        return None

    async def pump(self, reader, writer, side):
        held = b""
        with contextlib.suppress(OSError):
            while data := await reader.read(16384):
                if self.side not in (side, "both") or self.how is None:
                    held, data = b"", held + data
                    writer.write(data)
                else:
                    held = await self.carry(writer, held, data)
                await writer.drain()
        if side == "down":
            await self.healed("half_open")
        with contextlib.suppress(OSError):
            end(writer)

    async def carry(self, writer, held, data):
        """What is held back until the next piece has gone."""
        struck = self.dice.random() < self.amount
        if self.how == "blackhole":
            await self.healed("blackhole")
        elif self.how == "delay":
            await asyncio.sleep(self.amount / 1000)
        elif self.how in ("bandwidth", "drip"):
            await self.trickle(writer, data)
            return b""
        elif self.how == "flip" and struck:
            at = self.dice.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1 << self.dice.randrange(8)]) + data[at + 1:]
        elif self.how == "truncate" and struck:
            data = data[:self.dice.randrange(len(data))]
        elif self.how == "duplicate" and struck:
            data += data
        elif self.how == "reorder" and struck and not held:
            return data
        writer.write(data + held)
        return b""

    async def trickle(self, writer, data):
        size = 1 if self.how == "drip" else 256
        pause = 0.002 if self.how == "drip" else size / self.amount
        for at in range(0, len(data), size):
            if self.is_spoilt("bandwidth", "drip"):
                await asyncio.sleep(pause)
            writer.write(data[at:at + size])
            await writer.drain()


async def obey(command, links, dice):
    if "open" in command:
        link = links[command["open"]] = Link(command["target"], dice)
        server = await asyncio.start_server(link.serve, "127.0.0.1", command.get("port", 0), backlog=512)
        return {"port": server.sockets[0].getsockname()[1]}
    if "aim" in command:
        links[command["aim"]].target = command["target"]
    elif "spoil" in command:
        links[command["spoil"]].spoil(command["how"], command.get("side", "both"), command.get("amount", 0))
    elif "reset" in command:
        links[command["reset"]].end_all()
    return {}


async def main():
    loop, links, dice = asyncio.get_running_loop(), {}, random.Random(int(sys.argv[1]))
    loop.set_exception_handler(lambda *_: None)  # connections that break are what this is for
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        print(json.dumps(await obey(json.loads(line), links, dice)), flush=True)


asyncio.run(main())
