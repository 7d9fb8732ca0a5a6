"""Many keys at once, written straight into Redis in the layout that edit.lua gives them."""

import hashlib
import threading

from store import encode

CHUNK = 5000
COMMANDS = 5


def key_name(number):
    return f"pg_{number:048x}"


def template(credits):
    """One key's commands with places for its id and digest. Both have a fixed length, so RESP's lengths hold."""
    identity, digest = "k" * 20, "d" * 64
    record = [
        "name", "bench", "prefix", "pg_0000000...", "masked", "pg_0000...0000", "created", 1_700_000_000_000, "state", "active",
        "expires", 0, "limit", 0, "namespace", "default", "alias", "", "allowed", "", "denied", "", "addresses", "", "tags", "",
        "version", 1]
    money = ["credits", credits, "granted", credits, "spent", 0, "calls", 0, "version", 1, "limit", 0, "expires", 0]
    text = encode("HSET", f"pg:{{0}}:record:{identity}", *record) + encode("HSET", f"pg:{{0}}:account:{identity}", *money)
    text += encode("HSET", f"pg:{{0}}:credential:{digest}", "owner", identity, "kind", "key")
    text += encode("SADD", f"pg:{{0}}:credentials:{identity}", digest)
    text += encode("ZADD", "pg:{0}:index:keys", 1_700_000_000_000, identity)
    return text.replace(identity.encode(), b"%(id)b").replace(digest.encode(), b"%(digest)b")


def seed(store, count, credits=1000):
    """Makes keys 0 … count-1, pipelined: replies are read on a thread beside the writing."""
    text = template(credits)

    def drain():
        for _ in range(COMMANDS * count):
            store.reply()

    reader = threading.Thread(target=drain)
    reader.start()
    for first in range(0, count, CHUNK):
        store.connection.sendall(b"".join(
            text % {b"id": b"key_%016x" % number, b"digest": hashlib.sha256(key_name(number).encode()).hexdigest().encode()}
            for number in range(first, min(first + CHUNK, count))))
    reader.join()
    if store.ask("ZCARD", "pg:{0}:index:keys") != count:
        raise RuntimeError("not all keys were written")
