"""A Redis of the run, asked directly: what the ledger holds is the truth that the sides are checked against."""

import hashlib
import os
import socket


class Store:
    """A redis-server on a Unix socket, with the append-only file that `fsync` asks for; none without it."""

    def __init__(self, workshop, name, fsync):
        place = workshop.folder(name)
        self.socket = os.path.join(place, "redis.sock")
        durability = ["--appendonly", "yes", "--appendfsync", fsync] if fsync else ["--appendonly", "no"]
        self.process = workshop.start(name, [
            "redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", place, "--save", "",
            "--maxmemory-policy", "noeviction", *durability], workshop.cores.redis)
        self.connection = socket.socket(socket.AF_UNIX)
        # The socket is there before anybody listens on it.
        self.process.awaits(lambda: self.connection.connect_ex(self.socket) == 0, "does not listen")
        self.replies = self.connection.makefile("rb")

    @classmethod
    def at(cls, port):
        """Whatever answers on a port of this machine."""
        store = cls.__new__(cls)
        store.port = port
        store.connect()
        return store

    def connect(self):
        """Asks from here on over a new connection to its port."""
        self.connection = socket.create_connection(("127.0.0.1", self.port))
        self.replies = self.connection.makefile("rb")

    @property
    def url(self):
        return f"unix://{self.socket}"

    def ask(self, *words):
        self.connection.sendall(encode(*words))
        return self.reply()

    def reply(self):
        line = self.replies.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.text(self.replies.read(int(rest) + 2)[:-2])
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest.decode()

    @staticmethod
    def text(bytes):
        """Text where it is text; a packed hold stays bytes."""
        try:
            return bytes.decode()
        except UnicodeDecodeError:
            return bytes

    def account(self, key):
        """Credits, credits spent, calls of an API key, and the open holds of all nodes."""
        identity = self.ask("HGET", f"pg:{{0}}:credential:{digest(key)}", "owner")
        money = self.ask("HMGET", f"pg:{{0}}:account:{identity}", "credits", "spent", "calls")
        return *map(int, money), self.open_holds()

    def open_holds(self):
        nodes = self.ask("HKEYS", "pg:{0}:nodes")
        holds = (hold for node in nodes for hold in self.ask("HVALS", f"pg:{{0}}:open:{node}"))
        return sum(hold[:1] in ("o", b"o") for hold in holds)


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        text = str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(text), text))
    return b"".join(parts)


def digest(key):
    return hashlib.sha256(key.encode()).hexdigest()
