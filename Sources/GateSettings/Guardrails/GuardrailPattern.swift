// What a guardrail looks for of its own: scanners over bytes, each with a bound on how far it looks from any place in vain.

/// A kind of text that says something of a person or opens a door (F-GUARD-01).
package enum GuardrailPattern: String, Sendable, CaseIterable {
    /// 13 to 19 digits, alone or in groups, with a first digit of 2 to 6 and a right check digit.
    case creditCard = "credit_card"
    /// `123-45-6789` or with spaces, within the ranges that are given out.
    case ssn
    /// `name@host.domain`.
    case email
    /// `+` and 8 to 15 digits in groups, or a North American number in its three groups.
    case phone
    /// `AKIA`, `ASIA` and their kin, and 16 capitals or digits.
    case awsAccessKey = "aws_access_key"
    /// A secret by what it begins with (`sk-`, `ghp_`, `xoxb-`, `pg_` …) or by what stands before it (`api_key=`, `password:` …).
    case apiSecret = "api_secret"
    /// Two letters, two check digits and 11 to 30 letters or digits, alone or in groups of four, whose check digits are right.
    case iban
    /// One or two capitals and six to nine digits.
    case passport

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
        case .phone: Self.phone(text, position)
        case .awsAccessKey: Self.accessKey(text, position)
        case .apiSecret: Self.secret(text, position)
        case .iban: Self.iban(text, position)
        case .passport: Self.passport(text, position)
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

extension GuardrailPattern {
    private static func isFree(_ text: UnsafeRawBufferPointer, at position: Int) -> Bool {
        position < 0 || position >= text.count || !text[position].isAlphanumeric
    }

    private static func phone(_ text: UnsafeRawBufferPointer, _ start: Int) -> Range<Int>? {
        switch text[start] {
        case UInt8(ascii: "+"): return international(text, start)
        case UInt8(ascii: "("): break
        default: guard text[start].isDigit, isFree(text, at: start - 1) else { return nil }
        }
        return northAmerican(text, start)
    }

    /// 40 bytes at most, whatever stands between the groups.
    private static func international(_ text: UnsafeRawBufferPointer, _ start: Int) -> Range<Int>? {
        var (position, end, digits) = (start + 1, start, 0)
        while position < text.count, position - start < 40 {
            if text[position].isDigit {
                guard digits > 0 || text[position] != UInt8(ascii: "0") else { return nil }
                digits += 1
                end = position + 1
            } else if digits == 0 || !text[position].joinsDigits || end + 2 < position + 1 {
                break
            }
            position += 1
        }
        return (8...15).contains(digits) && isFree(text, at: end) ? start..<end : nil
    }

    /// `212-555-1234`, `(212) 555-1234`, `1 212.555.1234`.
    private static func northAmerican(_ text: UnsafeRawBufferPointer, _ start: Int) -> Range<Int>? {
        var position = start
        func take(_ digits: Int) -> Bool {
            guard position + digits <= text.count, text[position..<position + digits].allSatisfy(\.isDigit) else { return false }
            position += digits
            return true
        }
        func takeByte(_ isRight: (UInt8) -> Bool) -> Bool {
            guard position < text.count, isRight(text[position]) else { return false }
            position += 1
            return true
        }
        func takeSeparator() -> Bool { takeByte { $0 == 0x20 || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") } }
        if takeByte({ $0 == UInt8(ascii: "1") }), !takeSeparator() { return nil }
        let isBracketed = takeByte { $0 == UInt8(ascii: "(") }
        guard position < text.count, text[position] >= UInt8(ascii: "2"), take(3) else { return nil }
        if isBracketed {
            guard takeByte({ $0 == UInt8(ascii: ")") }) else { return nil }
            _ = takeSeparator()
        } else if !takeSeparator() {
            return nil
        }
        guard take(3), takeSeparator(), take(4), isFree(text, at: position) else { return nil }
        return start..<position
    }

    // MARK: Secrets

    private static let secretPrefixes = byFirstByte([
        "sk-", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-",
        "xoxb-", "xoxp-", "xoxa-", "xoxs-", "xoxr-", "AIza", "ya29.", "npm_", "hf_", "pypi-", "SG.", "pg_", "pgt_", "ak_", "admin_",
    ])
    /// In small letters; they stand in any case.
    private static let secretNames = byFirstByte([
        "api_key", "api-key", "apikey", "access_token", "auth_token", "client_secret", "secret", "password", "passwd", "token",
    ])

    /// The words that begin with each byte, without it.
    private static func byFirstByte(_ words: [String]) -> [[[UInt8]]] {
        words.reduce(into: Array(repeating: [], count: 256)) { lists, word in
            let bytes = Array(word.utf8)
            lists[Int(bytes[0])].append(Array(bytes[1...]))
        }
    }

    private static func secret(_ text: UnsafeRawBufferPointer, _ start: Int) -> Range<Int>? {
        guard text[start].isLetter, start == 0 || !text[start - 1].isAlphanumeric && text[start - 1] != UInt8(ascii: "_") else {
            return nil
        }
        for prefix in secretPrefixes[Int(text[start])] where begins(text, start + 1, with: prefix, folding: 0) {
            if let end = endOfSecret(text, start + 1 + prefix.count) { return start..<end }
        }
        for name in secretNames[Int(text[start] | 0x20)] where begins(text, start + 1, with: name, folding: 0x20) {
            let gap = start + 1 + name.count
            var (position, isGiven) = (gap, false)
            while position < text.count, position - gap < 8 {
                if text[position] == UInt8(ascii: "=") || text[position] == UInt8(ascii: ":") {
                    isGiven = true
                } else if text[position] != 0x20 && text[position] != UInt8(ascii: "\"") && text[position] != UInt8(ascii: "'") {
                    break
                }
                position += 1
            }
            if isGiven, let end = endOfSecret(text, position) { return position..<end }
        }
        return nil
    }

    /// - Parameter folding: the bit that makes small letters of capitals, where case does not matter.
    private static func begins(_ text: UnsafeRawBufferPointer, _ start: Int, with word: [UInt8], folding: UInt8) -> Bool {
        guard start + word.count < text.count else { return false }
        var index = 0
        while index < word.count {
            let own = text[start + index]
            guard own == word[index] || own.isLetter && own | folding == word[index] else { return false }
            index += 1
        }
        return true
    }

    /// The end of at least 16 letters, digits and marks, with a digit among the first 64: words of languages have none. Only what is a
    /// secret is followed any further than that, so a text is never run through twice.
    private static func endOfSecret(_ text: UnsafeRawBufferPointer, _ start: Int) -> Int? {
        var (end, hasDigit) = (start, false)
        while end < text.count, end - start < 64, text[end].isSecretMark {
            hasDigit = hasDigit || text[end].isDigit
            end += 1
        }
        guard end - start >= 16, hasDigit else { return nil }
        while end < text.count, text[end].isSecretMark { end += 1 }
        return end
    }

    // MARK: Documents

    private static func iban(_ text: UnsafeRawBufferPointer, _ start: Int) -> Range<Int>? {
        guard start + 15 <= text.count, text[start].isCapital, text[start + 1].isCapital, text[start + 2].isDigit, text[start + 3].isDigit,
            start == 0 || !text[start - 1].isAlphanumeric
        else { return nil }
        func added(_ byte: UInt8, to rest: Int) -> Int {
            byte.isDigit ? (rest * 10 + Int(byte & 0x0f)) % 97 : (rest * 100 + Int(byte) - 55) % 97
        }
        var (rest, count, position, longest) = (0, 4, start + 4, Range<Int>?.none)
        while position < text.count, count < 34 {
            if text[position] == 0x20, position + 1 < text.count, count.isMultiple(of: 4), text[position - 1] != 0x20 { position += 1 }
            guard text[position].isDigit || text[position].isCapital else { break }
            rest = added(text[position], to: rest)
            (count, position) = (count + 1, position + 1)
            guard count >= 15, position == text.count || !text[position].isAlphanumeric else { continue }
            if text[start..<start + 4].reduce(rest, { added($1, to: $0) }) == 1 { longest = start..<position }
        }
        return longest
    }

    private static func passport(_ text: UnsafeRawBufferPointer, _ start: Int) -> Range<Int>? {
        guard text[start].isCapital, start == 0 || !text[start - 1].isAlphanumeric else { return nil }
        var position = start + 1
        if position < text.count, text[position].isCapital { position += 1 }
        let digits = position
        while position < text.count, position - digits < 10, text[position].isDigit { position += 1 }
        return (6...9).contains(position - digits) && (position == text.count || !text[position].isAlphanumeric) ? start..<position : nil
    }
}

extension UInt8 {
    fileprivate var isDigit: Bool { self &- UInt8(ascii: "0") <= 9 }
    fileprivate var isLetter: Bool { (self | 0x20) &- UInt8(ascii: "a") < 26 }
    fileprivate var isAlphanumeric: Bool { isDigit || isLetter }
    fileprivate var isCapital: Bool { self &- UInt8(ascii: "A") < 26 }
    /// What may stand between the digits of a number.
    fileprivate var joinsDigits: Bool {
        self == 0x20 || self == UInt8(ascii: "-") || self == UInt8(ascii: ".") || self == UInt8(ascii: "(") || self == UInt8(ascii: ")")
    }
    fileprivate var isSecretMark: Bool {
        isAlphanumeric || self == UInt8(ascii: "_") || self == UInt8(ascii: "-") || self == UInt8(ascii: ".") || self == UInt8(ascii: "/")
            || self == UInt8(ascii: "+")
    }

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
