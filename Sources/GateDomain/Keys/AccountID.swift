// The name of whatever holds an account, and the number in it that says where the account lives.

/// Names an account: a kind, `_`, and sixteen hex digits (`key_0f3a…`, `team_9c41…`). Not a secret.
///
/// The first eight digits are the account's *home*, which never changes: its shard is home mod the number of shards, so nobody looks
/// it up and a store can be moved to another number.
package struct AccountID: Sendable, Hashable, CustomStringConvertible {
    /// The id of the key or team whose account it is: `key_` or `team_` and 16 hex digits.
    package let text: String
    /// 0 to 2^32 - 1.
    package let home: UInt32

    /// Takes an id as it stands; a text of another shape has the home 0.
    package init(_ text: String) {
        self.text = text
        home = Self.home(of: text)
    }

    /// A new id. - Parameter home: where it shall live; nil spreads it by chance.
    package static func make(_ kind: String, home: UInt32? = nil) -> AccountID {
        let place = home.map { value in
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }
        return AccountID(kind + "_" + (place ?? RandomHex.digits(8)) + RandomHex.digits(8))
    }

    package var description: String { text }

    package static func == (left: AccountID, right: AccountID) -> Bool { left.text == right.text }
    package func hash(into hasher: inout Hasher) { hasher.combine(text) }

    /// The number that the first eight hex digits behind the last `_` spell; 0 for a text of another shape.
    package static func home(of text: String) -> UInt32 {
        let tail = text.utf8.lastIndex(of: UInt8(ascii: "_")).map { text.utf8[text.utf8.index(after: $0)...] } ?? text.utf8[...]
        var home: UInt32 = 0
        var digits = 0
        for unit in tail.prefix(8) {
            guard let value = unit.hexValue else { return 0 }
            home = home << 4 | UInt32(value)
            digits += 1
        }
        return digits == 8 ? home : 0
    }
}

extension UInt8 {
    /// What a lower-case hex digit stands for.
    fileprivate var hexValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
