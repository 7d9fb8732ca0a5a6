"""A stdio server of MCP that is asked without a gate."""

import json
import os
import select
import subprocess
import time

from processes import Fault, cpu_microseconds


class Pipe:
    """A stdio server asked without a gate: `connections` requests under way on its one pipe."""

    def __init__(self, workshop, name, command, body):
        self.name, self.body = name, body
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            preexec_fn=lambda: os.sched_setaffinity(0, workshop.cores.side))
        self.parts = []
        self.say({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}})
        self.lines()
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def say(self, message):
        self.child.stdin.write(json.dumps(message).encode() + b"\n")

    def lines(self, limit=30):
        """The lines that have come, each whole; there have to be bytes within the limit."""
        if not self.has_more(limit):
            raise Fault(f"{self.name} says nothing")
        part = os.read(self.child.stdout.fileno(), 1 << 18)
        self.parts.append(part)
        if b"\n" not in part:
            return []
        *whole, rest = b"".join(self.parts).split(b"\n")
        self.parts = [rest]
        return whole

    def has_more(self, seconds):
        return bool(select.select([self.child.stdout], [], [], max(0, seconds))[0])

    def measure(self, workshop, connections, seconds):
        body, begun, times, number = self.body, {}, [], 0
        cpu, start = cpu_microseconds(self.child.pid), time.monotonic()
        end = start + seconds

        def ask():
            nonlocal number
            number += 1
            begun[number] = time.monotonic()
            self.child.stdin.write(body.replace('"id": 1', f'"id": {number}', 1).encode() + b"\n")

        for _ in range(connections):
            ask()
        while begun:
            for line in self.lines():
                place = line.index(b'"id":') + 5
                identity = int(line[place:line.index(b",", place)].strip(b" }"))
                times.append(time.monotonic() - begun.pop(identity))
                if time.monotonic() < end:
                    ask()
        times.sort()
        return {"rate": len(times) / (time.monotonic() - start), "p50": times[len(times) // 2] * 1e6, "p99": times[len(times) * 99 // 100] * 1e6,
                "cpu": (cpu_microseconds(self.child.pid) - cpu) / len(times), "failed": 0, "served": len(times)}

    def end(self):
        self.child.stdin.close()
        self.child.wait(10)
