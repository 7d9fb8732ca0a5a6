// Requests of the revision 2026-07-28.

import GateTesting

extension GateClient {
    /// What every request of the revision says of itself.
    static let statelessMeta: JSON = [
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": [:],
        "io.modelcontextprotocol/clientInfo": ["name": "test", "version": "1"],
    ]

    /// One request of the revision 2026-07-28, with the headers that repeat it.
    /// - Parameters:
    ///   - version: another revision than that, in header and `_meta`.
    ///   - changed: headers that are other than they should be, or are not there.
    ///   - twice: a header that is there a second time.
    ///   - body: in the place of the request.
    func stateless(
        _ method: String, _ params: [String: JSON] = [:], version: String? = nil, meta: JSON? = statelessMeta, key: String? = nil,
        id: JSON = 1,
        headers changed: [String: String?] = [:], twice: String? = nil, body: JSON? = nil
    ) async throws -> GateResponse {
        var params = params
        if let meta { params["_meta"] = meta }
        if let version {
            params["_meta"] = [
                "io.modelcontextprotocol/protocolVersion": .string(version), "io.modelcontextprotocol/clientCapabilities": [:],
            ]
        }
        var headers: [String: String?] = [
            "Content-Type": "application/json", "Accept": "application/json", "MCP-Protocol-Version": version ?? "2026-07-28",
            "Mcp-Method": method,
        ]
        switch method {
        case "tools/call", "prompts/get": headers["Mcp-Name"] = params["name"]?.string
        case "resources/read": headers["Mcp-Name"] = params["uri"]?.string
        default: break
        }
        for (name, value) in changed { headers[name] = .some(value) }
        if let key { headers["X-API-Key"] = key }
        var fields = headers.compactMap { name, value in value.map { (key: name, value: $0) } }
        fields += fields.filter { $0.key == twice }
        let message: JSON = body ?? ["jsonrpc": "2.0", "id": id, "method": .string(method), "params": .object(params)]
        return try await send("POST", "/mcp", headers: fields, body: message.bytes)
    }
}
