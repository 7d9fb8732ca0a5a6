"""Starts and stops of server processes: whether any leaves a zombie, an orphan, a descriptor or memory; and what a node that is killed leaves."""

import argparse
import glob
import os
import signal
import sys
import threading
import time

import report
from client import Client
from gate import Node
from processes import Fault, Workshop, measured, progress
from store import Store

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = 8
WARM_UP = 100
# Of a hundred processes so many end otherwise than by the end of their input.
ENDS = {"leave": 30, "die": 20, "offspring": 5, "stay": 1}
# Descriptors: those of connections that are just closing. Memory: what an allocator keeps.
BOUNDS = {"descriptors": 16, "bytes": 64 << 20}


def arguments(given):
    parser = argparse.ArgumentParser(
        prog="scripts/bench children", description="Starts and stops server processes behind one gate, kills the gate itself, and counts what is left.")
    parser.add_argument("--starts", type=int, metavar="N", help="processes that are started (default 10,000)")
    parser.add_argument("--kills", type=int, metavar="N", help="times that a node with 16 processes is ended by kill -9 (default 20)")
    parser.add_argument("--quick", action="store_true", help="300 starts, 2 kills: to see that it works")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    given = parser.parse_args(given)
    given.starts = given.starts or (300 if given.quick else 10_000)
    given.kills = given.kills or (2 if given.quick else 20)
    return given


