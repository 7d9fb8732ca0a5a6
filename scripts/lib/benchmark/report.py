"""The figures as people and as programs read them."""

import json
import os
import platform
import subprocess


UNITS = {
    "rate": "calls served a second", "p50, p99, addedP50": "microseconds; added to what the upstream takes when asked directly",
    "cpu, cpuChildren, cpuRedis": "microseconds of CPU time a call: of the side, of the processes below it, of its Redis",
    "served, charged": "calls in all rounds; charged may exceed served by the calls under way when a turn ended"}


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(), "wrk": version("wrk", "-v"),
            "nginx": version("nginx", "-v"), "redis": version("redis-server", "--version"), "haproxy": version("haproxy", "-v")}


def version(*command):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return result.stdout.splitlines()[0] if result.stdout else ""


def told(results, show, path):
    """The results, once people have them on the screen and programs in the file, if one is named."""
    show(results)
    if path:
        write(path, results)
    return results


def table(headings, rows):
    """Text columns to the left, figures to the right."""
    cells = [headings] + [[cell if isinstance(cell, str) else "" if cell is None else f"{cell:,}" for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    texts = {column for column in range(len(headings)) if rows and isinstance(rows[0][column], str)}
    for row in cells:
        print("  ".join(cell.ljust(width) if column in texts else cell.rjust(width)
                        for column, (cell, width) in enumerate(zip(row, widths))).rstrip())
    print()


def print_sides(rows):
    for connections in sorted({row["connections"] for row in rows}):
        print(f"At {connections} connection{'s' * (connections > 1)}; microseconds; CPU time a call")
        table(
            ["side", "calls/s", "p50", "p99", "× nginx", "added p50", "CPU", "× nginx", "of its children", "of Redis"],
            [[row["side"], round(row["rate"]), round(row["p50"]), round(row["p99"]), times(row["p99TimesNginx"]), round(row["addedP50"]),
              round(row["cpu"], 1), times(row["cpuTimesNginx"]), figure(row["cpuChildren"]), figure(row["cpuRedis"])]
             for row in rows if row["connections"] == connections])


def print_cluster(rows):
    if rows:
        print("Nodes on one Redis, charged calls; microseconds; CPU time a call")
        table(["nodes", "connections", "load", "calls/s", "p50", "p99", "added p50", "CPU of nodes", "of Redis"],
              [[row["nodes"], row["connections"], row["way"], round(row["rate"]), round(row["p50"]), round(row["p99"]),
                round(row["addedP50"]), round(row["cpu"], 1), round(row["cpuRedis"], 1)] for row in rows])


def print_memory(rows):
    if rows:
        print("Memory, MB")
        table(["keys", "keys met", "node, fresh", "node, after calls", "at most", "Redis"],
              [[row["keys"], row["keysMet"], megabytes(row["freshBytes"]), megabytes(row["residentBytes"]),
                megabytes(row["freshBytes"] + row["mostBytes"]), megabytes(row["redisBytes"])] for row in rows])


def print_crowds(rows):
    if rows:
        print("Memory under crowds; MB, and bytes for each")
        table(["crowd", "size", "a second", "node before", "node with it", "at most", "bytes each", "Redis more"],
              [[row["crowd"], row["size"], round(row["perSecond"]), megabytes(row["freshBytes"]), megabytes(row["residentBytes"]),
                megabytes(row["freshBytes"] + row["mostBytes"]),
                round((row["residentBytes"] - row["freshBytes"]) / row["size"]), megabytes(row["redisBytes"])] for row in rows])


def memory_faults(rows):
    """A sentence for each row whose node has grown beyond what it may."""
    faults = []
    for row in rows:
        grown = row["residentBytes"] - row["freshBytes"]
        if grown > row["mostBytes"]:
            name = row.get("crowd") or f"{row['keys']:,} keys"
            faults.append(f"{name}: the node grew by {megabytes(grown)} MB, and may by {megabytes(row['mostBytes'])}")
    return faults


def megabytes(count):
    return round(count / 1e6, 1)


def print_failures(rows):
    """Every row should be free of them; one that is not says less than it seems to."""
    for row in rows:
        if row["failed"]:
            name = row.get("side") or f"{row['nodes']} nodes, {row['way']}"
            print(f"note: {row['failed']:,} requests failed: {name}, {row['connections']} connections")


def times(value):
    return "" if value is None else f"{value:.2f}"


def figure(value):
    return None if value is None or value < 0.05 else round(value, 1)


def write(path, results):
    with open(path, "w") as file:
        json.dump(results, file, indent=2)
        file.write("\n")
