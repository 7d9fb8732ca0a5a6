// Chance that can be repeated, and what it does to bytes.

/// A generator whose series depends on nothing but its seed (SplitMix64).
package struct Chance: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// True once in `outOf` times.
    package mutating func chance(_ outOf: Int) -> Bool { Int.random(in: 0..<outOf, using: &self) == 0 }

    /// One of them. - Parameter all: at least one.
    package mutating func pick<Element>(_ all: [Element]) -> Element { all[Int.random(in: 0..<all.count, using: &self)] }

    /// One of the seeds after one to six changes: bytes changed, cut out, doubled, taken from another seed, or something that means something.
    package mutating func mutation(of seeds: [[UInt8]], with tokens: [String]) -> [UInt8] {
        var input = pick(seeds)
        for _ in 0..<Int.random(in: 1...6, using: &self) {
            let place = Int.random(in: 0...input.count, using: &self)
            let end = min(input.count, place + Int.random(in: 0...12, using: &self))
            switch Int.random(in: 0..<6, using: &self) {
            case 0 where place < input.count: input[place] = UInt8.random(in: 0...255, using: &self)
            case 1: input.removeSubrange(place..<end)
            case 2: input.insert(contentsOf: input[place..<end], at: place)
            case 3: input.insert(contentsOf: pick(seeds).suffix(60), at: place)
            default: input.insert(contentsOf: pick(tokens).utf8, at: place)
            }
        }
        return input
    }

    /// The input cut at random places, into a few pieces or into many.
    package mutating func pieces(of input: [UInt8]) -> [[UInt8]] {
        let longest = chance(2) ? 12 : max(1, input.count / 3)
        var pieces: [[UInt8]] = []
        var rest = input[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...longest, using: &self))
            pieces.append(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }

    /// What means something in HTTP/1.1.
    package static let tokensOfHTTP: [String] = [
        "\r\n", "\n", "\r", "\r\n\r\n", " ", "\t", "\0", ":", ";", ",", "0", "1", "5", "f", "\u{7F}", "chunked", "GET / HTTP/1.1\r\n",
        "Content-Length: 3\r\n", "Content-Length : 3\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding:\tchunked\r\n",
        "\nTransfer-Encoding: chunked", "Host: b\r\n", "0\r\n\r\n", "HTTP/1.1", "Connection: close\r\n", "\r\n 1", "HTTP/1.0",
    ]

    /// What means something in JSON-RPC, in lines of it, and in event streams.
    package static let tokensOfJSON: [String] = [
        "\"", "\\", "{", "}", "[", "]", ":", ",", "\\u00", "\\ud83d", "1e9", "-", "0", "null", " ", "\n", "\u{0}", "é", "😀", "\u{301}",
        "name", "\"id\":1,", "\"name\":\"x\",", "\"cursor\":\"x\",", "\"nextCursor\":null,", "data: ", "\r\n", "\r", "id: ", "event: ",
        "retry: 1", "\u{FEFF}",
    ]

    /// What means something to Redis (RESP2).
    package static let tokensOfRESP: [String] = [
        "\r\n", "\r", "\n", "$", "*", ":", "+OK\r\n", "-ERR\r\n", "$-1\r\n", "*-1\r\n", "$5\r\n", "*100\r\n", "-", "9", "0", "\0",
    ]

    /// What means something in the values of a head: addresses, hosts, origins, ids.
    package static let tokensOfFields: [String] = [
        ",", " ", "\t", ":", "::", ".", "/", "[", "]", "%", "@", "+", "-", "0", "00", "1", "255", "256", "ffff", "127.0.0.1", "::1",
        "localhost", "LOCALHOST", ".localhost", "evil.example", ":80", "https://", "null", "*", "{", "}", "\0", "\u{7F}", "\u{301}", "é",
        "pg_",
        "mcp_sess_",
    ]
}
