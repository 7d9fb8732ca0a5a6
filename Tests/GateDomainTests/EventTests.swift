import GateDomain
import Testing

@Suite("Packed records")
struct EventTests {
    @Test("an event comes back as it was written, whatever is in its fields")
    func roundTrip() {
        let event = CallEvent(
            keyID: "key_1", tool: "a:b Ä \u{1F600}", outcome: .denied, reason: "insufficient_credits: need 5, have 2", milliseconds: 12,
            requestID: "req_1")
        #expect(CallEvent(packed: event.packed) == event)
    }

    @Test("X36: control characters in a field never make a second field or line")
    func controlCharacters() throws {
        let event = CallEvent(keyID: "k", tool: "t\u{1f}r=b\n\0", outcome: .ok, milliseconds: 1, requestID: "r\r")
        let read = try #require(CallEvent(packed: event.packed))
        #expect(read.tool == "t r=b  " && read.reason.isEmpty && read.requestID == "r ")
    }

    @Test("a reader keeps the fields that it knows, passes over the others, and refuses what has no format number")
    func otherVersions() throws {
        let newer = "7\u{1f}t=echo\u{1f}z=what is this\u{1f}m=5\u{1f}o=later\u{1f}no equals sign"
        let read = try #require(CallEvent(packed: Array(newer.utf8)))
        #expect(read == CallEvent(keyID: "", tool: "echo", outcome: .unknown, milliseconds: 5, requestID: ""))
        #expect(CallEvent(packed: Array("key\u{1f}t=echo".utf8)) == nil && CallEvent(packed: []) == nil)
    }

    @Test("X34: a tool's name is cut to 128 bytes, between characters")
    func longName() {
        let event = CallEvent(keyID: "k", tool: "a" + String(repeating: "ä", count: 100_000), outcome: .ok, milliseconds: 1, requestID: "r")
        #expect(event.tool.utf8.count == 127 && event.tool.hasSuffix("ä"))
    }

    @Test("generated credentials have the documented form and differ (F-KEY-01)")
    func credentials() {
        let secrets = (0..<100).map { _ in Credential.generate() }
        #expect(Set(secrets).count == 100)
        #expect(secrets.allSatisfy { $0.wholeMatch(of: /pg_[0-9a-f]{48}/) != nil })
    }

    @Test("F-KEY-02, F-KEY-03: masks show what they may")
    func masks() {
        let secret = "pg_0123456789abcdef0123456789abcdef0123456789abcdef"
        #expect(Credential.shortMask(secret) == "pg_0123456...")
        #expect(Credential.longMask(secret) == "pg_0123...cdef")
        #expect(Credential.longMask("shortkey1") == "sho...")
    }
}
