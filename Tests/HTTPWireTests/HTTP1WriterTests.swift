// What the writer puts on the wire.

import HTTPWire
import NIOCore
import Testing

@Suite("HTTP/1 writing")
struct HTTP1WriterTests {
    private static func written(_ write: (inout ByteBuffer) -> Void) -> String {
        var buffer = ByteBuffer()
        write(&buffer)
        return String(buffer: buffer)
    }

    @Test("An answer is written as it should be")
    func answer() {
        let text = Self.written { buffer in
            HTTP1Writer.beginResponse(status: 200, into: &buffer)
            HTTP1Writer.appendField("content-type", "application/json", into: &buffer)
            HTTP1Writer.appendField("content-length", 1_234_567_890, into: &buffer)
            HTTP1Writer.appendField("x-negative", -12, into: &buffer)
            HTTP1Writer.appendField("x-zero", 0, into: &buffer)
            HTTP1Writer.appendSafe("x-request-id", "req_1", into: &buffer)
            HTTP1Writer.endHead(into: &buffer)
        }
        #expect(
            text == """
                HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1234567890\r\nx-negative: -12\r\nx-zero: 0\r
                x-request-id: req_1\r\n\r\n
                """)
    }

    @Test("Every status has a status line that can be read, known or not")
    func statuses() {
        for status in 200...599 {
            let text = Self.written { HTTP1Writer.beginResponse(status: status, into: &$0) }
            let transcript = HTTP1Transcript.response([Array("\(text)Content-Length: 0\r\n\r\n".utf8)])
            #expect(transcript.lines.first?.hasPrefix("\(status) ") == true, "\(text)")
        }
    }

    @Test("X36 F-HDR-15 no value ends its line")
    func injection() {
        let text = Self.written { buffer in
            HTTP1Writer.appendSafe("x-a", "1\r\nx-b: 2\0\u{1B}\tö", into: &buffer)
            HTTP1Writer.appendSafe(name: "x c", "3", into: &buffer)
            HTTP1Writer.appendSafe(name: "x-d\r\n", "3", into: &buffer)
            HTTP1Writer.appendSafe(name: "", "3", into: &buffer)
            HTTP1Writer.appendSafe(name: "x-e", "5", into: &buffer)
            HTTP1Writer.beginRequest(method: "GET", target: "/a b\r\nc", into: &buffer)
        }
        #expect(text == "x-a: 1x-b: 2\tö\r\nx-e: 5\r\nGET /abc HTTP/1.1\r\n")
    }

    @Test("Chunks are read back as they were written")
    func chunks() {
        let text = Self.written { buffer in
            buffer.writeString("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            HTTP1Writer.appendChunk(ByteBuffer(string: "hello"), into: &buffer)
            HTTP1Writer.appendChunk(ByteBuffer(), into: &buffer)
            HTTP1Writer.appendChunk(ByteBuffer(repeating: 0x61, count: 300), into: &buffer)
            HTTP1Writer.endChunks(into: &buffer)
        }
        #expect(text.contains("\r\n12c\r\n"))
        let transcript = HTTP1Transcript.requests([Array(text.utf8)])
        #expect(transcript.lines.last == "body(hello\(String(repeating: "a", count: 300)))")
    }
}
