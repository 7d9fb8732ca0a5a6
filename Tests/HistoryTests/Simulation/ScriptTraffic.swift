// What admit.lua and settle.lua are asked, read from the wire: by the headers of the scripts, and by nothing that the ledger knows.

@testable import ClusterState
import LuaScripts

/// One call in a command of admit.lua.
struct AskedAdmission {
    struct Asked {
        /// The name of the account in Redis.
        let account: String
        let meter: String
        /// r, n, c or o.
        let kind: String
        let cap: Int
        let warns: Bool
        let amount: Int
        /// Of a rolling window the name of its ring, else empty.
        let ring: String
        /// Microseconds of a rolling window, else 0.
        let window: Int
        /// The number of a calendar period, else 0.
        let period: Int
    }

    /// Its list and its name: what identifies a hold.
    let hold: String
    let isDry: Bool
    let price: Int
    let calls: Int
    /// The shard whose hold of the same name decides; nil where it is this one.
    let primary: Int?
    let accounts: [String]
    /// Those of them that belong to no record.
    let bare: Set<String>
    let limits: [Asked]
}

/// One settlement in a command of settle.lua.
struct AskedSettlement {
    let hold: String
}

/// Reads the words of a script's call one after another.
private struct ScriptWords {
    private var words: ArraySlice<ArraySlice<UInt8>>
    private let keys: [String]

    init(_ command: RedisCommand) {
        words = command.words[2...]
        let count = Int(String(decoding: words.removeFirst(), as: UTF8.self)) ?? 0
        keys = words.prefix(count).map { String(decoding: $0, as: UTF8.self) }
        words = words.dropFirst(count)
    }

    var isEmpty: Bool { words.isEmpty }
    mutating func skip(_ count: Int) { words = words.dropFirst(count) }
    mutating func text() -> String { String(decoding: words.popFirst() ?? [], as: UTF8.self) }
    mutating func number() -> Int { Int(text()) ?? 0 }
    /// The name at a place of KEYS, counted from 1; empty for 0.
    func key(_ place: Int) -> String { place > 0 && place <= keys.count ? keys[place - 1] : "" }
    mutating func key() -> String { key(number()) }
}

extension RedisCommand {
    var askedAdmissions: [AskedAdmission] {
        var words = ScriptWords(self)
        let guards = words.number()
        words.skip(guards)
        var calls: [AskedAdmission] = []
        while !words.isEmpty {
            let hold = words.key(1) + " " + words.text()
            words.skip(1)
            let mode = words.text()
            let (price, count) = (words.number(), words.number())
            words.skip(1)
            let primary = Int(words.text())
            words.skip(4 + guards)
            var bare: Set<String> = []
            let accounts = (0..<words.number()).map { _ in
                let account = words.key()
                words.skip(2)
                if words.text() == "2" { bare.insert(account) }
                return account
            }
            let limits = (0..<words.number()).map { _ in
                let (account, meter, kind, cap) = (accounts[words.number() - 1], words.text(), words.text(), words.number())
                let (warns, amount, x, y) = (words.text() == "1", words.number(), words.number(), words.number())
                words.skip(1)
                return AskedAdmission.Asked(
                    account: account, meter: meter, kind: kind, cap: cap, warns: warns, amount: amount,
                    ring: kind == "r" ? words.key(x) : "", window: kind == "r" ? y : 0, period: kind == "r" ? 0 : x)
            }
            calls.append(
                AskedAdmission(
                    hold: hold, isDry: mode == "dry", price: price, calls: count, primary: primary, accounts: accounts, bare: bare,
                    limits: limits))
        }
        return calls
    }

    var askedSettlements: [AskedSettlement] {
        var words = ScriptWords(self)
        words.skip(1)
        words.skip(2 * words.number())
        var settlements: [AskedSettlement] = []
        while !words.isEmpty {
            settlements.append(AskedSettlement(hold: words.key() + " " + words.text()))
            words.skip(7)
            words.skip(words.number())
            words.skip(3 * words.number())
        }
        return settlements
    }
}
