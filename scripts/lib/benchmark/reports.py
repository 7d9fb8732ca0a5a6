"""Reports over many calls: how long each takes, what the calls keep of their rate meanwhile, and whether the sums are those of the ledger."""

import argparse
import os
import random
import sys
import threading
import time
from datetime import datetime, timezone
from statistics import median

import load
import report
from gate import ADMIN_KEY, CALL, Node
from processes import Fault, Workshop, measured, progress
from seeding import seed
from sides import nginx_sides
from store import Store, encode

HOUR = 3_600_000
FIELD = "\x1f"
BOUNDS = {"milliseconds": 100, "keeps": 0.9}


def arguments(given):
    parser = argparse.ArgumentParser(prog="scripts/bench reports", description="Measures reports over the hourly sums of many calls.")
    parser.add_argument("--calls", type=int, metavar="N", help="calls that the sums are of (default 10,000,000)")
    parser.add_argument("--days", type=int, metavar="N", help="days that they are spread over (default 30)")
    parser.add_argument("--keys", type=int, default=100, metavar="N", help="keys that made them (default 100)")
    parser.add_argument("--tools", type=int, default=10, metavar="N", help="tools that they were made of (default 10)")
    parser.add_argument("--seconds", type=int, metavar="N", help="length of one turn (default 5)")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns without and with reports, of which the median counts (default 3)")
    parser.add_argument("--quick", action="store_true", help="100,000 calls of two days, one short round: to see that it works; nothing is judged")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    given = parser.parse_args(given)
    given.calls = given.calls or (100_000 if given.quick else 10_000_000)
    given.days = given.days or (2 if given.quick else 30)
    given.seconds = given.seconds or (2 if given.quick else 5)
    given.rounds = given.rounds or (1 if given.quick else 3)
    return given


def numbers(*values):
    """As rows are packed: a format, then zigzag numbers in groups of seven bits (RollupField.swift)."""
    packed = bytearray([1])
    for value in values:
        rest = value << 1 if value >= 0 else (-value << 1) - 1
        while rest >= 0x80:
            packed.append(rest & 0x7f | 0x80)
            rest >>= 7
        packed.append(rest)
    return bytes(packed)


def command(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        text = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(text), text))
    return b"".join(parts)


def fill(store, given, now):
    """Writes the sums of the hours before this one; returns calls, credits and rows."""
    dice = random.Random(1)
    hours, sums = given.days * 24, {"calls": 0, "credits": 0, "rows": 0}
    places = [(tool, key) for tool in range(given.tools) for key in range(given.keys)]
    for number in range(hours):
        hour = now // HOUR - hours + number
        calls = given.calls * (number + 1) // hours - given.calls * number // hours
        each, rest = divmod(calls, len(places))
        extra = set(dice.sample(range(len(places)), rest))
        rows, durations = [], {tool: {} for tool in range(given.tools)}
        for index, (tool, key) in enumerate(places):
            count = each + (index in extra)
            if not count:
                continue
            # Durations up to 100 ms are the numbers of their buckets.
            time_of_all = 0
            for duration in (dice.randrange(5 + 5 * tool) for _ in range(count)):
                time_of_all += duration
                durations[tool][duration] = durations[tool].get(duration, 0) + 1
            credits = count * (tool + 1)
            rows += [f"tool{tool}{FIELD}key_{key:016x}{FIELD}ok{FIELD}", numbers(count, count, credits, time_of_all, 0, 5 + 5 * tool)]
            sums["calls"] += count
            sums["credits"] += credits
            sums["rows"] += 1
        for tool, found in durations.items():
            entries, last = [], 0
            for bucket in sorted(found):
                entries += [bucket - last, found[bucket]]
                last = bucket
            rows += [f"tool{tool}{FIELD}ok", numbers(*entries)]
        store.connection.sendall(
            command("HSET", f"pg:{{0}}:rollup:{hour}", *rows, "rows", len(places), "latencies", given.tools)
            + encode("HINCRBY", "pg:{0}:rollups:hours", hour, 1))
        store.reply()
        store.reply()
    return sums


ROUTES = {
    "top list": "/admin/tool-revenue",
    "time series": "/admin/request-trends",
    "durations": "/admin/response-time-distribution",
    "two periods": "/analytics?granularity=daily&from={half}",
    "cohorts": "/admin/consumer-retention",
}


def ask(node, path):
    begin = time.monotonic()
    answer = node.get(path, X_Admin_Key=ADMIN_KEY)
    return answer, (time.monotonic() - begin) * 1000


