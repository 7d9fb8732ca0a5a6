"""A Streamable HTTP MCP server of 2025-06-18 whose resources can be subscribed to, and that writes down every request. Standard library only.

    subscribed_http_server.py PORT LOG

LOG gets one JSON object a request: verb, session, method, uri; of an initialize also the session that was given. The tool touch(text) says on the
GET streams of the sessions that have subscribed to the resource named by the text that it has changed; echo(text) answers with the text.
"""

import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sessions, streams = {}, {}
writing = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method, params = message.get("method"), message.get("params") or {}
        if method == "initialize":
            given = f"session-{secrets.token_hex(8)}"
            sessions[given] = set()
            self.note(method, None, given)
            capabilities = {"tools": {}, "resources": {"subscribe": True}}
            return self.answer(message, {
                "protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": {"name": "subscribed", "version": "1"},
            }, given)
        self.note(method, params.get("uri"))
        session = self.headers.get("mcp-session-id")
        if session not in sessions:
            return self.empty(404)
        if "id" not in message:
            return self.empty(202)
        if method == "tools/list":
            return self.answer(message, {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("touch", "echo")]})
        if method == "resources/subscribe":
            sessions[session].add(params["uri"])
        if method == "resources/unsubscribe":
            sessions[session].discard(params["uri"])
        if method != "tools/call":
            return self.answer(message, {})
        text = params.get("arguments", {}).get("text", "")
        if params["name"] == "touch":
            for name, wanted in list(sessions.items()):
                if text in wanted and name in streams:
                    news = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": text}}
                    streams[name].say(f"data: {json.dumps(news)}\n\n")
        self.answer(message, {"content": [{"type": "text", "text": text}], "isError": False})

    def do_GET(self):
        session = self.headers.get("mcp-session-id")
        self.note(None, None)
        if session not in sessions:
            return self.empty(404)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.gone = threading.Event()
        streams[session] = self
        self.close_connection = True
        self.say(": here\n\n")
        self.gone.wait(600)

    def do_DELETE(self):
        session = self.headers.get("mcp-session-id")
        self.note(None, None)
        known = sessions.pop(session, None)
        if session in streams:
            streams.pop(session).gone.set()
        self.empty(404 if known is None else 200)

    def say(self, text):
        try:
            with writing:
                data = text.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()
        except OSError:
            self.gone.set()

    def note(self, method, uri, given=None):
        session = given or self.headers.get("mcp-session-id")
        with writing, open(sys.argv[2], "a") as log:
            log.write(json.dumps({"verb": self.command, "session": session, "method": method, "uri": uri}) + "\n")

    def answer(self, message, result, session=None):
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if session:
            self.send_header("Mcp-Session-Id", session)
        self.end_headers()
        self.wfile.write(body)

    def empty(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
