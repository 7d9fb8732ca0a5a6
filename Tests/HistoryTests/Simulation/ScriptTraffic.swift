// What admit.lua, settle.lua and edit.lua are asked, read from the wire: by the headers of the scripts, and by nothing that the ledger knows.

@testable import ClusterState
import GateTesting
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
    /// The hold without its list.
    let name: String
    let isDry: Bool
    let price: Int
    let calls: Int
    /// The shard whose hold of the same name decides; nil where it is this one.
    let primary: Int?
    let accounts: [String]
    /// As what those with a record were read when the call was judged.
    let versions: [(account: String, version: Int)]
    /// Those of them that belong to no record.
    let bare: Set<String>
    let limits: [Asked]
}

/// One settlement in a command of settle.lua.
struct AskedSettlement {
    let hold: String
    /// What its events are to be charged for certain, in all.
    let base: Int
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

    private init(_ words: ArraySlice<ArraySlice<UInt8>>, keys: [String]) { (self.words, self.keys) = (words, keys) }

    var isEmpty: Bool { words.isEmpty }
    /// The values of a pack, as words.
    mutating func pack() -> ScriptWords { ScriptWords(ScriptPackWords.read(words.popFirst() ?? [])[...], keys: keys) }
    /// The word before the last one; empty where there is none.
    var secondLast: String { words.count < 2 ? "" : String(decoding: words[words.endIndex - 2], as: UTF8.self) }
    /// The second word; empty where there is none.
    var second: String { words.count < 2 ? "" : String(decoding: words[words.startIndex + 1], as: UTF8.self) }
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
        let holds = (0..<words.number()).map { _ in words.text() }
        return holds.map { name in
            var fields = words.pack()
            fields.skip(1)
            let mode = fields.text()
            let (price, count) = (fields.number(), fields.number())
            // Shard and event end what stands in the hold; where it has two halves the second one begins with the call, and goes on with these.
            let (head, tail) = (fields.pack(), fields.pack())
            let primary = Int(tail.isEmpty ? head.secondLast : tail.second)
            fields.skip(3)
            let (own, counted) = (fields.number(), fields.number())
            fields.skip(1 + guards)
            var bare: Set<String> = []
            var versions: [(account: String, version: Int)] = []
            let accounts = (0..<own).map { _ in
                let (account, version) = (fields.key(), fields.number())
                if fields.number() == 2 { bare.insert(account) } else { versions.append((account, version)) }
                return account
            }
            let limits = (0..<counted).map { _ in
                let (account, meter, kind, cap) = (
                    accounts[fields.number() - 1], fields.text().dropFirst(2), fields.text(), fields.number()
                )
                let (warns, amount, x, y) = (fields.number() == 1, fields.number(), fields.number(), fields.number())
                fields.skip(1)
                return AskedAdmission.Asked(
                    account: account, meter: String(meter), kind: kind, cap: cap, warns: warns, amount: amount,
                    ring: kind == "r" ? fields.key(x) : "", window: kind == "r" ? y : 0, period: kind == "r" ? 0 : x)
            }
            return AskedAdmission(
                hold: fields.key(1) + " " + name, name: name, isDry: mode == "dry", price: price, calls: count, primary: primary,
                accounts: accounts, versions: versions, bare: bare, limits: limits)
        }
    }

    var askedEdit: AskedEdit {
        var words = ScriptWords(self)
        words.skip(2)
        let expected = words.text()
        words.skip(1)
        let id = words.text()
        words.skip(7)
        let fields = (0..<words.number()).map { _ in (words.text(), words.text()) }
        let removed = (0..<words.number()).map { _ in words.text() }
        return AskedEdit(
            operation: words.key(2), id: id, expected: expected, fields: Dictionary(uniqueKeysWithValues: fields), removed: removed)
    }

    var askedSettlements: [AskedSettlement] {
        var words = ScriptWords(self)
        words.skip(1)
        words.skip(2 * words.number())
        var settlements: [AskedSettlement] = []
        while !words.isEmpty {
            var fields = words.pack()
            let hold = fields.key() + " " + fields.text()
            fields.skip(7)
            let events = fields.number()
            fields.skip(fields.number())
            let base = (0..<events).reduce(0) { sum, _ in
                defer { fields.skip(2) }
                return sum + fields.number()
            }
            settlements.append(AskedSettlement(hold: hold, base: base))
        }
        return settlements
    }
}
