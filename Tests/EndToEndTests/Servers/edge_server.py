"""A stdio MCP server that acts by the names of messages alone, and writes down what it hears. Standard library only.

    edge_server.py DIRECTORY NAME

DIRECTORY/heard gets one line for each message: its method, and what it is about. It cancels whatever `notifications/cancelled` names, with an id
or without. Tools: echo(text); late(seconds) answers "done" unless it is cancelled; log says something first; ask asks its client, and gives back
the answer; retract asks its client and then wants no answer any more. resources/read of slow:… waits until it is cancelled, for 20 s. The cursor "broken"
of a list is an error; any other is the last page.
"""

import json
import os
import sys
import threading

directory, name = sys.argv[1], sys.argv[2]
writing = threading.Lock()
waiting = {}
answers = {}


def note(line):
    descriptor = os.open(os.path.join(directory, "heard"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(descriptor, (line + "\n").encode())
    os.close(descriptor)


def send(**members):
    with writing:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **members}) + "\n")
        sys.stdout.flush()


def text(value):
    return {"content": [{"type": "text", "text": value}]}


def ask(id, question):
    answers[question] = [threading.Event(), None]
    send(id=question, method="elicitation/create", params={"message": "?", "requestedSchema": {"type": "object", "properties": {}}})
    return answers[question]


def call(id, params):
    tool, arguments = params["name"], params.get("arguments") or {}
    if tool == "late":
        event = waiting[id] = threading.Event()
        if not event.wait(arguments.get("seconds", 20)):
            send(id=id, result=text("done"))
    elif tool == "log":
        send(method="notifications/message", params={"level": "info", "data": "something"})
        send(id=id, result=text("logged"))
    elif tool == "ask":
        answer = ask(id, f"q{id}")
        answer[0].wait(60)
        send(id=id, result=text(json.dumps(answer[1])))
    elif tool == "retract":
        ask(id, f"q{id}")
        send(method="notifications/cancelled", params={"requestId": f"q{id}", "reason": "changed my mind"})
        send(id=id, result=text("end"))
    else:
        send(id=id, result=text(arguments.get("text", "")))


def read(id, uri):
    event = waiting[id] = threading.Event()
    if not uri.startswith("slow:") or not event.wait(20):
        send(id=id, result={"contents": [{"uri": uri, "text": name}]})


def handle(message):
    id, method, params = message.get("id"), message.get("method"), message.get("params") or {}
    if method is None:
        if id in answers:
            answers[id][1] = message.get("result") or message.get("error")
            answers[id][0].set()
        return
    note(f"{method} {params.get('requestId') or params.get('uri') or params.get('name') or ''}")
    if method == "notifications/cancelled":
        if params.get("requestId") in waiting:
            waiting[params["requestId"]].set()
    elif id is None:
        return
    elif method == "initialize":
        capabilities = {"tools": {}, "resources": {}, "logging": {}}
        send(id=id, result={"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": {"name": name, "version": "1"}})
    elif params.get("cursor") == "broken":
        send(id=id, error={"code": -32603, "message": "the page is lost"})
    elif method == "tools/list":
        send(id=id, result={"tools": [{"name": each, "inputSchema": {"type": "object"}} for each in ["echo", "late", "log", "ask", "retract"]]})
    elif method == "resources/list":
        send(id=id, result={"resources": [{"uri": f"test://{name}/0", "name": "0"}]})
    elif method == "tools/call":
        threading.Thread(target=call, args=(id, params), daemon=True).start()
    elif method == "resources/read":
        threading.Thread(target=read, args=(id, params["uri"]), daemon=True).start()
    else:
        send(id=id, error={"code": -32601, "message": "Method not found"})


for line in sys.stdin:
    handle(json.loads(line))
