// Which of the tasks that are due are asked about together.

import ClusterState
@testable import GateNode
import Testing

@Suite("Tasks that are asked about together")
struct TaskRoundTests {
    private static func tasks(_ count: Int, of server: String) -> [TaskRecord] {
        (0..<count).map {
            TaskRecord(
                TaskID(key: "key_0000000000000001", name: "\(server)-\($0)"), taskID: "\($0)", server: server, tool: "t", session: "",
                client: "", capabilities: 0, keyPrefix: "pg_", node: "n", status: .working, lifetime: nil, at: 1)
        }
    }

    @Test(
        "A server with many tasks has four of a round until the others have had theirs, on whichever page they are, and the rest if there is room"
    )
    func shares() {
        var round = TaskRound(most: 16, servers: 3)
        round.add(Self.tasks(64, of: "hung"))
        #expect(!round.isFull && round.tasks.map(\.server) == Array(repeating: "hung", count: 16))
        round.add(Self.tasks(2, of: "b") + Self.tasks(9, of: "c"))
        #expect(!round.isFull && round.tasks.count == 16 && Set(round.tasks.map(\.id)).count == 16)
        #expect(round.tasks.count { $0.server == "b" } == 2 && round.tasks.count { $0.server == "c" } == 4)
        for number in 0..<2 { round.add(Self.tasks(5, of: "more\(number)")) }
        #expect(round.isFull && round.tasks.count == 16 && round.tasks.count { $0.server == "hung" } == 4)
    }

    @Test("Where there is one server it has the whole round")
    func one() {
        var round = TaskRound(most: 16, servers: 1)
        round.add(Self.tasks(10, of: ""))
        #expect(!round.isFull && round.tasks.count == 10)
        round.add(Self.tasks(64, of: ""))
        #expect(round.isFull && round.tasks.count == 16)
    }
}
