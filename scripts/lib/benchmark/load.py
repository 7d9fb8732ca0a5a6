"""wrk, and what it measured."""

import json
import os
import subprocess

from processes import Fault

HERE = os.path.dirname(os.path.abspath(__file__))


def begin(workshop, port, connections, seconds, script, *arguments):
    """Starts wrk against a port; `finish` gives its figures."""
    cores = workshop.cores.load
    return subprocess.Popen(
        ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s", "-s", os.path.join(HERE, script),
         f"http://127.0.0.1:{port}/mcp", "--", *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores))


def finish(wrk):
    output = wrk.communicate()[0]
    line = next((line for line in reversed(output.splitlines()) if line.startswith("{")), None)
    if wrk.returncode or line is None:
        raise Fault(f"wrk has failed: {output}")
    figures = json.loads(line)
    figures["served"] = figures["requests"] - figures["refused"]
    figures["failed"] = figures["refused"] + figures["broken"]
    if not figures["served"]:
        raise Fault(f"no request was served: {output}")
    figures["rate"] = figures["served"] * 1e6 / figures["microseconds"]
    return figures


def run(workshop, port, connections, seconds, key, body, accept="application/json"):
    return finish(begin(workshop, port, connections, seconds, "call.lua", key, body, accept))
