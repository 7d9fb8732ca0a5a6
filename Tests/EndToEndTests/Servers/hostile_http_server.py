"""A Streamable HTTP MCP server that harms the gate and its clients, on demand; it writes every byte itself. Standard library only.

    hostile_http_server.py PORT DIRECTORY

DIRECTORY/calls gets one line for each executed call: its tool and its text; DIRECTORY/methods the method of each request. Every tool takes
`text` and `seconds`:

echo                answers
twice               answers twice in one piece
twice_later         answers, and once more a little later
other               answers under the id of another request
stream_other        streams the answer to another request before its own
stream_progress     streams progress for the tokens of others before its answer
stream_cut          streams half of the answer and closes
fail_500            works, and answers 500
result_500          works, and answers with a result under 500
echo_400            works, and answers 400 with the text as an error for nobody
lost_404            forgets the session without working
close               works, and closes without an answer
close_idle          answers, and closes the connection after the seconds, without having said that it would
partial             answers less than it has announced
huge                answers without an end
garbled             answers with text that is no UTF-8
raw                 answers with the text as its result, as it stands
costly              streams an event whose type and id are costly to compare before its answer, of as many bytes as the text says
costly_400          works, and answers 400 with an error that is costly to search, likewise

The methods prompts/list and resources/list answer after two seconds, resources/templates/list at once and with 30 kilobytes.
"""

import json
import os
import socket
import sys
import threading
import time

directory = sys.argv[2]
sessions = set()
lock = threading.Lock()


def append(name, line):
    descriptor = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (line + "\n").encode())
    os.close(descriptor)


def answer(body, status=200, type="application/json", more=""):
    data = body if isinstance(body, bytes) else body.encode()
    return f"HTTP/1.1 {status} Any\r\ncontent-type: {type}\r\ncontent-length: {len(data)}\r\n{more}\r\n".encode() + data


TOOLS = (
    "echo", "lost_404", "twice", "twice_later", "other", "stream_other", "stream_progress", "stream_cut", "fail_500",
    "result_500", "echo_400", "close", "close_idle", "partial", "huge", "garbled", "raw", "slow", "costly", "costly_400",
)


def reply(id, **members):
    return json.dumps({"jsonrpc": "2.0", "id": id, **members})


def result(id, text):
    return reply(id, result={"content": [{"type": "text", "text": text}], "isError": False})


def chunk(text):
    return f"{len(text.encode()):x}\r\n{text}\r\n".encode()


def costly(word, text):
    """The word, with so many bytes of marks behind it: to bring that into its canonical form costs the square of its length."""
    return word + "\u0301\u0323" * ((int(text) if text.isdigit() else 8) // 4)


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Connection:
    def __init__(self, connection):
        self.connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""

    def read(self):
        while b"\r\n\r\n" not in self.bytes:
            more = self.connection.recv(65536)
            if not more:
                return None
            self.bytes += more
        head, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
        fields = {}
        for line in head.decode().split("\r\n")[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        length = int(fields.get("content-length", 0))
        while len(self.bytes) < length:
            more = self.connection.recv(65536)
            if not more:
                return None
            self.bytes += more
        body, self.bytes = self.bytes[:length], self.bytes[length:]
        return head.split(b" ", 1)[0].decode(), fields, json.loads(body) if body else {}

    def say(self, data):
        self.connection.sendall(data)

    def serve(self):
        try:
            while request := self.read():
                if not self.handle(*request):
                    break
        except OSError:
            pass
        self.connection.close()

    def handle(self, verb, fields, message):
        method, id, params = message.get("method"), message.get("id"), message.get("params") or {}
        append("methods", f"{verb} {method}")
        if method == "initialize":
            session = os.urandom(8).hex()
            sessions.add(session)
            said = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "hostile", "version": "1"}}
            self.say(answer(reply(id, result=said), more=f"mcp-session-id: {session}\r\n"))
        elif verb != "POST":
            self.say(answer("", 405))
        elif fields.get("mcp-session-id") not in sessions:
            self.say(answer(reply("server-error", error={"code": -32600, "message": "Session not found"}), 404))
        elif id is None:
            self.say(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        elif method == "tools/list":
            self.say(answer(reply(id, result={"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]})))
        elif method == "resources/templates/list":
            self.say(answer(reply(id, result={"resourceTemplates": [{"name": "t", "uriTemplate": "test://{t}", "description": "t" * 30_000}]})))
        elif method in ("prompts/list", "resources/list"):
            time.sleep(2)
            self.say(answer(reply(id, result={method.split("/")[0]: []})))
        elif method == "tools/call":
            arguments = params.get("arguments") or {}
            return self.call(id, params["name"], arguments.get("text", ""), arguments.get("seconds", 0))
        else:
            self.say(answer(reply(id, error={"code": -32601, "message": "Method not found"})))
        return True

    def call(self, id, name, text, seconds):
        if name == "lost_404":
            sessions.clear()
            self.say(answer("", 404))
            return True
        append("calls", f"{name} {text}")
        own = result(id, text)
        if name == "twice":
            self.say(answer(own) + answer(result(id, "second " + text)))
        elif name == "twice_later":
            self.say(answer(own))
            time.sleep(seconds)
            self.say(answer(result(id, "second " + text)))
        elif name == "other":
            self.say(answer(result(id + 1000, text)))
        elif name == "stream_other":
            self.say(STREAM + chunk(f"data: {result(id + 1, 'stolen ' + text)}\n\n") + chunk(f"data: {own}\n\n") + chunk(""))
        elif name == "stream_progress":
            said = [{"progressToken": id + step, "progress": 1, "message": text} for step in (-2, -1, 1, 2)]
            events = [json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}) for params in said]
            self.say(STREAM + b"".join(chunk(f"data: {event}\n\n") for event in events) + chunk(f"data: {own}\n\n") + chunk(""))
        elif name == "stream_cut":
            self.say(STREAM + chunk("data: " + own[:20]))
            return False
        elif name == "fail_500":
            self.say(answer("", 500))
        elif name == "result_500":
            self.say(answer(own, 500))
        elif name == "echo_400":
            self.say(answer(reply(None, error={"code": -32000, "message": text}), 400))
        elif name == "close":
            return False
        elif name == "close_idle":
            self.say(answer(own))
            time.sleep(seconds)
            return False
        elif name == "partial":
            self.say(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n" + own.encode()[:30])
            return False
        elif name == "huge":
            self.say(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                self.say(chunk("x" * 65536))
        elif name == "garbled":
            self.say(answer(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"\xff\xfe"}]}}' % id))
        elif name == "costly":
            self.say(STREAM + chunk(f"event: {costly('message', text)}\nid: {costly('a', text)}\ndata: {own}\n\n") + chunk(f"data: {own}\n\n") + chunk(""))
        elif name == "costly_400":
            said = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": costly("Bad Request: No valid session ID provided", text)}}
            self.say(answer(json.dumps(said, ensure_ascii=False), 400))
        elif name == "raw":
            self.say(answer('{"jsonrpc":"2.0","id":%d,"result":%s}' % (id, text)))
        else:
            time.sleep(seconds)
            self.say(answer(own))
        return True


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=Connection(connection).serve, daemon=True).start()
