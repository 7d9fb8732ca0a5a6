"""A Streamable HTTP MCP server of the revision 2026-07-28 that does what its tools are called, and writes down every request. Standard library only.

    scripted_modern_server.py PORT LOG

LOG gets one JSON object a request: verb, headers, message; and {"closed": tool} when a client has closed the stream of a call. Tools: json answers with the text; region has
an argument that a header repeats; hoards asks with a state of as many bytes as the text says; floods asks more than can be passed on, and badly in the end; needs wants a capability that nobody has; chatty says what is not for its call before it answers; garbled asks for input in a way that
nobody can answer; costly asks with words that are costly to compare, on its call's stream and on the one that listens; slow is silent until its client leaves; task makes a task, which tasks/get says to have become what its id says.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

writing = threading.Lock()
listeners = []
VERSION = "2026-07-28"
QUESTION = {"method": "elicitation/create", "params": {"mode": "form", "message": "who", "requestedSchema": {"type": "object", "properties": {}}}}
EXTENSION = "io.modelcontextprotocol/tasks"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        note({"verb": "POST", "headers": {name.lower(): value for name, value in self.headers.items()}, "message": message})
        method, params = message.get("method"), message.get("params") or {}
        if self.headers.get("mcp-protocol-version") != VERSION or (params.get("_meta") or {}).get("io.modelcontextprotocol/protocolVersion") != VERSION:
            return self.error(message, -32022, "no", {"supported": [VERSION]}, 400)
        if method == "server/discover":
            capabilities = {"tools": {"listChanged": True}, "extensions": {EXTENSION: {}}}
            return self.answer(message, {"supportedVersions": [VERSION], "capabilities": capabilities, "ttlMs": 0, "cacheScope": "private"})
        if method == "tools/list":
            tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("json", "needs", "chatty", "garbled", "hoards", "floods", "slow", "task", "costly")]
            schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
            return self.answer(message, {"tools": tools + [{"name": "region", "inputSchema": schema}], "ttlMs": 60000, "cacheScope": "public"})
        if method == "subscriptions/listen":
            self.begin_stream()
            self.say("notifications/subscriptions/acknowledged", {"notifications": params["notifications"]})
            listeners.append(self)
            return self.wait("listening")
        if method in ("tasks/get", "tasks/cancel", "tasks/update"):
            return self.task(message, method, params["taskId"])
        if method != "tools/call":
            return self.error(message, -32601, "Method not found", None, 404)
        getattr(self, "tool_" + params["name"])(message, params)

    def task(self, message, method, id):
        if method != "tasks/get":
            return self.answer(message, {})
        status = id.split("-")[0]
        found = {"taskId": id, "status": status, "createdAt": "2026-08-01T00:00:00Z", "lastUpdatedAt": "2026-08-01T00:00:00Z", "ttlMs": 60000}
        if status == "failed":
            found["error"] = {"code": -32000, "message": "it failed"}
        if status == "completed":
            found["result"] = {"content": [], "isError": False}
        self.answer(message, found)

    def do_GET(self):
        note({"verb": "GET"})
        self.empty(405)

    do_DELETE = do_GET

    def tool_json(self, message, params):
        self.answer(message, text(params))

    tool_region = tool_json

    def tool_needs(self, message, params):
        self.error(message, -32021, "Missing required client capability", {"requiredCapabilities": {"sampling": {}}}, 400)

    def tool_chatty(self, message, params):
        self.begin_stream()
        self.say("notifications/tools/list_changed", {})
        self.say("notifications/resources/updated", {"uri": "test://other"})
        self.say("notifications/progress", {"progressToken": message["id"] + 1, "progress": 1, "message": "another's"})
        self.event({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}})
        self.event({"jsonrpc": "2.0", "id": message["id"], "result": text(params)})
        self.chunk("")

    def tool_garbled(self, message, params):
        self.answer(message, {"inputRequests": [1, 2], "requestState": "x"}, "input_required")

    def tool_costly(self, message, params):
        for listener in list(listeners):
            try:
                for method in ("notifications/resources/updated", "notifications/tools/list_changed", "notifications/subscriptions/acknowledged"):
                    listener.say(costly(method), {"uri": "test://one"})
            except OSError:
                listeners.remove(listener)
        self.answer(message, {"inputRequests": {"a": {**QUESTION, "method": costly("elicitation/create")}}}, "input_required")

    def tool_hoards(self, message, params):
        self.answer(message, {"inputRequests": {"a": QUESTION}, "requestState": "x" * int(params["arguments"]["text"])}, "input_required")

    def tool_floods(self, message, params):
        requests = {f"q{number}": QUESTION for number in range(int(params["arguments"]["text"]))}
        self.answer(message, {"inputRequests": {**requests, "last": 1}}, "input_required")

    def tool_slow(self, message, params):
        self.begin_stream()
        self.wait("slow")

    def tool_task(self, message, params):
        declared = params["_meta"]["io.modelcontextprotocol/clientCapabilities"].get("extensions", {})
        if EXTENSION not in declared:
            return self.error(message, -32021, "Missing required client capability", {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}, 400)
        task = {"taskId": params["arguments"]["text"], "status": "working", "createdAt": "2026-08-01T00:00:00Z", "lastUpdatedAt": "2026-08-01T00:00:00Z", "ttlMs": 60000}
        self.answer(message, task, "task")

    def wait(self, name):
        """Until its client leaves."""
        try:
            while self.connection.recv(1):
                pass
        except OSError:
            pass
        note({"closed": name})
        self.close_connection = True

    def answer(self, message, result, kind="complete"):
        self.send(200, {"jsonrpc": "2.0", "id": message["id"], "result": {"resultType": kind, **result}})

    def error(self, message, code, sentence, data, status):
        self.send(status, {"jsonrpc": "2.0", "id": message.get("id"), "error": {"code": code, "message": sentence, **({"data": data} if data else {})}})

    def send(self, status, message):
        body = json.dumps(message, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
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

    def say(self, method, params):
        self.event({"jsonrpc": "2.0", "method": method, "params": params})

    def event(self, message):
        self.chunk(f"data: {json.dumps(message, ensure_ascii=False)}\n\n")

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, *arguments):
        pass


def costly(word, size=600_000):
    """The word, with so many bytes of marks behind it: to bring that into its canonical form costs the square of its length."""
    return word + "\u0301\u0323" * (size // 4)


def note(line):
    with writing, open(sys.argv[2], "a") as log:
        log.write(json.dumps(line) + "\n")


def text(params):
    return {"content": [{"type": "text", "text": params.get("arguments", {}).get("text", "")}], "isError": False}


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
