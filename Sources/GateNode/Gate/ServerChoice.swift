// Which of several servers a request that is no tool call goes to, and what it is called there.

import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// Lists are asked of all servers; what has an owner, of its owner; what nobody owns, of the first (F-MULTI-01).
enum ServerChoice {
    /// One server, and the token of the request that is written otherwise there.
    struct Target {
        let index: Int
        var edit: (text: String, token: Range<Int>)?
    }

    /// Of all of them; what they answer is merged.
    case all([Target])
    /// Of one after the other, until one has a result.
    case each([Target])
    /// A sentence for the client.
    case refused(String)

    /// - Parameter method: the decoded name.
    static func of(_ method: String, _ exchange: MCPExchange, in set: UpstreamSet) -> ServerChoice {
        let every = set.all.indices.map { Target(index: $0) }
        guard set.isSeveral else { return .all(Array(every.prefix(1))) }
        switch method {
        case "tools/list", "prompts/list", "resources/list", "resources/templates/list", "tasks/list":
            guard let token = exchange.envelope.cursor else { return .all(every) }
            return page(exchange, token, in: set)
        case "logging/setLevel": return .all(every)
        case "prompts/get": return prompt(exchange, exchange.envelope.call.toolNameToken, in: set)
        case "resources/read", "resources/subscribe", "resources/unsubscribe": return resource(exchange, exchange.envelope.uri, in: set)
        case "completion/complete":
            if let token = place(of: "name", in: exchange) { return prompt(exchange, token, in: set) }
            return resource(exchange, place(of: "uri", in: exchange), in: set)
        default: return .all(Array(every.prefix(1)))
        }
    }

    private static func page(_ exchange: MCPExchange, _ token: Range<Int>, in set: UpstreamSet) -> ServerChoice {
        guard let cursors = exchange.string(token).flatMap(ListCursor.read) else { return .refused("Invalid params: unknown cursor") }
        var targets: [Target] = []
        for (prefix, cursor) in cursors {
            guard let index = set.all.firstIndex(where: { $0.prefix?.hasSameBytes(as: prefix) ?? false }) else {
                return .refused("Invalid params: unknown cursor")
            }
            targets.append(Target(index: index, edit: (cursor, token)))
        }
        return .all(targets.sorted { $0.index < $1.index })
    }

    private static func prompt(_ exchange: MCPExchange, _ token: Range<Int>?, in set: UpstreamSet) -> ServerChoice {
        guard let token, token.count <= longestName, let name = exchange.string(token) else {
            return .refused("Invalid params: missing prompt name")
        }
        guard let (index, own) = set.server(of: name) else {
            return .refused("Invalid params: the name must be prefixed, as in prefix\(set.separator)name")
        }
        return .each([Target(index: index, edit: (own, token))])
    }

    private static func resource(_ exchange: MCPExchange, _ token: Range<Int>?, in set: UpstreamSet) -> ServerChoice {
        guard let token, let uri = exchange.string(token), !uri.isEmpty else { return .refused("Invalid params: missing uri") }
        if let owner = set.resources.owner(of: uri) { return .each([Target(index: owner)]) }
        if let (index, own) = set.server(ofPrefixedURI: uri) { return .each([Target(index: index, edit: (own, token))]) }
        return .each(set.all.indices.map { Target(index: $0) })
    }

    /// Where a member of params.ref stands, if it is a string.
    private static func place(of name: StaticString, in exchange: MCPExchange) -> Range<Int>? {
        exchange.body.withUnsafeReadableBytes { body in
            let range = MemberScan.range(of: ["params", "ref", name], in: body)
            return range.flatMap { body[$0.lowerBound] == UInt8(ascii: "\"") ? $0 : nil }
        }
    }

    private static let longestName = 6 * ClientText.toolName + 2
}

/// The cursor of a merged list: of each server that has more, its own cursor.
enum ListCursor {
    private static let mark = "pages-"
    /// Bytes of a cursor that is read.
    private static let longest = 65_536

    /// Nil if no server has more.
    static func text(_ cursors: [(prefix: String, cursor: String)]) -> String? {
        guard !cursors.isEmpty else { return nil }
        var object = JSONObject()
        for (prefix, cursor) in cursors { object[prefix] = .string(cursor) }
        return Hex.string(JSONValue.object(object).bytes, after: mark)
    }

    /// Nil if the text is none of ours.
    static func read(_ text: String) -> [(prefix: String, cursor: String)]? {
        guard text.utf8.count <= longest, text.utf8.starts(with: mark.utf8), let bytes = Hex.bytes(text.dropFirst(mark.count)),
            let object = (try? JSONValue.parse(bytes))?.objectValue, !object.isEmpty
        else { return nil }
        var cursors: [(prefix: String, cursor: String)] = []
        for member in object.members {
            guard let cursor = member.value.stringValue else { return nil }
            cursors.append((member.name, cursor))
        }
        return cursors
    }
}
