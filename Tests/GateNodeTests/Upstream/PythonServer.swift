// A small stdio MCP server in Python whose tools misbehave in the ways that servers do.

import Foundation

/// The server's script in a directory of its own. The tools' names are what they do.
final class PythonServer: Sendable {
    let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("gate-stdio-\(UInt64.random(in: .min ... .max))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try Self.script.write(to: directory.appendingPathComponent("server.py"), atomically: true, encoding: .utf8)
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    var path: String { directory.appendingPathComponent("server.py").path }

    /// Everything that the server has read so far, a message a line.
    var transcript: String {
        (try? String(contentsOf: directory.appendingPathComponent("transcript"), encoding: .utf8)) ?? ""
    }

    /// While this file is there, the server dies at its start.
    func breaks(_ isBroken: Bool) throws {
        let file = directory.appendingPathComponent("broken")
        if isBroken { try Data().write(to: file) } else { try FileManager.default.removeItem(at: file) }
    }

    private static let script = #"""
        import json, os, sys, threading, time
        here = os.path.dirname(os.path.abspath(__file__))
        if os.path.exists(here + "/broken"):
            print("it is broken", file=sys.stderr)
            sys.exit(4)
        transcript = open(here + "/transcript", "a", buffering=1)
        lock = threading.Lock()

        def say(text):
            with lock:
                sys.stdout.write(text + "\n")
                sys.stdout.flush()

        def send(**message):
            say(json.dumps({"jsonrpc": "2.0", **message}))

        def call(id, name, arguments):
            if name == "echo": send(id=id, result={"echo": arguments})
            elif name == "slow":
                time.sleep(0.3)
                send(id=id, result={"slow": True})
            elif name == "silent": pass
            elif name == "die": os._exit(3)
            elif name == "mute": os.close(1)
            elif name == "garbage":
                say("this is no message")
                say('{"jsonrpc": "1.0"}')
                say("")
                send(id=id, result={"echo": arguments})
            elif name == "late":
                send(id=99999999, result={})
                send(id=id, result={})
            elif name == "progress":
                send(method="notifications/progress", params={"progressToken": id, "progress": 1})
                send(method="notifications/message", params={"level": "info", "data": "working"})
                send(id=id, result={})
            elif name == "changed":
                send(method="notifications/tools/list_changed")
                send(id=id, result={})
            elif name == "ask":
                send(id="q1", method="ping")
                send(id="q2", method="sampling/createMessage", params={})
                send(id=id, result={})
            elif name == "long-head": say('{"jsonrpc":"2.0","id":%d,"result":{"text":"%s"}}' % (id, "x" * 300000))
            elif name == "long-tail": say('{"result":{"text":"%s"},"jsonrpc":"2.0","id":%d}' % ("x" * 300000, id))
            elif name == "fail": send(id=id, error={"code": -32602, "message": "no"})

        for line in sys.stdin:
            transcript.write(line)
            message = json.loads(line)
            method, id = message.get("method"), message.get("id")
            if method == "initialize":
                send(id=id, result={"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "py", "version": "1"}})
            elif method == "tools/call":
                params = message["params"]
                threading.Thread(target=call, args=(id, params["name"], params.get("arguments")), daemon=True).start()
        """#
}
