"""The gate as a way for MCP: what it adds to JSON, event streams and standard streams, what streams and large results cost, who waits for whom."""

import argparse
import json
import multiprocessing
import os
import resource
import select
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import report
from client import Client
from gate import CALL, Node
from processes import Fault, Workshop, cpu_microseconds, free_port, measured, progress
from sides import RICH, NginxWorkers, Side
from store import Store

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
HERE = os.path.dirname(os.path.abspath(__file__))
BOTH = "application/json, text/event-stream"
LARGE = 5_000_000
# Seconds between the calls of two clients of one server.
SMALL_PAUSE, LARGE_PAUSE = 0.001, 0.1
# Of a large result: how often a node may hold it, with what its buffers have grown by. Of the other client of a server: how many times
# the p99 that it has beside a large reply which is read at once it may have beside one that nobody reads.
BOUNDS = {"copies": 1.5, "blocked": 3}


def arguments(given):
    parser = argparse.ArgumentParser(
        prog="scripts/bench mcp", description="Measures what the gate adds to MCP: latency, streams, large results, clients that share a server.")
    parser.add_argument("--seconds", type=int, metavar="N", help="length of one turn (default 3)")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each side, of which the median counts (default 3)")
    parser.add_argument("--streams", type=int, metavar="N", help="open event streams (default 1,000)")
    parser.add_argument("--only", choices=["latency", "streams", "large", "blocking"], help="only this part")
    parser.add_argument("--quick", action="store_true", help="one short round, 100 streams: to see that it works; nothing is judged")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    given = parser.parse_args(given)
    given.seconds = given.seconds or (1 if given.quick else 3)
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.streams = given.streams or (100 if given.quick else 1_000)
    return given


# What the gate adds to a call.

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


def latency(workshop, binary, store, given):
    """Each kind of reply, asked directly and through the gate, in turns; differences are those of one turn."""
    progress("latency")
    plain, plain_port = workshop.haproxy("upstream", f"{HERE}/haproxy-upstream.cfg", workshop.cores.load)
    stream, stream_port = workshop.haproxy("upstream of streams", f"{HERE}/haproxy-stream-upstream.cfg", workshop.cores.load)

    def behind(name, upstream, accept):
        node = Node(workshop, binary, f"gate of {name}", store, upstream, workshop.cores.side)
        key = node.new_key(RICH)
        # A session is none of it: one request, one reply.
        client = Client(node.port, key)
        client.call("echo", text="x")
        client.close()
        return Side(f"{name}, gate", node.port, CALL, node=node, key=key, accept=accept)

    pipe = Pipe(workshop, "stdio", [binary, "demo-server"], CALL)
    pairs = {
        "JSON": (Side("JSON", plain_port, CALL, NginxWorkers(plain)),
                 behind("JSON", ["--remote-url", f"http://127.0.0.1:{plain_port}/mcp"], BOTH)),
        "event stream": (Side("event stream", stream_port, CALL, NginxWorkers(stream), accept=BOTH),
                         behind("event stream", ["--remote-url", f"http://127.0.0.1:{stream_port}/mcp"], BOTH)),
        "stdio": (pipe, behind("stdio", ["--server", f"'{binary}' demo-server"], BOTH)),
    }
    rows = []
    turns = {(name, connections): [] for name in pairs for connections in (1, 64)}
    for turn in range(given.rounds):
        for name, connections in turns:
            direct, gate = (side.measure(workshop, connections, given.seconds) for side in pairs[name])
            turns[name, connections].append((direct, gate))
            progress(f"round {turn + 1}/{given.rounds}, {connections:2} connections: {name:14} "
                     f"{direct['p50']:7,.0f} µs directly, {gate['p50']:7,.0f} µs through the gate")
    for (name, connections), found in turns.items():
        row = {"reply": name, "connections": connections, "rate": median(gate["rate"] for _, gate in found),
               "cpu": median(gate["cpu"] for _, gate in found), "failed": sum(gate["failed"] for _, gate in found)}
        for share in ("p50", "p99"):
            row[share + "Direct"] = median(direct[share] for direct, _ in found)
            row[share] = median(gate[share] for _, gate in found)
            row[share + "Added"] = median(gate[share] - direct[share] for direct, gate in found)
        rows.append(row)
    pipe.end()
    workshop.end([side.node.process for _, side in pairs.values()] + [plain, stream])
    return rows


