// What a guardrail looks for: scanners over bytes, each with a bound on how far it looks from any place.

/// A kind of text that says something of a person or opens a door (F-GUARD-01).
package enum GuardrailPattern: String, Sendable, CaseIterable {
    /// 13 to 19 digits, alone or in groups, with a first digit of 2 to 6 and a right check digit.
    case creditCard = "credit_card"
    /// `123-45-6789` or with spaces, within the ranges that are given out.
    case ssn
    /// `name@host.domain`.
    case email
    /// `AKIA`, `ASIA` and their kin, and 16 capitals or digits.
    case awsAccessKey = "aws_access_key"

    /// Calls `found` with each place in order, none overlapping another, until it says false. Linear in the length of the text.
    func search(_ text: UnsafeRawBufferPointer, _ found: (Range<Int>) -> Bool) {
        var (position, floor) = (0, 0)
        while position < text.count {
            guard let find = find(in: text, at: position, from: floor) else {
                position += 1
                continue
            }
            guard found(find) else { return }
            floor = find.upperBound
            position = floor
        }
    }

    /// The find that `position` gives away: its first byte, or the `@` of an address, which begins at `floor` at the earliest.
    private func find(in text: UnsafeRawBufferPointer, at position: Int, from floor: Int) -> Range<Int>? {
        switch self {
        case .creditCard: Self.card(text, position)
        case .ssn: Self.socialSecurityNumber(text, position)
        case .email: Self.address(text, position, from: floor)
        case .awsAccessKey: Self.accessKey(text, position)
        }
    }

    private static func card(_ text: UnsafeRawBufferPointer, _ start: Int) -> Range<Int>? {
        guard (UInt8(ascii: "2")...UInt8(ascii: "6")).contains(text[start]), start == 0 || !text[start - 1].isAlphanumeric else {
            return nil
        }
        // Sums with the digits of even, and of odd, places doubled: the length says at the end which of them is the check sum.
        var (even, odd, count, position) = (0, 0, 0, start)
        var longest: Range<Int>?
        while position < text.count, count < 19 {
            guard text[position].isDigit else { break }
            let digit = Int(text[position] & 0x0f)
            let doubled = digit < 5 ? digit * 2 : digit * 2 - 9
            (even, odd) = count.isMultiple(of: 2) ? (even + doubled, odd + digit) : (even + digit, odd + doubled)
            count += 1
            position += 1
            let isEnd = position == text.count || !text[position].isAlphanumeric
            if isEnd, count >= 13, (count.isMultiple(of: 2) ? even : odd).isMultiple(of: 10) { longest = start..<position }
            if position + 1 < text.count, text[position] == 0x20 || text[position] == UInt8(ascii: "-"), text[position + 1].isDigit {
                position += 1
            }
        }
        return longest
    }

    private static func socialSecurityNumber(_ text: UnsafeRawBufferPointer, _ start: Int) -> Range<Int>? {
        let end = start + 11
        guard end <= text.count, text[start].isDigit, text[start + 3] == UInt8(ascii: "-") || text[start + 3] == 0x20,
            text[start + 6] == text[start + 3], start == 0 || !text[start - 1].isAlphanumeric,
            end == text.count || !text[end].isAlphanumeric,
            let area = number(text, start..<start + 3), let group = number(text, start + 4..<start + 6),
            let serial = number(text, start + 7..<end)
        else { return nil }
        return area == 0 || area == 666 || area >= 900 || group == 0 || serial == 0 ? nil : start..<end
    }

    private static func number(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int? {
        var value = 0
        for index in range {
            guard text[index].isDigit else { return nil }
            value = value * 10 + Int(text[index] & 0x0f)
        }
        return value
    }

    private static func address(_ text: UnsafeRawBufferPointer, _ at: Int, from floor: Int) -> Range<Int>? {
        guard text[at] == UInt8(ascii: "@") else { return nil }
        var start = at
        while start > floor, at - start < 64, text[start - 1].isLocalPart { start -= 1 }
        while start < at, text[start] == UInt8(ascii: ".") { start += 1 }
        var (end, label, isName, dots) = (at + 1, at + 1, true, 0)
        var last: Int?
        while end < text.count, end - at <= 253 {
            let byte = text[end]
            if byte == UInt8(ascii: ".") {
                guard end > label else { break }
                dots += 1
                label = end + 1
                isName = true
            } else if byte.isAlphanumeric || byte == UInt8(ascii: "-") {
                isName = isName && byte.isLetter
                if dots > 0, isName, end - label >= 1 { last = end + 1 }
            } else {
                break
            }
            end += 1
        }
        guard start < at, let last else { return nil }
        return start..<last
    }

    private static func accessKey(_ text: UnsafeRawBufferPointer, _ start: Int) -> Range<Int>? {
        let end = start + 20
        guard text[start] == UInt8(ascii: "A"), end <= text.count, start == 0 || !text[start - 1].isAlphanumeric,
            end == text.count || !text[end].isAlphanumeric
        else { return nil }
        let isKnown = prefixes.contains { prefix in (0..<4).allSatisfy { prefix.utf8Start[$0] == text[start + $0] } }
        guard isKnown, text[(start + 4)..<end].allSatisfy({ $0.isDigit || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) else {
            return nil
        }
        return start..<end
    }

    private static let prefixes: [StaticString] = ["AKIA", "ASIA", "AROA", "AIDA", "AGPA", "ANPA", "ANVA", "AIPA", "ABIA", "ACCA"]
}

extension UInt8 {
    fileprivate var isDigit: Bool { self &- UInt8(ascii: "0") <= 9 }
    fileprivate var isLetter: Bool { (self | 0x20) &- UInt8(ascii: "a") < 26 }
    fileprivate var isAlphanumeric: Bool { isDigit || isLetter }

    /// What may stand before the `@` without quotes (RFC 5322, atext).
    fileprivate var isLocalPart: Bool {
        if isAlphanumeric { return true }
        switch self {
        case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "%"), UInt8(ascii: "'"),
            UInt8(ascii: "!"),
            UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "="), UInt8(ascii: "?"),
            UInt8(ascii: "^"),
            UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "~"), UInt8(ascii: "/"):
            return true
        default: return false
        }
    }
}
