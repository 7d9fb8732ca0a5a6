// Reading of ISO 8601 times, the other way round of `Timestamp.text`.

extension Timestamp {
    /// Milliseconds since 1970 of `2030-01-31`, `2030-01-31T12:00`, `…:30`, `…:30.5`, with `Z`, an offset, or nothing for UTC; nil for
    /// anything else.
    package static func milliseconds(_ text: String) -> Int? {
        var reader = TimestampReader(rest: Substring(text).utf8)
        guard let date = reader.date() else { return nil }
        if reader.rest.isEmpty { return date }
        guard let time = reader.time(), let offset = reader.offset(), reader.rest.isEmpty else { return nil }
        return date + time - offset
    }
}

/// Takes a time apart from left to right; each part is in milliseconds.
private struct TimestampReader {
    var rest: Substring.UTF8View

    mutating func date() -> Int? {
        guard let year = number(4), skip("-"), let month = number(2), skip("-"), let day = number(2),
            CivilDate.exists(year: year, month: month, day: day)
        else { return nil }
        return CivilDate(year: year, month: month, day: day).daysSince1970 * 86_400_000
    }

    mutating func time() -> Int? {
        guard skip("T") || skip("t") || skip(" "), let hour = number(2), skip(":"), let minute = number(2), hour < 24, minute < 60 else {
            return nil
        }
        var milliseconds = (hour * 60 + minute) * 60_000
        guard skip(":") else { return milliseconds }
        guard let second = number(2), second < 60 else { return nil }
        milliseconds += second * 1000
        guard skip(".") else { return milliseconds }
        let digits = rest.prefix { (48...57).contains($0) }
        guard (1...9).contains(digits.count), let fraction = Int(Substring(digits)) else { return nil }
        rest = rest.dropFirst(digits.count)
        let scale = (0..<digits.count).reduce(1) { scale, _ in scale * 10 }
        return milliseconds + fraction * 1000 / scale
    }

    mutating func offset() -> Int? {
        if rest.isEmpty || skip("Z") || skip("z") { return 0 }
        let sign = skip("+") ? 1 : skip("-") ? -1 : 0
        guard sign != 0, let hour = number(2), hour < 24 else { return nil }
        _ = skip(":")
        guard let minute = number(2), minute < 60 else { return nil }
        return sign * (hour * 60 + minute) * 60_000
    }

    private mutating func number(_ width: Int) -> Int? {
        let digits = rest.prefix(width)
        guard digits.count == width, digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        rest = rest.dropFirst(width)
        return Int(Substring(digits))
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }
}
