"""Redis in every shape: throughput and CPU a call with one store, Sentinel and a Cluster, and what a call over several shards takes."""

import argparse
import json
import os
import time
from statistics import median

import load
import report
from gate import ADMIN_KEY, CALL, Node
from processes import Fault, Workshop, free_port, measured, progress
from sides import RICH, nginx_sides
from store import Store

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
SHARDS, SLOTS = 64, 16384


def arguments(given):
    parser = argparse.ArgumentParser(
        prog="scripts/bench redis", description="Measures charged calls on one store, behind Sentinels, and on a Redis Cluster of 1, 2, 3 primaries.",
        epilog="Ratios are those of one round, and of rounds the median counts. With fewer than five cores primaries share one, so more of them "
               "serve no more calls; then only the CPU a call says something.")
    parser.add_argument("--seconds", type=int, metavar="N", help="length of one turn (default 3)")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each side, of which the median counts (default 5)")
    parser.add_argument("--connections", type=int, default=64, metavar="N", help="connections of the load to each node (default 64)")
    parser.add_argument("--keys", type=int, default=128, metavar="N", help="keys that call, spread over the shards (default 128)")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="nodes on each topology (default 1; more want more cores)")
    parser.add_argument("--only", choices=["throughput", "shards"], help="only this part")
    parser.add_argument("--match", default="", metavar="TEXT", help="only the topologies whose name contains TEXT, beside one store")
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it works")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    given = parser.parse_args(given)
    given.seconds = given.seconds or (1 if given.quick else 3)
    given.rounds = given.rounds or (1 if given.quick else 5)
    return given


class Server(Store):
    """A redis-server on a port of its own; asked like a store."""

    def __init__(self, workshop, name, cores, *arguments):
        self.port = port_for_a_bus()
        self.process = workshop.start(name, [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", workshop.folder(name), "--save", "", "--appendonly", "yes",
            "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0", *arguments], cores)
        self.process.awaits(lambda: "Ready to accept connections" in self.process.output(), "is not ready")
        self.connect()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


def port_for_a_bus():
    """A free port whose number leaves room for that of the cluster's bus, 10,000 above it."""
    while (port := free_port()) > 55000:
        pass
    return port


class Topology:
    """A store of one shape: its URL, the servers that calls go to, and the processes beside them."""

    def __init__(self, name, url, primaries, beside=(), flags=()):
        self.name, self.url, self.primaries, self.beside, self.flags = name, url, primaries, list(beside), flags

    def clocks(self):
        return [sum(server.process.microseconds() for server in self.primaries), sum(process.microseconds() for process in self.beside)]

    def processes(self):
        return self.beside + [server.process for server in self.primaries]


def cores_of(workshop, number):
    """A core for each primary where there are enough of them; load and upstream keep one."""
    cores = workshop.cores
    own = cores.all[:-2] if len(cores.all) >= 5 else cores.redis
    return [own[number % len(own)]]


def one_store(workshop, shards):
    server = Server(workshop, f"redis of {shards}", cores_of(workshop, 0))
    return Topology("one store" if shards == 1 else f"one store, {shards} shards", f"redis://{server.address}", [server], (),
                    ("--redis-shards", str(shards)))


def sentinel(workshop, acknowledging=0):
    primary = Server(workshop, f"redis primary {acknowledging}", cores_of(workshop, 0))
    replica = Server(workshop, f"redis replica {acknowledging}", cores_of(workshop, 1), "--replicaof", "127.0.0.1", str(primary.port))
    replica.process.awaits(lambda: replica.ask("ROLE")[3] == "connected", "does not follow its primary")
    beside, addresses = [replica.process], []
    for number in range(3):
        port, place = free_port(), workshop.folder(f"sentinel {acknowledging} {number}")
        with open(f"{place}/sentinel.conf", "w") as file:
            file.write(f"port {port}\nbind 127.0.0.1\ndir {place}\nsentinel monitor gate 127.0.0.1 {primary.port} 2\n"
                       "sentinel down-after-milliseconds gate 60000\n")
        process = workshop.start(f"sentinel {number}", ["redis-server", f"{place}/sentinel.conf", "--sentinel"], workshop.cores.load)
        process.awaits(lambda: "+monitor master" in process.output(), "does not watch")
        beside.append(process)
        addresses.append(f"127.0.0.1:{port}")
    name, flags = ("Sentinel, acknowledged", ("--min-replicas-ack", str(acknowledging))) if acknowledging else ("Sentinel", ())
    return Topology(name, f"redis+sentinel://{','.join(addresses)}/gate", [primary], beside, flags)


