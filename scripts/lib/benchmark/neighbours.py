"""What one client of a stdio server notices of another one."""

import json
import multiprocessing
import os
import sys
import time

from client import Client
from gate import CALL, Node
from large_results import BOTH, LARGE
from pipe import Pipe
from processes import Fault, progress
from sides import RICH

HERE = os.path.dirname(os.path.abspath(__file__))
# Seconds between the calls of the two.
SMALL_PAUSE, LARGE_PAUSE = 0.001, 0.1


def alone(port, key, ready, over):
    ready.set()
    over.wait()


def slow_calls(port, key, ready, over):
    client = Client(port, key)
    ready.set()
    while not over.is_set():
        client.call("slow", seconds=0.5)


def huge_replies(port, key, ready, over):
    client = Client(port, key)
    ready.set()
    while not over.wait(LARGE_PAUSE):
        client.call("huge", bytes=LARGE)


def unread_replies(port, key, ready, over):
    """Eight connections that ask for large results and read 64 KB of them a second. Ready when all are on their way, out of the server's pipe."""
    clients = []
    for _ in range(8):
        client = Client(port, key, buffer=4096)
        client.send("POST", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "huge", "arguments": {"bytes": LARGE}}}).encode(), accept=BOTH)
        clients.append(client)
    for client in clients:
        client.receive(1)
    ready.set()
    while not over.wait(0.125):
        for client in clients:
            client.receive(8192)
    for client in clients:
        client.close()


NEIGHBOURS = {"nobody": alone, "slow calls": slow_calls, "large replies": huge_replies, "large replies, unread": unread_replies}


def small_calls(client, seconds):
    """Microseconds of small calls, one after the other with pauses, so that a long one is not missing from their number."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        client.call("echo")
        times.append((time.monotonic() - begin) * 1e6)
        time.sleep(SMALL_PAUSE)
    return times


def direct_beside_large(workshop, seconds):
    """The same on the server's own pipe, without a gate: what nobody can take away, as a large reply has the pipe for itself."""
    pipe = Pipe(workshop, "stdio", [sys.executable, f"{HERE}/mcp_server.py", "stdio"], CALL)
    requests = {
        1: {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {}}},
        2: {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "huge", "arguments": {"bytes": LARGE}}}}
    pauses, begun, now = {1: SMALL_PAUSE, 2: LARGE_PAUSE}, {}, time.monotonic()
    due, times, end = {1: now, 2: now}, [], now + seconds
    while now < end or begun:
        for identity in [each for each, moment in due.items() if moment <= now < end]:
            del due[identity]
            begun[identity] = time.monotonic()
            pipe.say(requests[identity])
        soonest = min(due.values(), default=now + 1) - now
        for line in pipe.lines() if pipe.has_more(soonest) else []:
            identity = int(line[22:23])
            time_taken = time.monotonic() - begun.pop(identity)
            due[identity] = time.monotonic() + pauses[identity]
            if identity == 1:
                times.append(time_taken * 1e6)
        now = time.monotonic()
    pipe.end()
    return times


def blocking(workshop, binary, store, given):
    """What one client of a stdio server notices of another one."""
    progress("two clients of one stdio server")
    node = Node(workshop, binary, "gate of two", store, ["--server", f"python3 {HERE}/mcp_server.py stdio"], workshop.cores.side,
                "--max-response-bytes", str(4 * LARGE), "--isolation", "shared")
    client, other = Client(node.port, node.new_key(RICH)), node.new_key(RICH)
    small_calls(client, 1)
    times = {name: [] for name in NEIGHBOURS}
    times["large replies, without a gate"] = []
    for _ in range(given.rounds):
        for name, neighbour in NEIGHBOURS.items():
            ready, over = multiprocessing.Event(), multiprocessing.Event()
            process = multiprocessing.Process(target=neighbour, args=(node.port, other, ready, over), daemon=True)
            process.start()
            if not ready.wait(60):
                raise Fault(f"the neighbour with {name} does not come so far")
            time.sleep(0.5)
            times[name] += small_calls(client, given.seconds)
            if not process.is_alive():
                raise Fault(f"the neighbour with {name} has failed")
            over.set()
            process.join(60)
        times["large replies, without a gate"] += direct_beside_large(workshop, given.seconds)
    client.close()
    workshop.end([node.process])
    rows = []
    for name, found in times.items():
        found.sort()
        rows.append({"beside": name, "calls": len(found), "p50": found[len(found) // 2], "p99": found[len(found) * 99 // 100], "most": found[-1]})
    return rows
