// Names of requests, for people who have to find one again.

import GateDomain

/// `req_` + 16 hex digits, or what the client sent if it is harmless.
enum RequestID {
    /// 1 to 128 characters of letters, digits and `-_.:` (F-HDR-02).
    static func isSafe(_ text: String) -> Bool {
        (1...ClientText.requestID).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"): true
                default: false
                }
            }
    }
}

/// Numbers that need to be different and not secret; a system call for each would cost more than a call's whole judgement.
struct FastRandom {
    private var state = UInt64.random(in: 1 ... .max)

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_f491_4f6c_dd1d
    }

    mutating func requestID() -> String {
        var bits = next()
        return String(unsafeUninitializedCapacity: 20) { buffer in
            for (index, byte) in "req_".utf8.enumerated() { buffer[index] = byte }
            for index in 4..<20 {
                let digit = UInt8(truncatingIfNeeded: bits & 15)
                buffer[index] = digit < 10 ? digit + UInt8(ascii: "0") : digit - 10 + UInt8(ascii: "a")
                bits >>= 4
            }
            return 20
        }
    }
}
