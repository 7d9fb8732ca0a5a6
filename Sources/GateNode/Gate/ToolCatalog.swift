// The tools of all servers as `--discovery dynamic` tells of them: page by page, or by words (F-DISC-02).

import GateDomain
import MCPWire

/// What the servers have said of their tools, made anew when they say something else.
struct ToolCatalog {
    /// One tool, with its prefix where there are several servers (F-MULTI-01, F-MULTI-03).
    struct Entry {
        let name: String
        /// Empty if the server says nothing of it.
        let description: String
        /// The raw `inputSchema`; nil if there is none.
        let schema: [UInt8]?
        /// What is searched.
        fileprivate let (nameText, descriptionText): ([UInt8], [UInt8])
    }

    /// What somebody wants to know.
    enum Query {
        /// A page of so many tools, from the tool at a place on.
        case page(from: Int, size: Int)
        /// The tools that fit best.
        case search(words: [[UInt8]], withSchemas: Bool)
    }

    /// In the order of the servers and of their lists.
    let entries: [Entry]

    /// Tools that a search shows at most.
    static let best = 20
    /// Bytes of a description that are searched.
    private static let searched = 1024

    init(_ lists: [(prefix: String?, result: [UInt8])], separator: String) {
        entries = lists.flatMap { prefix, result in
            result.withUnsafeBytes { bytes -> [Entry] in
                let scan = ListScan(bytes, list: "tools", members: ["name", "description", "inputSchema"])
                return scan?.entries.compactMap { Self.entry($0, in: bytes, prefix, separator) } ?? []
            }
        }
    }

    private static func entry(_ entry: ListScan.Entry, in bytes: UnsafeRawBufferPointer, _ prefix: String?, _ separator: String) -> Entry? {
        func text(_ range: Range<Int>?) -> String? { range.flatMap { JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[$0])) } }
        guard let own = text(entry.values[0]) else { return nil }
        let name = prefix.map { $0 + separator + own } ?? own
        guard name.utf8.count <= ClientText.toolName else { return nil }
        let description = text(entry.values[1]) ?? ""
        return Entry(
            name: name, description: prefix.map { "[\($0)] " + description } ?? description,
            schema: entry.values[2].map { Array(bytes[$0]) },
            nameText: Self.searchable(name),
            descriptionText: Self.searchable(String(decoding: description.utf8.prefix(searched), as: UTF8.self)))
    }

    /// Text as it is searched: without regard to case.
    static func searchable(_ text: String) -> [UInt8] { Array(text.lowercased().utf8) }

    /// What a query is answered with, as JSON.
    /// - Parameters:
    ///   - prices: those of the caller.
    ///   - permits: whether the caller may see a tool.
    func answer(_ query: Query, prices: PriceBook, permits: (String) -> Bool) -> [UInt8] {
        switch query {
        case .page(let from, let size): page(from: from, size: size, prices, permits)
        case .search(let words, let withSchemas): found(words, withSchemas: withSchemas, prices, permits)
        }
    }

    private func page(from: Int, size: Int, _ prices: PriceBook, _ permits: (String) -> Bool) -> [UInt8] {
        var (shown, next) = ([Entry](), Int?.none)
        for (place, entry) in entries.enumerated().dropFirst(from) where permits(entry.name) {
            if shown.count == size {
                next = place
                break
            }
            shown.append(entry)
        }
        var output = Self.opening(shown, withSchemas: false, prices)
        if let next {
            output += #","nextCursor":"#.utf8
            JSONText.append(String(next), to: &output)
        }
        output.append(UInt8(ascii: "}"))
        return output
    }

    /// A word in a name weighs three times what it weighs in a description; of equals the first comes first.
    private func found(_ words: [[UInt8]], withSchemas: Bool, _ prices: PriceBook, _ permits: (String) -> Bool) -> [UInt8] {
        let scored = entries.enumerated().compactMap { place, entry -> (place: Int, score: Int)? in
            let score = words.reduce(0) { sum, word in
                sum + (Self.has(word, in: entry.nameText) ? 3 : 0) + (Self.has(word, in: entry.descriptionText) ? 1 : 0)
            }
            return score > 0 && permits(entry.name) ? (place, score) : nil
        }
        let order = scored.sorted { ($1.score, $0.place) < ($0.score, $1.place) }.prefix(Self.best)
        var output = Self.opening(order.map { entries[$0.place] }, withSchemas: withSchemas, prices)
        output += #","matches":"#.utf8
        JSONText.append(scored.count, to: &output)
        output.append(UInt8(ascii: "}"))
        return output
    }

    private static func has(_ word: [UInt8], in text: [UInt8]) -> Bool {
        text.withUnsafeBytes { text in word.withUnsafeBytes { text.holds($0) } }
    }

    /// `{"tools":[…]`.
    private static func opening(_ shown: [Entry], withSchemas: Bool, _ prices: PriceBook) -> [UInt8] {
        var output = Array(#"{"tools":["#.utf8)
        for (number, entry) in shown.enumerated() {
            if number > 0 { output.append(UInt8(ascii: ",")) }
            output += #"{"name":"#.utf8
            JSONText.append(entry.name, to: &output)
            output += #","description":"#.utf8
            JSONText.append(entry.description, to: &output)
            if withSchemas, let schema = entry.schema {
                output += #","inputSchema":"#.utf8
                output += schema
            }
            output += #","_pricing":"#.utf8
            PriceList.append(prices.row(for: entry.name), to: &output)
            output.append(UInt8(ascii: "}"))
        }
        output.append(UInt8(ascii: "]"))
        return output
    }
}
