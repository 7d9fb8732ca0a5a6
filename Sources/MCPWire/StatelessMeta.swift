// What the `_meta` of a stateless request says of itself, and what is left of it for a server of the session era (2026-07-28).

/// The members of `_meta` with which a request of the revision 2026-07-28 describes itself.
package enum StatelessMeta {
    /// Which server has answered; in the `_meta` of results.
    package static let serverInfo: StaticString = "io.modelcontextprotocol/serverInfo"
    /// Which request a message on a listening stream belongs to; in the `_meta` of notifications.
    package static let subscriptionID: StaticString = "io.modelcontextprotocol/subscriptionId"

    private static let logLevel: StaticString = "io.modelcontextprotocol/logLevel"
    private static let clientInfo: StaticString = "io.modelcontextprotocol/clientInfo"
    private static let ofRequests: [StaticString] = [
        "io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities", clientInfo, logLevel,
    ]

    /// The raw value of the log level that a request asks for; nil if it asks for no log messages.
    /// - Parameter meta: the raw value of `params._meta`.
    package static func logLevel(in meta: UnsafeRawBufferPointer) -> Range<Int>? { MemberScan.range(of: [logLevel], in: meta) }

    /// `_meta` for a server of the session era: a handshake has said there what these members say, and such a server refuses requests that
    /// have them.
    /// - Parameters:
    ///   - meta: a JSON object that was scanned before.
    ///   - number: the progress token that stands in the place of the client's, if it has one.
    package static func bridged(_ meta: UnsafeRawBufferPointer, number: UInt64) -> [UInt8] {
        var output: [UInt8] = [.openBrace]
        var scanner = JSONScanner(meta)
        do {
            try scanner.openObject()
            while let name = try scanner.nextMember() {
                let value = try scanner.locateValue()
                guard !ofRequests.contains(where: { name.spells($0, in: meta) }) else { continue }
                if output.count > 1 { output.append(.comma) }
                output += meta[name.range]
                output.append(.colon)
                let isToken = name.spells("progressToken", in: meta) && isScalar(meta[value.lowerBound])
                if isToken {
                    JSONText.append(Int(number), to: &output)
                } else {
                    Splice.append([], to: meta.piece(value), lines: .joined, output: &output)
                }
            }
        } catch {
            return Array("{}".utf8)
        }
        output.append(.closeBrace)
        return output
    }

    /// What a request to a server of the revision 2026-07-28 says of itself.
    package struct Description: Sendable {
        /// The JSON of an object.
        package var capabilities: [UInt8]
        /// The JSON of an object; nil says nothing of it.
        package var clientInfo: [UInt8]?
        /// A JSON string; nil asks for no log messages.
        package var logLevel: [UInt8]?

        package init(capabilities: [UInt8] = Array("{}".utf8), clientInfo: [UInt8]?, logLevel: [UInt8]? = nil) {
            (self.capabilities, self.clientInfo, self.logLevel) = (capabilities, clientInfo, logLevel)
        }

        /// What a client of that revision has said of itself, which its server hears as it stands.
        /// - Parameters:
        ///   - meta: the raw value of its `params._meta`.
        ///   - capabilities: as it has declared them.
        package init(of meta: UnsafeRawBufferPointer, capabilities: [UInt8]) {
            self.capabilities = capabilities
            clientInfo = MemberScan.range(of: [StatelessMeta.clientInfo], in: meta).map { Array(meta[$0]) }
            logLevel = StatelessMeta.logLevel(in: meta).map { Array(meta[$0]) }
        }

        /// The members of `_meta`, without braces.
        fileprivate var members: [UInt8] {
            var output = Array(#""\#(ofRequests[0])":"\#(ProtocolRevision.july2026.rawValue)","\#(ofRequests[1])":"#.utf8) + capabilities
            if let clientInfo { output += #","\#(StatelessMeta.clientInfo)":"#.utf8 + clientInfo }
            if let logLevel { output += #","\#(StatelessMeta.logLevel)":"#.utf8 + logLevel }
            return output
        }
    }

    /// `_meta` for a server of the revision 2026-07-28: the description, and all that the message says besides.
    /// - Parameters:
    ///   - meta: the raw value of the message's own `_meta`; nil for none.
    ///   - number: the progress token that stands in the place of the message's, if it has one.
    package static func described(_ meta: UnsafeRawBufferPointer?, as description: Description, number: UInt64) -> [UInt8] {
        var output: [UInt8] = [.openBrace] + description.members
        let others = meta.map { bridged($0, number: number) } ?? []
        if others.count > 2 { output += [.comma] + others.dropFirst().dropLast() }
        output.append(.closeBrace)
        return output
    }

    /// As `Envelope.progressToken`.
    private static func isScalar(_ byte: UInt8) -> Bool { byte == .quote || byte == .minus || byte.isDigit }
}
