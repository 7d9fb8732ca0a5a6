"""Failovers and outages of Redis under load: what is lost, what is charged twice, and how long nobody is served."""

import argparse
import os
import re
import signal
import sys
import time
from statistics import median
from types import SimpleNamespace

import report
from charged_load import Load, settled
from gate import Node
from processes import Fault, Workshop, free_port, measured, progress
from sides import RICH
from store import Store
from topologies import Server

# Milliseconds of silence after which Sentinels vote.
DOWN_AFTER = 2000


def arguments(given):
    parser = argparse.ArgumentParser(
        prog="scripts/bench failover", description="Ends primaries under load, by hand, kill -9 and SIGSTOP, with and without --min-replicas-ack, "
        "and counts what is lost; then takes Redis away for a minute.")
    parser.add_argument("--failovers", type=int, metavar="N", help="of each kind (default 10)")
    parser.add_argument("--connections", type=int, default=16, metavar="N", help="that call, over two nodes (default 16)")
    parser.add_argument("--behind", type=int, default=5, metavar="MS", help="how far the replica is behind in the last kind (default 5)")
    parser.add_argument("--outage", type=int, metavar="SECONDS", help="for which Redis is away (default 60)")
    parser.add_argument("--only", choices=["failovers", "outages"], help="only this part")
    parser.add_argument("--quick", action="store_true", help="one failover of each kind, ten seconds: to see that it works")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    given = parser.parse_args(given)
    given.failovers = given.failovers or (1 if given.quick else 10)
    given.outage = given.outage or (10 if given.quick else 60)
    return given


class RedisOfARun(Server):
    """A server that may be ended, stopped, and started again on its files and its port; what it holds is asked for like a store's."""

    def __init__(self, workshop, name, *arguments):
        super().__init__(workshop, name, workshop.cores.redis, *arguments)
        self.workshop, self.name, self.arguments = workshop, name, list(self.process.child.args)

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.child.wait()

    def restart(self):
        self.process = self.workshop.start(self.name, self.arguments, self.workshop.cores.redis)
        self.process.awaits(lambda: "Ready to accept connections" in self.process.output(), "is not ready")
        self.connect()

    def ask(self, *words):
        """Over a new connection: who is promoted, or dies, closes those that it has."""
        self.connection.close()
        self.connect()
        return super().ask(*words)

    def follow(self, primary):
        self.ask("REPLICAOF", "127.0.0.1", primary.port)


class Sentinels:
    """Three of them, which know one another and the replica from the start."""

    def __init__(self, workshop, primary, replica):
        self.ports, ids = [free_port() for _ in range(3)], [str(number + 1) * 40 for number in range(3)]
        self.processes, self.servers = [], []
        for number, port in enumerate(self.ports):
            place = workshop.folder(f"sentinel {number}")
            lines = [f"port {port}", "bind 127.0.0.1", f"dir {place}", f"sentinel myid {ids[number]}",
                     f"sentinel monitor gate 127.0.0.1 {primary.port} 2", f"sentinel down-after-milliseconds gate {DOWN_AFTER}",
                     "sentinel failover-timeout gate 10000", f"sentinel known-replica gate 127.0.0.1 {replica.port}"]
            lines += [f"sentinel known-sentinel gate 127.0.0.1 {self.ports[other]} {ids[other]}" for other in range(3) if other != number]
            with open(f"{place}/sentinel.conf", "w") as file:
                file.write("\n".join(lines) + "\n")
            process = workshop.start(f"sentinel {number}", ["redis-server", f"{place}/sentinel.conf", "--sentinel"], workshop.cores.load)
            process.awaits(lambda: "+monitor master" in process.output(), "does not watch")
            self.processes.append(process)
            self.servers.append(Store.at(port))

    @property
    def url(self):
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self.ports)}/gate"

    def await_successor(self, old, seconds=40):
        """When the first of them names another primary."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for sentinel in self.servers:
                if int(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "gate")[1]) != old.port:
                    return time.monotonic()
            time.sleep(0.005)
        raise Fault("the Sentinels promote nobody")


def nodes_of(workshop, binary, url, count, *flags):
    store = SimpleNamespace(url=url)
    return [Node(workshop, binary, f"gate {number}", store, ["--server", f"'{binary}' demo-server"], workshop.cores.all, *flags) for number in range(count)]


def await_first(what, seconds, ask):
    """When `ask` first gives something; a node that is away is asked again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if ask():
                return time.monotonic()
        except Fault:
            pass
        time.sleep(0.005)
    raise Fault(f"{what}: not within {seconds} s")


