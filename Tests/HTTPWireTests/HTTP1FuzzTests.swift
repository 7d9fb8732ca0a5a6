// Chance against both parsers.

import GateTesting
import HTTPWire
import NIOCore
import Testing

/// Random but repeatable changes to real requests and answers, among them those of hostile clients and servers.
@Suite("HTTP/1 fuzzing", .replayable)
struct HTTP1FuzzTests {
    @Test("X34 X36 no change of a request makes the parser crash, split it, or read it differently in pieces")
    func requests() {
        let seeds = HTTP1RequestSample.all.map(\.bytes).filter { $0.count < 1_000 } + FuzzCorpus.requests
        fuzz("requests of HTTP/1", seed: 36) { random in
            let input = random.mutation(of: seeds, with: Chance.tokensOfHTTP)
            let mode: HTTP1RequestParser.BodyMode = random.chance(2) ? .parts(limit: 1_000) : .whole(limit: 1_000)
            let whole = HTTP1Transcript.requests([input]).lines
            #expect(whole == HTTP1Transcript.requests(random.pieces(of: input), mode: mode).lines, "\(input)")
            #expect(Self.hasOneFraming(input), "\(input)")
        }
    }

    @Test("X34 no change of an answer makes the parser crash, or read it differently in pieces")
    func responses() async throws {
        let seeds = HTTP1ResponseSample.all.map { Array($0.input.utf8) } + (try await FuzzCorpus.answers())
        fuzz("answers of HTTP/1", seed: 36) { random in
            let input = random.mutation(of: seeds, with: Chance.tokensOfHTTP)
            let whole = HTTP1Transcript.response([input]).lines
            let pieces = HTTP1Transcript.response(random.pieces(of: input)).lines
            // An answer in one piece is either given whole or not at all; in pieces its head may come before the fault.
            #expect(whole[...] == pieces.suffix(whole.count) && pieces.count - whole.count <= 1, "\(input)")
        }
    }

    /// Whether even a careless reader would find at most one framing field in each head that was accepted.
    ///
    /// A careless reader ends lines at any CR or LF and takes white space and control bytes out of names.
    private static func hasOneFraming(_ input: [UInt8]) -> Bool {
        var parser = HTTP1RequestParser()
        parser.append(ByteBuffer(bytes: input))
        while true {
            switch parser.next() {
            case .head(let head):
                let lines = head.fields.bytes.readableBytesView.split { $0 == 0x0A || $0 == 0x0D }
                let names = lines.dropFirst().map { line in
                    String(decoding: line.prefix { $0 != 0x3A }.filter { $0 > 0x20 && $0 != 0x7F }, as: UTF8.self).lowercased()
                }
                let framings = names.filter { $0 == "content-length" || $0 == "transfer-encoding" }
                let expected =
                    switch head.framing {
                    case .none: [String]()
                    case .length: ["content-length"]
                    case .chunked: ["transfer-encoding"]
                    case .untilClose: ["never"]
                    }
                guard framings == expected else { return false }
            case .whole, .part, .end: continue
            case .needMore, .fault: return true
            }
        }
    }
}
