// The steps of a handshake-era client, one by one.

import GateTesting
import Testing

extension GateClient {
    /// `initialize`.
    func initialize(_ version: JSON = "2025-06-18", key: String? = nil, headers: Headers = []) async throws -> GateResponse {
        let params: JSON = ["protocolVersion": version, "capabilities": [:], "clientInfo": ["name": "test", "version": "1"]]
        return try await rpc("initialize", params, key: key, id: 0, headers: headers)
    }

    /// The id of a new session.
    func openSession(key: String? = nil) async throws -> String {
        try #require(try await initialize(key: key).header("Mcp-Session-Id"))
    }

    func notify(_ method: String, _ params: JSON = [:], headers: Headers = []) async throws -> GateResponse {
        try await post((["jsonrpc": "2.0", "method": .string(method), "params": params] as JSON).bytes, headers: headers)
    }

    /// `DELETE /mcp`.
    func endSession(_ id: String?, key: String? = nil) async throws -> GateResponse {
        let credential: Headers = key.map { [("X-API-Key", $0)] } ?? []
        return try await send("DELETE", "/mcp", headers: credential + (id.map { [("Mcp-Session-Id", $0)] } ?? []))
    }
}

/// The messages of an event stream.
struct EventStreamText {
    let events: [(name: String?, id: String?, message: JSON?)]

    init(_ text: String) {
        events = text.replacing("\r\n", with: "\n").split(separator: "\n\n").compactMap { block in
            let fields = block.split(separator: "\n").filter { !$0.hasPrefix(":") }.map { line in
                let parts = line.split(separator: ":", maxSplits: 1)
                return (name: parts[0], value: parts.count > 1 ? parts[1].trimmingPrefix(" ") : "")
            }
            guard !fields.isEmpty else { return nil }
            let value = { (name: String) in fields.first { $0.name == name }.map { String($0.value) } }
            let data = fields.filter { $0.name == "data" }.map { String($0.value) }.joined(separator: "\n")
            return (value("event"), value("id"), JSON(data.utf8))
        }
    }
}