# A thousand open streams.

def streams(workshop, binary, store, given):
    """Sessions that each have an open GET stream: what one costs in memory, and how long a word to all of them takes."""
    progress(f"{given.streams:,} streams")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * given.streams + 1000), hard))
    node = Node(workshop, binary, "gate of streams", store, ["--server", f"python3 {HERE}/mcp_server.py stdio"], workshop.cores.side)
    keys = [node.new_key(RICH) for _ in range(10)]
    asking = Client(node.port, keys[0])
    for _ in range(50):
        asking.call("echo")
    clients, fresh = [], node.process.resident_bytes()
    for number in range(given.streams):
        client = Client(node.port, keys[number % len(keys)])
        client.open()
        clients.append(client)
    sessions = node.process.resident_bytes()
    for client in clients:
        client.send("GET", accept="text/event-stream")
        if (status := client.head()[0]) != 200:
            raise Fault(f"a stream was answered {status}")
    opened, told = node.process.resident_bytes(), []
    for _ in range(5):
        begin = time.monotonic()
        asking.call("notify")
        for client in clients:
            client.take_until(b"list_changed")
        told.append((time.monotonic() - begin) * 1000)
    result = {"streams": given.streams, "freshBytes": fresh, "sessionsBytes": sessions, "openBytes": opened,
              "toldBytes": node.process.resident_bytes(), "toldMilliseconds": median(told)}
    for client in clients + [asking]:
        client.close()
    workshop.end([node.process])
    return result


# A large result.

def peak(process, work):
    """What `work` returns, and the most memory that the process had meanwhile."""
    with open(f"/proc/{process.pid}/clear_refs", "w") as file:
        file.write("5")
    found = work()
    with open(f"/proc/{process.pid}/status") as status:
        return found, 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def huge_call(node, key, patience=0.0):
    """One large result: when its first byte and its last byte came, in milliseconds. Somebody with patience reads nothing for so long."""
    client = Client(node.port, key, buffer=4096 if patience else None)
    begin = time.monotonic()
    client.send("POST", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "huge", "arguments": {"bytes": LARGE}}}).encode(), accept=BOTH)
    time.sleep(patience)
    client.bytes += client.receive(1)
    first = time.monotonic()
    status, _, body = client.answer()
    client.close()
    if status != 200 or body.count(b"x") < LARGE:
        raise Fault(f"a large result was answered {status} with {len(body):,} bytes")
    return (first - begin) * 1000, (time.monotonic() - begin) * 1000


def large(workshop, binary, store):
    """Peaks of memory in results of 5 MB: of one, on a node that has had none, of eight at once, and of eight that are not read."""
    rows = []
    for kind in ("JSON", "event stream", "stdio"):
        progress(f"large results: {kind}")
        started = []
        if kind == "stdio":
            upstream = ["--server", f"python3 {HERE}/mcp_server.py stdio"]
        else:
            port = free_port()
            server = workshop.start(f"server of {kind}", [
                sys.executable, f"{HERE}/mcp_server.py", "http", str(port), "sse" if kind == "event stream" else "json"], workshop.cores.load)
            server.listening_port()
            started.append(server)
            upstream = ["--remote-url", f"http://127.0.0.1:{port}/mcp"]
        node = Node(workshop, binary, f"gate of large {kind}", store, upstream, workshop.cores.side, "--max-response-bytes", str(4 * LARGE))
        started.append(node.process)
        key = node.new_key(RICH)
        client = Client(node.port, key)
        for _ in range(50):
            client.call("echo")
        client.close()
        fresh = node.process.resident_bytes()
        (first, last), most = peak(node.process, lambda: huge_call(node, key))
        row = {"reply": kind, "bytes": LARGE, "oneBytes": most - fresh, "firstMilliseconds": first, "lastMilliseconds": last}
        for name, patience in (("eightBytes", 0.0), ("eightUnreadBytes", 3.0)):
            with ThreadPoolExecutor(8) as pool:
                _, most = peak(node.process, lambda: list(pool.map(lambda _: huge_call(node, key, patience), range(8))))
            row[name] = most - fresh
        time.sleep(1)
        row["afterBytes"] = node.process.resident_bytes() - fresh
        rows.append(row)
        workshop.end(reversed(started))
    return rows


