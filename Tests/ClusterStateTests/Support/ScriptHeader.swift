// The first lines of a script, read as its declaration.

import GateTesting
import LuaScripts

/// KEYS and ARGV as a header states them: `a, b` are one each, `[a]` may be missing, `a...` and `{a, b}...` repeat.
///
/// Of arguments also how often: as often as the word before a group says, if that is one of `counters`; `{guard version}...` as often as
/// `guards` has said; any other group, and what follows `then for each …:`, to the end. What follows `then for each … a pack of:` is in one
/// argument each.
struct ScriptHeader {
    let name: String
    let lines: [String: String]

    init(_ script: LuaScript) {
        var lines: [String: String] = [:]
        var (name, label) = ("", "")
        for line in script.source.split(separator: "\n").prefix(while: { $0.hasPrefix("-- ") }) {
            let text = line.dropFirst(3)
            if name.isEmpty {
                name = String(text.prefix { $0 != ":" })
                continue
            }
            if let word = ["KEYS", "ARGV", "REPLY", "EFFECT"].first(where: { text.hasPrefix($0 + " ") }) {
                label = word
                lines[label] = text.dropFirst(word.count).trimmed
            } else {
                lines[label, default: ""] += " " + text.trimmed
            }
        }
        (self.name, self.lines) = (name, lines)
    }

    /// Whether so many words fit the declaration.
    func allows(_ count: Int, _ label: String) -> Bool {
        Self.counts(of: Substring(lines[label] ?? ""), upTo: count).contains(count)
    }

    private static let counters: Set = [
        "guards", "calls", "accounts", "limits", "acknowledged", "events", "fields", "removed", "accountfields", "sums", "lists", "windows",
        "cursors",
        "sinks", "words",
    ]

    /// Whether arguments have the shape that the header states: every count is the number of what follows it.
    func accepts(_ arguments: [String]) -> Bool {
        let isPacked = (lines["ARGV"] ?? "").contains(" a pack of:")
        let parts = (lines["ARGV"] ?? "").replacing(", then for each ", with: "\u{0}").split(separator: "\u{0}").map(String.init)
        var rest = arguments[...]
        var counts: [String: Int] = [:]
        guard let first = parts.first, Self.consume(first, of: &rest, &counts) else { return false }
        guard parts.count > 1, let colon = parts[1].firstIndex(of: ":") else { return rest.isEmpty }
        while isPacked, let pack = rest.popFirst() {
            let values = ScriptPackWords.read(pack.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
            var fields = values.map { String(decoding: $0, as: UTF8.self) }[...]
            guard Self.consume(String(parts[1][parts[1].index(after: colon)...]), of: &fields, &counts), fields.isEmpty else {
                return false
            }
        }
        while !rest.isEmpty {
            guard Self.consume(String(parts[1][parts[1].index(after: colon)...]), of: &rest, &counts) else { return false }
        }
        return true
    }

    private static func consume(_ list: String, of words: inout ArraySlice<String>, _ counts: inout [String: Int]) -> Bool {
        var previous = ""
        for item in items(of: Substring(list)) {
            guard item.hasPrefix("{") else {
                guard let word = words.popFirst() else { return false }
                previous = String(item)
                if counters.contains(previous) {
                    guard let count = Int(word) else { return false }
                    counts[previous] = count
                }
                continue
            }
            let width = items(of: item.dropFirst().dropLast(4)).count
            let counter =
                counters.contains(previous) ? previous : String(item.dropFirst().prefix { $0 != " " && $0 != "," && $0 != "}" }) + "s"
            guard let count = counts[counter] ?? (words.count % width == 0 ? words.count / width : nil), words.count >= count * width
            else { return false }
            words = words.dropFirst(count * width)
            previous = ""
        }
        return true
    }

    /// Every number of words that a list may stand for.
    private static func counts(of list: Substring, upTo limit: Int) -> Set<Int> {
        var counts: Set = [0]
        for item in items(of: list) {
            let isRepeated = item.hasSuffix("...")
            let core = isRepeated ? item.dropLast(3) : item
            let own: Set<Int>
            switch core.first {
            case "[": own = [0, 1]
            case "{": own = self.counts(of: core.dropFirst().dropLast(), upTo: limit)
            default: own = [1]
            }
            var round = counts
            repeat {
                round = Set(round.flatMap { sum in own.map { sum + $0 } }.filter { $0 <= limit })
                if isRepeated { round = round.subtracting(counts) } else { counts = [] }
                counts.formUnion(round)
            } while isRepeated && !round.isEmpty
        }
        return counts
    }

    /// What stands between the commas that are in no braces.
    private static func items(of list: Substring) -> [Substring] {
        var (items, depth): ([Substring], Int) = ([""], 0)
        for character in list {
            if character == "{" { depth += 1 }
            if character == "}" { depth -= 1 }
            if depth == 0, character == "," {
                items.append("")
            } else if depth > 0 || character != " " {
                items[items.count - 1].append(character)
            }
        }
        return items.map { Substring(String($0).trimmed) }.filter { !$0.isEmpty }
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        var text = Substring(self)
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
