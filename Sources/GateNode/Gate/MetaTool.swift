// --discovery dynamic: three tools that stand for all, so that an agent reads of the others what it needs (F-DISC-01 to 03).

import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// A tool of the gate's own. Telling of tools is free; a call through `paygate_call_tool` is a call of the tool that it names.
enum MetaTool: String, CaseIterable {
    case list = "paygate_list_tools"
    case search = "paygate_search_tools"
    case call = "paygate_call_tool"

    private static let pageSizes = (usual: 50, most: 200)
    /// Bytes of a query, and words of it that count.
    private static let longestQuery = 256
    private static let mostWords = 8
    /// Bytes of arguments that ask for tools.
    private static let longestArguments = 8 << 10

    /// The answer to tools/list.
    static let listing: [UInt8] = JSONValue.object(["tools": .array(allCases.map(\.tool))]).bytes

    private var tool: JSONValue {
        let schema: JSONValue = ["type": "object", "properties": properties, "required": .array(required.map { .string($0) })]
        return [
            "name": .string(rawValue), "description": .string(purpose), "inputSchema": schema, "annotations": annotations,
            "_pricing": PriceList.row(.free(rawValue)),
        ]
    }

    private var annotations: JSONValue { self == .call ? [:] : ["readOnlyHint": true, "openWorldHint": false] }

    private var purpose: String {
        switch self {
        case .list: "Lists the tools of this server page by page, with descriptions and prices."
        case .search: "Finds tools of this server by words in their names and descriptions; the \(ToolCatalog.best) that fit best."
        case .call: "Calls a tool of this server by its name, at that tool's price. Find names with paygate_search_tools."
        }
    }

    private var properties: JSONValue {
        switch self {
        case .list:
            [
                "cursor": ["type": "string", "description": "nextCursor of the page before."],
                "pageSize": [
                    "type": "integer", "minimum": 1, "maximum": .int(Int64(Self.pageSizes.most)),
                    "default": .int(Int64(Self.pageSizes.usual)),
                ],
            ]
        case .search:
            [
                "query": [
                    "type": "string", "minLength": 1, "maxLength": .int(Int64(Self.longestQuery)), "description": "Words, in any order.",
                ],
                "includeSchema": ["type": "boolean", "default": false, "description": "Whether to show what arguments each tool takes."],
            ]
        case .call:
            [
                "name": ["type": "string", "description": "The tool to call."],
                "arguments": ["type": "object", "description": "What it is called with, as its inputSchema says."],
            ]
        }
    }

    private var required: [String] {
        switch self {
        case .list: []
        case .search: ["query"]
        case .call: ["name"]
        }
    }

    // MARK: Calls

    /// Answers a call of one of these, or makes of it the call that it stands for.
    /// - Returns: whether it is answered, or under way; if not, it is a call like any other.
    static func take(_ exchange: MCPExchange, on loop: LoopContext) -> Bool {
        guard let tool = exchange.envelope.call.toolName.flatMap(MetaTool.init) else { return false }
        do throws(Fault) {
            switch tool {
            case .call:
                try tool.unwrap(exchange)
                return false
            case .list, .search:
                ProxiedRequest(exchange, .catalog(try tool.query(tool.arguments(of: exchange))), on: loop).begin()
            }
        } catch {
            exchange.fail(code: -32602, "Invalid params: \(error.sentence)")
        }
        return true
    }

    /// Why arguments will not do.
    private struct Fault: Error {
        let sentence: String
    }

    private func arguments(of exchange: MCPExchange) throws(Fault) -> JSONValue {
        guard let range = exchange.envelope.call.arguments else { return [:] }
        guard range.count <= Self.longestArguments else { throw Fault(sentence: "arguments have at most \(Self.longestArguments) bytes") }
        guard let value = try? JSONValue.parse(exchange.body.token(range)) else { throw Fault(sentence: "arguments must be an object") }
        return value
    }

