"""What a result of 5 MB takes of a node's memory, read at once and unread."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from client import Client
from gate import Node
from processes import Fault, free_port, progress
from sides import RICH

HERE = os.path.dirname(os.path.abspath(__file__))
BOTH = "application/json, text/event-stream"
LARGE = 5_000_000


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
