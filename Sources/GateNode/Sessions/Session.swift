// Names of sessions: made here, and told from made-up ones on every node.

import Crypto
import ClusterState
import GateDomain

/// Makes session ids and tells those of this cluster from made-up ones, on any node, without asking anybody.
///
/// An id is 4 bytes of time, 5 of chance, 1 for its kind, and a 6-byte HMAC-SHA256 tag over them under the cluster's secret.
struct SessionMint: Sendable {
    /// How an id came to be.
    enum Kind: UInt8, Sendable {
        /// By `initialize`: it is written in Redis.
        case opened = 1
        /// As a by-product of a request without one: it is written only once it is used.
        case offered = 2
        /// By `initialize` with a key that there is: written, and never crowded out by the others.
        case owned = 3
    }

    static let prefix = "mcp_sess_"
    /// Bytes of an id.
    static let length = 41
    /// Seconds that an unused id is good for (F-MCP-03).
    static let lifetime = 1800

    /// The MAC with its key taken in; each use is a copy, which saves half of the work.
    private let keyed: HMAC<SHA256>

    init(secret: [UInt8]) {
        keyed = HMAC<SHA256>(key: SymmetricKey(data: secret))
    }

    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - chance: random bits.
    func make(_ kind: Kind, now: Int, chance: UInt64) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16)
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: now >> shift)) }
        for shift in [24, 32, 40, 48, 56] { bytes.append(UInt8(truncatingIfNeeded: chance >> UInt64(shift))) }
        bytes.append(kind.rawValue)
        return Self.prefix + Hex.string(bytes + tag(bytes))
    }

    /// The kind and the age in seconds of an id that this cluster has made; nil for any other text.
    func read(_ id: String, now: Int) -> (kind: Kind, age: Int)? {
        guard id.utf8.count == Self.length, id.utf8.starts(with: Self.prefix.utf8),
            let bytes = Hex.bytes(Substring(id.utf8.dropFirst(Self.prefix.utf8.count))), bytes.count == 16,
            let kind = Kind(rawValue: bytes[9])
        else { return nil }
        var difference: UInt8 = 0
        for (own, given) in zip(tag(bytes[0..<10]), bytes[10...]) { difference |= own ^ given }
        guard difference == 0 else { return nil }
        return (kind, now - bytes[0..<4].reduce(0) { $0 << 8 | Int($1) })
    }

    private func tag(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var mac = keyed
        mac.update(data: Array(bytes))
        return Array(mac.finalize().prefix(6))
    }
}
