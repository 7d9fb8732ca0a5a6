// Large answers in parts are the same answers.

@testable import GateNode
import MCPWire
import NIOCore
import Testing

@Suite("Answers in parts")
struct AnswerBodyTests {
    private static func text(_ parts: [ByteBuffer]) -> String { parts.map { String(buffer: $0) }.joined() }

    @Test(
        "what is put together is what the edits make of the message, whatever is small and what is large", arguments: [10, 5_000, 100_000])
    func edits(_ size: Int) {
        let filling = String(repeating: "x", count: size)
        let message = ByteBuffer(string: #"  {"id":7,"result":{"a":"\#(filling)","b":"\#(filling)"}}"#)
        var moved = message
        moved.moveReaderIndex(forwardBy: 2)
        for edits in [
            [], [Splice.Edit(6..<7, .bytes(Array("\"mine\"".utf8)))],
            [
                Splice.Edit(6..<7, .decimal(12)), Splice.Edit(size..<size + 1, .bytes([65, 66])),
                Splice.Edit(size + 2..<size + 2, .bytes([67])),
            ],
        ] {
            var parts = AnswerParts()
            parts.append("before ".utf8)
            parts.append(0..<moved.readableBytes, of: moved, edits)
            parts.append(" after".utf8)
            let body = parts.body()
            let expected = moved.withUnsafeReadableBytes { String(decoding: Splice.apply(edits, to: $0), as: UTF8.self) }
            #expect(String(decoding: body.bytes, as: UTF8.self) == "before " + expected + " after")
            #expect(body.count == body.bytes.count)
            if case .parts(let parts) = body {
                #expect(size > 4_000 && parts.allSatisfy { $0.readableBytes > 0 })
            } else {
                #expect(size < 4_000)
            }
        }
    }

    @Test("a small part of a large message is copied, so that it does not keep all of that in memory")
    func smallPart() {
        let message = ByteBuffer(repeating: UInt8(ascii: "x"), count: 100_000)
        for (length, isCopied) in [(20_000, true), (60_000, false)] {
            var parts = AnswerParts()
            parts.append(0..<length, of: message)
            guard case .whole = parts.body() else {
                #expect(!isCopied)
                continue
            }
            #expect(isCopied)
        }
    }

    @Test("as an event they are one line of data, under their id, and a chunk of the right size")
    func events() throws {
        let parts = [ByteBuffer(string: "{\"a\":\r\n"), ByteBuffer(string: "[1,\n2]}")]
        let body = Self.text(StreamFrame.body(parts, id: "7"))
        #expect(body == "event: message\nid: 7\ndata: {\"a\":  [1, 2]}\n\n")
        let chunk = Self.text(StreamFrame.event(parts, id: "7", allocator: ByteBufferAllocator()))
        #expect(chunk == "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n")
        #expect(Self.text(parts) == "{\"a\":\r\n[1,\n2]}", "what was read is as it was")
    }
}
