// The revision 2026-07-28, in which each request says everything itself: what tells it from the others, and what its answers have to say.

import Foundation
import GateDomain
import HTTPWire
import MCPUpstream
import MCPWire
import NIOCore

/// The era without sessions, on the same endpoint as the other one; nothing here knows of what came before a request.
enum StatelessEra {
    static let revision = ProtocolRevision.july2026

    // MARK: Which era

    /// Whether a head names a revision without sessions.
    static func isNamed(by head: HTTP1RequestHead) -> Bool {
        head.fields.value(of: .mcpProtocolVersion)?.elementsEqual(revision.rawValue.utf8) ?? false
    }

    /// Whether a message belongs to this era: its header names the revision, or its `_meta` names any.
    ///
    /// A handshake is served as one, whatever its header says, unless it describes itself as a request of this era.
    static func claims(_ exchange: MCPExchange) -> Bool {
        let envelope = exchange.envelope
        guard envelope.declaresVersion else { return envelope.method != .initialize && isNamed(by: exchange.head) }
        // A client of a session may describe itself where it likes, as long as it does not contradict itself.
        guard let declared = envelope.declaredVersion, let named = exchange.head.fields.string(of: .mcpProtocolVersion),
            named.hasSameBytes(as: declared)
        else { return true }
        return ProtocolRevision.served(named: named) == nil
    }

    // MARK: What a request has to say

    /// Why a message is refused before anybody looks at what it asks for.
    enum Fault {
        /// With HTTP 400, and this JSON-RPC code.
        case refused(code: Int, String)
        /// The revision that is asked for is not served.
        case version(String)
    }

    static func fault(of exchange: MCPExchange) -> Fault? {
        let envelope = exchange.envelope
        if envelope.kind == .request, let sentence = missing(in: exchange) { return .refused(code: -32602, sentence) }
        let declared = envelope.declaredVersion ?? (envelope.declaresVersion ? nil : revision.rawValue)
        guard let declared, let named = exchange.head.fields.string(of: .mcpProtocolVersion), named.hasSameBytes(as: declared) else {
            return .refused(code: mismatch, "MCP-Protocol-Version must be there, and name the revision that params._meta names")
        }
        if envelope.kind == .request, let sentence = mismatch(in: exchange) { return .refused(code: mismatch, sentence) }
        return named.hasSameBytes(as: revision.rawValue) ? nil : .version(named)
    }

    /// The code for headers that say something else than the body (Base Protocol, Error Codes).
    static let mismatch = -32020
    static let repetition = "MCP-Protocol-Version, Mcp-Method and Mcp-Name may be there once"

    /// What `_meta` has to say of every request (Base Protocol, `_meta`).
    private static func missing(in exchange: MCPExchange) -> String? {
        let envelope = exchange.envelope
        guard envelope.declaresVersion, let capabilities = envelope.declaredCapabilities else {
            return
                #"Invalid params: params._meta must have "io.modelcontextprotocol/protocolVersion" and "io.modelcontextprotocol/clientCapabilities""#
        }
        guard envelope.declaredVersion != nil else {
            return #"Invalid params: "io.modelcontextprotocol/protocolVersion" must be the name of a revision"#
        }
        guard exchange.body.token(capabilities.lowerBound..<capabilities.lowerBound + 1) == [UInt8(ascii: "{")] else {
            return #"Invalid params: "io.modelcontextprotocol/clientCapabilities" must be an object"#
        }
        if let level = levelToken(of: exchange), LogLevel(token: level) == nil {
            return #"Invalid params: "io.modelcontextprotocol/logLevel" must be one of "#
                + LogLevel.allCases.map(\.rawValue).joined(separator: ", ")
        }
        return nil
    }

    /// What headers have to repeat of a request (Streamable HTTP, Request Headers).
    private static func mismatch(in exchange: MCPExchange) -> String? {
        let method = exchange.method
        guard !method.isEmpty, let named = decoded(.mcpMethod, of: exchange), named.elementsEqual(method.utf8) else {
            return "Mcp-Method must be there, and name the method of the request"
        }
        guard let (member, token) = nameToken(method, exchange.envelope) else { return nil }
        let sentence = "Mcp-Name must be there, and be the params.\(member) of the request"
        guard let token else { return exchange.head.fields.contains(.mcpName) ? sentence : nil }
        guard token.count <= longestName, let name = exchange.string(token), let named = decoded(.mcpName, of: exchange),
            named.elementsEqual(name.utf8)
        else { return sentence }
        return nil
    }

    /// Bytes of a name as it stands in a message: as long as a header that repeats it can be, each written as an escape.
    private static let longestName = 6 * 65_536

    /// The member that `Mcp-Name` repeats; nil for a method without one.
    private static func nameToken(_ method: String, _ envelope: Envelope) -> (member: StaticString, token: Range<Int>?)? {
        switch method {
        case "tools/call", "prompts/get": ("name", envelope.call.toolNameToken)
        case "resources/read": ("uri", envelope.uri)
        case "tasks/get", "tasks/update", "tasks/cancel": ("taskId", envelope.taskId)
        default: nil
        }
    }

    /// The bytes that a header stands for: what is no plain text travels as `=?base64?…?=`. Nil if there is no such header, or it is malformed.
    private static func decoded(_ field: HTTP1KnownField, of exchange: MCPExchange) -> [UInt8]? {
        exchange.head.fields.value(of: field).flatMap { decoded(Array($0)) }
    }

