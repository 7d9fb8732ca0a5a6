"""Whether a node's memory depends on how many keys there are."""

import load
from gate import CALL, Node
from processes import progress
from seeding import seed
from store import Store

LOOKUPS = 60_000
# Bytes that a node may grow by for any number of keys: its loops hold the last 20,000 each.
MOST = 64_000_000


def measure(workshop, binary, upstream_port, key_counts):
    """For each number of keys: the memory of a fresh node, and after it has served calls of as many of them as it likes."""
    rows = []
    for count in key_counts:
        progress(f"memory: {count:,} keys")
        store = Store(workshop, f"redis {count}", None)
        seed(store, count)
        node = Node(workshop, binary, f"gate {count}", store, ["--remote-url", f"http://127.0.0.1:{upstream_port}/mcp"],
                    workshop.cores.side)
        fresh = node.process.resident_bytes()
        served = 0
        while served < LOOKUPS:
            served += load.finish(load.begin(workshop, node.port, 64, 2, "many_keys.lua", CALL, count, served % count))["served"]
        rows.append({
            "keys": count, "keysMet": min(served, count), "calls": served, "mostBytes": MOST, "freshBytes": fresh,
            "residentBytes": node.process.resident_bytes(), "redisBytes": store.process.resident_bytes()})
        workshop.end([node.process, store.process])
    return rows
