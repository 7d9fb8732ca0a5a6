// Chance against the small rules at the front door: whose request it is, whose page, whose session, which call, and what a log says of it.

import GateDomain
@testable import GateNode
import GateSettings
import GateTesting
import Glibc
@testable import MCPUpstream
import NIOCore
import Testing

/// What stands in a head is damaged, and each rule is compared with another reading of the same bytes.
@Suite("Front door fuzzing", .replayable)
struct FrontFuzzTests {
    private static let texts: [[UInt8]] =
        FuzzCorpus.fields
        + [
            "1.2.3.4", "::1", "::ffff:1.2.3.4", "2001:db8::ff00:42:8329", "[::1]:80", "fe80::1%eth0", "6.6.6.6, 198.51.100.7, 10.0.0.2",
            "127.0.0.1:3402", "localhost:1", "a.localhost", "127.0.0.1.evil.example", "evil.example:80", "https://a.example", "null",
            "mcp_sess_0123456789abcdef0123456789abcdef",
        ].map { Array($0.utf8) }

    private static func text(by chance: inout Chance) -> String {
        let bytes = chance.mutation(of: texts, with: Chance.tokensOfFields).filter { $0 != 0x0D && $0 != 0x0A }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Addresses

    /// What the C library makes of a text, in the form of IPv6.
    private static func reference(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET6, text, &bytes) == 1 { return bytes }
        var four = [UInt8](repeating: 0, count: 4)
        guard inet_pton(AF_INET, text, &four) == 1 else { return nil }
        return [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + four
    }

    private static func bytes(_ address: IPAddress) -> [UInt8] {
        [address.high, address.low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) } }
    }

    /// The text without brackets and zone, as both are left out of an address here.
    private static func bare(_ text: String) -> String {
        var text = Substring(text)
        if text.utf8.first == UInt8(ascii: "["), text.utf8.last == UInt8(ascii: "]") { text = Substring(text.utf8.dropFirst().dropLast()) }
        return String(Substring(text.utf8.prefix { $0 != UInt8(ascii: "%") }))
    }

    @Test("F-IP-01: an address is what the C library takes for the same one, and nothing else is an address")
    func addresses() {
        fuzz("addresses", seed: 71) { chance in
            let text = Self.text(by: &chance)
            guard !text.utf8.contains(0) else { return }
            #expect(IPAddress(text).map(Self.bytes) == Self.reference(Self.bare(text)), "\(text.debugDescription)")
        }
    }

    @Test("F-IP-02: X-Forwarded-For means the last entry that no trusted proxy has, and nothing where an entry before it cannot be read")
    func forwarded() throws {
        let ranges = try ["10.0.0.0/8", "::1", "198.51.100.0/24"].map { try #require(AddressRange($0)) }
        let rule = ClientAddressRule(trusted: ranges)
        let proxy = try #require(IPAddress("10.9.9.9")), stranger = try #require(IPAddress("203.0.113.9"))
        fuzz("X-Forwarded-For", seed: 72) { chance in
            let texts = (0..<Int.random(in: 1...4, using: &chance)).map { _ in Self.text(by: &chance) }
            let header = texts.joined(separator: chance.chance(2) ? "," : ", ")
            #expect(rule.client(peer: stranger, forwardedFor: header) == stranger)
            var expected = proxy
            for entry in header.utf8.split(separator: UInt8(ascii: ",")).reversed() {
                let blank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
                let word = Array(Array(entry.drop(while: blank)).reversed().drop(while: blank).reversed())
                let text = String(decoding: word, as: UTF8.self)
                guard word.count <= 64, word.allSatisfy({ (0x21...0x7E).contains($0) }), Self.reference(Self.bare(text)) != nil,
                    let address = IPAddress(text)
                else { break }
                if !ranges.contains(where: { $0.contains(address) }) {
                    expected = address
                    break
                }
            }
            #expect(rule.client(peer: proxy, forwardedFor: header) == expected, "\(header.debugDescription)")
        }
    }

    // MARK: Pages

    @Test("MCP Transports: only this machine's own names pass for it, whatever stands around them; only a listed origin is listed")
    func pages() {
        let listed = ["https://a.example", "http://b.example:8080"]
        fuzz("Host and Origin", seed: 73) { chance in
            let text = Self.text(by: &chance)
            #expect(OriginRule.permits(text, by: .listed(listed)) == listed.contains { Array($0.utf8) == Array(text.utf8) })
            #expect(!OriginRule.permits(text, by: .unlisted) && OriginRule.permits(text, by: .any))
            // A Host field that was let in by the reader of heads.
            let host = String(decoding: text.utf8.filter { (0x21...0x7E).contains($0) }, as: UTF8.self)
            var name = host.lowercased()
            if let port = name.firstMatch(of: /:[0-9]*$/), port.range.lowerBound != name.startIndex || name.count == 1,
                !name[..<port.range.lowerBound].contains(":") || name.hasPrefix("["), !name.hasSuffix("]")
            {
                name = String(name[..<port.range.lowerBound])
            }
            let isBracketed = name.hasPrefix("[") && name.hasSuffix("]") && name.utf8.count >= 2
            if isBracketed { name = String(name.dropFirst().dropLast()) }
            let address = Self.reference(name)
            let isLoopback =
                address.map { $0 == Self.reference("::1") || $0.starts(with: Self.reference("127.0.0.1")!.prefix(13)) } ?? false
            let isOwn = name == "localhost" || name.hasSuffix(".localhost") || isLoopback || name == "gate.example"
            if OriginRule.isOfThisMachine(host, listeningOn: "gate.example") { #expect(isOwn, "\(host.debugDescription)") }
            for good in ["localhost", "127.0.0.1", "[::1]", "gate.example", "LocalHost"] {
                #expect(OriginRule.isOfThisMachine(good + (chance.chance(2) ? "" : ":3402"), listeningOn: "gate.example"))
            }
        }
    }

    // MARK: Sessions and calls

    @Test("F-MCP-04: no change of a session id is one of ours")
    func sessions() {
        let mint = SessionMintTests.mint
        let made = [SessionMint.Kind.opened, .offered, .owned].map { mint.make($0, now: 1_800_000_000, chance: 42) }
        let seeds = made.map { Array($0.utf8) } + FuzzCorpus.fields
        fuzz("session ids", seed: 74) { chance in
            var bytes = chance.mutation(of: seeds, with: Chance.tokensOfFields + Array("0123456789abcdefABCDEF").map(String.init))
            // Mostly of the length that gets past the first look.
            if chance.chance(2) { bytes = Array(bytes.prefix(SessionMint.length)) }
            let id = String(decoding: bytes, as: UTF8.self)
            guard !made.contains(where: { $0.hasSameBytes(as: id) }) else { return }
            #expect(mint.read(id, now: 1_800_000_000) == nil, "\(id.debugDescription)")
        }
        for id in made { #expect(mint.read(id, now: 1_800_000_000) != nil) }
    }

    @Test("F-TOKEN-01: no change of what a token says keeps its signature")
    func tokens() {
        let key = KeyRecord(id: "key_0123456789abcdef", name: "n", prefix: "pg_0", masked: "pg_0...1", createdAt: 0)
        let tokens = (1...3).map { TokenText(of: key, issuedAt: 0, expiresAt: $0 * 60_000, signedWith: "secret").text }
        let said = Set(tokens.map { ExactText(String($0.prefix { $0 != "." })) })
        fuzz("scoped tokens", seed: 78) { chance in
            let bytes = chance.mutation(of: tokens.map { Array($0.utf8) }, with: Chance.tokensOfFields + ["pgt_", "e", "E", "-", "_", "="])
            let text = String(decoding: bytes, as: UTF8.self)
            guard TokenText.isSigned(text, with: "secret") else { return }
            let dot = text.utf8.lastIndex(of: UInt8(ascii: ".")) ?? text.endIndex
            #expect(said.contains(ExactText(String(text[..<dot]))), "\(text.debugDescription)")
        }
        for token in tokens { #expect(TokenText.isSigned(token, with: "secret") && !TokenText.isSigned(token, with: "other")) }
    }

    @Test("D17: a name for an idempotent call, or for a request, is short and visible ASCII, so that it is one to everybody who reads it")
    func names() {
        fuzz("names of calls", seed: 75) { chance in
            var text = Self.text(by: &chance)
            if chance.chance(8) { text = String(repeating: text, count: Int.random(in: 1...40, using: &chance)) }
            if CallFlow.isIdempotencyKey(text) {
                #expect(text.wholeMatch(of: /[!-~]{1,255}/) != nil)
            }
            if RequestID.isSafe(text) { #expect(text.wholeMatch(of: /[-_.:A-Za-z0-9]{1,128}/) != nil) }
        }
        #expect(CallFlow.isIdempotencyKey(String(repeating: "~", count: 255)) && !CallFlow.isIdempotencyKey(""))
        #expect(!CallFlow.isIdempotencyKey(String(repeating: "~", count: 256)))
    }

    @Test("X36: whatever a log is told, it stays one field of one line, and two words that differ look different")
    func logs() {
        fuzz("words in logs", seed: 76) { chance in
            let word = Self.text(by: &chance)
            // Another word, or what a log would show of the first one.
            let words = [word, chance.chance(2) ? Self.text(by: &chance) : Self.shown(word)]
            let shown = words.map(Self.shown)
            for text in shown {
                #expect(text.utf8.count <= 3 * LogText.longest + 3)
                #expect(text.utf8.allSatisfy { (0x21...0x7E).contains($0) && ![0x22, 0x5C].contains($0) }, "\(text)")
            }
            if words.allSatisfy({ $0.utf8.count <= LogText.longest }) {
                #expect((shown[0] == shown[1]) == words[0].hasSameBytes(as: words[1]), "\(words)")
            }
            #expect(!LogText.sentence(words[0]).unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) })
        }
    }

    private static func shown(_ word: String) -> String {
        var line: [UInt8] = []
        LogText.append(word, to: &line)
        return String(decoding: line, as: UTF8.self)
    }

    // MARK: Servers

    @Test("X34: what a server writes is cut into the same lines wherever the pipe cuts it; a line that is too long is told, never kept")
    func stdio() async throws {
        let lines = try await FuzzCorpus.lines().filter { $0.count < 2000 }.map { $0 + [0x0A] }
        try #require(lines.count > 10)
        fuzz("lines of servers", seed: 77) { chance in
            let input =
                chance.mutation(of: [chance.pick(lines) + chance.pick(lines) + chance.pick(lines)], with: Chance.tokensOfJSON) + [0x0A]
            let cap = chance.pick([40, 200, 4096])
            let whole = Self.events([input], cap: cap)
            #expect(whole == Self.events(chance.pieces(of: input), cap: cap), "\(input)")
            #expect(whole.allSatisfy { $0.utf8.count <= 3 * cap })
        }
    }

    private static func events(_ pieces: [[UInt8]], cap: Int) -> [String] {
        var framing = StdioFraming(cap: cap)
        var events: [String] = []
        for piece in pieces {
            piece.withUnsafeBytes { bytes in
                framing.feed(bytes) { event in
                    switch event {
                    case .line(let line): events.append("line " + String(decoding: line, as: UTF8.self))
                    case .collected(let line): events.append("line " + String(buffer: line))
                    case .overlong(let id): events.append("overlong \(id.map(String.init) ?? "?")")
                    }
                }
            }
        }
        return events
    }
}
