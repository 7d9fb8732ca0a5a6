// Addresses of clients and ranges of them, in one form for both families.

/// An IP address; IPv4 is kept as IPv4-mapped IPv6, so `::ffff:127.0.0.1` and `127.0.0.1` are the same address.
package struct IPAddress: Sendable, Hashable {
    /// The upper 64 bits of the IPv6 form.
    package let high: UInt64
    /// The lower 64 bits of the IPv6 form.
    package let low: UInt64

    /// The address with these bits.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// An IPv4 address, its first number in the highest byte.
    package init(v4: UInt32) {
        self.init(high: 0, low: 0xffff_0000_0000 | UInt64(v4))
    }

    /// Whether this is an IPv4 address.
    package var isV4: Bool { high == 0 && low >> 32 == 0xffff }

    /// 127.0.0.0/8 or ::1.
    package var isLoopback: Bool { isV4 ? low >> 24 & 0xff == 127 : high == 0 && low == 1 }

    /// Who may be told apart from others by it: an IPv4 address, or the /64 of an IPv6 one, within which anybody takes any address.
    package var network: IPAddress { isV4 ? self : IPAddress(high: high, low: 0) }

    /// Reads `1.2.3.4`, `::1`, `::ffff:1.2.3.4`, `[::1]`, and drops a zone.
    package init?(_ text: some StringProtocol) {
        // By bytes: a mark that combines with one of these signs makes another Character of it.
        var bytes = Substring(text).utf8
        if bytes.first == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]") { bytes = bytes.dropFirst().dropLast() }
        let text = Substring(bytes.prefix { $0 != UInt8(ascii: "%") })
        if !text.utf8.contains(UInt8(ascii: ":")) {
            guard let value = Self.v4(text) else { return nil }
            self.init(v4: value)
        } else {
            guard let groups = Self.v6(text) else { return nil }
            let fold = { (slice: ArraySlice<UInt16>) in slice.reduce(UInt64(0)) { $0 << 16 | UInt64($1) } }
            self.init(high: fold(groups[0..<4]), low: fold(groups[4..<8]))
        }
    }

    private static func v4(_ text: Substring) -> UInt32? {
        var value: UInt32 = 0, part: UInt32 = 0, digits = 0, dots = 0
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                // A zero in front is octal to some readers and decimal to others.
                guard digits == 0 || part > 0 else { return nil }
                part = part * 10 + UInt32(byte - UInt8(ascii: "0"))
                digits += 1
                guard part <= 255 else { return nil }
            case UInt8(ascii: "."):
                guard digits > 0, dots < 3 else { return nil }
                value = value << 8 | part
                (part, digits, dots) = (0, 0, dots + 1)
            default: return nil
            }
        }
        return dots == 3 && digits > 0 ? value << 8 | part : nil
    }

    private static func v6(_ text: Substring) -> [UInt16]? {
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        guard halves.count <= 2, let head = groups(halves[0], endsAddress: halves.count == 1) else { return nil }
        guard halves.count == 2 else { return head.count == 8 ? head : nil }
        guard let tail = groups(halves[1], endsAddress: true), head.count + tail.count <= 7 else { return nil }
        return head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    /// - Parameter endsAddress: whether the last of them may be an IPv4 address.
    private static func groups(_ text: Substring, endsAddress: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if endsAddress, part.contains("."), index == parts.count - 1, let value = v4(part) {
                groups += [UInt16(truncatingIfNeeded: value >> 16), UInt16(truncatingIfNeeded: value)]
            } else {
                // The standard library would take a sign as well.
                guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(isHexDigit), let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): true
        default: false
        }
    }
}

extension IPAddress: CustomStringConvertible {
    /// Four numbers with dots, or eight groups with colons, without shortening.
    package var description: String {
        if isV4 { return (0..<4).map { String(low >> UInt64(24 - $0 * 8) & 0xff) }.joined(separator: ".") }
        return (0..<8).map { index in
            let word = index < 4 ? high : low
            return String(word >> UInt64(48 - (index % 4) * 16) & 0xffff, radix: 16)
        }.joined(separator: ":")
    }
}

/// An address or a CIDR block.
package struct AddressRange: Sendable, Equatable {
    /// As it was written, for showing.
    package let text: String
    private let base: IPAddress
    /// Leading bits that must be equal, 0 to 128.
    private let bits: Int

    /// The most entries of a key's list.
    package static let capacity = 200

    /// Reads an address, or one with the length of a prefix in bits behind a slash; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let base = IPAddress(parts[0]) else { return nil }
        let width = base.isV4 && !parts[0].contains(":") ? 32 : 128
        var bits = width
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let given = Int(parts[1]), (0...width).contains(given)
            else { return nil }
            bits = given
        }
        self.text = text
        self.base = base
        self.bits = bits + 128 - width
    }

    /// True for `1.2.3.4` and `1.2.3.0/24`; a key's allowlist takes no others (F-IP-04).
    package var isV4: Bool { base.isV4 && !text.contains(":") }

    /// Whether the address lies in the range.
    package func contains(_ address: IPAddress) -> Bool {
        let mask = { (bits: Int) -> UInt64 in bits <= 0 ? 0 : bits >= 64 ? .max : ~(UInt64.max >> UInt64(bits)) }
        let (upper, lower) = (mask(bits), mask(bits - 64))
        return address.high & upper == base.high & upper && address.low & lower == base.low & lower
    }
}
