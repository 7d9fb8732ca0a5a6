// A reproducible source of chance for the fuzz tests, and how long they may take.

import Foundation

/// SplitMix64: small, seeded, the same on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Runs `body` until this test's share of FUZZ_SECONDS (1 unless set) is over. The first rounds are always the same.
func fuzz(seed: UInt64, share: Double = 0.25, _ body: (inout SeededGenerator) throws -> Void) rethrows {
    let seconds = ProcessInfo.processInfo.environment["FUZZ_SECONDS"].flatMap(Double.init) ?? 1
    let end = ContinuousClock.now + .seconds(seconds * share)
    var generator = SeededGenerator(seed: seed)
    repeat { try body(&generator) } while ContinuousClock.now < end
}

extension [UInt8] {
    /// The bytes with a few of them changed, doubled, cut out, or replaced by something that means something in JSON.
    func mutated(by generator: inout SeededGenerator) -> [UInt8] {
        let fragments = [
            "\"", "\\", "{", "}", "[", "]", ":", ",", "\\u00", "\\ud83d", "1e9", "-", "0", "null", " ", "\n", "\u{0}",
            "é", "😀", "name",
            "\"id\":1,", "\"name\":\"x\",", "data: ", "\r\n", "\r", ":", "id: ",
        ]
        var bytes = self
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let position = Int.random(in: 0...bytes.count, using: &generator)
            let length = Swift.min(Int.random(in: 0...6, using: &generator), bytes.count - position)
            let range = position..<position + length
            switch Int.random(in: 0..<5, using: &generator) {
            case 0 where position < bytes.count: bytes[position] = .random(in: .min ... .max, using: &generator)
            case 1: bytes.removeSubrange(range)
            case 2: bytes.insert(contentsOf: bytes[range], at: position)
            default: bytes.insert(contentsOf: fragments.randomElement(using: &generator)!.utf8, at: position)
            }
        }
        return bytes
    }

    /// The bytes cut into chunks of random length.
    func chunks(by generator: inout SeededGenerator) -> [[UInt8]] {
        var chunks: [[UInt8]] = []
        var rest = self[...]
        while !rest.isEmpty {
            chunks.append(Array(rest.prefix(Int.random(in: 1...12, using: &generator))))
            rest = rest.dropFirst(chunks[chunks.count - 1].count)
        }
        return chunks
    }
}
