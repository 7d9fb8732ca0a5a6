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
