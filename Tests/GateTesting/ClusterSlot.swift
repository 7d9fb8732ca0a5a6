// Which slot of a Redis Cluster a key lies in.

/// The hash of Redis Cluster, written apart from that of the product.
package enum ClusterSlot {
    package static let count = 16_384

    /// CRC16 (XMODEM) of the hash tag, or of the whole key where there is none, modulo 16,384.
    package static func of(_ key: String) -> Int {
        var tag = Array(key.utf8)
        if let open = tag.firstIndex(of: UInt8(ascii: "{")), let close = tag[open...].firstIndex(of: UInt8(ascii: "}")), close > open + 1 {
            tag = Array(tag[(open + 1)..<close])
        }
        var sum: UInt16 = 0
        for byte in tag {
            sum ^= UInt16(byte) << 8
            for _ in 0..<8 { sum = sum & 0x8000 == 0 ? sum << 1 : sum << 1 ^ 0x1021 }
        }
        return Int(sum) % count
    }
}