def cluster(workshop, count):
    """Primaries without replicas, so that what is measured is the price of the cluster alone."""
    servers = [Server(workshop, f"redis {number + 1} of {count}", cores_of(workshop, number), "--cluster-enabled", "yes",
                      "--cluster-require-full-coverage", "no") for number in range(count)]
    for number, server in enumerate(servers):
        server.ask("CLUSTER", "ADDSLOTSRANGE", number * SLOTS // count, (number + 1) * SLOTS // count - 1)
        if number:
            server.ask("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
    for server in servers:
        server.process.awaits(
            lambda: {"cluster_state:ok", f"cluster_known_nodes:{count}", f"cluster_slots_ok:{SLOTS}"} <= set(server.ask("CLUSTER", "INFO").split("\r\n")),
            "is not a part of the cluster")
    return Topology(f"Cluster of {count}", f"redis+cluster://{','.join(server.address for server in servers)}", servers)


class Side:
    """Nodes on a topology, and the keys that call them."""

    def __init__(self, workshop, binary, topology, upstream, given):
        self.topology, self.name = topology, topology.name
        cores = [workshop.cores.of_node(number, given.nodes) for number in range(given.nodes)]
        self.nodes = [Node(workshop, binary, f"gate {number} on {self.name}", topology, upstream, cores[number], *topology.flags)
                      for number in range(given.nodes)]
        self.keys = [self.nodes[0].new_key(RICH) for _ in range(given.keys)]
        self.list = os.path.join(workshop.folder(f"keys of {self.name}"), "keys")
        with open(self.list, "w") as file:
            file.write("\n".join(self.keys) + "\n")
        self.accounts = self.sums()

    def sums(self):
        """Credits, credits spent and calls of all keys, as the ledger has them."""
        keys, total = [], 1
        while len(keys) < total:
            page = self.nodes[0].get(f"/keys?limit=100&offset={len(keys)}", X_Admin_Key=ADMIN_KEY)
            total = page["total"]
            keys += page["keys"]
        return [sum(key[name] for key in keys) for name in ("credits", "totalSpent", "totalCalls")]

    def settled(self, served, unheard):
        """The balances fell by what was served; only calls whose answer nobody waited for may come on top."""
        until, before = time.monotonic() + 30, self.accounts
        while True:
            self.accounts = self.sums()
            fell, spent, calls = before[0] - self.accounts[0], self.accounts[1] - before[1], self.accounts[2] - before[2]
            if fell == spent == calls and served <= calls <= served + unheard:
                return
            if time.monotonic() > until:
                raise Fault(f"{self.name}: {served} calls were served, {calls} counted, {spent} credits spent, the balances fell by {fell}")
            time.sleep(0.1)

    def clocks(self):
        return [sum(node.process.microseconds() for node in self.nodes), *self.topology.clocks()]

    def measure(self, workshop, given):
        before = self.clocks()
        loads = [load.begin(workshop, node.port, given.connections, given.seconds, "listed_keys.lua", CALL, self.list) for node in self.nodes]
        figures = [load.finish(each) for each in loads]
        spent = [now - then for now, then in zip(self.clocks(), before)]
        calls = sum(figure["requests"] for figure in figures)
        self.settled(sum(figure["served"] for figure in figures),
                     given.connections * len(figures) + sum(figure["broken"] for figure in figures))
        return {"rate": sum(figure["rate"] for figure in figures), "p50": median(figure["p50"] for figure in figures),
                "p99": max(figure["p99"] for figure in figures), "cpu": spent[0] / calls, "cpuRedis": spent[1] / calls,
                "cpuBeside": spent[2] / calls, "failed": sum(figure["failed"] for figure in figures)}

    def processes(self):
        return [node.process for node in self.nodes]


def rows_of(turns, first):
    """Medians, and medians of the ratios to `first` in the same round."""
    rows = []
    for name, found in turns.items():
        row = {"side": name, **{figure: median(turn[figure] for turn in found) for figure in found[0]}}
        row["failed"] = sum(turn["failed"] for turn in found)
        for figure in ("rate", "p50", "p99", "cpu", "cpuRedis"):
            row[figure + "Ratio"] = median(turn[figure] / other[figure] for turn, other in zip(found, turns[first]))
        rows.append(row)
    return rows


def throughput(workshop, binary, upstream, given):
    makers = {"one store": lambda: one_store(workshop, 1), f"one store, {SHARDS} shards": lambda: one_store(workshop, SHARDS),
              "Sentinel": lambda: sentinel(workshop), "Sentinel, acknowledged": lambda: sentinel(workshop, 1),
              **{f"Cluster of {count}": lambda count=count: cluster(workshop, count) for count in (1, 2, 3)}}
    topologies = [make() for name, make in makers.items() if name == "one store" or given.match in name]
    sides = [Side(workshop, binary, topology, upstream, given) for topology in topologies]
    turns = {side.name: [] for side in sides}
    for turn in range(given.rounds):
        # Every other round backwards, so that what grows over a round falls on nobody alone.
        for side in sides if turn % 2 == 0 else reversed(sides):
            figures = side.measure(workshop, given)
            turns[side.name].append(figures)
            progress(f"round {turn + 1}/{given.rounds}: {side.name:20} {figures['rate']:8,.0f}/s, CPU {figures['cpu']:6.1f} µs, "
                     f"of Redis {figures['cpuRedis']:6.1f} µs")
    workshop.end([process for side in sides for process in side.processes() + side.topology.processes()])
    return rows_of(turns, sides[0].name)


class Reach:
    """A key on a node, of which a call touches so many shards."""

    def __init__(self, shards, node, key, topology):
        self.name = f"{shards} shard{'s' * (shards > 1)}"
        self.node, self.key, self.topology = node, key, topology

    def calls(self):
        balance = self.node.get("/balance", X_API_Key=self.key)
        return balance["totalCalls"], balance["totalSpent"], -balance["credits"]

    def measure(self, workshop, given):
        accounts, before = self.calls(), [self.node.process.microseconds(), *self.topology.clocks()]
        figures = load.run(workshop, self.node.port, 1, given.seconds, self.key, CALL)
        spent = [now - then for now, then in zip([self.node.process.microseconds(), *self.topology.clocks()], before)]
        until = time.monotonic() + 10
        while True:
            counted, *others = (now - then for now, then in zip(self.calls(), accounts))
            if others == [counted, counted] and figures["served"] <= counted <= figures["served"] + 1 + figures["broken"]:
                break
            if time.monotonic() > until:
                raise Fault(f"{self.name}: {figures['served']} calls were served, {counted} counted, {others} credits")
            time.sleep(0.1)
        return {"rate": figures["rate"], "p50": figures["p50"], "p99": figures["p99"], "cpu": spent[0] / figures["requests"],
                "cpuRedis": spent[1] / figures["requests"], "cpuBeside": 0.0, "failed": figures["failed"]}


def shards(workshop, binary, upstream, given):
    """A key alone; with a team in another shard; and with the account of all tools, which counts open calls of a tool, in a third one."""
    topology = cluster(workshop, 3)
    plain = Node(workshop, binary, "gate of shards", topology, upstream, workshop.cores.side)
    limited = Node(workshop, binary, "gate of shards with a cap", topology, upstream, workshop.cores.side, "--max-concurrent-per-tool", "1000000")

    def server(shard):
        return topology.primaries[0].ask("CLUSTER", "KEYSLOT", f"{{{shard}}}") * 3 // SLOTS

    def shard(identity):
        return int(identity.split("_")[1][:8], 16) % SHARDS

    def post(path, body):
        return plain.post(path, json.dumps(body), X_Admin_Key=ADMIN_KEY)

    def made(make, identity, taken):
        """The first that lies on a server of its own."""
        for _ in range(1000):
            if server(shard(identity(record := make()))) not in taken:
                return record
        raise Fault("no id lies in a shard of another server")

    def new_key():
        return post("/keys", {"name": "bench", "credits": RICH})

    # The account of all tools lies in shard 0.
    tools = server(0)
    alone = made(new_key, lambda key: key["id"], {tools})
    member = made(new_key, lambda key: key["id"], {tools})
    team = made(lambda: post("/teams", {"name": "bench", "budget": RICH})["team"], lambda team: team["id"], {tools, server(shard(member["id"]))})
    post("/teams/assign", {"teamId": team["id"], "key": member["key"]})
    reaches = [Reach(1, plain, alone["key"], topology), Reach(2, plain, member["key"], topology), Reach(3, limited, member["key"], topology)]
    turns = {reach.name: [] for reach in reaches}
    for turn in range(given.rounds):
        for reach in reaches if turn % 2 == 0 else reversed(reaches):
            figures = reach.measure(workshop, given)
            turns[reach.name].append(figures)
            progress(f"round {turn + 1}/{given.rounds}: {reach.name:10} {figures['p50']:6,.0f} µs, CPU {figures['cpu']:6.1f} µs, "
                     f"of Redis {figures['cpuRedis']:6.1f} µs")
    workshop.end([plain.process, limited.process, *topology.processes()])
    return rows_of(turns, reaches[0].name)


def measure(given, binary):
    results = {"machine": report.machine(), "seconds": given.seconds, "rounds": given.rounds, "units": {
        "rate": "calls served a second", "p50, p99": "microseconds", "cpu, cpuRedis, cpuBeside": "microseconds of CPU time a call: of the nodes, "
        "of the primaries, of replica and Sentinels", "…Ratio": "to the first row, in the same round"}}
    with Workshop() as workshop:
        _, port = nginx_sides(workshop, ROOT)
        upstream = ["--remote-url", f"http://127.0.0.1:{port}/mcp"]
        if given.only in (None, "throughput"):
            results["throughput"] = throughput(workshop, binary, upstream, given)
        if given.only in (None, "shards"):
            results["shards"] = shards(workshop, binary, upstream, given)
    return results


def show(results):
    print()
    for part, title in (("throughput", "Charged calls of many keys; microseconds; CPU time a call; × is the ratio to the first row in the same round"),
                        ("shards", "One call after the other, over so many shards on as many servers")):
        if rows := results.get(part):
            print(title)
            report.table(
                ["", "calls/s", "×", "p50", "×", "p99", "CPU of nodes", "×", "of Redis", "×", "of the others"],
                [[row["side"], round(row["rate"]), report.times(row["rateRatio"]), round(row["p50"]), report.times(row["p50Ratio"]), round(row["p99"]),
                  round(row["cpu"], 1), report.times(row["cpuRatio"]), round(row["cpuRedis"], 1), report.times(row["cpuRedisRatio"]),
                  report.figure(row["cpuBeside"])] for row in rows])
            report.print_failures([{**row, "connections": 1 if part == "shards" else "all"} for row in rows])


def main(given):
    given = arguments(given)
    results = report.told(measured(measure, given), show, given.json)
