// The tools of the demo server.

import GateValues
import MCPWire

/// The tools of the demo server; each shows one behaviour that a gate has to cope with.
enum DemoTool: String, CaseIterable {
    case echo, add, slow, fail, big

    /// What a call comes to.
    enum Outcome {
        case text(String)
        /// A result with `isError`.
        case failure(String)
        /// A JSON-RPC error.
        case refusal(code: Int, String)
        case wait(seconds: Double, steps: Int)
        /// The process ends without an answer.
        case exit
    }

    func outcome(_ arguments: JSONValue) -> Outcome {
        switch self {
        case .echo:
            guard case .string(let text) = arguments[path: "text"] else { return needs("text") }
            return .text(text)
        case .add:
            guard let a = arguments["a"]?.numberValue, let b = arguments["b"]?.numberValue else {
                return needs("a and b")
            }
            return .text(JSONValue.double(a + b).shown)
        case .slow:
            guard let seconds = arguments["seconds"]?.numberValue, (0...3600).contains(seconds) else {
                return needs("seconds")
            }
            guard let steps = (arguments[path: "steps"] ?? 0).numberValue, (0...1000).contains(steps) else {
                return needs("steps")
            }
            return .wait(seconds: seconds, steps: Int(steps))
        case .fail:
            switch arguments[path: "kind"] {
            case .string("error"): return .refusal(code: -32603, "Failed on purpose")
            case .string("isError"): return .failure("Failed on purpose")
            case .string("exit"): return .exit
            default: return needs("kind")
            }
        case .big:
            guard let kilobytes = arguments["kilobytes"]?.numberValue, (0...100_000).contains(kilobytes) else {
                return needs("kilobytes")
            }
            return .text(String(repeating: "x", count: Int(kilobytes * 1024)))
        }
    }

    private func needs(_ arguments: String) -> Outcome {
        .refusal(code: -32602, "\(rawValue) needs valid \(arguments)")
    }

    /// The tool in `tools/list`.
    var listing: JSONValue {
        .object([
            "name": .string(rawValue), "description": .string(summary),
            "inputSchema": .object([
                "type": .string("object"),
                "properties": .object(properties),
                "required": .array(required.map(JSONValue.string)),
            ]),
        ])
    }

    private var summary: String {
        switch self {
        case .echo: "Gives the text back."
        case .add: "Adds two numbers."
        case .slow: "Answers after some seconds, with steps of progress on the way."
        case .fail: "Fails with a JSON-RPC error, with isError, or by ending the process."
        case .big: "Answers with many kilobytes."
        }
    }

    private var properties: JSONObject {
        let number = JSONValue.object(["type": .string("number")])
        let text = JSONValue.object(["type": .string("string")])
        switch self {
        case .echo: return ["text": text]
        case .add: return ["a": number, "b": number]
        case .slow: return ["seconds": number, "steps": number]
        case .fail:
            let kinds = ["error", "isError", "exit"].map(JSONValue.string)
            return ["kind": .object(["type": .string("string"), "enum": .array(kinds)])]
        case .big: return ["kilobytes": number]
        }
    }

    private var required: [String] {
        properties.names.filter { $0 != "steps" }
    }
}
