"""The gate as a way for MCP: what it adds to JSON, event streams and standard streams, what streams and large results cost, who waits for whom."""

import argparse
import os
import resource
import sys
import time
from statistics import median

import report
from client import Client
from gate import CALL, Node
from large_results import BOTH, LARGE, large
from neighbours import blocking
from pipe import Pipe
from processes import Fault, Workshop, measured, progress
from sides import RICH, NginxWorkers, Side
from store import Store

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
HERE = os.path.dirname(os.path.abspath(__file__))
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
