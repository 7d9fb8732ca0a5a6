"""An MCP server to measure with, on standard streams or over HTTP: small, huge and slow answers, each request in a thread of its own.

    mcp_server.py stdio
    mcp_server.py http PORT json|sse

echo    answers at once
huge    answers with `bytes` bytes of text
slow    answers after `seconds`
notify  tells everybody that its tools have changed, then answers (stdio)
"""

import json
import socket
import sys
import threading
import time

TOOLS = [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in ("echo", "huge", "slow", "notify")]
writing = threading.Lock()
huge = {}


def result(request):
    method, parameters = request["method"], request.get("params", {})
    if method == "initialize":
        return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {"listChanged": True}}, "serverInfo": {"name": "bench", "version": "1"}}
    return {"tools": TOOLS} if method == "tools/list" else {}


def answer(request):
    """The bytes of the answer, without a line break."""
    head = f'{{"jsonrpc":"2.0","id":{json.dumps(request["id"])},"result":'.encode()
    if request["method"] != "tools/call":
        return head + json.dumps(result(request)).encode() + b"}"
    arguments = request["params"].get("arguments", {})
    text = b"done"
    if request["params"]["name"] == "huge":
        size = arguments["bytes"]
        text = huge.setdefault(size, b"x" * size)
    elif request["params"]["name"] == "slow":
        time.sleep(arguments["seconds"])
    return b"".join([head, b'{"content":[{"type":"text","text":"', text, b'"}],"isError":false}}'])


def stdio():
    def say(line):
        with writing:
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()

    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue
        name = request.get("params", {}).get("name")
        if name == "notify":
            say(b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
        if name in ("huge", "slow"):
            threading.Thread(target=lambda request=request: say(answer(request)), daemon=True).start()
        else:
            say(answer(request))


def http(port, kind):
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], kind), daemon=True).start()


def serve(connection, kind):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = connection.makefile("rb")
    while first := reader.readline():
        length = 0
        while (line := reader.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        request = json.loads(reader.read(length)) if length else {}
        if not first.startswith(b"POST"):
            connection.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
        elif "id" not in request:
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        else:
            body, form = answer(request), b"application/json"
            if kind == "sse" and request["method"] == "tools/call":
                body, form = b"event: message\ndata: " + body + b"\n\n", b"text/event-stream"
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (form, len(body)) + body)


if sys.argv[1] == "stdio":
    stdio()
else:
    print(f"Listening on port {sys.argv[2]}", flush=True)
    http(int(sys.argv[2]), sys.argv[3])
