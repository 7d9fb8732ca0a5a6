// The lists of several servers as one: prompts, resources, templates; the tools have prices and a type of their own.

import MCPUpstream
import MCPWire

/// Pages of a list that several servers have answered at once.
struct MergedList {
    /// One server's page.
    struct Page {
        let index: Int
        let prefix: String
        /// The raw value of `result`.
        let result: [UInt8]
    }

    /// Each a JSON object.
    private(set) var entries: [[UInt8]] = []
    private var cursors: [(prefix: String, cursor: String)] = []

    /// What a list is called, and by which member its entries are told apart.
    static func members(of method: String) -> (list: StaticString, name: StaticString)? {
        switch method {
        case "tools/list": ("tools", "name")
        case "prompts/list": ("prompts", "name")
        case "resources/list": ("resources", "uri")
        case "resources/templates/list": ("resourceTemplates", "uriTemplate")
        case "tasks/list": ("tasks", "taskId")
        default: nil
        }
    }

    /// Nil if no page has such a list.
    /// - Parameters:
    ///   - isOwn: whether the servers work for one client alone: what they have says nothing of what others may reach.
    ///   - isFirst: whether these are the first pages.
    init?(_ pages: [Page], of method: String, in set: UpstreamSet, isOwn: Bool = false, isFirst: Bool = false) {
        guard let (list, name) = Self.members(of: method) else { return nil }
        var isList = false
        for page in pages {
            page.result.withUnsafeBytes { bytes in
                guard let scan = ListScan(bytes, list: list, members: [name]) else { return }
                isList = true
                if !isOwn, method.hasPrefix("resources/") {
                    let uris = scan.entries.compactMap { entry in
                        entry.values[0].flatMap { JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[$0])) }
                    }
                    set.resources.learn(uris, of: page.index, in: method, isWhole: isFirst && scan.nextCursor == nil)
                }
                add(scan, in: bytes, of: page, method, set)
                let cursor = scan.nextCursor.flatMap { JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[$0])) }
                if let cursor { cursors.append((page.prefix, cursor)) }
            }
        }
        guard isList else { return nil }
    }

    private mutating func add(_ scan: ListScan, in bytes: UnsafeRawBufferPointer, of page: Page, _ method: String, _ set: UpstreamSet) {
        func text(_ range: Range<Int>) -> String? { JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[range])) }
        let names = scan.entries.map { $0.values[0].flatMap(text) }
        let isOfURIs = method.hasPrefix("resources/")
        for (entry, name) in zip(scan.entries, names) {
            guard entry.isObject, let token = entry.values[0], let name else { continue }
            var shown: String?
            if method == "prompts/list" { shown = page.prefix + set.separator + name }
            if isOfURIs, let owner = set.resources.owner(of: name), owner != page.index { shown = page.prefix + ":" + name }
            let start = entry.range.lowerBound
            let object = UnsafeRawBufferPointer(rebasing: bytes[entry.range])
            let edits = shown.map { [Splice.Edit(token.lowerBound - start..<token.upperBound - start, .bytes(JSONText.quoted($0)))] } ?? []
            entries.append(Splice.apply(edits, to: object))
        }
    }

    /// The cursor of what follows; nil at the end.
    var nextCursor: String? { ListCursor.text(cursors) }

    /// The value of `result`.
    static func result(_ method: String, _ entries: [[UInt8]], nextCursor: String?) -> [UInt8] {
        var result = Array("{\"".utf8)
        members(of: method)?.list.withUTF8Buffer { result.append(contentsOf: $0) }
        result += "\":[".utf8
        for (index, entry) in entries.enumerated() {
            if index > 0 { result.append(UInt8(ascii: ",")) }
            result += entry
        }
        result.append(UInt8(ascii: "]"))
        if let nextCursor {
            result += ",\"nextCursor\":".utf8
            JSONText.append(nextCursor, to: &result)
        }
        result.append(UInt8(ascii: "}"))
        return result
    }
}
