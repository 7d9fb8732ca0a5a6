"""An MCP client over one kept connection, as small as it can be: requests out, answers in, as bytes."""

import json
import socket
import time

from processes import Fault


class Client:
    """One connection to a /mcp, and the session that was opened on it."""

    def __init__(self, port, key="", timeout=60, buffer=None):
        self.port, self.key, self.session = port, key, ""
        self.connection = socket.socket()
        if buffer:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.connection.settimeout(timeout)
        self.connection.connect(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = bytearray()

    def close(self):
        self.connection.close()

    def send(self, verb, body=b"", accept="application/json, text/event-stream"):
        fields = [f"{verb} /mcp HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "MCP-Protocol-Version: 2025-06-18", f"Accept: {accept}"]
        if self.key:
            fields.append(f"X-API-Key: {self.key}")
        if self.session:
            fields.append(f"Mcp-Session-Id: {self.session}")
        if verb == "POST":
            fields += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self.connection.sendall("\r\n".join(fields).encode() + b"\r\n\r\n" + body)

    def receive(self, size=1 << 18):
        part = self.connection.recv(size)
        if not part:
            raise Fault("a connection was closed in the middle of an answer")
        return part

    def take_until(self, mark):
        """Everything up to and with `mark`."""
        searched = 0
        while (place := self.bytes.find(mark, searched)) < 0:
            searched = max(0, len(self.bytes) - len(mark))
            self.bytes += self.receive()
        taken = bytes(self.bytes[:place + len(mark)])
        del self.bytes[:place + len(mark)]
        return taken

    def take(self, count):
        while len(self.bytes) < count:
            self.bytes += self.receive()
        taken = bytes(self.bytes[:count])
        del self.bytes[:count]
        return taken

    def head(self):
        """The status, and the header fields under small letters."""
        first, *lines = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = (line.split(":", 1) for line in lines if line)
        return int(first.split()[1]), {name.lower(): value.strip() for name, value in pairs}

    def answer(self):
        """Status, fields and body of one whole answer."""
        status, fields = self.head()
        if fields.get("transfer-encoding") == "chunked":
            body = bytearray()
            while size := int(self.take_until(b"\r\n").split(b";")[0], 16):
                body += self.take(size)
                self.take(2)
            self.take_until(b"\r\n")
            return status, fields, bytes(body)
        return status, fields, self.take(int(fields.get("content-length", 0)))

    def ask(self, method, parameters=None, number=1):
        """Status and body of the answer to a request."""
        self.send("POST", json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": parameters or {}}).encode())
        status, _, body = self.answer()
        return status, body

    def call(self, tool, **arguments):
        """The bytes of the answer to a call that has to succeed."""
        status, body = self.ask("tools/call", {"name": tool, "arguments": arguments})
        if status != 200 or b'"result"' not in body:
            raise Fault(f"{tool} was answered {status}: {body[:500]!r}")
        return body

    def open(self, **capabilities):
        """Begins a session."""
        self.send("POST", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": {"name": "bench", "version": "1"}}}).encode())
        status, fields, body = self.answer()
        if status != 200:
            raise Fault(f"initialize was answered {status}: {body[:500]!r}")
        self.session = fields["mcp-session-id"]
        self.send("POST", json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode())
        self.answer()

    def end_session(self):
        """Ends the session; returns how often it was refused before, which a gate does while Redis is late."""
        for refused in range(100):
            self.send("DELETE")
            status, _, body = self.answer()
            # One that is not known counts as refused: on a busy machine a gate has lost sight of it, and its process waits for its ten minutes.
            if status < 300 or status == 404:
                self.session = ""
                return refused + (status == 404)
            if status != 503:
                break
            time.sleep(0.1)
        raise Fault(f"the end of a session was answered {status} after {refused} refusals: {body[:300]!r}")
