// The answer to tools/list: what the caller may call, and what each costs.

import GateDomain
import MCPWire

/// The tools of all servers, merged; with several servers under their prefixes (F-MULTI-01, F-MULTI-03).
///
/// A tool stays the bytes that its server wrote; what the gate adds is put into them.
struct ToolList {
    private struct Tool {
        let name: String
        /// The object as its server wrote it.
        let object: [UInt8]
        /// What is written in the place of something in it.
        var edits: [Splice.Edit] = []
        /// Where the server itself names a price, which is none of its business.
        let price: Range<Int>?
        /// Members that it does not have, in front of the closing brace.
        var added: [(name: String, value: [UInt8])] = []

        init(name: String, object: [UInt8], price: Range<Int>?) {
            (self.name, self.object, self.price) = (name, object, price)
        }

        func priced(_ value: [UInt8]) -> [UInt8] {
            var (edits, added) = (edits, added)
            if let price { edits.append(Splice.Edit(price, .bytes(value))) } else { added.append(("_pricing", value)) }
            edits.sort { $0.range.lowerBound < $1.range.lowerBound }
            var text = object.withUnsafeBytes { Splice.apply(edits, to: $0) }
            text.removeLast()
            for (name, value) in added {
                // A tool has a name at least.
                text.append(UInt8(ascii: ","))
                JSONText.append(name, to: &text)
                text.append(UInt8(ascii: ":"))
                text += value
            }
            text.append(UInt8(ascii: "}"))
            return text
        }
    }

    /// The result whose other members are shown.
    private let frame: [UInt8]
    private let scan: ListScan
    private let tools: [Tool]
    /// Whether it is of several servers: then none of their results is the frame.
    private let isMerged: Bool

    /// Nil if no result has a list of tools. A tool whose name is too long to be called is left out.
    init?(_ lists: [(prefix: String?, result: [UInt8])], separator: String) {
        var frame: (bytes: [UInt8], scan: ListScan)?
        var tools: [Tool] = []
        for (prefix, result) in lists {
            result.withUnsafeBytes { bytes in
                guard let scan = ListScan(bytes, list: "tools", members: ["name", "description", "_pricing"]) else { return }
                frame = frame ?? (result, scan)
                tools += scan.entries.compactMap { Self.tool($0, in: bytes, prefix, separator) }
            }
        }
        guard let frame else { return nil }
        (self.frame, scan, self.tools) = (frame.bytes, frame.scan, tools)
        isMerged = lists.contains { $0.prefix != nil }
    }

    private static func tool(_ entry: ListScan.Entry, in bytes: UnsafeRawBufferPointer, _ prefix: String?, _ separator: String) -> Tool? {
        func text(_ range: Range<Int>) -> String? { JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[range])) }
        func moved(_ range: Range<Int>) -> Range<Int> {
            range.lowerBound - entry.range.lowerBound..<range.upperBound - entry.range.lowerBound
        }
        guard entry.isObject, let token = entry.values[0], token.count <= Envelope.longestToolToken, let own = text(token) else {
            return nil
        }
        let name = prefix.map { $0 + separator + own } ?? own
        // Nobody could call it.
        guard name.utf8.count <= ClientText.toolName else { return nil }
        var tool = Tool(name: name, object: Array(bytes[entry.range]), price: entry.values[2].map(moved))
        guard let prefix else { return tool }
        tool.edits.append(Splice.Edit(moved(token), .bytes(JSONText.quoted(name))))
        let description = JSONText.quoted("[\(prefix)] " + (entry.values[1].flatMap(text) ?? ""))
        if let range = entry.values[1] {
            tool.edits.append(Splice.Edit(moved(range), .bytes(description)))
        } else {
            tool.added.append(("description", description))
        }
        return tool
    }

    /// Tools that the caller may not call are left out; a key that may not call at all sees the free ones (F-ACL-02, F-ACL-03).
    /// - Parameters:
    ///   - nextCursor: of the pages of several servers that follow.
    ///   - permits: whether a tool is shown, by the phase `policy`.
    /// - Returns: the result, as JSON.
    func shown(prices: PriceBook, isBarred: Bool, nextCursor: String?, permits: (String) -> Bool) -> [UInt8] {
        let entries: [[UInt8]] = tools.compactMap { tool in
            let price = prices.row(for: tool.name)
            guard !isBarred || price.isFree, permits(tool.name) else { return nil }
            return tool.priced(PriceList.row(price).bytes)
        }
        if isMerged { return MergedList.result("tools/list", entries, nextCursor: nextCursor) }
        return frame.withUnsafeBytes { scan.replacing(entries, in: $0) }
    }
}
