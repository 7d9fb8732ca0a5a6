import GateDomain
import Testing

@Suite("Packed records")
struct EventTests {
    @Test("an event comes back as it was written, whatever is in its fields")
    func roundTrip() {
        let event = CallEvent(
            keyID: "key_1", keyName: "Ä \u{1F600}", keyPrefix: "p", keyMasked: "m", namespace: "default", tool: "a:b", outcome: .denied,
            reason: "insufficient_credits: need 5, have 2", milliseconds: 12, requestID: "req_1")
        #expect(CallEvent(packed: String(decoding: event.packed, as: UTF8.self)) == event)
    }

    @Test("X36: control characters in a field never make a second field or line")
    func controlCharacters() throws {
        let event = CallEvent(
            keyID: "k", keyName: "a\u{1f}b\nc\r", keyPrefix: "", keyMasked: "", namespace: "", tool: "t\u{1e}\0", outcome: .ok,
            milliseconds: 1, requestID: "r")
        let read = try #require(CallEvent(packed: String(decoding: event.packed, as: UTF8.self)))
        #expect(read.keyName == "a b c ")
        #expect(read.tool == "t  ")
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
