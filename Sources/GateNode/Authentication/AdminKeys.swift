// Who administers: secrets are known by their digests alone, and compared in constant time.

import ClusterState
import Crypto
import GateDomain

/// The admin keys of a node: for now the bootstrap key, which may do everything.
struct AdminKeys: Sendable {
    private let bootstrap: [UInt8]
    /// Whether the nodes have agreed on the bootstrap key in the store, which keeps its digest.
    let isAgreed: Bool
    /// SHA-256 of the bootstrap key, as the store has it.
    var digestText: String { Hex.string(bootstrap) }

    /// - Parameters:
    ///   - bootstrapDigest: SHA-256 of the bootstrap key.
    ///   - isAgreed: whether it is the store's.
    init(bootstrapDigest: some Sequence<UInt8>, isAgreed: Bool = false) {
        bootstrap = Array(bootstrapDigest)
        self.isAgreed = isAgreed
    }

    init(bootstrapKey: String) {
        self.init(bootstrapDigest: Self.digest(bootstrapKey))
    }

    /// What the presented key may do, nil if it is none of ours. The time it takes tells nothing about the key (F-SEC-03).
    func role(of presented: String) -> AdminRole? {
        Self.isEqual(Self.digest(presented), bootstrap) ? .superAdmin : nil
    }

    static func digest(_ key: String) -> [UInt8] {
        Array(SHA256.hash(data: Array(key.utf8)))
    }

    private static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
