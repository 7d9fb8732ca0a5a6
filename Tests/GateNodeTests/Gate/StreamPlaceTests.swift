// What an event of a session's stream is called, and what no such name is.

@testable import GateNode
import Testing

@Suite("Places in a session's stream")
struct StreamPlaceTests {
    @Test("F-MCP-21: an id is read back as it was written, with or without news")
    func roundTrip() {
        var place = StreamPlace(stream: "0123456789ab.1.2z")
        #expect(place.id == "0-0.0123456789ab.1.2z~0")
        (place.message, place.news) = ("1700000000000-12", 1_700_000_000_001)
        #expect(StreamPlace(event: place.id) == place)
        place.news = nil
        #expect(StreamPlace(event: "1700000000000-12.0123456789ab.1.2z") == place)
    }

    @Test(
        "What is no id of ours is none",
        arguments: [
            "", ".", "1-1", "1-1.", "1-1.~1", "1.x", "1-1-1.x", "-1.x", "1-.x", "a-1.x", "99999999999999999999-1.x", "1-1.x y", "1-1.x/y",
            "1-1.x~", "1-1.x~a", "1-1.x~1~1", "1-1.x~99999999999999999999", "1-1.é", "1-1." + String(repeating: "x", count: 81),
            String(repeating: "1", count: 200), "post_a.0.1.0123456789abcdef.3",
        ])
    func nothing(_ id: String) {
        #expect(StreamPlace(event: id) == nil)
    }
}
