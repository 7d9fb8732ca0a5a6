"""A Streamable HTTP MCP server that does what its tools are called, and writes down every request. Standard library only.

    scripted_http_server.py PORT LOG [sessionless]

LOG gets one JSON object a request: verb, headers, and the message's method and name. Tools: json and stream answer with the text in the
one or the other form; refuse answers 500; forget ends all sessions, so that its call is answered 404; hangup closes the connection in
the middle of the answer; slow streams one notice of progress and then is silent until it is cancelled; own404 answers its own request with 404;
poll ends its stream, and those that resume it, until the third of these has the answer; change tells of a changed list (its argument list, of
tools if there is none) on the GET streams, or on the one whose number it is given (stream); they are there where it is sessionless.
"""

import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sessions = []
sessionless = "sessionless" in sys.argv[3:]
listeners = []
polls = {}
cancelled = threading.Event()
writing = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.note(message)
        method, params = message.get("method"), message.get("params") or {}
        if method == "initialize":
            sessions.append(f"session-{secrets.token_hex(8)}")
            return self.answer(message, {
                "protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "scripted", "version": "1"},
            }, session=None if sessionless else sessions[-1])
        if not sessionless and self.headers.get("mcp-session-id") not in sessions:
            return self.empty(404)
        if method == "notifications/cancelled":
            cancelled.set()
        if "id" not in message:
            return self.empty(202)
        if method == "tools/list":
            names = ["json", "stream", "refuse", "forget", "hangup", "slow", "own404", "poll", "change"]
            return self.answer(message, {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]})
        if method != "tools/call":
            return self.answer(message, None)
        getattr(self, "tool_" + params["name"])(message, params)

    def do_GET(self):
        self.note({})
        last = self.headers.get("last-event-id", "")
        if last.startswith("poll-"):
            return self.poll(int(last.removeprefix("poll-")))
        if not sessionless:
            return self.empty(405)
        self.begin_stream()
        listeners.append(self)
        self.close_connection = True
        cancelled.wait(60)

    def do_DELETE(self):
        self.note({})
        sessions.remove(self.headers["mcp-session-id"])
        self.empty(200)

    def tool_json(self, message, params):
        self.answer(message, text(params))

    def tool_stream(self, message, params):
        """The answer with all that an event stream may have: comments, CRLF, ids, retry, priming, data of several lines."""
        self.begin_stream()
        reply = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": text(params)})
        half = reply.index('"result"')
        head = ": a comment\r\n\r\nid: 1\r\nretry: 1000\r\ndata:\r\n\r\n"
        for part in [head[:9], head[9:], f"event: message\ndata: {reply[:half]}\nda", f"ta:{reply[half:]}\n", "\n"]:
            self.chunk(part)
        self.chunk("")

    def tool_refuse(self, message, params):
        self.empty(500)

    def tool_forget(self, message, params):
        sessions.clear()
        self.empty(404)

    def tool_hangup(self, message, params):
        self.begin_stream()
        self.chunk(": wait\n\n")
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(2)

    def tool_own404(self, message, params):
        self.answer(message, None, status=404)

    def tool_poll(self, message, params):
        self.begin_stream()
        self.chunk(f"retry: 100\nid: poll-{message['id']}\ndata:\n\n")
        self.chunk("")

    def poll(self, id):
        polls[id] = polls.get(id, 0) + 1
        self.begin_stream()
        if polls[id] < 3:
            self.chunk(": nothing yet\n\n")
        else:
            self.chunk(f"data: {json.dumps({'jsonrpc': '2.0', 'id': id, 'result': text({'arguments': {'text': 'polled'}})})}\n\n")
        self.chunk("")

    def tool_change(self, message, params):
        arguments = params.get("arguments") or {}
        chosen = arguments.get("stream")
        news = {"jsonrpc": "2.0", "method": f"notifications/{arguments.get('list', 'tools')}/list_changed"}
        for listener in listeners if chosen is None else [listeners[chosen]]:
            listener.chunk(f"data: {json.dumps(news)}\n\n")
        self.answer(message, text(params))

    def tool_slow(self, message, params):
        self.begin_stream()
        token = (params.get("_meta") or {}).get("progressToken")
        progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}}
        self.chunk(f"data: {json.dumps(progress)}\n\n")
        cancelled.wait(20)
        self.chunk("")

    def note(self, message):
        line = {"verb": self.command, "headers": {name.lower(): value for name, value in self.headers.items()}}
        line |= {"method": message.get("method"), "name": (message.get("params") or {}).get("name"), "id": message.get("id")}
        with writing, open(sys.argv[2], "a") as log:
            log.write(json.dumps(line) + "\n")

    def answer(self, message, result, session=None, status=200):
        found = {"result": result} if result is not None else {"error": {"code": -32601, "message": "Method not found"}}
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], **found}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if session:
            self.send_header("Mcp-Session-Id", session)
        self.end_headers()
        self.wfile.write(body)

    def empty(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def begin_stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, *arguments):
        pass


def text(params):
    return {"content": [{"type": "text", "text": params.get("arguments", {}).get("text", "")}], "isError": False}


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
