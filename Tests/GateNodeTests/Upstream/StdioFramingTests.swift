// Whose answer a line was that is too long to keep.

@testable import GateNode
@testable import MCPUpstream
import NIOCore
import Testing

@Suite("The framing of a stdio server")
struct StdioFramingTests {
    /// What comes out when the text arrives in chunks of the given size.
    private func events(_ text: String, cap: Int, chunk: Int) -> [String] {
        var framing = StdioFraming(cap: cap)
        var events: [String] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            Array(rest.prefix(chunk)).withUnsafeBytes { bytes in
                framing.feed(bytes) { event in
                    switch event {
                    case .line(let line): events.append(String(decoding: line, as: UTF8.self))
                    case .collected(let line): events.append(String(buffer: line))
                    case .overlong(let id): events.append("overlong \(id.map(String.init) ?? "?")")
                    }
                }
            }
            rest = rest.dropFirst(chunk)
        }
        return events
    }

    private static let filling = String(repeating: "x", count: 2_000)

    @Test(
        "an overlong line is named by the id before its result or after it, in any cut of the stream",
        arguments: [
            (#"{"jsonrpc":"2.0","id":12,"result":{"id":99,"text":"\#(filling)"}}"#, "12"),
            (#"{ "id" : 12 , "jsonrpc":"2.0","result":"\#(filling)"}"#, "12"),
            (#"{"result":{"text":"\#(filling)"},"jsonrpc":"2.0","id":12}"#, "12"),
            (#"{"result":{"id":7,"text":"\#(filling)"},"jsonrpc":"2.0", "id": 12 } "#, "12"),
            (#"{"jsonrpc":"2.0","result":{"text":"\#(filling)","id":12}}"#, "?"),
            (#"{"jsonrpc":"2.0","method":"notifications/message","params":{"id":5,"data":"\#(filling)"}}"#, "?"),
            (#"{"jsonrpc":"2.0","id":"12","result":"\#(filling)"}"#, "?"),
            (filling, "?"),
        ])
    func identity(line: String, id: String) {
        for chunk in [1, 7, 300, 1_000, 1_024, 5_000] {
            let text = "before\n\(line)\nafter\n\(line)\nend\n"
            #expect(events(text, cap: 1_000, chunk: chunk) == ["before", "overlong \(id)", "after", "overlong \(id)", "end"])
        }
    }

    @Test("a line of exactly the cap passes")
    func cap() {
        let line = String(repeating: "y", count: 1_000)
        for chunk in [1, 999, 1_000, 1_001, 3_000] {
            #expect(events("\(line)\n\(line)y\n\(line)\n", cap: 1_000, chunk: chunk) == [line, "overlong ?", line])
        }
    }
}
