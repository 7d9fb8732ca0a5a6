// Clients that want to harm a gate: what they send, and how they do not read.

import Synchronization

/// One way of attacking a gate, with the bytes for it. Everything is keyless unless a key is given.
package enum HostileClient {
    /// A text of about so many bytes that costs the square of its length to bring into its canonical form.
    package static func unicodeBomb(bytes: Int) -> String {
        "a" + String(repeating: "\u{301}\u{323}", count: max(1, bytes / 4))
    }

    /// `POST /mcp` with this body.
    package static func post(_ body: String, headers: String = "", version: String = "1.1") -> [UInt8] {
        let head =
            "POST /mcp HTTP/\(version)\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n"
        return Array((head + body).utf8)
    }

    /// `GET` of a path.
    package static func get(_ path: String, headers: String = "") -> [UInt8] {
        Array("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(headers)\r\n".utf8)
    }

    /// One JSON-RPC request as text.
    package static func request(_ method: String, _ params: JSON = [:], id: JSON = 1) -> String {
        (["jsonrpc": "2.0", "id": id, "method": .string(method), "params": params] as JSON).text
    }

    /// Sends the head of a request and all of its body but the last byte, on so many connections, and keeps them open.
    /// - Parameter headers: further fields, each with its line end.
    package static func holdBodies(_ connections: Int, of bytes: Int, path: String = "/mcp", headers: String = "", port: Int) async throws
        -> [RawConnection]
    {
        let head =
            "POST \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\(headers)Content-Length: \(bytes)\r\n\r\n"
        let message = Array(head.utf8) + [UInt8](repeating: UInt8(ascii: " "), count: bytes - 1)
        return try await concurrently(connections, workers: 25) { _ in
            let connection = try await RawConnection(port: port)
            await connection.offer(message, for: .milliseconds(500))
            return connection
        }
    }

    /// Sends a request, and behind it the same bytes again and again, until so many were taken or the gate takes no more for a while.
    /// Nothing is read.
    /// - Returns: bytes that the gate, and the kernel before it, have taken.
    package static func pipeline(_ first: [UInt8], then rest: [UInt8], upTo most: Int, on connection: RawConnection) async -> Int {
        await connection.send(first)
        var block = rest
        while block.count < 65_536 { block += rest }
        var taken = 0
        while taken < most, await connection.offer(block, for: .milliseconds(1500)) { taken += block.count }
        return taken
    }
}
