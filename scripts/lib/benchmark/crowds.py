"""What a crowd costs a node in memory: idle connections, sessions that nobody comes back to, keys that there are not."""

import resource
import socket
import time

import load
from gate import CALL, LIST, PING, Node
from processes import Fault, progress
from store import Store

SPARE = 200
MB = 1_000_000
# Bytes that a node may grow by for a crowd, as docs/performance.md promises it.
MOST = {
    "idle connections": lambda size: size * 16_000,
    "sessions offered": lambda size: 8 * MB,
    "calls under unknown keys": lambda size: 8 * MB,
}


def measure(workshop, binary, upstream_port, connections, sessions, seconds):
    """For each crowd, on a node of its own: its memory before and while the crowd is there, and how large the crowd was."""
    rows = []
    for name, crowd in (("idle connections", lambda node: idle(node, connections)),
                        ("sessions offered", lambda node: offered(workshop, node, sessions)),
                        ("calls under unknown keys", lambda node: unknown(workshop, node, seconds))):
        progress(f"memory: {name}")
        store = Store(workshop, f"redis of {name}", None)
        node = Node(workshop, binary, f"gate of {name}", store, ["--remote-url", f"http://127.0.0.1:{upstream_port}/mcp"],
                    workshop.cores.side, "--max-connections", str(connections + SPARE))
        # Code and pools that any work at all brings in are no part of the crowd.
        load.run(workshop, node.port, 64, 1, "", LIST)
        fresh, redis = node.process.resident_bytes(), store.process.resident_bytes()
        begun = time.monotonic()
        size, end = crowd(node)
        took = time.monotonic() - begun
        rows.append({
            "crowd": name, "size": size, "perSecond": size / took, "mostBytes": MOST[name](size),
            "freshBytes": fresh, "residentBytes": node.process.resident_bytes(),
            "redisBytes": store.process.resident_bytes() - redis})
        end()
        workshop.end([node.process, store.process])
    return rows


def idle(node, count):
    """Connections that have made one request each, and are kept."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 1000), hard))
    request = (f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(PING)}\r\n\r\n{PING}").encode()
    kept = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", node.port), timeout=10)
        connection.sendall(request)
        if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
            raise Fault("an idle connection was refused")
        kept.append(connection)
    time.sleep(1)
    return count, lambda: [connection.close() for connection in kept]


def offered(workshop, node, count):
    """Every answer to a client without a session offers one."""
    made = 0
    while made < count:
        made += load.run(workshop, node.port, 64, 4, "", LIST)["served"]
    return made, lambda: None


def unknown(workshop, node, seconds):
    """Each call under another key that there is not; the store is asked for each."""
    made = 0
    for _ in range(max(1, seconds // 4)):
        made += load.finish(load.begin(workshop, node.port, 64, 4, "many_keys.lua", CALL, 1 << 40, made))["served"]
    if "error" not in node.mcp(CALL, "pg_" + "0" * 48):
        raise Fault("a call under an unknown key was not refused")
    return made, lambda: None
