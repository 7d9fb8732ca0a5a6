// Redis's answers, bent and cut: the reader never crashes, and reads the same however the bytes arrive.

import GateTesting
import NIOCore
import Testing

@testable import ClusterState

@Suite("RESP fuzzing", .replayable)
struct RESPFuzzTests {
    @Test("X34: a reply is read back as it was written, in whatever pieces it comes")
    func valid() {
        fuzz("replies of Redis", seed: 6379) { chance in
            let replies = (0..<Int.random(in: 1...4, using: &chance)).map { _ in RedisReply.random(by: &chance) }
            let bytes = replies.flatMap(\.wire)
            let transcript = ReaderTranscript([bytes])
            #expect(transcript == ReaderTranscript(replies: replies, isBroken: false), "\(bytes)")
            #expect(transcript == ReaderTranscript(chance.pieces(of: bytes)), "\(bytes)")
        }
    }

    @Test("X34: no change of a reply crashes the reader, and how it is cut never changes what is read")
    func mutated() {
        fuzz("broken replies of Redis", seed: 6379) { chance in
            let replies = (0..<Int.random(in: 1...3, using: &chance)).map { _ in RedisReply.random(by: &chance) }
            let bytes = chance.mutation(of: [replies.flatMap(\.wire)], with: Chance.tokensOfRESP)
            let whole = ReaderTranscript([bytes])
            #expect(whole == ReaderTranscript(chance.pieces(of: bytes)), "\(bytes)")
            #expect(whole == ReaderTranscript(bytes.map { [$0] }), "\(bytes)")
        }
    }

    @Test(
        "X34: sizes that no answer can have are refused or waited for, without taking the memory that they promise",
        arguments: [
            "$2147483648\r\nx", "$9223372036854775807\r\nx", "$-2\r\n", "*-2\r\n", "*9223372036854775807\r\n", "*4294967297\r\n:1\r\n",
            "$99999999999999999999\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "%1\r\n+a\r\n", "~1\r\n:1\r\n", "_\r\n", "#t\r\n",
            ",1.5\r\n", "(123\r\n", ">1\r\n+x\r\n",
            "=5\r\ntxt:x\r\n", "!3\r\nERR\r\n", "?", "\r\n", "\0\0\0\0",
        ])
    func impossible(_ text: String) {
        let bytes = Array(text.utf8)
        #expect(ReaderTranscript([bytes]) == ReaderTranscript(bytes.map { [$0] }))
    }
}

/// All that a reader made of some pieces.
private struct ReaderTranscript: Equatable {
    var replies: [RedisReply] = []
    /// Whether the reader refused the bytes; what came after that is not read.
    var isBroken = false

    init(replies: [RedisReply], isBroken: Bool) {
        self.replies = replies
        self.isBroken = isBroken
    }

    init(_ pieces: [[UInt8]]) {
        let reader = RedisReplyReader()
        for piece in pieces {
            do {
                try reader.feed(ByteBuffer(bytes: piece))
                while let reply = try reader.next() { replies.append(reply) }
            } catch {
                isBroken = true
                return
            }
        }
    }
}

extension RedisReply {
    /// A reply of any shape that our scripts and commands have; what Redis keeps for clients is what hostile ones send.
    fileprivate static func random(by chance: inout Chance, depth: Int = 0) -> RedisReply {
        switch Int.random(in: 0..<(depth < 4 ? 7 : 5), using: &chance) {
        case 0: .null
        case 1: .integer([0, 1, -1, 1_000_000, .max, .min].randomElement(using: &chance) ?? 0)
        case 2: .error(["ERR no", "NOSCRIPT No matching script.", "READONLY"].randomElement(using: &chance) ?? "")
        case 3: .bytes(chance.pick(FuzzCorpus.bodies + FuzzCorpus.fields))
        case 4: .bytes((0..<Int.random(in: 0...40, using: &chance)).map { _ in UInt8.random(in: .min ... .max, using: &chance) })
        default: .array((0..<Int.random(in: 0...5, using: &chance)).map { _ in random(by: &chance, depth: depth + 1) })
        }
    }

    /// RESP2, as Redis writes it.
    fileprivate var wire: [UInt8] {
        switch self {
        case .null: Array("$-1\r\n".utf8)
        case .integer(let value): Array(":\(value)\r\n".utf8)
        case .error(let text): Array("-\(text)\r\n".utf8)
        case .bytes(let bytes): Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
        case .array(let elements): Array("*\(elements.count)\r\n".utf8) + elements.flatMap(\.wire)
        }
    }
}
