// Which listening stream a notification is sent on, put into a notification that does not say it (2026-07-28).

/// Names the request whose stream carries a notification: `params._meta["io.modelcontextprotocol/subscriptionId"]`.
package enum SubscriptionStamp {
    /// The member of `_meta`. - Parameter id: the raw token of the listening request's id.
    package static func member(_ id: [UInt8]) -> [UInt8] { Array("\"\(StatelessMeta.subscriptionID)\":".utf8) + id }

    /// The stream that a notification of a server names, if its number is one of ours.
    package static func number(of message: UnsafeRawBufferPointer) -> UInt64? {
        MemberScan.range(of: ["params", "_meta", StatelessMeta.subscriptionID], in: message).flatMap {
            JSONText.unsignedDecimal(UnsafeRawBufferPointer(rebasing: message[$0]))
        }
    }

    /// A notification of a server without its `_meta`, which names a stream that its readers know nothing of.
    package static func stripped(_ message: UnsafeRawBufferPointer) -> [UInt8] {
        guard let meta = MemberScan.range(of: ["params", "_meta"], in: message) else { return Array(message) }
        return Splice.apply([.init(meta, .bytes(Array("{}".utf8)))], to: message)
    }

    /// A notification with that member; nil if the bytes are no JSON object.
    package static func stamped(_ message: UnsafeRawBufferPointer, id: [UInt8]) -> [UInt8]? {
        guard let end = message.lastIndex(of: .closeBrace) else { return nil }
        let stamp = member(id)
        let meta = Array(#""_meta":{"#.utf8) + stamp + [.closeBrace]
        guard let params = MemberScan.range(of: ["params"], in: message) else {
            let added = Array(#","params":{"#.utf8) + meta + [.closeBrace]
            return Splice.apply([.init(end..<end, .bytes(added))], to: message)
        }
        guard message[params.lowerBound] == .openBrace else { return nil }
        let known = MemberScan.range(of: ["params", "_meta"], in: message)
        guard let known, message[known.lowerBound] == .openBrace else {
            // One that is no object is none.
            if let known { return Splice.apply([.init(known, .bytes([.openBrace] + stamp + [.closeBrace]))], to: message) }
            return inserted(meta, into: params, of: message)
        }
        return inserted(stamp, into: known, of: message)
    }

    /// The member in front of those that an object has.
    private static func inserted(_ member: [UInt8], into object: Range<Int>, of message: UnsafeRawBufferPointer) -> [UInt8] {
        let start = object.lowerBound + 1
        let isEmpty =
            message[start..<object.upperBound].first { !($0 == .space || $0 == .lineFeed || $0 == .carriageReturn || $0 == .tab) }
            == .closeBrace
        return Splice.apply([.init(start..<start, .bytes(isEmpty ? member : member + [.comma]))], to: message)
    }
}
