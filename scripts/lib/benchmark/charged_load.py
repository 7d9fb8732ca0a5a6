"""Calls that bear a name each, over both ends of a fault: which were acknowledged, and which of them the ledger knows."""

import json
import re
import threading
import time

from gate import TEXT
from processes import Fault
from client import Client

NAME = re.compile(rb"call-(\d{8})-")


class Load:
    """Connections that call one after the other, on the nodes in turn, until it is told to end."""

    def __init__(self, nodes, connections, key):
        self.nodes, self.key = nodes, key
        self.acknowledged, self.refused, self.broken = [], [], 0
        self.waiting, self.next, self.isOver = 0, 0, False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(number % len(nodes),), daemon=True) for number in range(connections)]
        for thread in self.threads:
            thread.start()

    def work(self, node):
        client = None
        while not self.isOver:
            with self.lock:
                self.next += 1
                self.waiting += 1
                number = self.next
            begun, status, body = time.monotonic(), 0, b""
            try:
                client = client or Client(self.nodes[node].port, self.key, timeout=20)
                status, body = call(client, number, self.key)
            except (OSError, Fault):
                if client:
                    client.close()
                client = None
            ended = time.monotonic()
            with self.lock:
                self.waiting -= 1
                if status == 200 and b'"result"' in body:
                    self.acknowledged.append((number, node, begun, ended))
                elif status:
                    self.refused.append((number, node, begun, ended))
                else:
                    self.broken += 1
            # A client that is refused comes back a little later.
            time.sleep(0.002 if status == 200 else 0.02)

    def end(self):
        self.isOver = True
        for thread in self.threads:
            thread.join()

    def first_served(self, node, since):
        """When a node first acknowledged a call that was sent after a moment; None if it has not."""
        return min((ended for _, at, begun, ended in list(self.acknowledged) if at == node and begun >= since), default=None)


def call(client, number, key):
    """Status and body of one call, whose name stands in the record of calls."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": TEXT}}}).encode()
    head = (f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json\r\nX-API-Key: {key}\r\n"
            f"X-Request-Id: call-{number:08}-\r\nMCP-Protocol-Version: 2025-06-18\r\nContent-Length: {len(body)}\r\n\r\n")
    client.connection.sendall(head.encode() + body)
    status, _, body = client.answer()
    return status, body


def charged(store):
    """How often each call was charged, as the record of calls says."""
    times, start = {}, "-"
    while page := store.ask("XRANGE", "pg:{0}:usage", start, "+", "COUNT", "1000"):
        for place, words in page:
            start = "(" + place
            fields = dict(zip(words[::2], words[1::2]))
            event = fields.get("e", "")
            found = NAME.search(event if isinstance(event, bytes) else event.encode())
            if found and int(fields.get("c", 0)) > 0:
                times[int(found.group(1))] = times.get(int(found.group(1)), 0) + 1
    return times


def settled(store, load, seconds=40):
    """What became of the calls, once nothing is open and what nobody was answered is given back, or after so long: acknowledged, lost, charged
    twice, and charged though their clients were refused."""
    acknowledged, until = {number for number, *_ in load.acknowledged}, time.monotonic() + seconds
    while True:
        times, still_open = charged(store), store.open_holds()
        unanswered = len(set(times) - acknowledged)
        if not (still_open or unanswered) or time.monotonic() > until:
            break
        time.sleep(0.5)
    return {"acknowledged": len(acknowledged), "refused": len(load.refused), "broken": load.broken, "lost": len(acknowledged - set(times)),
            "twice": sum(count > 1 for count in times.values()), "unanswered": unanswered, "open": still_open}