    /// Nil if it is malformed.
    private static func decoded(_ value: [UInt8]) -> [UInt8]? {
        let (opening, closing) = (Array("=?base64?".utf8), Array("?=".utf8))
        guard value.count >= opening.count + closing.count, value.starts(with: opening), value.suffix(2).elementsEqual(closing) else {
            return value
        }
        let payload = Data(value[opening.count..<value.count - closing.count])
        // What has two spellings could be read in two ways.
        guard let bytes = Data(base64Encoded: payload), bytes.base64EncodedData() == payload else { return nil }
        return Array(bytes)
    }

    /// Which header of a tool's call says something else than the argument that it has to repeat (Streamable HTTP, Custom Headers): the two
    /// are there together and are the same, or neither is.
    static func mismatch(in exchange: MCPExchange, of mirrored: [MirroredArgument]) -> String? {
        guard !mirrored.isEmpty else { return nil }
        let token = exchange.envelope.call.arguments.map { exchange.body.token($0) } ?? Array("{}".utf8)
        // An argument that is there twice could be another one for the server.
        guard let arguments = try? JSONValue.parse(token, rules: .strict) else {
            return "The arguments name something twice, so that no header can repeat them"
        }
        for argument in mirrored {
            let sent = exchange.head.fields.strings(namedByOperator: argument.header)
            guard sent.count <= 1 else { return "\(argument.header) may be there once" }
            guard let header = sent.first else {
                guard argument.isMirrored(in: arguments) else { continue }
                return "\(argument.header) must be there, and be the argument \(argument.name) of the call"
            }
            guard header.utf8.allSatisfy({ (0x20...0x7e).contains($0) || $0 == 0x09 }), let value = decoded(Array(header.utf8)),
                argument.matches(value, in: arguments)
            else { return "\(argument.header) must be the argument \(argument.name) of the call, and is not there without it" }
        }
        return nil
    }

    /// Whether a request may be answered with a question (Multi Round-Trip Requests).
    static func canBeAsked(_ exchange: MCPExchange) -> Bool {
        switch exchange.envelope.method {
        case .toolsCall: true
        case .other: ["prompts/get", "resources/read"].contains(exchange.method)
        default: false
        }
    }

    /// What the client can be asked in this request; of a declaration longer than any, nothing.
    static func capabilities(of exchange: MCPExchange) -> ClientCapabilities {
        guard let range = exchange.envelope.declaredCapabilities, (3...16_384).contains(range.count) else { return [] }
        var capabilities = ClientCapabilities(try? JSONValue.parse(exchange.body.token(range)))
        // Nobody tells of it in this era.
        capabilities.remove(.rootsListChanged)
        return capabilities
    }

    // MARK: What an answer has to say

    /// The HTTP status that a JSON-RPC error travels on, if it is known before the stream begins.
    static func status(of code: Int) -> Int {
        switch code {
        case -32601: 404
        case -32700, -32600, -32602, -32020, -32021, -32022: 400
        default: 200
        }
    }

    /// The code of this era for that of a server of another: those that are reserved and have no meaning here are not said.
    static func code(_ code: Int) -> Int {
        switch code {
        case -32002: -32602
        case -32099 ... -32020: -32603
        default: code
        }
    }

    /// What the results of a method say besides. What depends on the caller is nobody else's, and a server of the session era says nothing of how
    /// long its answers hold.
    static func frame(of exchange: MCPExchange) -> StatelessResult {
        let (lifetime, isPrivate): (Int?, Bool) =
            switch exchange.envelope.method {
            case .toolsList: (listLifetime, true)
            case .resourcesList, .promptsList: (listLifetime, false)
            case .other where exchange.method == "resources/templates/list": (listLifetime, false)
            case .other where exchange.method == "resources/read": (0, true)
            default: (nil, false)
            }
        return StatelessResult(stamp: exchange.front.serverStamp, lifetime: lifetime, isPrivate: isPrivate)
    }

    /// Milliseconds: as old as the gate's own copies are.
    private static let listLifetime = 1_000

    // MARK: Logs

    /// Whether a notification of a server is for this request: log messages come only to whoever has asked for them, from the level on that
    /// it has named.
    static func hears(_ message: ByteBuffer, _ reply: Reply, exchange: MCPExchange) -> Bool {
        guard let name = reply.methodName else { return false }
        return message.withUnsafeReadableBytes { bytes in
            guard bytes[name].elementsEqual("notifications/message".utf8) else { return true }
            guard let asked = levelToken(of: exchange).flatMap(level) else { return false }
            let said = MemberScan.range(of: ["params", "level"], in: bytes).flatMap { level(bytes[$0]) }
            return said ?? asked >= asked
        }
    }

    private static func levelToken(of exchange: MCPExchange) -> [UInt8]? {
        guard let meta = exchange.envelope.meta else { return nil }
        return exchange.body.withUnsafeReadableBytes { bytes in
            let meta = UnsafeRawBufferPointer(rebasing: bytes[meta])
            return StatelessMeta.logLevel(in: meta).map { Array(meta[$0].prefix(longestLevel)) }
        }
    }

    private static let longestLevel = 64

    private static func level(_ token: some Collection<UInt8>) -> Int? {
        LogLevel(token: token).flatMap { LogLevel.allCases.firstIndex(of: $0) }
    }
}

extension MCPExchange {
    /// The revision is none that is served; what is, in the error's data.
    func failForVersion(_ requested: String) {
        let data: JSONValue = [
            "supported": .array(ProtocolRevision.supported.map { .string($0.rawValue) }),
            "requested": .string(requested.cut(toBytes: ClientText.revision)),
        ]
        fail(status: 400, code: -32022, "Unsupported protocol version", data: data.bytes)
    }
}
