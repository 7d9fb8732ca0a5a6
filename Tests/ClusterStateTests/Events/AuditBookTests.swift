// What a node has read of the audit log is what is there, also after a primary took its end along.

@testable import ClusterState
import GateTesting
import Testing

@Suite("Audit book")
struct AuditBookTests {
    private static func write(_ node: TestNode, _ places: ClosedRange<Int>) async throws {
        for place in places { try await node.send("XADD", node.keys.audit(0), "\(place)-0", "t", "key.created") }
    }

    @Test("entries that were read and are gone are not counted, wherever they stood and whatever was written since")
    func lostEntries() async throws {
        let node = try await TestNode()
        let book = AuditBook(store: node.store)
        func expect(_ total: Int, oldest: Int?, newest: Int?, _ comment: Comment) async throws {
            let figures = try await book.figures(at: 10_000)
            #expect(figures.total == total && figures.types.values.reduce(0, +) == total, comment)
            #expect(figures.oldest == oldest && figures.newest == newest, comment)
        }
        try await expect(0, oldest: nil, newest: nil, "nothing is there")
        try await Self.write(node, 1...700)
        try await expect(700, oldest: 1, newest: 700, "pages of it")
        try await node.send(["XDEL", node.keys.audit(0)] + (691...700).map { "\($0)-0" })
        try await Self.write(node, 701...704)
        try await expect(694, oldest: 1, newest: 704, "its end was lost, and it was written on")
        try await node.send("XDEL", node.keys.audit(0), "5-0")
        try await expect(693, oldest: 1, newest: 704, "one of the middle is gone")
        try await node.send("XTRIM", node.keys.audit(0), "MAXLEN", "100")
        try await expect(100, oldest: 595, newest: 704, "the oldest were dropped")
        try await node.send("DEL", node.keys.audit(0))
        try await expect(0, oldest: nil, newest: nil, "all of it is gone")
    }
}
