#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The syntax of an address or CIDR block in the configuration; matching addresses is the gate's work.
enum AddressBlock {
    /// Whether a text is an IPv4 or IPv6 address, alone or with a prefix length of its family.
    static func isValid(_ text: String) -> Bool {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = parts.first, let bits = addressBits(String(address)) else { return false }
        guard parts.count == 2 else { return true }
        let length = parts[1]
        return !length.isEmpty && length.utf8.allSatisfy { (48...57).contains($0) } && (Int(length) ?? .max) <= bits
    }

    private static func addressBits(_ text: String) -> Int? {
        var address = in6_addr()
        if inet_pton(AF_INET, text, &address) == 1 { return 32 }
        return inet_pton(AF_INET6, text, &address) == 1 ? 128 : nil
    }
}
