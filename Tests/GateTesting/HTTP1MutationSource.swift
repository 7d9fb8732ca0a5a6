// Damaged HTTP messages for the fuzz tests.

/// A generator whose series depends on nothing but its seed.
package struct HTTP1MutationSource: RandomNumberGenerator {
    /// Where the series stands; the seed at first.
    package var state: UInt64

    private static let tokens: [String] = [
        "\r\n", "\n", "\r", "\r\n\r\n", " ", "\t", "\0", ":", ";", ",", "0", "1", "5", "f", "\u{7F}", "chunked", "GET / HTTP/1.1\r\n",
        "Content-Length: 3\r\n", "Content-Length : 3\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding:\tchunked\r\n",
        "\nTransfer-Encoding: chunked", "Host: b\r\n", "0\r\n\r\n", "HTTP/1.1", "Connection: close\r\n", "\r\n 1", "HTTP/1.0",
    ]

    package init(state: UInt64) { self.state = state }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// True once in `outOf` times.
    package mutating func chance(_ outOf: Int) -> Bool {
        Int.random(in: 0..<outOf, using: &self) == 0
    }

    /// One of the seeds after one to six changes.
    package mutating func mutation(of seeds: [[UInt8]]) -> [UInt8] {
        var input = seeds.randomElement(using: &self) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &self) {
            let place = Int.random(in: 0...input.count, using: &self)
            let end = min(input.count, place + Int.random(in: 0...12, using: &self))
            switch Int.random(in: 0..<6, using: &self) {
            case 0 where place < input.count: input[place] = UInt8.random(in: 0...255, using: &self)
            case 1: input.removeSubrange(place..<end)
            case 2: input.insert(contentsOf: input[place..<end], at: place)
            case 3: input.insert(contentsOf: (seeds.randomElement(using: &self) ?? []).suffix(60), at: place)
            default: input.insert(contentsOf: (Self.tokens.randomElement(using: &self) ?? "").utf8, at: place)
            }
        }
        return input
    }

    /// The input cut at random places.
    package mutating func pieces(of input: [UInt8]) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = input[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...max(1, input.count / 3), using: &self))
            pieces.append(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }
}
