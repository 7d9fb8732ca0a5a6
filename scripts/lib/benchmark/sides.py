"""What is measured against what: each side is a port, the request that it gets, and the processes whose time it costs."""

import json
import os
import time

import load
from gate import CALL, LIST, PING, Node
from processes import Fault
from store import Store

RICH = 1_000_000_000
UNKNOWN_KEY = "pg_" + "0" * 48
LARGE_LIMIT = "1000000"


class Side:
    def __init__(self, name, port, body, process=None, node=None, key="", expects="result", accept="application/json"):
        self.accept = accept
        self.name, self.port, self.body, self.key, self.expects = name, port, body, key, expects
        self.process = node.process if node else process
        self.node = node

    @property
    def is_charged(self):
        return self.node is not None and self.expects == "result" and self.key != ""

    def prove(self):
        """The side does what its name says, before anybody counts how often."""
        if self.node and self.expects not in (reply := self.node.mcp(self.body, self.key)):
            raise Fault(f"{self.name} expected a JSON-RPC {self.expects} and got {reply}")

    def measure(self, workshop, connections, seconds):
        """One turn: wrk's figures, and the CPU time of everybody who took part, for each call."""
        self.process.forget_output()
        redis = self.node.store.process if self.node else None
        before = self.money()
        clocks = [self.process.microseconds(), self.process.microseconds(of_children=True), redis.microseconds() if redis else 0]
        figures = load.run(workshop, self.port, connections, seconds, self.key, self.body, self.accept)
        calls = figures["requests"]
        clocks = [now - then for now, then in zip(
            [self.process.microseconds(), self.process.microseconds(of_children=True), redis.microseconds() if redis else 0], clocks)]
        figures.update(cpu=clocks[0] / calls, cpu_children=clocks[1] / calls, cpu_redis=clocks[2] / calls)
        if before is not None:
            figures["charged"] = self.settled(before, figures["served"], connections + figures["broken"])
        return figures

    def money(self):
        return self.node.store.account(self.key) if self.is_charged else None

    def settled(self, before, served, unheard):
        """The balance fell by what was served; only calls whose answer nobody waited for may come on top: those under way at wrk's end."""
        until = time.monotonic() + 15
        while (after := self.node.store.account(self.key))[3] and time.monotonic() < until:
            time.sleep(0.02)
        fell, spent, calls = before[0] - after[0], after[1] - before[1], after[2] - before[2]
        if after[3] or not fell == spent == calls or not served <= calls <= served + unheard:
            raise Fault(f"{self.name}: {served} calls were served, {calls} counted, {spent} credits spent, the balance fell by {fell}, "
                        f"{after[3]} holds are open")
        reading = self.node.get("/balance", X_API_Key=self.key)
        if (reading["credits"], reading["totalSpent"], reading["totalCalls"]) != after[:3]:
            raise Fault(f"{self.name}: /balance says {reading}, the ledger {after}")
        return calls


def nginx_sides(workshop, root):
    """The static upstream, asked directly and through nginx; returns the sides and the upstream's port."""
    upstream, port = workshop.haproxy("upstream", f"{root}/scripts/lib/benchmark/haproxy-upstream.cfg", workshop.cores.load)
    proxy, proxy_port = workshop.nginx("nginx", f"{root}/deploy/nginx-yardstick.conf", workshop.cores.side, UPSTREAM=port)
    return [Side("upstream, asked directly", port, CALL, NginxWorkers(upstream)), Side("nginx", proxy_port, CALL, NginxWorkers(proxy))], port


class NginxWorkers:
    """An nginx or haproxy as one process: its worker's time is its own."""

    def __init__(self, master):
        self.master = master

    def microseconds(self, of_children=False):
        return 0 if of_children else self.master.microseconds() + self.master.microseconds(of_children=True)

    def forget_output(self):
        pass


def gate_sides(workshop, binary, upstream_port):
    everysec, always = Store(workshop, "redis everysec", "everysec"), Store(workshop, "redis always", "always")
    static = ["--remote-url", f"http://127.0.0.1:{upstream_port}/mcp"]

    def node(name, store, upstream, *flags):
        return Node(workshop, binary, name, store, upstream, workshop.cores.side, *flags)

    plain = node("gate", everysec, static)
    limited = node("gate limited", everysec, static, "--rate-limit", LARGE_LIMIT)
    durable = node("gate durable", always, static)
    durable_limited = node("gate durable limited", always, static, "--rate-limit", LARGE_LIMIT)
    full = node("gate full", everysec, static, "--rate-limit", LARGE_LIMIT, "--config", tool_limit(workshop),
                "--max-concurrent-per-key", LARGE_LIMIT, "--max-concurrent-per-tool", LARGE_LIMIT)
    stdio = node("gate stdio", everysec, ["--server", f"'{binary}' demo-server"])
    poor = plain.new_key(1)
    plain.mcp(CALL, poor)
    sides = [
        Side("gate: ping, answered by the node", plain.port, PING, node=plain),
        Side("gate: free method, forwarded", plain.port, LIST, node=plain),
        Side("gate: denied, unknown key", plain.port, CALL, node=plain, key=UNKNOWN_KEY, expects="error"),
        Side("gate: denied, no credits", plain.port, CALL, node=plain, key=poor, expects="error"),
        Side("gate: charged, everysec", plain.port, CALL, node=plain, key=plain.new_key(RICH)),
        Side("gate: charged, everysec, rate limit", limited.port, CALL, node=limited, key=limited.new_key(RICH)),
        Side("gate: charged, everysec, team, every limit", full.port, CALL, node=full, key=limited_in_all(full)),
        Side("gate: charged, always", durable.port, CALL, node=durable, key=durable.new_key(RICH)),
        Side("gate: charged, always, rate limit", durable_limited.port, CALL, node=durable_limited, key=durable_limited.new_key(RICH)),
        Side("gate: charged, everysec, stdio", stdio.port, CALL, node=stdio, key=stdio.new_key(RICH)),
    ]
    for side in sides:
        side.prove()
    return sides


def tool_limit(workshop):
    """A configuration in which the benchmark's tool has a rate of its own."""
    path = os.path.join(workshop.folder("every limit"), "rules.json")
    with open(path, "w") as file:
        json.dump({"toolPricing": {"echo": {"creditsPerCall": 1, "rateLimitPerMin": int(LARGE_LIMIT)}}}, file)
    return path


def limited_in_all(node):
    """A key with every limit that there is, in a team with every limit and a budget: 14 meters and three sums in two accounts."""
    key = node.new_key(RICH)
    largest = {name: RICH for name in ("dailyCallLimit", "monthlyCallLimit", "dailyCreditLimit", "monthlyCreditLimit")}
    node.change("/keys/quota", key=key, **largest)
    node.change("/limits", key=key, spendingLimit=RICH)
    team = node.change("/teams", name="bench", budget=RICH, quota=largest)["team"]
    node.change("/teams/assign", teamId=team["id"], key=key)
    return key
