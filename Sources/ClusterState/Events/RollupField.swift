// How the sums of an hour lie in its hash: one field a row, named by what its calls have in common, its numbers packed.

import GateDomain

/// The name of a row. Sums have a tool, a key, an outcome and a reason; durations a tool and an outcome.
struct RollupField: Hashable {
    var tool: String
    /// Nil for durations.
    var key: String?
    let kind: RollupKind

    /// Between the parts; no name has it, as events are stored without control characters.
    private static let separator: UInt8 = 0x1f

    init(tool: String, key: String?, kind: RollupKind) {
        self.tool = tool
        self.key = key
        self.kind = kind
    }

    static func == (left: RollupField, right: RollupField) -> Bool {
        left.exact == right.exact && left.key == right.key && left.kind == right.kind
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(exact)
        hasher.combine(key)
        hasher.combine(kind)
    }

    /// Names of tools are the same if their bytes are.
    private var exact: ExactText { ExactText(tool) }

    /// The row that counts for those that have no room.
    var other: RollupField { RollupField(tool: Rollups.other, key: key.map { _ in Rollups.other }, kind: kind) }

    /// The field's name.
    var text: String {
        let parts = key.map { [tool, $0, kind.outcome.rawValue, kind.reason] } ?? [tool, kind.outcome.rawValue]
        return parts.joined(separator: "\u{1f}")
    }

    /// Nil where it is no field of a row.
    init?(_ name: [UInt8]) {
        let parts = name.split(separator: Self.separator, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        switch parts.count {
        case 2: self.init(tool: parts[0], key: nil, kind: RollupKind(outcome: CallEvent.Outcome(rawValue: parts[1]) ?? .unknown))
        case 4:
            self.init(
                tool: parts[0], key: parts[1],
                kind: RollupKind(outcome: CallEvent.Outcome(rawValue: parts[2]) ?? .unknown, reason: parts[3]))
        default: return nil
        }
    }
}

/// What a row holds: two of them add up to one, and it packs itself.
protocol RollupValue {
    init()
    /// Nil where the bytes are none; what a later version has added behind is passed over.
    init?(packed: [UInt8])
    var packed: [UInt8] { get }
    mutating func add(_ other: Self)
}

extension RollupSum: RollupValue {
    private static let format: UInt8 = 1

    var packed: [UInt8] {
        var bytes = [Self.format]
        for number in [Int(calls), Int(timedCalls), credits, milliseconds, Int(quickest), Int(slowest)] { bytes.append(number: number) }
        return bytes
    }

    init?(packed: [UInt8]) {
        var rest = packed[...]
        guard rest.popFirst() == Self.format, let calls = rest.popNumber(), let timed = rest.popNumber(), let credits = rest.popNumber(),
            let milliseconds = rest.popNumber(), let quickest = rest.popNumber(), let slowest = rest.popNumber()
        else { return nil }
        self.init()
        (self.calls, timedCalls) = (Int32(clamping: calls), Int32(clamping: timed))
        (self.credits, self.milliseconds) = (credits, milliseconds)
        (self.quickest, self.slowest) = (Int32(clamping: quickest), Int32(clamping: slowest))
    }
}

/// Buckets as distances from the one before, each with its calls: some 4 KB where every bucket has any.
extension DurationHistogram: RollupValue {
    private static let format: UInt8 = 1

    var packed: [UInt8] {
        var (bytes, last) = ([Self.format], 0)
        for entry in entries {
            bytes.append(number: Int(entry.bucket) - last)
            bytes.append(number: Int(entry.calls))
            last = Int(entry.bucket)
        }
        return bytes
    }

    init?(packed: [UInt8]) {
        var (rest, bucket) = (packed[...], 0)
        guard rest.popFirst() == Self.format else { return nil }
        self.init()
        while let distance = rest.popNumber() {
            guard let calls = rest.popNumber(), (0..<Self.bucketCount).contains(distance),
                bucket + distance < Self.bucketCount
            else { return nil }
            bucket += distance
            add(bucket: bucket, calls: calls)
        }
    }
}

extension [UInt8] {
    /// A number of either sign in groups of seven bits, the lowest first; small ones take a byte.
    fileprivate mutating func append(number: Int) {
        var rest = UInt(bitPattern: (number << 1) ^ (number >> (Int.bitWidth - 1)))
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }
}

extension ArraySlice<UInt8> {
    /// Nil at the end, or where a number is broken off or too long.
    fileprivate mutating func popNumber() -> Int? {
        var (value, shift): (UInt, UInt) = (0, 0)
        while let byte = popFirst() {
            guard shift < 64 else { return nil }
            value |= UInt(byte & 0x7f) << shift
            if byte < 0x80 { return Int(bitPattern: value >> 1) ^ -Int(bitPattern: value & 1) }
            shift += 7
        }
        return nil
    }
}
