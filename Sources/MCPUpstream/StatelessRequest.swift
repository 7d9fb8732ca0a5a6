// A request as a server of the revision 2026-07-28 gets it: it says everything itself, and over HTTP its head repeats what it asks for.

import Foundation
import GateDomain
import HTTPWire
package import MCPWire
package import NIOCore

/// A message with ids of our own, its description of itself in `_meta`, and the fields of an HTTP head that repeat what it says.
package struct StatelessRequest: Sendable {
    /// The whole JSON-RPC message of the first round.
    package let bytes: ByteBuffer
    /// The lines of the head, the same in every round.
    package let fields: ByteBuffer
    /// What the message has declared that its client can be asked.
    package let capabilities: ClientCapabilities

    /// JSON: what servers are told of the gate's own requests.
    package static let clientInfo = Array(#"{"name":"gate-node","version":"\#(ProductVersion.current)"}"#.utf8)

    /// Describes a message for such a server.
    /// - Parameters:
    ///   - message: a request with the ids of its upstream, as `UpstreamRequest.rewritten` makes it.
    ///   - number: its id.
    ///   - description: what it says of itself.
    ///   - capabilities: what of that servers may ask for.
    ///   - mirrored: the arguments that fields of the head repeat.
    ///   - forwarded: such fields of the client's own head; of those that `mirrored` names nothing is taken.
    package init(
        _ message: ByteBuffer, number: UInt64, as description: StatelessMeta.Description, capabilities: ClientCapabilities = [],
        mirrored: [MirroredArgument] = [], forwarded: [(name: String, value: String)] = []
    ) {
        self.capabilities = capabilities
        let described = message.withUnsafeReadableBytes { bytes -> [UInt8] in
            guard let envelope = try? Envelope.scan(bytes) else { return Array(bytes) }
            // What a client says of rounds is said to the gate. Tasks have answers of their own, without rounds.
            guard !Self.isOfTask(bytes, envelope), let rest = Self.without(["requestState", "inputResponses"], bytes, envelope) else {
                return Self.described(bytes, envelope, as: description, number: number)
            }
            return rest.withUnsafeBytes { rest in
                guard let envelope = try? Envelope.scan(rest) else { return Array(rest) }
                return Self.described(rest, envelope, as: description, number: number)
            }
        }
        bytes = ByteBuffer(bytes: described)
        fields = described.withUnsafeBytes { bytes in
            guard let envelope = try? Envelope.scan(bytes) else { return ByteBuffer() }
            return Self.fields(of: bytes, envelope, mirrored, forwarded)
        }
    }

    /// A message of the gate's own.
    /// - Parameter capabilities: what it declares, as JSON.
    package init(_ method: String, _ params: JSONValue, number: UInt64, declaring capabilities: [UInt8] = Array("{}".utf8)) {
        let message: JSONValue = ["jsonrpc": "2.0", "id": .int(Int64(number)), "method": .string(method), "params": params]
        self.init(ByteBuffer(bytes: message.bytes), number: number, as: .init(capabilities: capabilities, clientInfo: Self.clientInfo))
    }

    private static func described(
        _ bytes: UnsafeRawBufferPointer, _ envelope: Envelope, as description: StatelessMeta.Description, number: UInt64
    ) -> [UInt8] {
        func piece(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[range]) }
        func isObject(_ range: Range<Int>) -> Bool { bytes[range.lowerBound] == UInt8(ascii: "{") }
        let own = envelope.meta.flatMap { isObject($0) ? piece($0) : nil }
        let meta = StatelessMeta.described(own, as: description, number: number)
        if let range = envelope.meta { return Splice.apply([.init(range, .bytes(meta))], to: bytes) }
        let member = Array(#""_meta":"#.utf8) + meta
        let object = [UInt8(ascii: "{")] + member + [UInt8(ascii: "}")]
        guard let params = envelope.params else {
            guard let end = bytes.lastIndex(of: UInt8(ascii: "}")) else { return Array(bytes) }
            return Splice.apply([.init(end..<end, .bytes(Array(#","params":"#.utf8) + object))], to: bytes)
        }
        guard isObject(params) else { return Splice.apply([.init(params, .bytes(object))], to: bytes) }
        return Splice.apply([inserting(member, into: params, of: bytes)], to: bytes)
    }

    private static func isOfTask(_ bytes: UnsafeRawBufferPointer, _ envelope: Envelope) -> Bool {
        guard let name = envelope.methodName else { return false }
        let text = JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[name.lowerBound - 1..<name.upperBound + 1]))
        return text?.utf8.starts(with: "tasks/".utf8) ?? false
    }

    /// The message without these members of its params; nil if it has none of them.
    private static func without(_ names: [StaticString], _ bytes: UnsafeRawBufferPointer, _ envelope: Envelope) -> [UInt8]? {
        guard let range = envelope.params, bytes[range.lowerBound] == UInt8(ascii: "{") else { return nil }
        let params = UnsafeRawBufferPointer(rebasing: bytes[range])
        guard params.holds("\\") || names.contains(where: { params.holds($0) }) else { return nil }
        var scanner = JSONScanner(params, depthCap: Reply.depthCap)
        var (rest, isWhole) = ([UInt8(ascii: "{")], true)
        do {
            try scanner.openObject()
            while let name = try scanner.nextMember() {
                let value = try scanner.locateValue()
                guard !names.contains(where: { name.spells($0, in: params) }) else {
                    isWhole = false
                    continue
                }
                if rest.count > 1 { rest.append(UInt8(ascii: ",")) }
                rest += params[name.range]
                rest.append(UInt8(ascii: ":"))
                rest += params[value]
            }
        } catch {
            return nil
        }
        return isWhole ? nil : Splice.apply([.init(range, .bytes(rest + [UInt8(ascii: "}")]))], to: bytes)
    }

    /// Members in front of those that an object has.
    private static func inserting(_ members: [UInt8], into object: Range<Int>, of bytes: UnsafeRawBufferPointer) -> Splice.Edit {
        let start = object.lowerBound + 1
        let next = bytes[start..<object.upperBound].first { ![0x20, 0x09, 0x0a, 0x0d].contains($0) }
        return .init(start..<start, .bytes(next == UInt8(ascii: "}") ? members : members + [UInt8(ascii: ",")]))
    }

    // MARK: The head

    private static func fields(
        of bytes: UnsafeRawBufferPointer, _ envelope: Envelope, _ mirrored: [MirroredArgument], _ forwarded: [(name: String, value: String)]
    ) -> ByteBuffer {
        func text(_ token: Range<Int>?) -> String? { token.flatMap { JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[$0])) } }
        var fields = ByteBuffer()
        let method = text(envelope.methodName.map { $0.lowerBound - 1..<$0.upperBound + 1 }) ?? ""
        HTTP1Writer.appendSafe("mcp-method", encoded(method), into: &fields)
        let name =
            // No longer one is compared.
            switch method.utf8.count <= Envelope.longestName ? method : "" {
            case "tools/call", "prompts/get": text(envelope.call.toolNameToken)
            case "resources/read": text(envelope.uri)
            case "tasks/get", "tasks/update", "tasks/cancel": text(envelope.taskId)
            default: String?.none
            }
        if let name { HTTP1Writer.appendSafe("mcp-name", encoded(name), into: &fields) }
        for field in forwarded where !mirrored.contains(where: { $0.header.lowercased() == field.name.lowercased() }) {
            HTTP1Writer.appendSafe(name: field.name, field.value, into: &fields)
        }
        if !mirrored.isEmpty, let range = envelope.call.arguments,
            let arguments = try? JSONValue.parse(UnsafeRawBufferPointer(rebasing: bytes[range]))
        {
            for argument in mirrored {
                if let text = argument.text(in: arguments) { HTTP1Writer.appendSafe(name: argument.header, encoded(text), into: &fields) }
            }
        }
        return fields
    }

    /// What is no plain text, or looks as if it were encoded already, travels as base64 (Streamable HTTP, Request Headers).
    private static func encoded(_ text: String) -> String {
        let isPlain =
            text.utf8.allSatisfy { (0x20...0x7e).contains($0) } && text.utf8.first != 0x20 && text.utf8.last != 0x20
            && !(text.utf8.starts(with: "=?base64?".utf8) && text.utf8.suffix(2).elementsEqual("?=".utf8))
        return isPlain ? text : "=?base64?" + Data(text.utf8).base64EncodedString() + "?="
    }

    // MARK: Later rounds

    /// The message of a later round.
    /// - Parameters:
    ///   - state: the raw `requestState` of the server's last word; nil if it gave none.
    ///   - responses: what the client has answered, each the JSON of an object.
    package func round(number: UInt64, state: [UInt8]?, responses: [(name: String, value: [UInt8])]) -> ByteBuffer {
        var members: [UInt8] = []
        if !responses.isEmpty {
            members += #""inputResponses":{"#.utf8
            for (index, response) in responses.enumerated() {
                if index > 0 { members.append(UInt8(ascii: ",")) }
                JSONText.append(response.name, to: &members)
                members.append(UInt8(ascii: ":"))
                members += response.value
            }
            members.append(UInt8(ascii: "}"))
        }
        if let state {
            if !members.isEmpty { members.append(UInt8(ascii: ",")) }
            members += #""requestState":"#.utf8
            members += state
        }
        let replaced: [StaticString] = (responses.isEmpty ? [] : ["inputResponses"]) + (state == nil ? [] : ["requestState"])
        let message = bytes.withUnsafeReadableBytes { bytes -> [UInt8] in
            guard let envelope = try? Envelope.scan(bytes) else { return Array(bytes) }
            return Self.without(replaced, bytes, envelope) ?? Array(bytes)
        }.withUnsafeBytes { bytes -> [UInt8] in
            guard let envelope = try? Envelope.scan(bytes), let id = envelope.id, let params = envelope.params else { return Array(bytes) }
            var edits = [Splice.Edit(id, .decimal(number))]
            if let token = envelope.progressToken { edits.append(.init(token, .decimal(number))) }
            if !members.isEmpty { edits.append(Self.inserting(members, into: params, of: bytes)) }
            return Splice.apply(edits.sorted { $0.range.lowerBound < $1.range.lowerBound }, to: bytes)
        }
        return ByteBuffer(bytes: message)
    }
}