# Two clients of one stdio server.

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


def measure(given, binary):
    results = {"machine": report.machine(), "seconds": given.seconds, "rounds": given.rounds,
               "units": {"p50, p99, …Direct, …Added, most": "microseconds", "cpu": "microseconds of the node a call",
                         "…Bytes": "of the node; of large results: more than before the first"}}
    with Workshop() as workshop:
        store = Store(workshop, "redis", "everysec")
        parts = {"latency": lambda: latency(workshop, binary, store, given), "streams": lambda: streams(workshop, binary, store, given),
                 "large": lambda: large(workshop, binary, store), "blocking": lambda: blocking(workshop, binary, store, given)}
        for name, part in parts.items():
            if given.only in (None, name):
                results[name] = part()
    return results


def show(results):
    print()
    if rows := results.get("latency"):
        print("What the gate adds to a charged call; microseconds. Standard streams are asked directly by Python, all else by wrk")
        report.table(
            ["reply", "connections", "directly p50", "p99", "gate p50", "p99", "added p50", "p99", "calls/s", "CPU"],
            [[row["reply"], row["connections"], *(round(row[name]) for name in (
                "p50Direct", "p99Direct", "p50", "p99", "p50Added", "p99Added", "rate", "cpu"))] for row in rows])
        report.print_failures([{**row, "side": row["reply"]} for row in rows])
    if row := results.get("streams"):
        session, stream = ((row[now] - row[then]) / row["streams"] / 1000 for then, now in (("freshBytes", "sessionsBytes"), ("sessionsBytes", "openBytes")))
        print(f"{row['streams']:,} sessions cost a node {session:.1f} KB each with their connection, an open stream in each {stream:.1f} KB more: "
              f"{row['openBytes'] / 1e6:.0f} MB in all.\n"
              f"A word to all of them has reached the last one after {row['toldMilliseconds']:.0f} ms.\n")
    if rows := results.get("large"):
        print("Results of 5 MB: how often each of them lay in the node's memory at the peak")
        report.table(
            ["reply", "one", "of eight at once", "of eight, unread for 3 s", "kept after it, MB", "first byte ms", "last byte ms"],
            [[row["reply"], f"{row['oneBytes'] / LARGE:.1f}", f"{row['eightBytes'] / LARGE / 8:.1f}", f"{row['eightUnreadBytes'] / LARGE / 8:.1f}",
              round(row["afterBytes"] / 1e6), round(row["firstMilliseconds"]), round(row["lastMilliseconds"])] for row in rows])
    if rows := results.get("blocking"):
        print("Small calls of one client of a stdio server, beside another client of it with …; microseconds")
        report.table(["beside", "calls", "p50", "p99", "most"],
                     [[row["beside"], row["calls"], *(round(row[name]) for name in ("p50", "p99", "most"))] for row in rows])


def main(given):
    given = arguments(given)
    results = report.told(measured(measure, given), show, given.json)
    if given.quick:
        return
    faults = [f"{row['reply']}: a large result lies {row['oneBytes'] / LARGE:.1f} times in memory" for row in results.get("large", [])
              if row["oneBytes"] / LARGE > BOUNDS["copies"]]
    found = {row["beside"]: row["p99"] for row in results.get("blocking", [])}
    if found and found["large replies, unread"] > BOUNDS["blocked"] * max(found["large replies"], found["nobody"]):
        faults.append("a client that does not read its reply holds up another one")
    if found and found["slow calls"] > BOUNDS["blocked"] * found["nobody"]:
        faults.append("a slow call holds up another client's")
    if faults:
        sys.exit(f"error: {'; '.join(faults)}")
