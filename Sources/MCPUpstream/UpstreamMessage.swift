// The few messages that the gate itself says to a server, whichever way it is reached.

import GateDomain
import MCPWire
import NIOCore

enum UpstreamMessage {
    /// The gate's own handshake (MCP 2025-11-25, Lifecycle).
    /// - Parameter capabilities: of the one client that can answer what the server asks; none where clients share the server.
    static func initialize(number: UInt64, _ capabilities: ClientCapabilities) -> ByteBuffer {
        ByteBuffer(
            string:
                #"{"jsonrpc":"2.0","id":\#(number),"method":"initialize","params":{"protocolVersion":"\#(ProtocolRevision.newest.rawValue)","#
                + #""capabilities":\#(String(decoding: capabilities.json.bytes, as: UTF8.self)),"clientInfo":{"name":"gate-node","version":"\#(ProductVersion.current)"}}}"#
        )
    }

    static let initialized = ByteBuffer(string: #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)

    static func cancelled(_ number: UInt64) -> ByteBuffer {
        ByteBuffer(string: #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":\#(number)}}"#)
    }

    /// The answer to what a server asks: a `ping` is answered, and anything else refused, because nobody is there to answer
    /// and silence would block the server.
    /// - Parameter id: the raw token of the request's id.
    static func answer(to method: Method, id: UnsafeRawBufferPointer) -> ByteBuffer {
        var message = ByteBuffer(string: #"{"jsonrpc":"2.0","id":"#)
        message.writeBytes(id)
        message.writeStaticString(
            method == .ping ? #","result":{}}"# : #","error":{"code":-32601,"message":"Method not found"}}"#)
        return message
    }
}

extension Reply {
    /// Whether this is news for every client (`…/list_changed`), or for those who asked to be told
    /// (`notifications/resources/updated`), and not for one request.
    func concernsEveryClient(_ message: UnsafeRawBufferPointer) -> Bool {
        guard kind == .notification, method == .other, let methodName else { return false }
        return message[methodName].ends(with: "/list_changed".utf8) || isResourceUpdate(message)
    }

    func isResourceUpdate(_ message: UnsafeRawBufferPointer) -> Bool {
        guard kind == .notification, method == .other, let methodName else { return false }
        return message[methodName].elementsEqual("notifications/resources/updated".utf8)
    }
}

extension Slice<UnsafeRawBufferPointer> {
    fileprivate func ends(with bytes: some BidirectionalCollection<UInt8>) -> Bool {
        count >= bytes.count && suffix(bytes.count).elementsEqual(bytes)
    }
}
