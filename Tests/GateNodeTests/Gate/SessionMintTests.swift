import GateDomain
@testable import GateNode
import MCPWire
import Testing

@Suite("Session ids")
struct SessionMintTests {
    static let mint = SessionMint(secret: Array("secret".utf8))

    @Test("F-MCP-04: an id is mcp_sess_ and 32 hex digits, and any node with the secret reads it")
    func form() throws {
        let id = Self.mint.make(.opened, now: 1_800_000_000, chance: 42)
        #expect(id.wholeMatch(of: /mcp_sess_[0-9a-f]{32}/) != nil)
        let read = try #require(SessionMint(secret: Array("secret".utf8)).read(id, now: 1_800_000_100))
        #expect(read.kind == .opened)
        #expect(read.age == 100)
    }

    @Test("an id says on every node what its client can be asked, under the seal")
    func capabilities() throws {
        let all: ClientCapabilities = [.sampling, .samplingTools, .elicitation, .elicitationURL, .roots, .rootsListChanged]
        for capabilities in [[], [.roots], [.sampling, .elicitation], all] as [ClientCapabilities] {
            for kind in [SessionMint.Kind.opened, .owned] {
                let id = Self.mint.make(kind, now: 1_800_000_000, chance: 42, capabilities)
                let read = try #require(Self.mint.read(id, now: 1_800_000_000))
                #expect(read.kind == kind && read.capabilities == capabilities)
            }
        }
    }

    @Test("an id that was made up, changed, or made under another secret is none")
    func forged() {
        let id = Self.mint.make(.offered, now: 1_800_000_000, chance: 42)
        #expect(SessionMint(secret: Array("other".utf8)).read(id, now: 0) == nil)
        #expect(Self.mint.read("mcp_sess_" + String(repeating: "0", count: 32), now: 0) == nil)
        for index in id.indices.dropFirst(9) {
            var changed = id
            changed.replaceSubrange(index...index, with: id[index] == "0" ? "1" : "0")
            #expect(Self.mint.read(changed, now: 1_800_000_000) == nil)
        }
        #expect(Self.mint.read(String(id.dropLast()), now: 0) == nil)
    }

    @Test("offered ids of one second differ, and each is told from one with another's tag")
    func differ() throws {
        var (random, offers) = (FastRandom(), SessionMint.Offers())
        let ids = (0..<1000).map { _ in offers.next(of: Self.mint, now: 1_800_000_000, chance: random.next()) }
        #expect(Set(ids).count > 990)
        for (id, other) in zip(ids, ids.dropFirst()) {
            let read = try #require(Self.mint.read(id, now: 1_800_000_002))
            #expect(read.kind == .offered && read.age == 2 && read.capabilities == .none)
            #expect(Self.mint.read(String(id.prefix(29) + other.suffix(12)), now: 1_800_000_000) == nil)
        }
    }

    @Test("an offered id has the time at which it was offered")
    func time() {
        var offers = SessionMint.Offers()
        for now in [7, 7, 8] { #expect(Self.mint.read(offers.next(of: Self.mint, now: now, chance: 5), now: 8)?.age == 8 - now) }
    }
}

@Suite("Times and request ids")
struct TimestampTests {
    @Test(
        "ISO 8601 in UTC, over leap years and before 1970",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1_709_210_096_789, "2024-02-29T12:34:56.789Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"), (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ])
    func text(milliseconds: Int, expected: String) {
        #expect(Timestamp.text(milliseconds: milliseconds) == expected)
    }

    @Test(
        "F-HDR-02: only a safe request id is repeated",
        arguments: [
            ("req-1_2.3:4", true), ("", false), ("a b", false), ("a\r\nb", false), ("é", false),
            (String(repeating: "x", count: 129), false),
        ])
    func safe(id: String, isSafe: Bool) {
        #expect(RequestID.isSafe(id) == isSafe)
    }
}
