"""Many keys: what creating, listing, filtering and searching among them takes, and the longest command that Redis spends on it."""

import argparse
import hashlib
import json
import os
import random
import sys
import threading
import time
from statistics import median

import report
import store_check
from gate import ADMIN_KEY, Node
from processes import Fault, Workshop, measured, progress
from seeding import CHUNK, key_name
from sides import nginx_sides
from store import Store, encode

NAMESPACES, OWNERS, TIERS = 100, 1000, 10
# Milliseconds; microseconds of one command of Redis; commands of a request: two for each key that an answer may show, and some; or of a walk over
# 20,000 keys, 500 with a command, three for each.
BOUNDS = {"p99": 100, "command": 10_000, "commands": 600}


def arguments(given):
    parser = argparse.ArgumentParser(prog="scripts/bench keys", description="Measures the key routes, and a check of the store, among many keys.")
    parser.add_argument("--keys", type=int, metavar="N", help="keys (default 1,000,000)")
    parser.add_argument("--requests", type=int, metavar="N", help="requests of each kind (default 200)")
    parser.add_argument("--only", choices=["routes", "check"], help="only the routes, or gate-node store check")
    parser.add_argument("--quick", action="store_true", help="20,000 keys, 20 requests: to see that it works; no time is judged")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    given = parser.parse_args(given)
    given.keys = given.keys or (20_000 if given.quick else 1_000_000)
    given.requests = given.requests or (20 if given.quick else 200)
    return given


def tag_list(name, value):
    return "keys.tag:" + hashlib.sha256(f"{name}\t{value}".encode()).hexdigest()[:32]


def commands(number, now):
    """One key as edit.lua leaves it: record, account, credential, and every list that it stands in (KeyRecord.listings)."""
    identity, digest = f"key_{number:016x}", hashlib.sha256(key_name(number).encode()).hexdigest()
    created = now - 1_000_000_000 + number
    suspended, revoked, ends = number % 50 == 1, number % 50 == 2, number % 20 == 3
    expires = now + 1000 * (60 + number % 1_000_000) if ends else 0
    namespace, tags = f"space-{number % NAMESPACES}", {"owner": f"o{number % OWNERS}", "tier": f"t{number % TIERS}"}
    spent, calls, used = money(number, now)
    state = "suspended" if suspended else "revoked" if revoked else "active"
    lists = {f"keys.namespace:{namespace}": created, "keys.revoked" if revoked else "keys.living": created}
    lists |= {tag_list(name, value): created for name, value in tags.items()}
    if suspended:
        lists["keys.suspended"] = created
    if ends:
        lists["keys.ending"] = created
        if not revoked:
            lists["keys.expiring"] = expires
    yield "HSET", f"pg:{{0}}:record:{identity}", "name", f"agent {number}", "prefix", "pg_0000000...", "masked", "pg_0000...0000", \
        "created", created, "state", state, "expires", expires, "limit", 0, "namespace", namespace, "alias", "", "allowed", "", \
        "denied", "", "addresses", "", "tags", "\n".join(f"{name}\t{value}" for name, value in sorted(tags.items())), "version", 1
    yield "HSET", f"pg:{{0}}:account:{identity}", "credits", balance(number), "granted", balance(number) + spent, "spent", spent, \
        "calls", calls, "used", used, "version", 1, "limit", 0, "expires", expires
    yield "HSET", f"pg:{{0}}:credential:{digest}", "owner", identity, "kind", "key"
    yield "SADD", f"pg:{{0}}:credentials:{identity}", digest
    yield "ZADD", "pg:{0}:index:keys", created, identity
    for name, place in lists.items():
        yield "ZADD", f"pg:{{0}}:index:{name}", place, identity
    for name, place in {"credits": balance(number), "spent": spent, "calls": calls, "used": used}.items():
        yield "ZADD", f"pg:{{0}}:index:keys.by:{name}", place, identity
    yield "ZADD", "pg:{0}:index:keys.names", 0, f"agent {number}\x1f{identity}"


def balance(number):
    """Half of the keys have one and the same; the others are spread."""
    return 1000 if number % 2 else number * 7919 % 1_000_003


def money(number, now):
    """What a key has spent, its calls and its last use; most have not called yet."""
    return (number % 5000, number % 300, now - number * 1000) if number % 10 == 0 else (0, 0, 0)


