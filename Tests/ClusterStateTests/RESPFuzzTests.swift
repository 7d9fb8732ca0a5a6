// Redis's answers, bent and cut: the reader never crashes, and reads the same however the bytes arrive.

import Foundation
import NIOCore
import Testing

@testable import ClusterState

/// Set FUZZ_SECONDS to run longer, FUZZ_SEED to run elsewhere.
@Suite("RESP fuzzing")
struct RESPFuzzTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seconds = environment["FUZZ_SECONDS"].flatMap(Double.init) ?? 1
    private static let seed = environment["FUZZ_SEED"].flatMap(UInt64.init) ?? 6379

    /// Runs `body` with one generator until the share of the time is over; the first rounds are always the same.
    private static func repeatedly(_ share: Double, _ body: (inout Chance) -> Void) {
        let end = ContinuousClock.now + .seconds(seconds * share)
        var chance = Chance(state: seed)
        repeat { body(&chance) } while ContinuousClock.now < end
    }

    @Test("X34: a reply is read back as it was written, in whatever pieces it comes")
    func valid() {
        Self.repeatedly(0.2) { chance in
            let replies = (0..<Int.random(in: 1...4, using: &chance)).map { _ in RedisReply.random(by: &chance) }
            let bytes = replies.flatMap(\.wire)
            let transcript = ReaderTranscript([bytes])
            #expect(transcript == ReaderTranscript(replies: replies, isBroken: false), "\(bytes)")
            #expect(transcript == ReaderTranscript(bytes.pieces(by: &chance)), "\(bytes)")
        }
    }

    @Test("X34: no change of a reply crashes the reader, and how it is cut never changes what is read")
    func mutated() {
        Self.repeatedly(0.3) { chance in
            let replies = (0..<Int.random(in: 1...3, using: &chance)).map { _ in RedisReply.random(by: &chance) }
            let bytes = replies.flatMap(\.wire).mutated(by: &chance)
            let whole = ReaderTranscript([bytes])
            #expect(whole == ReaderTranscript(bytes.pieces(by: &chance)), "\(bytes)")
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

/// SplitMix64: small, seeded, the same on every machine.
private struct Chance: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension RedisReply {
    /// A reply of any shape that our scripts and commands have.
    fileprivate static func random(by chance: inout Chance, depth: Int = 0) -> RedisReply {
        switch Int.random(in: 0..<(depth < 4 ? 7 : 5), using: &chance) {
        case 0: .null
        case 1: .integer([0, 1, -1, 1_000_000, .max, .min].randomElement(using: &chance) ?? 0)
        case 2: .error(["ERR no", "NOSCRIPT No matching script.", "READONLY"].randomElement(using: &chance) ?? "")
        case 3, 4: .bytes((0..<Int.random(in: 0...40, using: &chance)).map { _ in UInt8.random(in: .min ... .max, using: &chance) })
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

extension [UInt8] {
    /// The bytes with a few of them changed, doubled, cut out, or replaced by something that means something in RESP.
    fileprivate func mutated(by chance: inout Chance) -> [UInt8] {
        let fragments = [
            "\r\n", "\r", "\n", "$", "*", ":", "+OK\r\n", "-ERR\r\n", "$-1\r\n", "*-1\r\n", "$5\r\n", "*100\r\n", "-", "9", "0", "\0",
        ]
        var bytes = self
        for _ in 0..<Int.random(in: 1...4, using: &chance) {
            let position = Int.random(in: 0...bytes.count, using: &chance)
            let range = position..<position + Swift.min(Int.random(in: 0...6, using: &chance), bytes.count - position)
            switch Int.random(in: 0..<5, using: &chance) {
            case 0 where position < bytes.count: bytes[position] = .random(in: .min ... .max, using: &chance)
            case 1: bytes.removeSubrange(range)
            case 2: bytes.insert(contentsOf: bytes[range], at: position)
            default: bytes.insert(contentsOf: Array((fragments.randomElement(using: &chance) ?? "").utf8), at: position)
            }
        }
        return bytes
    }

    /// The bytes cut into pieces of random length.
    fileprivate func pieces(by chance: inout Chance) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = self[...]
        while !rest.isEmpty {
            let length = Int.random(in: 1...12, using: &chance)
            pieces.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return pieces
    }
}
