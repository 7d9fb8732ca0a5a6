"""A stdio MCP server that writes down every call it runs, so that tests can count executions. Standard library only.

    recording_server.py DIRECTORY

DIRECTORY/calls gets the `text` of each executed call, DIRECTORY/starts the time of each start. While DIRECTORY/crash exists, a new
process ends at once. Tools: note(text), wait(text, seconds), leave() which ends the process without an answer, and route(text, region,
count, sure, where.zone), all of which but the text are repeated in headers (`x-mcp-header`).
"""

import json
import os
import sys
import threading
import time

directory = sys.argv[1]
writing = threading.Lock()


def append(name, line):
    """One write of one line: several processes share the file."""
    descriptor = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (line + "\n").encode())
    os.close(descriptor)


def send(message):
    with writing:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def answer(request, **members):
    send({"jsonrpc": "2.0", "id": request["id"], **members})


def tool(name, **properties):
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return {"name": name, "description": f"Records a {name}.", "inputSchema": schema}


def mirrored(kind, header):
    return {"type": kind, "x-mcp-header": header}


ROUTE = tool("route", text="string")
ROUTE["inputSchema"]["properties"] |= {
    "region": mirrored("string", "Region"),
    "count": mirrored("integer", "Count"),
    "sure": mirrored("boolean", "Sure"),
    "where": {"type": "object", "properties": {"zone": mirrored("string", "Zone")}},
}
TOOLS = [tool("note", text="string"), tool("wait", text="string", seconds="number"), tool("leave"), ROUTE]


def call(request):
    params = request["params"]
    arguments = params.get("arguments") or {}
    if params["name"] == "leave":
        os._exit(3)
    append("calls", arguments.get("text", ""))
    if params["name"] == "wait":
        time.sleep(arguments.get("seconds", 1))
    answer(request, result={"content": [{"type": "text", "text": arguments.get("text", "")}], "isError": False})


def main():
    append("starts", repr(time.time()))
    if os.path.exists(os.path.join(directory, "crash")):
        sys.exit(1)
    print("this line is no JSON-RPC message", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        method = request.get("method")
        if "id" not in request:
            continue
        if method == "initialize":
            version = request["params"].get("protocolVersion", "2025-06-18")
            info = {"name": "recording", "version": "1"}
            answer(request, result={"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
        elif method == "tools/list":
            answer(request, result={"tools": TOOLS})
        elif method == "tools/call":
            threading.Thread(target=call, args=(request,), daemon=True).start()
        elif method == "ping":
            answer(request, result={})
        else:
            answer(request, error={"code": -32601, "message": "Method not found"})


main()
