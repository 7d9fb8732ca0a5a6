"""A server on standard input and output that tells a secret in every way there is: answers, tasks, questions, progress."""

import json
import sys
import threading

SECRET = "AKIAIOSFODNN7EXAMPLE"
lock = threading.Lock()
answers = {}
answered = threading.Condition()


def send(message):
    with lock:
        sys.stdout.write(json.dumps(dict({"jsonrpc": "2.0"}, **message)) + "\n")
        sys.stdout.flush()


def result(request, value):
    send({"id": request["id"], "result": value})


def text(request, words):
    result(request, {"content": [{"type": "text", "text": words}]})


def task(name, status):
    time = "2026-01-01T00:00:00Z"
    return {"taskId": name, "status": status, "createdAt": time, "lastUpdatedAt": time, "ttl": 600000, "statusMessage": "made with " + SECRET}


def ask(request):
    question = "q%s" % request["id"]
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    send({"id": question, "method": "elicitation/create", "params": {"message": "use " + SECRET, "requestedSchema": schema}})
    with answered:
        answered.wait_for(lambda: question in answers, timeout=30)
    answer = answers.get(question, {})
    text(request, "refused: " + answer["error"]["message"] if "error" in answer else "answered")


def loose(request):
    """Messages that say something where JSON-RPC has no place for it."""
    send({"method": "notifications/message", "params": {"level": "error", "data": "first"}, "x": SECRET})
    send({"method": "notifications/" + SECRET, "params": {}})
    fine = json.dumps({"content": [{"type": "text", "text": "fine"}]})
    told = json.dumps({"content": [{"type": "text", "text": SECRET}]})
    more = {
        "member": '"result":%s,"x":"%s"' % (fine, SECRET),
        "meta": '"result":%s,"_meta":{"a":"%s"}' % (fine, SECRET),
        "params": '"params":{"x":"%s"},"result":%s' % (SECRET, fine),
        "twice": '"result":%s,"result":%s' % (told, fine),
        "error": '"result":%s,"error":{"code":1,"message":"fine"}' % told,
    }[request["params"]["arguments"]["form"]]
    with lock:
        sys.stdout.write('{"jsonrpc":"2.0","id":%s,%s}\n' % (json.dumps(request["id"]), more))
        sys.stdout.flush()


def call(request):
    name = request["params"]["name"]
    if name == "tell":
        text(request, "the key is " + SECRET)
    elif name == "quiet":
        text(request, "nothing")
    elif name == "task":
        made = task("task-%s" % request["id"], "working")
        del made["statusMessage"]
        result(request, {"task": made})
    elif name == "loose":
        loose(request)
    elif name == "ask":
        threading.Thread(target=ask, args=(request,), daemon=True).start()


names = []
for line in sys.stdin:
    message = json.loads(line)
    method, params = message.get("method"), message.get("params", {})
    if method == "initialize":
        tasks = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
        result(
            message,
            {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}, "tasks": tasks},
                "serverInfo": {"name": "telling", "version": "1"},
            },
        )
    elif method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ["tell", "quiet", "task", "ask", "loose"]]
        result(message, {"tools": tools})
    elif method == "tools/call":
        if params["name"] == "task":
            names.append("task-%s" % message["id"])
        call(message)
    elif method == "tasks/get":
        result(message, task(params["taskId"], "completed"))
    elif method == "tasks/result":
        text(message, "the task's key is " + SECRET)
    elif method == "tasks/list":
        result(message, {"tasks": [task(name, "completed") for name in names]})
    elif method is None and "id" in message:
        with answered:
            answers[message["id"]] = message
            answered.notify_all()
    elif "id" in message:
        result(message, {})
