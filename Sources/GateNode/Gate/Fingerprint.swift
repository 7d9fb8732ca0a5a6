// What makes two requests the same, for idempotency: what is asked, and not the JSON-RPC id it is asked under.

import ClusterState
import Crypto
import GateDomain
import MCPWire
import NIOCore

enum Fingerprint {
    /// A digest of the method and of the params as they were sent, without the progress token.
    static func of(_ exchange: MCPExchange) -> String {
        var hash = SHA256()
        hash.update(data: [exchange.envelope.method.rawValue])
        exchange.body.withUnsafeReadableBytes { bytes in
            guard let params = exchange.envelope.params else { return }
            if let token = exchange.envelope.progressToken {
                hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[params.lowerBound..<token.lowerBound]))
                hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[token.upperBound..<params.upperBound]))
            } else {
                hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[params]))
            }
        }
        return Hex.string(hash.finalize().prefix(16))
    }
}
