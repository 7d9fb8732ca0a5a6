// Statuses and codes of the revision 2026-07-28.

@testable import GateNode
import Testing

@Suite("The stateless era")
struct StatelessEraTests {
    @Test("F-MCP-14: errors that are known before a stream begins have the status that the revision gives them; all others travel with 200")
    func statuses() {
        for code in [-32700, -32600, -32602, -32020, -32021, -32022] { #expect(StatelessEra.status(of: code) == 400) }
        #expect(StatelessEra.status(of: -32601) == 404)
        for code in [-32402, -32603, -32004, -32000, 0, 1] { #expect(StatelessEra.status(of: code) == 200) }
    }

    @Test("codes of earlier revisions that this one forbids are not said to its clients")
    func codes() {
        #expect(StatelessEra.code(-32002) == -32602)
        for code in [-32042, -32020, -32099, -32050] { #expect(StatelessEra.code(code) == -32603) }
        for code in [-32602, -32601, -32000, -32001, -32402, 7, 0] { #expect(StatelessEra.code(code) == code) }
    }
}