def failover(workshop, binary, how, behind, replicas, given):
    """One failover of a fresh topology under load."""
    primary = RedisOfARun(workshop, "primary")
    link, place = None, primary.port
    if behind:
        link = workshop.start("link", [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow_link.py"),
                                       str(primary.port), str(behind)], workshop.cores.load)
        place = int(link.awaits(lambda: re.match(r"\d+\n", link.output()), "does not listen").group())
    replica = RedisOfARun(workshop, "replica", "--replicaof", "127.0.0.1", str(place))
    replica.process.awaits(lambda: replica.ask("ROLE")[3] == "connected", "does not follow")
    # The Sentinels set a replica right that follows by another way than they know, but not before eight seconds.
    sentinels = Sentinels(workshop, primary, replica)
    nodes = nodes_of(workshop, binary, sentinels.url, 2, "--min-replicas-ack", str(replicas))
    key = nodes[0].new_key(RICH)
    load = Load(nodes, given.connections, key)
    time.sleep(1.5)
    waiting, begun = load.waiting, time.monotonic()
    if how == "command":
        sentinels.servers[0].ask("SENTINEL", "FAILOVER", "gate")
    else:
        primary.signal({"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[how])
    promoted = sentinels.await_successor(primary)
    if replicas:
        # Without a replica nothing is acknowledged: they work on the new primary when they read from it.
        works = [await_first("a reading", 20, lambda node=node: node.get("/balance", X_API_Key=key)) for node in nodes]
        if how == "kill":
            primary.process.child.wait()
            primary.restart()
        elif how == "stop":
            primary.signal(signal.SIGCONT)
        primary.follow(replica)
        await_first("a replica", 30, lambda: replica.ask("ROLE")[2])
    since = time.monotonic()
    served = [await_first("a call", 20, lambda number=number: load.first_served(number, promoted if not replicas else since)) for number in (0, 1)]
    firsts = [load.first_served(number, promoted) for number in (0, 1)]
    if not replicas:
        works = firsts
    time.sleep(1)
    load.end()
    figures = {"inFlight": waiting, "rate": sum(ended < begun for *_, ended in load.acknowledged) / 1.5, "promoted": promoted - begun,
               "works": max(works) - promoted, "served": max(served) - begun, **settled(replica, load)}
    workshop.end([node.process for node in nodes] + sentinels.processes + [replica.process, primary.process] + ([link] if link else []))
    return figures


def failovers(workshop, binary, given):
    rows = []
    for how, behind in (("command", 0), ("kill", 0), ("stop", 0), ("kill", given.behind)):
        for replicas in (0, 1):
            found = []
            for turn in range(given.failovers):
                found.append(failover(workshop, binary, how, behind, replicas, given))
                progress(f"{how}, {behind} ms behind, {replicas} to acknowledge, {turn + 1}/{given.failovers}: {found[-1]}")
            rows.append({
                "how": how, "behind": behind, "replicas": replicas, "failovers": len(found),
                **{name: sum(each[name] for each in found) for name in ("acknowledged", "refused", "broken", "lost", "twice", "unanswered", "open")},
                "mostLost": max(each["lost"] for each in found), "inFlight": median(each["inFlight"] for each in found),
                "rate": median(each["rate"] for each in found),
                **{name: median(each[name] for each in found) for name in ("promoted", "works", "served")},
                "slowestWorks": max(each["works"] for each in found)})
    return rows


def outage(workshop, binary, how, given):
    """Redis away for a while under load, with calls under way on both sides of its end."""
    server = RedisOfARun(workshop, "redis")
    nodes = nodes_of(workshop, binary, f"redis://{server.address}", 3)
    key = nodes[0].new_key(RICH)
    load = Load(nodes, given.connections, key)
    time.sleep(3)
    before = [node.process.resident_bytes() for node in nodes]
    if how == "kill":
        server.kill()
    else:
        server.signal(signal.SIGSTOP)
    begun, most, words = time.monotonic(), 0, set()
    while time.monotonic() < begun + given.outage:
        time.sleep(1)
        for node in nodes:
            words.add((status(node, "/ready"), status(node, "/health")))
        most = max(most, *(node.process.resident_bytes() for node in nodes))
    if how == "kill":
        server.restart()
    else:
        server.signal(signal.SIGCONT)
    returned = time.monotonic()
    for number in range(3):
        await_first("a call", 30, lambda: load.first_served(number, returned))
        await_first("readiness", 30, lambda: status(nodes[number], "/ready") == 200)
    back = [load.first_served(number, returned) - returned for number in range(3)]
    time.sleep(2)
    load.end()
    slowest = max((ended - begun_ for *_, begun_, ended in load.refused if begun_ > begun + 2 and ended < returned), default=0)
    figures = {"how": how, "seconds": given.outage, "back": max(back), "slowestRefusal": slowest, "said": sorted(words), "before": max(before), "most": most,
               "after": max(node.process.resident_bytes() for node in nodes), **settled(server, load)}
    workshop.end([node.process for node in nodes] + [server.process])
    return figures


def status(node, path):
    try:
        node.get(path)
        return 200
    except Fault as fault:
        found = re.search(r"was answered (\d+)", str(fault))
        return int(found.group(1)) if found else 0


def measure(given, binary):
    results = {"machine": report.machine(), "downAfterMilliseconds": DOWN_AFTER, "connections": given.connections}
    with Workshop() as workshop:
        if given.only in (None, "failovers"):
            results["failovers"] = failovers(workshop, binary, given)
        if given.only in (None, "outages"):
            results["outages"] = [outage(workshop, binary, how, given) for how in ("kill", "stop")]
    return results


def show(results):
    print()
    if rows := results.get("failovers"):
        print(f"Failovers under load; down-after-milliseconds {DOWN_AFTER}; seconds; medians, sums of calls")
        report.table(
            ["how", "behind ms", "to acknowledge", "failovers", "calls/s", "in flight", "acknowledged", "lost", "most", "twice", "open", "promoted",
             "works", "slowest", "served"],
            [[row["how"], row["behind"], row["replicas"], row["failovers"], round(row["rate"]), round(row["inFlight"]), row["acknowledged"], row["lost"],
              row["mostLost"], row["twice"], row["open"], *(round(row[name], 2) for name in ("promoted", "works", "slowestWorks", "served"))] for row in rows])
    if rows := results.get("outages"):
        print("Redis away under load; seconds, MB of a node")
        report.table(
            ["how", "away", "back", "slowest refusal", "acknowledged", "refused", "lost", "twice", "open", "MB before", "at most", "after"],
            [[row["how"], row["seconds"], round(row["back"], 2), round(row["slowestRefusal"], 3), row["acknowledged"], row["refused"], row["lost"],
              row["twice"], row["open"], *(round(row[name] / 1e6, 1) for name in ("before", "most", "after"))] for row in rows])


def main(given):
    given = arguments(given)
    results = report.told(measured(measure, given), show, given.json)
    rows, away = results.get("failovers", []), results.get("outages", [])
    faults = [f"{row['lost']} acknowledged charges lost with a replica to acknowledge ({row['how']})" for row in rows if row["replicas"] and row["lost"]]
    faults += [f"{row['twice']} calls charged twice ({row['how']})" for row in rows + away if row["twice"]]
    faults += [f"{row['open']} calls open for ever ({row['how']})" for row in rows + away if row["open"]]
    faults += [f"{row['unanswered']} calls charged that were refused ({row['how']})" for row in rows + away if row["unanswered"] > row["broken"]]
    faults += [f"a node worked on the new primary after {row['slowestWorks']:.1f} s ({row['how']})" for row in rows if row["slowestWorks"] > 3]
    faults += [f"{row['lost']} acknowledged charges lost in an outage ({row['how']})" for row in away if row["lost"]]
    faults += [f"a node served {row['back']:.1f} s after Redis was back ({row['how']})" for row in away if row["back"] > 3]
    if faults:
        sys.exit("error: " + "; ".join(faults))
