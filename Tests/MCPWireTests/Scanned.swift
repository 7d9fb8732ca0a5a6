// A message together with its scan, so that a test can ask what a range holds.

import MCPWire

struct Scanned<Message> {
    let bytes: [UInt8]
    let message: Message

    /// The text of a range of the source.
    subscript(_ range: Range<Int>?) -> String? {
        range.map { String(decoding: bytes[$0], as: UTF8.self) }
    }
}

func scanEnvelope(_ bytes: [UInt8]) throws -> Scanned<Envelope> {
    Scanned(bytes: bytes, message: try bytes.withUnsafeBytes { try Envelope.scan($0) })
}

func scanEnvelope(_ text: String) throws -> Scanned<Envelope> { try scanEnvelope(Array(text.utf8)) }

/// A request of that method with these params.
func scanRequest(_ method: String, _ params: String) throws -> Scanned<Envelope> {
    try scanEnvelope(#"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#)
}

func scanReply(_ text: String) -> Scanned<Reply>? {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBytes { Reply.scan($0) }.map { Scanned(bytes: bytes, message: $0) }
}
