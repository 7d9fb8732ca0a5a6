// What keys may be ordered by, and a place in such an order.

package import GateDomain

/// What calls and movements of credits change of a key.
package enum KeyAmount: String, Sendable, CaseIterable {
    /// What it may spend.
    case credits
    /// What it has spent, without what is reserved.
    case spent
    /// Calls that it has made.
    case calls
    /// Milliseconds since 1970 of its last call, 0 for none.
    case used

    /// The list of all keys by it.
    package var list: String { "keys.by:" + rawValue }
}

/// An order of keys, and the part of it that is asked for: both ends are found in the index of each shard.
package enum KeyOrder: Sendable, Equatable {
    /// By the time of their making: those of a list, nil for all.
    case made(String?)
    /// By name, those that begin so; as `KeyRecord.word(ofName:)` says.
    case name(prefix: String)
    /// By what they have, from the least to the most; nil for no end.
    case amount(KeyAmount, from: Int?, to: Int?)

    var list: String {
        switch self {
        case .made(let list): list ?? KeyRecord.kind
        case .name: KeyRecord.names
        case .amount(let amount, _, _): amount.list
        }
    }

    /// The first place of the part that is asked for, and the first behind it; nil for the ends of the index.
    var ends: (from: KeyPlace?, to: KeyPlace?) {
        switch self {
        case .made, .name(""): (nil, nil)
        case .name(let prefix): (KeyPlace(word: Array(prefix.utf8)), KeyPlace(word: Array(prefix.utf8) + [0xff]))
        case .amount(_, let from, let to): (from.map { KeyPlace(number: $0) }, to.map { KeyPlace(number: $0 + 1) })
        }
    }
}

/// Where a key stands in an order, or would: indexes are ordered by number, then byte by byte.
package struct KeyPlace: Sendable, Hashable, Comparable {
    /// What it is ordered by; 0 in an order by words.
    package let number: Int
    /// The id, behind the word in an order by words.
    package let member: [UInt8]

    package init(number: Int, id: String = "") { (self.number, member) = (number, Array(id.utf8)) }
    /// In an order by words. - Parameter word: of bytes that may be cut anywhere.
    package init(word: [UInt8]) { (number, member) = (0, word) }
    init(number: Int, member: [UInt8]) { (self.number, self.member) = (number, member) }

    /// Between a word and an id; in no word that people write, and before all that is.
    package static let wordEnd = "\u{1f}"

    /// The key that stands there.
    package var id: String {
        String(decoding: member.split(separator: 0x1f, omittingEmptySubsequences: false).last ?? [], as: UTF8.self)
    }

    package static func < (left: KeyPlace, right: KeyPlace) -> Bool {
        left.number != right.number ? left.number < right.number : left.member.lexicographicallyPrecedes(right.member)
    }
}

extension KeyPlace {
    /// As a text that a client brings back: a number and hex digits.
    package var text: String { "\(number)." + Hex.string(member) }

    /// Nil where it is none.
    package init?(text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = Int(parts[0]), (0...Credits.balanceCeiling).contains(number), let member = Hex.bytes(parts[1]),
            member.count <= 400
        else { return nil }
        self.init(number: number, member: member)
    }
}
