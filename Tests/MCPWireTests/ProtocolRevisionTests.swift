// The revisions and what a handshake makes of them.

import MCPWire
import Testing

@Suite("Revisions of MCP")
struct ProtocolRevisionTests {
    @Test("Revisions are listed newest first")
    func order() {
        #expect(ProtocolRevision.allCases.map(\.rawValue) == ProtocolRevision.allCases.map(\.rawValue).sorted(by: >))
        #expect(ProtocolRevision.newest == ProtocolRevision.served.first)
    }

    @Test(
        "A handshake agrees on what was asked if it is served, else on the newest",
        arguments: [
            ("2025-06-18", "2025-06-18"), ("2024-11-05", "2024-11-05"), ("2026-07-28", "2025-11-25"), ("1", "2025-11-25"),
            (nil, "2025-11-25"),
        ] as [(String?, String)])
    func agreement(_ asked: String?, _ answered: String) {
        #expect(ProtocolRevision.agreed(on: asked).rawValue == answered)
    }

    @Test("Handshakes belong to the era of sessions")
    func eras() {
        #expect(ProtocolRevision.served.allSatisfy { $0.era == .session })
        #expect(ProtocolRevision.july2026.era == .stateless)
        #expect(ProtocolRevision.supported.first == .july2026 && ProtocolRevision.supported(named: "2026-07-28") == .july2026)
        for name in ["", "2026-07-28 ", "2026-07-29", String(repeating: "2", count: 1_000_000)] {
            #expect(ProtocolRevision.supported(named: name) == nil)
        }
    }
}