    private func query(_ arguments: JSONValue) throws(Fault) -> ToolCatalog.Query {
        self == .search ? try search(arguments) : try page(arguments)
    }

    private func page(_ arguments: JSONValue) throws(Fault) -> ToolCatalog.Query {
        var (from, size) = (0, Self.pageSizes.usual)
        if let value = arguments["pageSize"], !value.isNull {
            guard let asked = value.intValue, (1...Int64(Self.pageSizes.most)).contains(asked) else {
                throw Fault(sentence: "pageSize must be an integer from 1 to \(Self.pageSizes.most)")
            }
            size = Int(asked)
        }
        if let value = arguments["cursor"], !value.isNull {
            guard let text = value.stringValue, text.utf8.count <= 9, let place = Int(text), place >= 0 else {
                throw Fault(sentence: "cursor must be the nextCursor of an earlier page")
            }
            from = place
        }
        return .page(from: from, size: size)
    }

    private func search(_ arguments: JSONValue) throws(Fault) -> ToolCatalog.Query {
        guard let text = arguments["query"]?.stringValue, (1...Self.longestQuery).contains(text.utf8.count) else {
            throw Fault(sentence: "query must be a text of 1 to \(Self.longestQuery) bytes")
        }
        let words = Set(text.split(whereSeparator: \.isWhitespace).prefix(Self.mostWords).map { ToolCatalog.searchable(String($0)) }).sorted
        {
            $0.lexicographicallyPrecedes($1)
        }
        guard !words.isEmpty else { throw Fault(sentence: "query must have a word") }
        var withSchemas = false
        if let value = arguments["includeSchema"], !value.isNull {
            guard let asked = value.boolValue else { throw Fault(sentence: "includeSchema must be true or false") }
            withSchemas = asked
        }
        return .search(words: words, withSchemas: withSchemas)
    }

    /// Puts the tool that is meant, and its arguments, in the place of this one and what it was called with; all else of the request stays.
    private func unwrap(_ exchange: MCPExchange) throws(Fault) {
        guard let outer = exchange.envelope.call.toolNameToken, let arguments = exchange.envelope.call.arguments else {
            throw Fault(sentence: "arguments.name must name a tool")
        }
        let unwrapped = exchange.body.withUnsafeReadableBytes { body -> [UInt8]? in
            guard let inner = Self.inner(UnsafeRawBufferPointer(rebasing: body[arguments])) else { return nil }
            let edits = [Splice.Edit(outer, .bytes(inner.name)), Splice.Edit(arguments, .bytes(inner.arguments))]
            return Splice.apply(edits.sorted { $0.range.lowerBound < $1.range.lowerBound }, to: body)
        }
        guard let unwrapped, exchange.replace(unwrapped) else { throw Fault(sentence: "arguments.name must name a tool") }
        guard exchange.envelope.call.toolName.flatMap(MetaTool.init) == nil else {
            throw Fault(sentence: "\(rawValue) calls the tools of the server, and not one of its own kind")
        }
    }

    /// The raw name and arguments of the call that is meant; nil where no tool is named, or something is said twice.
    private static func inner(_ bytes: UnsafeRawBufferPointer) -> (name: [UInt8], arguments: [UInt8])? {
        var scanner = JSONScanner(bytes, depthCap: Reply.depthCap)
        var (name, arguments) = ([UInt8]?.none, [UInt8]?.none)
        do {
            try scanner.openObject()
            while let member = try scanner.nextMember() {
                let first = scanner.next
                let value = try scanner.locateValue()
                if member.spells("name", in: bytes) {
                    guard name == nil, first == UInt8(ascii: "\"") else { return nil }
                    name = Array(bytes[value])
                } else if member.spells("arguments", in: bytes) {
                    guard arguments == nil, first == UInt8(ascii: "{") else { return nil }
                    arguments = Array(bytes[value])
                }
            }
        } catch {
            return nil
        }
        return name.map { ($0, arguments ?? Array("{}".utf8)) }
    }
}