def fill(store, count, now):
    """Makes keys 0 … count-1, pipelined."""
    for first in range(0, count, CHUNK):
        words = [command for number in range(first, min(first + CHUNK, count)) for command in commands(number, now)]
        reader = threading.Thread(target=lambda: [store.reply() for _ in words])
        reader.start()
        store.connection.sendall(b"".join(encode(*command) for command in words))
        reader.join()
    if store.ask("ZCARD", "pg:{0}:index:keys") != count:
        raise Fault("not all keys were written")
    store.ask("HSET", "pg:{0}:keys.orders", "built", 1)


def kinds(node, given):
    """What is asked, by name: each a function that asks once. Those of `judged` have to read an index and never all keys."""
    dice = random.Random(1)
    last = min(given.keys, 100_000) - 50

    def get(path):
        return lambda: node.get(path(), X_Admin_Key=ADMIN_KEY)

    def post(path, body):
        return lambda: node.post(path, json.dumps(body()), X_Admin_Key=ADMIN_KEY)

    def space():
        return f"space-{dice.randrange(NAMESPACES)}"

    def order():
        return dice.choice(["asc", "desc"])

    def deep():
        """From anywhere among half a million keys with one balance."""
        place = f"key_{dice.randrange(given.keys):016x}".encode().hex()
        return f"/keys?limit=50&sortBy=credits&order=asc&cursor=credits.asc.1000.{place}"

    return {
        "create": post("/keys", lambda: {"name": "made", "credits": 5, "tags": {"owner": f"o{dice.randrange(OWNERS)}"}, "namespace": space()}),
        "first page": get(lambda: "/keys?limit=50"),
        "any page": get(lambda: f"/keys?limit=50&offset={dice.randrange(last)}"),
        "oldest, any page": get(lambda: f"/keys?limit=50&order=asc&offset={dice.randrange(last)}"),
        "namespace": get(lambda: f"/keys?limit=50&namespace={space()}&offset={dice.randrange(100)}"),
        "suspended": get(lambda: f"/keys?limit=50&suspended=true&offset={dice.randrange(max(1, given.keys // 100))}"),
        "revoked": get(lambda: f"/keys?limit=50&active=false&offset={dice.randrange(max(1, given.keys // 100))}"),
        "active": get(lambda: f"/keys?limit=50&active=true&offset={dice.randrange(max(1, last // 2))}"),
        "by name": get(lambda: f"/keys?limit=50&sortBy=name&order={order()}&offset={dice.randrange(last)}"),
        "by credits": get(lambda: f"/keys?limit=50&sortBy=credits&order={order()}&offset={dice.randrange(last)}"),
        "by last use": get(lambda: f"/keys?limit=50&sortBy=lastUsedAt&order={order()}&offset={dice.randrange(last)}"),
        "by spending": get(lambda: f"/keys?limit=50&sortBy=totalSpent&offset={dice.randrange(last)}"),
        "by calls": get(lambda: f"/keys?limit=50&sortBy=totalCalls&offset={dice.randrange(last)}"),
        "name prefix": get(lambda: f"/keys?limit=50&namePrefix=AGENT%20{dice.randrange(1, 100)}&sortBy=name"),
        "credits between": get(lambda: f"/keys?limit=50&sortBy=credits&minCredits=500&maxCredits={dice.randrange(1000, 500_000)}"),
        "deep, by cursor": get(deep),
        "active, by credits": get(lambda: f"/keys?limit=50&active=true&sortBy=credits&order={order()}"),
        "search by tag": post("/keys/search", lambda: {"tags": {"owner": f"o{dice.randrange(OWNERS)}"}, "limit": 50}),
        "expiring": get(lambda: "/keys/expiring?within=3600"),
        "totals": get(lambda: "/keys/stats"),
        "namespaces": get(lambda: "/namespaces"),
        "cohorts": get(lambda: "/admin/consumer-retention"),
        "by id": get(lambda: f"/keys/rate-limit-status?key=key_{dice.randrange(given.keys):016x}"),
    }


