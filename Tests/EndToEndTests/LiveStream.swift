// A GET /mcp that stays open, byte by byte.

import GateTesting
import Testing

extension EndToEndTests {
    /// One open `GET /mcp`.
    struct LiveStream {
        private let connection: RawConnection

        /// - Parameter after: the id of the last event of a stream that broke.
        init(on node: ClusterNode, session: String?, key: String? = nil, after: String? = nil) async throws {
            connection = try await RawConnection(port: node.port)
            let name = session.map { "Mcp-Session-Id: \($0)\r\n" } ?? ""
            let last = after.map { "Last-Event-ID: \($0)\r\n" } ?? ""
            let credential = key.map { "X-API-Key: \($0)\r\n" } ?? ""
            await connection.send("GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\(name)\(last)\(credential)\r\n")
        }

        var text: String { connection.text }
        var isEnded: Bool { connection.isEnded }
        /// The ids of the events so far.
        var ids: [String] { lines.filter { $0.hasPrefix("id: ") }.map { String($0.dropFirst(4)) } }
        /// How often a resource was said to have changed.
        func updates(of uri: String) -> Int { lines.count { $0.hasPrefix("data:") && $0.contains("\"\(uri)\"") } }
        private var lines: [Substring] { text.split(whereSeparator: \.isNewline) }
        func close() async { await connection.close() }

        /// The session that the first event names; nil if the stream was refused, or no event came within 3 s.
        func firstEvent() async throws -> String? {
            let deadline = ContinuousClock.now + .seconds(3).patiently
            while ContinuousClock.now < deadline, !isEnded {
                if let status = connection.statuses.first, status != 200 { return nil }
                if let line = text.split(separator: "\n").first(where: { $0.hasPrefix("data:") }),
                    text.contains("\n\n") || text.contains("\n\r\n")
                {
                    let message = JSON(line.dropFirst(5).utf8)
                    guard message?["method"] == "notifications/initialized" else { return nil }
                    return message?["params"]?["sessionId"]?.string
                }
                try await Task.sleep(for: .milliseconds(5))
            }
            return nil
        }
    }
}
