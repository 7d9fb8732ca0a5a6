"""What `gate-node store check` takes on a store, and what calls notice of it meanwhile."""

import json
import re
import time
from statistics import median

import load
from gate import CALL
from processes import Fault, progress
from sides import RICH

CONNECTIONS, SECONDS = 8, 5


def calls(workshop, node, key):
    return load.run(workshop, node.port, CONNECTIONS, SECONDS, key, CALL)


def middle(turns):
    return {"rate": median(turn["rate"] for turn in turns), "p50": median(turn["p50"] for turn in turns), "p99": median(turn["p99"] for turn in turns),
            "worstP99": max(turn["p99"] for turn in turns), "failed": sum(turn["failed"] for turn in turns)}


def peak_bytes(process):
    """The most that it has had in memory so far; 0 once it has ended."""
    try:
        with open(f"/proc/{process.pid}/status") as status:
            return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))
    except (FileNotFoundError, AttributeError):
        return 0


def cpu_microseconds(process):
    """CPU time so far; 0 once it has ended."""
    try:
        return process.microseconds()
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0


def measure(workshop, binary, store, node):
    """One check beside calls under one key; turns of calls before it and during it."""
    key = node.new_key(RICH)
    calls(workshop, node, key)
    before = [calls(workshop, node, key) for _ in range(4)]
    store.ask("CONFIG", "SET", "slowlog-log-slower-than", "1000")
    store.ask("SLOWLOG", "RESET")
    begun = time.monotonic()
    check = workshop.start("check", [binary, "store", "check", store.url, "--json"], workshop.cores.load)
    during, peak = [], 0
    while check.child.poll() is None:
        peak = max(peak, peak_bytes(check))
        during.append(calls(workshop, node, key))
        peak = max(peak, peak_bytes(check))
    seconds = time.monotonic() - begun
    lines = check.output().splitlines()
    verdict = json.loads(lines[-1]) if lines and lines[-1].startswith("{\"clean") else None
    if verdict is None:
        raise Fault(f"the check did not end well: {check.output()[-2000:]}")
    alone, redis = time.monotonic(), store.process.microseconds()
    again, own = workshop.start("check again", [binary, "store", "check", store.url, "--json"], workshop.cores.load), 0
    while again.child.poll() is None:
        own = max(own, cpu_microseconds(again))
        time.sleep(0.05)
    alone, redis = time.monotonic() - alone, store.process.microseconds() - redis
    slow = [entry for entry in store.ask("SLOWLOG", "GET", 128) if str(entry[3][0]).upper() in ("SCAN", "XRANGE", "HGETALL", "HMGET", "ZSCORE", "SMEMBERS")]
    progress(f"check: {seconds:.0f} s beside calls, {alone:.0f} s alone, {peak / 1e6:.0f} MB")
    return {"seconds": seconds, "secondsAlone": alone, "cpuSeconds": own / 1e6, "cpuSecondsRedis": redis / 1e6, "peakBytes": peak, "names": verdict["names"], "keys": verdict["keys"], "clean": verdict["clean"],
            "findings": verdict["findings"][:5], "lastProgress": [line for line in lines if "\"step\"" in line][-1:], "before": middle(before),
            "during": middle(during), "longestMicroseconds": max((entry[2] for entry in slow), default=0)}


def show(found):
    print(f"\nstore check of {found['keys']:,} keys in {found['names']:,} names: {found['seconds']:.0f} s beside calls, {found['secondsAlone']:.0f} s alone ({found['cpuSeconds']:.1f} s of CPU, {found['cpuSecondsRedis']:.1f} of Redis), "
          f"{found['peakBytes'] / 1e6:.0f} MB, {'all adds up' if found['clean'] else found['findings']}; its longest command "
          f"{found['longestMicroseconds'] / 1000:.1f} ms\n")
    for name in ("before", "during"):
        row = found[name]
        print(f"calls {name:7} {row['rate']:8,.0f}/s  p50 {row['p50'] / 1000:.2f} ms  p99 {row['p99'] / 1000:.2f} ms, {row['worstP99'] / 1000:.2f} at worst")
