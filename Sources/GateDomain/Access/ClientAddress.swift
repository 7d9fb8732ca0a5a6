// Whose call it is when proxies stand between: the rule that cannot be talked round with a header.

/// Finds the client's address (F-IP-02, F-IP-03, F-RATE-11).
///
/// `X-Forwarded-For` counts only if the socket's peer is a trusted proxy. It is then read from right to left, trusted entries are
/// skipped, and the first other entry is the client. Anyone else's header is ignored.
package struct ClientAddressRule: Sendable {
    private let trusted: [AddressRange]

    package init(trusted: [AddressRange]) {
        self.trusted = trusted
    }

    /// - Parameters:
    ///   - peer: the other end of the socket.
    ///   - forwardedFor: all `X-Forwarded-For` fields as one list; looked at only if the peer is trusted.
    /// - Returns: The client; the peer where the header is not believed or cannot be read.
    package func client(peer: IPAddress, forwardedFor: @autoclosure () -> String?) -> IPAddress {
        guard !trusted.isEmpty, isTrusted(peer), let header = forwardedFor() else { return peer }
        for entry in header.utf8.split(separator: UInt8(ascii: ",")).reversed() {
            guard let address = IPAddress.read(Substring(entry)) else { return peer }
            if !isTrusted(address) { return address }
        }
        return peer
    }

    /// True if what the peer says of others may be believed.
    package func isTrusted(_ peer: IPAddress) -> Bool {
        trusted.contains { $0.contains(peer) }
    }
}

extension IPAddress {
    /// An entry of a list, blanks around it taken off. What is longer than any address, or not ASCII, is none and is not looked at.
    fileprivate static func read(_ entry: Substring) -> IPAddress? {
        var bytes = entry.utf8
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        guard bytes.count <= 64, bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
        return IPAddress(Substring(bytes))
    }
}
