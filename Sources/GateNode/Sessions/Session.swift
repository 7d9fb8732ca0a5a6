// Names of sessions: made here, and told from made-up ones on every node.

import Crypto
import ClusterState
import GateDomain
import MCPWire

/// Makes session ids and tells those of this cluster from made-up ones, on any node, without asking anybody.
///
/// An id is 4 bytes of time, 5 of chance, 1 for its kind (two bits) and what its client can be asked (six), and a 6-byte tag of an HMAC-SHA256
/// over them under the cluster's secret. Offered ids are made for whoever shows none, most of them in vain, so four that differ in the two
/// lowest bits of chance alone share a MAC: each has another quarter of it.
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
    ///   - capabilities: of the client, as its handshake declared them.
    func make(_ kind: Kind, now: Int, chance: UInt64, _ capabilities: ClientCapabilities = .none) -> String {
        let head = Self.head(kind, now: now, chance: chance, capabilities)
        return Self.id(head, mac(of: head))
    }

    private static func head(_ kind: Kind, now: Int, chance: UInt64, _ capabilities: ClientCapabilities) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 10)
        for index in 0..<4 { bytes[index] = UInt8(truncatingIfNeeded: now >> (24 - 8 * index)) }
        for index in 0..<5 { bytes[4 + index] = UInt8(truncatingIfNeeded: chance >> UInt64(24 + 8 * index)) }
        bytes[9] = kind.rawValue | capabilities.rawValue << 2
        return bytes
    }

    private static func id(_ head: [UInt8], _ mac: [UInt8]) -> String {
        Hex.string(head + mac[share(of: head)...].prefix(6), after: prefix)
    }

    /// Where the tag of an id begins in its MAC.
    private static func share(of head: [UInt8]) -> Int { head[9] & 3 == Kind.offered.rawValue ? Int(head[8] & 3) * 8 : 0 }

    private func mac(of head: [UInt8]) -> [UInt8] {
        var common = head
        if head[9] & 3 == Kind.offered.rawValue { common[8] &= ~3 }
        return tag(common, Array.init)
    }

    /// The kind, the age in seconds and the client's capabilities of an id that this cluster has made; nil for any other text.
    func read(_ id: String, now: Int) -> (kind: Kind, age: Int, capabilities: ClientCapabilities)? {
        guard id.utf8.count == Self.length, id.utf8.starts(with: Self.prefix.utf8),
            let bytes = Hex.bytes(Substring(id.utf8.dropFirst(Self.prefix.utf8.count))), bytes.count == 16,
            let kind = Kind(rawValue: bytes[9] & 3)
        else { return nil }
        let head = Array(bytes[..<10])
        let tag = mac(of: head)[Self.share(of: head)...]
        guard zip(tag, bytes[10...]).reduce(0, { $0 | ($1.0 ^ $1.1) }) == 0 else { return nil }
        return (kind, now - bytes[0..<4].reduce(0) { $0 << 8 | Int($1) }, ClientCapabilities(rawValue: bytes[9] >> 2))
    }

    /// Whether a text has the shape of an id.
    static func mayBeID(_ text: String) -> Bool { text.utf8.count == length && text.utf8.starts(with: prefix.utf8) }

    /// 16 hex digits that only a node of this cluster can have made of a text.
    func seal(_ text: String) -> String {
        tag(Array("seal:".utf8) + text.utf8) { Hex.string($0.prefix(8)) }
    }

    /// - Parameter take: gets the whole MAC, of which the first 6 bytes count.
    private func tag<Result>(_ bytes: [UInt8], _ take: (UnsafeRawBufferPointer) -> Result) -> Result {
        var mac = keyed
        mac.update(data: bytes)
        return mac.finalize().withUnsafeBytes(take)
    }

    /// Offered ids one after the other, of which four take one MAC.
    struct Offers {
        private var (head, mac): ([UInt8], [UInt8]) = ([], [])
        private var (left, second) = (0, 0)

        /// - Parameters:
        ///   - now: seconds since 1970.
        ///   - chance: random bits, asked for where a MAC is made.
        mutating func next(of mint: SessionMint, now: Int, chance: @autoclosure () -> UInt64) -> String {
            if left == 0 || second != now {
                head = SessionMint.head(.offered, now: now, chance: chance(), .none)
                (mac, left, second) = (mint.mac(of: head), 4, now)
            }
            left -= 1
            head[8] = head[8] & ~3 | UInt8(left)
            return SessionMint.id(head, mac)
        }
    }
}