def marked(mark):
    """The processes, zombies aside, that were started with `mark` in their environment, whoever their parent is by now."""
    found = set()
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                if mark in file.read():
                    found.add(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def zombies(parent):
    count = 0
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                state, above = file.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        count += state == "Z" and int(above) == parent
    return count


def settles(count, seconds=30):
    """What `count()` comes to, which should be nothing after a while."""
    until = time.monotonic() + seconds
    while (left := count()) and time.monotonic() < until:
        time.sleep(0.1)
    return left


class House:
    """A node whose every session has a process of its own, and the mark and the book of these processes."""

    def __init__(self, workshop, binary, store, name):
        self.mark = f"GATE_BENCH_CHILD={name}-{os.getpid()}".replace(" ", "-")
        self.book = os.path.join(workshop.place, f"{name}.starts".replace(" ", "-"))
        self.node = Node(workshop, binary, name, store, ["--server", f"sh {HERE}/small_server.sh {self.book}"], workshop.cores.side,
                         "--isolation", "session", "--server-env", self.mark, "--log-level", "warn")
        self.pid = self.node.process.pid

    def starts(self):
        try:
            with open(self.book) as file:
                return sum(1 for _ in file)
        except FileNotFoundError:
            return 0

    def processes(self):
        return marked(self.mark.encode())

    def figures(self):
        return {"descriptors": len(os.listdir(f"/proc/{self.pid}/fd")), "bytes": self.node.process.resident_bytes(),
                "threads": len(os.listdir(f"/proc/{self.pid}/task"))}


def serve(client, tool):
    """A call that is served at last: a busy machine makes Redis late, and the gate then refuses calls for a moment."""
    for _ in range(100):
        status, body = client.ask("tools/call", {"name": tool, "arguments": {}})
        if b'"result"' in body:
            return
        if status != 503:
            break
        time.sleep(0.1)
    raise Fault(f"{tool} was answered {status}: {body[:300]!r}")


def turns(house, count):
    """`count` sessions, each with a process of its own, one after another for each client."""
    faults, refused = [], []

    def work(number):
        key, client = house.node.new_key(1_000_000_000), None
        try:
            client = Client(house.node.port, key)
            for turn in range(number, count, CLIENTS):
                client.open()
                serve(client, "echo")
                place = turn * 37 % 100
                for tool, share in ENDS.items():
                    if 0 <= place < share:
                        # A process that ends in the middle of a call has no answer; the call is unknown, and refunded.
                        client.ask("tools/call", {"name": tool, "arguments": {}})
                        break
                    place -= share
                refused.append(client.end_session())
        except (Fault, OSError) as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise Fault(f"a client was stopped: {faults[0]}")
    if sum(refused):
        progress(f"{sum(refused)} ends of sessions were refused at first")


def open_and_close(workshop, binary, store, given):
    """Starts and stops under one node, which lives."""
    house = House(workshop, binary, store, "gate of children")
    turns(house, WARM_UP)
    settles(lambda: len(house.processes()) > 1)
    before, resting, first = house.figures(), len(house.processes()), house.starts()
    begin, done = time.monotonic(), 0
    while done < given.starts:
        turns(house, min(1000, given.starts - done))
        if house.starts() - first <= done:
            raise Fault("no process was started")
        done = house.starts() - first
        progress(f"{done:7,} starts, {house.figures()['descriptors']} descriptors, {len(house.processes())} processes, "
                 f"{house.figures()['bytes'] / 1e6:.0f} MB")
    seconds = time.monotonic() - begin
    left = settles(lambda: max(0, len(house.processes()) - resting))
    rest = settles(lambda: zombies(house.pid))
    settles(lambda: house.figures()["descriptors"] > before["descriptors"])
    after = house.figures()
    workshop.end([house.node.process])
    return {"starts": done, "seconds": seconds, "before": before, "after": after, "left": left, "zombies": rest,
            "leftByTheNode": settles(lambda: len(house.processes()))}


def kill(workshop, binary, store, number):
    """A node with sixteen processes, some of which ignore SIGTERM or have a process in another session, gone by kill -9."""
    house = House(workshop, binary, store, f"gate to kill {number}")
    clients = []
    keys = [house.node.new_key(1000), house.node.new_key(1000)]
    for turn in range(16):
        client = Client(house.node.port, keys[turn % 2])
        client.open()
        serve(client, ["echo", "offspring", "stay"][turn % 3])
        clients.append(client)
    alive = len(house.processes())
    os.kill(house.pid, signal.SIGKILL)
    begin = time.monotonic()
    left = settles(lambda: len(house.processes()))
    seconds = time.monotonic() - begin
    for client in clients:
        client.close()
    workshop.end([house.node.process])
    return {"processes": alive, "left": left, "seconds": seconds}


def measure(given, binary):
    with Workshop() as workshop:
        store = Store(workshop, "redis", "everysec")
        results = {"machine": report.machine(), "lives": open_and_close(workshop, binary, store, given), "kills": []}
        for number in range(given.kills):
            results["kills"].append(kill(workshop, binary, store, number))
        return results


def show(results):
    lives, kills = results["lives"], results["kills"]
    print(f"\n{lives['starts']:,} processes were started and ended in {lives['seconds']:,.0f} s ({lives['starts'] / lives['seconds']:,.0f} a second)\n")
    print(f"{'':28} {'before':>8} {'after':>8}")
    for name, factor in (("descriptors", 1), ("threads", 1), ("bytes", 1e-6)):
        print(f"{name if factor == 1 else 'memory, MB':28} {lives['before'][name] * factor:8.0f} {lives['after'][name] * factor:8.0f}")
    print(f"{'zombies':28} {'':8} {lives['zombies']:8}\n{'processes left over':28} {'':8} {lives['left']:8}")
    print(f"{'after the node has ended':28} {'':8} {lives['leftByTheNode']:8}")
    print(f"\n{len(kills)} nodes were ended by kill -9, with {sum(each['processes'] for each in kills):,} processes under them: "
          f"{sum(each['left'] for each in kills)} are left; the last of a node was gone after {max(each['seconds'] for each in kills):.2f} s at most")


def main(given):
    given = arguments(given)
    results = report.told(measured(measure, given), show, given.json)
    lives = results["lives"]
    faults = [name for name in ("left", "zombies", "leftByTheNode") if lives[name]]
    faults += ["after kill -9" for each in results["kills"] if each["left"]][:1]
    faults += [name for name, bound in BOUNDS.items() if lives["after"][name] - lives["before"][name] > bound]
    if faults:
        sys.exit(f"error: something is left: {', '.join(faults)}")
