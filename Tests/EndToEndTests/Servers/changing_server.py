"""An MCP server that is another one for each of its clients, over stdio or HTTP (without sessions). Standard library only.

    changing_server.py stdio|PORT DIRECTORY [NAME]

Lists have pages of two, whose cursors are of one process. Tools: who, log, last; draft only for clients that can be asked (sampling). It is lenient: a
name in any case of its letters is the tool's. `log` says a message of each level from its own on, and answers with that level. Resources: the lines of
DIRECTORY/NAME.resources. It does not answer tools/list while DIRECTORY/NAME.silent is there.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

directory = sys.argv[2]
name = sys.argv[3] if len(sys.argv) > 3 else "x"
LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
state = {"level": "info", "draft": False}


def path(kind):
    return os.path.join(directory, f"{name}.{kind}")


def resources():
    try:
        with open(path("resources")) as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def tools():
    return ["who", "log"] + (["draft"] if state["draft"] else []) + ["last"]


class Refusal(Exception):
    pass


def page(member, entries, params):
    start, own = 0, f"{os.getpid()}-"
    if params.get("cursor"):
        if not params["cursor"].startswith(own):
            raise Refusal("a cursor of another process")
        start = int(params["cursor"][len(own):])
    more = {"nextCursor": f"{own}{start + 2}"} if start + 2 < len(entries) else {}
    return {member: entries[start:start + 2], **more}


def answer(method, params, say):
    if method == "initialize":
        state["draft"] = "sampling" in params.get("capabilities", {})
        capabilities = {"tools": {}, "resources": {}, "logging": {}}
        return {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": {"name": name, "version": "1"}}
    if method == "tools/list":
        if os.path.exists(path("silent")):
            return None
        return page("tools", [{"name": each, "inputSchema": {"type": "object"}} for each in tools()], params)
    if method == "resources/list":
        return page("resources", [{"uri": each, "name": each} for each in resources()], params)
    if method == "resources/templates/list":
        return {"resourceTemplates": []}
    if method == "resources/read" and params["uri"] in resources():
        return {"contents": [{"uri": params["uri"], "text": name}]}
    if method == "logging/setLevel":
        state["level"] = params["level"]
        return {}
    if method == "tools/call" and params["name"].lower() in ["who", "log", "draft", "last"]:
        if params["name"] == "log":
            for level in LEVELS[LEVELS.index(state["level"]):]:
                say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": level, "data": f"said {level}"}})
        text = state["level"] if params["name"] == "log" else params["name"]
        return {"content": [{"type": "text", "text": text}]}
    raise Refusal("not known")


def reply(message, say):
    if "id" not in message:
        return
    try:
        result = answer(message["method"], message.get("params") or {}, say)
        if result is not None:
            say({"jsonrpc": "2.0", "id": message["id"], "result": result})
    except Refusal as refusal:
        say({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32602, "message": str(refusal)}})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_DELETE = do_GET

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = []
        reply(message, said.append)
        body = "".join(f"data: {json.dumps(each)}\n\n" for each in said).encode()
        self.send_response(200 if said else 202)
        if said:
            self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if sys.argv[1] == "stdio":
    for line in sys.stdin:
        reply(json.loads(line), lambda said: print(json.dumps(said), flush=True))
else:
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    print("ready", flush=True)
    server.serve_forever()
