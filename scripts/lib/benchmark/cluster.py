"""What 1, 2 and 3 nodes on one Redis do together, with the load spread over them and through haproxy."""

import load
from gate import CALL, Node
from processes import free_port, is_open, progress
from sides import RICH, Side
from statistics import median
from store import Store


def measure(workshop, root, binary, upstream_port, sizes, connections, seconds, rounds):
    """Rows for each size: directly at one and at all connections, and through haproxy."""
    turns = {size: [] for size in sizes}
    for turn in range(rounds):
        for size in sizes:
            progress(f"cluster: round {turn + 1}/{rounds}, {size} node{'s' * (size > 1)}")
            turns[size].append(one_turn(workshop, root, binary, upstream_port, size, connections, seconds))
    return [row for size in sizes for row in middle_of(turns[size])]


def one_turn(workshop, root, binary, upstream_port, size, connections, seconds):
    store = Store(workshop, "redis cluster", "everysec")
    nodes = [
        Node(workshop, binary, f"gate node {index + 1}", store, ["--remote-url", f"http://127.0.0.1:{upstream_port}/mcp"],
             workshop.cores.of_node(index, size), "--trusted-proxies", "127.0.0.1")
        for index in range(size)]
    port = free_port()
    haproxy = workshop.start(
        "haproxy", ["haproxy", "-db", "-f", f"{root}/deploy/haproxy.cfg"], workshop.cores.load,
        {"GATE_BIND": f"127.0.0.1:{port}", **{f"GATE_NODE_{index + 1}": f"127.0.0.1:{node.port}" for index, node in enumerate(nodes)}})
    haproxy.awaits(lambda: is_open(port), "does not listen")
    ledger = Side("cluster", nodes[0].port, CALL, node=nodes[0], key=nodes[0].new_key(RICH))
    ports = [node.port for node in nodes]
    rows = [
        spread(workshop, nodes, ledger, ports, 1, seconds, "spread"),
        spread(workshop, nodes, ledger, ports, connections // size, seconds, "spread"),
        spread(workshop, nodes, ledger, [port], connections, seconds, "haproxy"),
    ]
    workshop.end([*(node.process for node in nodes), haproxy, store.process])
    return rows


def spread(workshop, nodes, ledger, ports, connections, seconds, way):
    """One wrk for each port at the same time."""
    before, store = ledger.money(), nodes[0].store
    clocks = [node.process.microseconds() for node in nodes] + [store.process.microseconds()]
    loads = [load.begin(workshop, port, connections, seconds, "call.lua", ledger.key, CALL) for port in ports]
    figures = [load.finish(wrk) for wrk in loads]
    calls = sum(figure["requests"] for figure in figures)
    served, broken = (sum(figure[name] for figure in figures) for name in ("served", "broken"))
    ledger.settled(before, served, connections * len(ports) + broken)
    clocks = [now - then for now, then in zip([node.process.microseconds() for node in nodes] + [store.process.microseconds()], clocks)]
    return {
        "nodes": len(nodes), "way": way, "connections": connections * len(ports), "rate": sum(figure["rate"] for figure in figures),
        "p50": median(figure["p50"] for figure in figures), "p99": max(figure["p99"] for figure in figures),
        "cpu": sum(clocks[:-1]) / calls, "cpuRedis": clocks[-1] / calls, "failed": sum(figure["failed"] for figure in figures)}


def middle_of(turns):
    """The median over the turns of each row, figure by figure."""
    return [
        {name: value if name in ("nodes", "way", "connections") else median(row[name] for row in rows) for name, value in rows[0].items()}
        for rows in zip(*turns)]
