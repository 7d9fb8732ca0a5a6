// Tool calls.

extension GateClient {
    /// `POST /mcp` with one JSON-RPC request.
    package func rpc(
        _ method: String, _ params: JSON, key: String? = nil, id: JSON = 1, headers: Headers = [], within limit: Duration = .seconds(60)
    ) async throws -> GateResponse {
        let message: JSON = ["jsonrpc": "2.0", "id": id, "method": .string(method), "params": params]
        return try await post(message.bytes, key: key, headers: headers, within: limit)
    }

    /// `POST /mcp` with a body that need not be what it claims to be.
    package func post(
        _ body: [UInt8], key: String? = nil, headers: Headers = [], within limit: Duration = .seconds(60)
    ) async throws -> GateResponse {
        let credential: Headers = key.map { [("X-API-Key", $0)] } ?? []
        let types: Headers = [("Content-Type", "application/json"), ("Accept", "application/json")]
        return try await send("POST", "/mcp", headers: credential + headers + types, body: body, within: limit)
    }

    package func call(
        _ tool: String, _ arguments: JSON = [:], key: String?, id: JSON = 1, headers: Headers = [], within limit: Duration = .seconds(60)
    ) async throws -> GateResponse {
        try await rpc("tools/call", ["name": .string(tool), "arguments": arguments], key: key, id: id, headers: headers, within: limit)
    }

    package func batch(_ calls: [(tool: String, arguments: JSON)], key: String, id: JSON = 1, headers: Headers = []) async throws
        -> GateResponse
    {
        let calls = calls.map { call -> JSON in ["name": .string(call.tool), "arguments": call.arguments] }
        return try await rpc("tools/call_batch", ["calls": .array(calls)], key: key, id: id, headers: headers)
    }

    /// A call whose end is a value, whatever happens to it.
    package func attempt(
        _ tool: String, _ arguments: JSON = [:], key: String, id: JSON = 1, headers: Headers = [], within limit: Duration = .seconds(60)
    ) async -> CallOutcome {
        do {
            return try await call(tool, arguments, key: key, id: id, headers: headers, within: limit).outcome
        } catch {
            return .lost("\(error)")
        }
    }

    package func echo(_ text: String = "hello", key: String, headers: Headers = []) async -> CallOutcome {
        await attempt("echo", ["text": .string(text)], key: key, headers: headers)
    }
}
