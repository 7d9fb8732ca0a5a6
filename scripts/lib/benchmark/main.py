"""The benchmark: starts everything, takes the sides in turns, checks the ledger after each, and reports medians."""

import argparse
import os
import sys
from statistics import median

import children
import cluster
import crowds
import failover
import keys
import mcp
import memory
import report
import reports
import topologies
from processes import Workshop, measured, progress
from sides import gate_sides, nginx_sides

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measures a gate node against nginx as a plain reverse proxy.",
        epilog="scripts/bench reports measures reports over the sums of ten million calls, scripts/bench keys the key routes among a "
               "million keys, scripts/bench children the starts and stops of server processes, "
               "scripts/bench mcp replies of all kinds, streams and large results, scripts/bench redis one store, Sentinel and Cluster, scripts/bench failover what is lost when a primary dies; "
               "each has a --help of its own.")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--seconds", type=int, metavar="N", help="length of one turn of one side (default 3)")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each side, of which the median counts (default 3)")
    parser.add_argument("--quick", action="store_true", help="one short round, fewer connections and keys: to see that it works")
    parser.add_argument("--only", metavar="TEXT", help="only the sides whose name contains TEXT, beside nginx; no memory, no cluster")
    parser.add_argument("--memory", action="store_true", help="only what keys and crowds cost in memory")
    given = parser.parse_args()
    given.seconds = given.seconds or (1 if given.quick else 3)
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.connections = [1, 64] if given.quick else [1, 16, 64]
    given.keys = [10_000, 100_000] if given.quick else [10_000, 1_000_000]
    given.crowds = (1_000, 50_000, 4) if given.quick else (10_000, 1_000_000, 20)
    return given


def measure_sides(workshop, sides, given):
    """Rounds of turns: every side once at every number of connections, then again."""
    turns = {(side.name, connections): [] for side in sides for connections in given.connections}
    for turn in range(given.rounds):
        for connections in given.connections:
            for side in sides:
                figures = side.measure(workshop, connections, given.seconds)
                turns[side.name, connections].append(figures)
                progress(f"round {turn + 1}/{given.rounds}, {connections:2} connections: {side.name:42} {figures['rate']:8,.0f}/s "
                         f"{figures['cpu']:6.1f} µs" + (f", {figures['charged']:,} charged" if "charged" in figures else ""))
    return turns


def summary(turns, yardstick, direct):
    """Medians, beside the yardstick's at the same number of connections."""
    def middle(side, connections, name):
        return median(figures[name] for figures in turns[side, connections])

    rows = []
    for side, connections in turns:
        p50, p99, cpu = (middle(side, connections, name) for name in ("p50", "p99", "cpu"))
        compared = side != direct
        rows.append({
            "side": side, "connections": connections, "rate": middle(side, connections, "rate"), "p50": p50, "p99": p99,
            "addedP50": p50 - middle(direct, connections, "p50"), "cpu": cpu,
            "p99TimesNginx": p99 / middle(yardstick, connections, "p99") if compared else None,
            "cpuTimesNginx": cpu / middle(yardstick, connections, "cpu") if compared else None,
            "cpuChildren": middle(side, connections, "cpu_children"), "cpuRedis": middle(side, connections, "cpu_redis"),
            "failed": sum(figures["failed"] for figures in turns[side, connections]),
            "served": sum(figures["served"] for figures in turns[side, connections]),
            "charged": sum(figures["charged"] for figures in turns[side, connections]) if "charged" in turns[side, connections][0] else None,
        })
    return rows


def run(given, binary):
    results = {"machine": report.machine(), "units": report.UNITS, "seconds": given.seconds, "rounds": given.rounds, "memory": [], "crowds": [], "cluster": []}
    with Workshop() as workshop:
        progress(f"cores: side under test {workshop.cores.side}, load and upstream {workshop.cores.load}, Redis {workshop.cores.redis}")
        yardsticks, upstream_port = nginx_sides(workshop, ROOT)
        nothing_else = list(workshop.processes)
        sides = [side for side in gate_sides(workshop, binary, upstream_port) if (given.only or "") in side.name]
        if given.memory:
            results["sides"] = []
        else:
            turns = measure_sides(workshop, yardsticks + sides, given)
            results["sides"] = summary(turns, yardsticks[1].name, yardsticks[0].name)
        if not given.only:
            workshop.end([process for process in workshop.processes if process not in nothing_else])
            results["memory"] = memory.measure(workshop, binary, upstream_port, given.keys)
            results["crowds"] = crowds.measure(workshop, binary, upstream_port, *given.crowds)
        if not given.only and not given.memory:
            results["cluster"] = cluster.measure(
                workshop, ROOT, binary, upstream_port, [1, 2, 3], given.connections[-1], given.seconds, given.rounds)
            direct = {row["connections"]: row["p50"] for row in results["sides"] if row["side"] == yardsticks[0].name}
            for row in results["cluster"]:
                row["addedP50"] = row["p50"] - direct[given.connections[-1] if row["connections"] > 3 else 1]
    return results


def main():
    given = arguments()
    results = measured(run, given)
    print()
    report.print_sides(results["sides"])
    report.print_memory(results["memory"])
    report.print_crowds(results["crowds"])
    report.print_cluster(results["cluster"])
    report.print_failures(results["sides"] + results["cluster"])
    if given.json:
        report.write(given.json, results)
    faults = report.memory_faults(results["memory"] + results["crowds"])
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


if sys.argv[1:2] == ["reports"]:
    reports.main(sys.argv[2:])
elif sys.argv[1:2] == ["keys"]:
    keys.main(sys.argv[2:])
elif sys.argv[1:2] == ["children"]:
    children.main(sys.argv[2:])
elif sys.argv[1:2] == ["mcp"]:
    mcp.main(sys.argv[2:])
elif sys.argv[1:2] == ["failover"]:
    failover.main(sys.argv[2:])
elif sys.argv[1:2] == ["redis"]:
    topologies.main(sys.argv[2:])
else:
    main()
