// The few messages that the gate itself says to a stdio server, and the framing of those that it passes on.

import Glibc
import NIOCore

enum StdioMessage {
    /// The gate's own handshake (MCP 2025-11-25, Lifecycle). It declares no capability: there is no one client that
    /// could answer what the server would ask.
    static func initialize(number: UInt64) -> ByteBuffer {
        ByteBuffer(
            string: #"{"jsonrpc":"2.0","id":\#(number),"method":"initialize","params":{"protocolVersion":"2025-11-25","#
                + #""capabilities":{},"clientInfo":{"name":"gate-node","version":"\#(ProductVersion.current)"}}}"#)
    }

    static let initialized = ByteBuffer(string: #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)

    static func cancelled(_ number: UInt64) -> ByteBuffer {
        ByteBuffer(string: #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":\#(number)}}"#)
    }

    /// The answer to a server's `ping`; the id is its raw token.
    static func pong(id: UnsafeRawBufferPointer) -> ByteBuffer {
        answer(to: id, with: #""result":{}}"#)
    }

    /// The answer to anything else that a server asks: nobody is there to answer, and silence would block it.
    static func methodNotFound(id: UnsafeRawBufferPointer) -> ByteBuffer {
        answer(to: id, with: #""error":{"code":-32601,"message":"Method not found"}}"#)
    }

    private static func answer(to id: UnsafeRawBufferPointer, with body: StaticString) -> ByteBuffer {
        var message = ByteBuffer(string: #"{"jsonrpc":"2.0","id":"#)
        message.writeBytes(id)
        message.writeStaticString(",")
        message.writeStaticString(body)
        return message
    }
}

extension ByteBuffer {
    /// Makes JSON text one line with its line feed. A line break can only be white space there, since strings escape
    /// theirs; it becomes a space.
    mutating func becomeLine() {
        if contains(UInt8(ascii: "\n")) || contains(UInt8(ascii: "\r")) {
            withUnsafeMutableReadableBytes { bytes in
                for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") || bytes[index] == UInt8(ascii: "\r") {
                    bytes[index] = UInt8(ascii: " ")
                }
            }
        }
        writeInteger(UInt8(ascii: "\n"))
    }

    private func contains(_ byte: UInt8) -> Bool {
        withUnsafeReadableBytes { bytes in bytes.baseAddress.map { memchr($0, Int32(byte), bytes.count) != nil } ?? false }
    }
}