def measure(given, binary):
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
    with Workshop() as workshop:
        _, upstream_port = nginx_sides(workshop, root)
        store = Store(workshop, "redis", "everysec")
        now = int(time.time() * 1000)
        begin = time.monotonic()
        fill(store, given.keys, now)
        progress(f"{given.keys:,} keys written in {time.monotonic() - begin:,.0f} s")
        if given.only == "check":
            store.ask("HSET", "pg:{0}:keys.sums", "format", 1, "built", 1)
        node = Node(workshop, binary, "gate", store, ["--remote-url", f"http://127.0.0.1:{upstream_port}/mcp"], workshop.cores.side)
        total = node.get("/keys?limit=1", X_Admin_Key=ADMIN_KEY)["total"]
        if total != given.keys:
            raise Fault(f"the node sees {total:,} keys")
        begin = time.monotonic()
        # A check of the store does not read what they add up to.
        while given.only != "check" and store.ask("HGET", "pg:{0}:keys.sums", "built") is None:
            if time.monotonic() - begin > 1800:
                raise Fault("the keys are still being counted")
            time.sleep(0.2)
        progress(f"counted by the node in {time.monotonic() - begin:,.0f} s")
        store.ask("CONFIG", "SET", "slowlog-log-slower-than", "1000")
        found = {}
        for name, ask in kinds(node, given).items() if given.only != "check" else ():
            ask()
            store.ask("SLOWLOG", "RESET")
            # What nodes do of their own accord is counted too, and some of it comes in bursts: the median is of the request.
            counts, times = [handled(store)], []
            for _ in range(given.requests):
                start = time.monotonic()
                ask()
                times.append((time.monotonic() - start) * 1000)
                counts.append(handled(store))
            times.sort()
            slow = store.ask("SLOWLOG", "GET", 128)
            found[name] = {
                "p50": times[len(times) // 2], "p99": times[min(len(times) - 1, len(times) * 99 // 100)],
                "commands": median(after - before - 1 for before, after in zip(counts, counts[1:])),
                **longest(store, slow),
            }
            progress(f"{name:18} p50 {found[name]['p50']:8.2f} ms  p99 {found[name]['p99']:8.2f} ms")
        check = store_check.measure(workshop, binary, store, node) if given.only != "routes" else None
        return {"keys": given.keys, "requests": given.requests, "redisBytes": int(info(store, "memory", "used_memory")), "kinds": found, "check": check}


# Commands that may be asked once more.
READERS = {"zrange", "zrevrange", "zrangebyscore", "zmscore", "zcard", "zcount", "hgetall", "hmget", "hget", "hscan", "hlen", "xrange", "xrevrange", "srandmember"}


def longest(store, slow):
    """The longest command. SLOWLOG counts the time for which the machine did something else: what only reads is asked thrice more, and the least counts."""
    found = {"longestMicroseconds": 0, "longest": ""}
    for entry in slow:
        words, least = [str(word) for word in entry[3]], entry[2]
        if least > BOUNDS["command"]:
            if words[0].lower() in READERS and "more arguments" not in words[-1]:
                for _ in range(3):
                    start = time.monotonic()
                    store.ask(*words)
                    least = min(least, int((time.monotonic() - start) * 1e6))
            progress(f"{entry[2] / 1000:.1f} ms, {least / 1000:.1f} at best: {' '.join(words)[:300]}")
        if least > found["longestMicroseconds"]:
            found = {"longestMicroseconds": least, "longest": words[0]}
    return found


def info(store, section, field):
    lines = store.ask("INFO", section).splitlines()
    return next(line.split(":", 1)[1] for line in lines if line.startswith(field + ":"))


def handled(store):
    return int(info(store, "stats", "total_commands_processed"))


def show(results):
    print(f"\n{results['keys']:,} keys, {results['redisBytes'] / results['keys']:,.0f} bytes of Redis each; {results['requests']} requests of each kind, "
          "one after the other\n")
    print(f"{'':18} {'p50 ms':>8} {'p99 ms':>8} {'commands':>9} {'longest command':>22}")
    for name, found in results["kinds"].items():
        longest = f"{found['longest'].lower()} {found['longestMicroseconds'] / 1000:.1f} ms" if found["longest"] else "below 1 ms"
        print(f"{name:18} {found['p50']:8.2f} {found['p99']:8.2f} {found['commands']:9.0f} {longest:>22}")


    if results["check"]:
        store_check.show(results["check"])


def main(given):
    given = arguments(given)
    results = report.told(measured(measure, given), show, given.json)
    if results["check"] and not results["check"]["clean"]:
        sys.exit("error: the store does not add up")
    walking = [name for name, found in results["kinds"].items() if found["commands"] > BOUNDS["commands"]]
    if walking:
        sys.exit(f"error: more than {BOUNDS['commands']} commands a request, so no index is read: {', '.join(walking)}")
    if given.quick:
        return
    slow = [name for name, found in results["kinds"].items() if found["p99"] > BOUNDS["p99"] or found["longestMicroseconds"] > BOUNDS["command"]]
    if slow:
        sys.exit(f"error: above {BOUNDS['p99']} ms, or {BOUNDS['command'] // 1000} ms in one command of Redis: {', '.join(slow)}")
