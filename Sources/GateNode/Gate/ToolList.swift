// The answer to tools/list: what the caller may call, and what each costs.

import GateDomain
import MCPWire

/// The tools of all servers, merged; with several servers under their prefixes (F-MULTI-01, F-MULTI-03).
struct ToolList {
    private var result: JSONObject
    private var tools: [JSONValue]

    /// Nil if no result has a list of tools.
    init?(_ lists: [(prefix: String?, result: [UInt8])]) {
        var merged: JSONObject?
        tools = []
        for (prefix, bytes) in lists {
            guard let list = try? JSONValue.parse(bytes).objectValue, let entries = list["tools"]?.arrayValue else { continue }
            merged = merged ?? list
            tools += entries.map { entry in prefix.map { Self.prefixed(entry, $0) } ?? entry }
        }
        guard let merged else { return nil }
        result = merged
    }

    private static func prefixed(_ tool: JSONValue, _ prefix: String) -> JSONValue {
        var tool = tool
        if let name = tool["name"]?.stringValue { tool["name"] = .string("\(prefix):\(name)") }
        tool["description"] = .string("[\(prefix)] " + (tool["description"]?.stringValue ?? ""))
        return tool
    }

    /// Tools that the caller may not call are left out; a key that may not call at all sees the free ones (F-ACL-02, F-ACL-03).
    /// - Parameter permits: whether a tool is shown, by the phase `policy`.
    func shown(prices: PriceBook, isBarred: Bool, permits: (String) -> Bool) -> JSONValue {
        var result = result
        result["tools"] = .array(
            tools.compactMap { tool in
                guard let name = tool["name"]?.stringValue else { return nil }
                let price = prices.row(for: name)
                guard !isBarred || price.isFree, permits(name) else { return nil }
                var tool = tool
                tool["_pricing"] = PriceList.row(price)
                return tool
            })
        return .object(result)
    }
}
