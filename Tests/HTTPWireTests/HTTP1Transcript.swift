// A parser's steps as lines.

import HTTPWire
import NIOCore

/// What a parser said about some input, as lines that can be compared; body parts are joined, so that it does not depend on
/// how the input was cut.
struct HTTP1Transcript: CustomStringConvertible {
    private(set) var lines: [String] = []
    private var body: ByteBuffer?

    var description: String { lines.joined(separator: " | ") }

    /// Feeds the pieces one after the other to a request parser and asks it for everything each time.
    static func requests(
        _ pieces: [[UInt8]], mode: HTTP1RequestParser.BodyMode = .whole(limit: 1_000), limits: HTTP1Limits = .request
    ) -> Self {
        var transcript = Self()
        var parser = HTTP1RequestParser(limits: limits)
        for piece in pieces {
            parser.append(ByteBuffer(bytes: piece))
            feeding: while true {
                switch parser.next() {
                case .needMore: break feeding
                case .head(let head):
                    transcript.note(head)
                    parser.bodyMode = mode
                case .part(let part): transcript.add(part)
                case .whole(let whole): transcript.end(whole)
                case .end: transcript.end(transcript.body)
                case .fault(let fault): transcript.lines.append("\(fault)")
                }
            }
        }
        return transcript
    }

    /// Feeds the pieces to a response parser that expects one answer, then closes.
    static func response(_ pieces: [[UInt8]], limits: HTTP1Limits = .response, closes: Bool = true) -> Self {
        var transcript = Self()
        var parser = HTTP1ResponseParser(limits: limits)
        guard parser.begin() else { return transcript }
        for piece in pieces {
            parser.append(ByteBuffer(bytes: piece))
            while transcript.note(parser.next()) {}
        }
        if closes { _ = transcript.note(parser.finish()) }
        return transcript
    }

    private mutating func note(_ step: HTTP1ResponseParser.Step) -> Bool {
        switch step {
        case .needMore: return false
        case .head(let head): note(head)
        case .part(let part): add(part)
        case .whole(let head, let whole):
            note(head)
            end(whole)
        case .end: end(body)
        case .fault(let fault): lines.append("\(fault)")
        }
        return true
    }

    private mutating func note(_ head: HTTP1RequestHead) {
        lines.append("\(head.method.name) \(head.pathAndQuery) \(head.framing) \(head.keepAlive ? "keep" : "close")")
    }

    private mutating func note(_ head: HTTP1ResponseHead) {
        lines.append("\(head.status) \(head.contentType) \(head.framing) \(head.keepAlive ? "keep" : "close")")
    }

    /// Parts are text only when they are together: a cut may lie within a character.
    private mutating func add(_ part: ByteBuffer) {
        var part = part
        if body?.writeBuffer(&part) == nil { body = part }
    }

    private mutating func end(_ whole: ByteBuffer?) {
        lines.append("body(\(String(buffer: whole ?? ByteBuffer())))")
        body = nil
    }
}

/// A parser said something else than the test needs to go on.
struct HTTP1UnexpectedStep: Error {}