class Readers(threading.Thread):
    """Somebody with a dashboard: a report every fifth of a second, each kind in turn."""

    def __init__(self, node, routes):
        super().__init__()
        self.node, self.routes, self.ended = node, routes, threading.Event()
        self.times = {name: [] for name in routes}
        self.fault = None

    def run(self):
        try:
            while not self.ended.is_set():
                for name, path in self.routes.items():
                    self.times[name].append(ask(self.node, path)[1])
                    if self.ended.wait(0.2):
                        return
        except Fault as fault:
            self.fault = fault


def check(node, store, sums, key):
    """The sums say what was written and what the ledger has charged since, to the credit."""
    until = time.monotonic() + 30
    while True:
        spent = store.account(key)[1]
        answer = ask(node, "/admin/tool-revenue")[0]
        if answer["summary"]["totalRevenue"] == sums["credits"] + spent:
            return spent
        if time.monotonic() > until:
            raise Fault(f"the report says {answer['summary']}, the ledger {sums['credits']} + {spent}")
        time.sleep(0.2)


def measure(given, binary):
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
    with Workshop() as workshop:
        _, upstream_port = nginx_sides(workshop, root)
        store = Store(workshop, "redis", "everysec")
        seed(store, given.keys)
        now = int(time.time() * 1000)
        sums = fill(store, given, now)
        progress(f"{sums['calls']:,} calls in {sums['rows']:,} rows of {given.days * 24} hours, {sums['credits']:,} credits")

        def start(name):
            return Node(workshop, binary, name, store, ["--remote-url", f"http://127.0.0.1:{upstream_port}/mcp"], workshop.cores.side)

        half = datetime.fromtimestamp((now - given.days * 12 * HOUR) / 1000, timezone.utc).strftime("%Y-%m-%dT%H:00:00Z")
        routes = {name: path.format(half=half) for name, path in ROUTES.items()}
        node = start("gate")
        fresh = node.process.resident_bytes()
        cold = ask(node, routes["top list"])[1]
        key = node.new_key(1_000_000_000)
        alone, beside, times = [], [], {name: [] for name in routes}
        for turn in range(given.rounds):
            alone.append(load.run(workshop, node.port, 64, given.seconds, key, CALL)["rate"])
            readers = Readers(node, routes)
            readers.start()
            beside.append(load.run(workshop, node.port, 64, given.seconds, key, CALL)["rate"])
            readers.ended.set()
            readers.join()
            if readers.fault:
                raise readers.fault
            for name, found in readers.times.items():
                times[name] += found
            progress(f"round {turn + 1}/{given.rounds}: {alone[-1]:,.0f} calls/s alone, {beside[-1]:,.0f} beside reports")
        spent = check(node, store, sums, key)
        other = start("other gate")
        check(other, store, sums, key)
        said = {name: [without_time(ask(one, path)[0]) for one in (node, other)] for name, path in routes.items()}
        workshop.end([node.process])
        node = start("gate again")
        for name, path in routes.items():
            if not said[name][0] == said[name][1] == without_time(ask(node, path)[0]):
                raise Fault(f"{path} is not the same on another node and after a restart")
        return {
            **sums, "hours": given.days * 24, "coldMilliseconds": cold, "freshBytes": fresh,
            "residentBytes": other.process.resident_bytes(), "rateAlone": median(alone), "rateBesideReports": median(beside),
            "keeps": median(beside) / median(alone), "charged": spent,
            "milliseconds": {name: {"median": median(found), "most": max(found), "asked": len(found)} for name, found in times.items() if found},
        }


def without_time(answer):
    return {name: value for name, value in answer.items() if name not in ("generatedAt", "asOf", "to", "timeSeries")}


def show(results):
    print(f"\n{results['calls']:,} calls, {results['rows']:,} rows of {results['hours']} hours; "
          f"a node holds {(results['residentBytes'] - results['freshBytes']) / 2**20:,.0f} MB for them; the first report after a start "
          f"took {results['coldMilliseconds']:,.0f} ms\n")
    print(f"{'report':14} {'median ms':>10} {'most ms':>10} {'asked':>6}")
    for name, found in results["milliseconds"].items():
        print(f"{name:14} {found['median']:10.1f} {found['most']:10.1f} {found['asked']:6}")
    print(f"\ncalls: {results['rateAlone']:,.0f}/s alone, {results['rateBesideReports']:,.0f}/s beside reports: "
          f"{results['keeps']:.0%}; {results['charged']:,} charged, and every sum is the ledger's")


def main(given):
    given = arguments(given)
    results = report.told(measured(measure, given), show, given.json)
    if given.quick:
        return
    slow = [name for name, found in results["milliseconds"].items() if found["median"] > BOUNDS["milliseconds"]]
    if slow or results["keeps"] < BOUNDS["keeps"]:
        sys.exit(f"error: above {BOUNDS['milliseconds']} ms: {', '.join(slow) or 'none'}; the calls keep {results['keeps']:.0%}")
