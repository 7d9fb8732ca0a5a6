// What a session at a server over HTTP is called, so that another node can end it.

/// A session that a server has given the gate (`Mcp-Session-Id`).
package struct HTTPSessionName: Sendable, Equatable {
    /// Where the server is, as `HTTPUpstreamAddress.description` has it: nothing secret.
    let server: String
    /// The revision that was agreed to; nil if the server has named none.
    let version: String?
    let id: String

    init(server: String, version: String?, id: String) {
        (self.server, self.version, self.id) = (server, version, id)
    }

    /// Nil for a text that is no such name.
    package init?(text: String) {
        let words = text.split(separator: " ", maxSplits: 2).map(String.init)
        guard words.count == 3 else { return nil }
        self.init(server: words[0], version: words[1] == "-" ? nil : words[1], id: words[2])
    }

    /// As it is written down.
    package var text: String { "\(server) \(version ?? "-") \(id)" }
}
