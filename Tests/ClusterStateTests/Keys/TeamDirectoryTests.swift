// Who is in a team: one that is slow, or was cut short, leaves nobody out and lets nobody in who has no room.

@testable import ClusterState
import GateDomain
import Synchronization
import Testing

@Suite("Members of teams")
struct TeamDirectoryTests {
    private static func members(_ node: TestNode, _ team: TeamRecord) async throws -> Set<String> {
        Set(try await node.send("SMEMBERS", node.keys.members(of: team.id)).array?.compactMap(\.string) ?? [])
    }

    private static func directory(_ node: TestNode, through store: (any CommandStore)? = nil) -> TeamDirectory {
        let store = store ?? node.store
        return TeamDirectory(store: store, keys: KeyDirectory(store: store, origin: "test"), origin: "test")
    }

    @Test(
        "F-TEAM-01: a key that comes back while another node still takes it out is in the team's list, and so is one that was lost from it")
    func lateRemoval() async throws {
        let node = try await TestNode()
        let team = try await node.makeTeam()
        let key = try await node.makeKey(credits: 1).record
        let teams = Self.directory(node)
        try await teams.assign(key, to: team.id, .test())
        let member = try #require(try await node.directory.records.read(key.id))
        let slow = SlowStore(node.store, before: "SREM") {
            let key = try #require(try await node.directory.records.read(key.id))
            #expect(key.teamID == nil)
            try await teams.assign(key, to: team.id, .test())
        }
        try await Self.directory(node, through: slow).remove(member, from: team.id, .test())
        #expect(slow.wasThere)
        #expect(try await node.directory.records.read(key.id)?.teamID == team.id)
        #expect(try await Self.members(node, team) == [key.id])
        #expect(try await teams.members(of: team.id).map(\.id) == [key.id])

        try await node.send("SREM", node.keys.members(of: team.id), key.id)
        try await teams.assign(try #require(try await node.directory.records.read(key.id)), to: team.id, .test())
        #expect(try await Self.members(node, team) == [key.id], "who says it again mends the list")
        try await teams.remove(try #require(try await node.directory.records.read(key.id)), from: team.id, .test())
        #expect(try await Self.members(node, team) == [])
    }

    @Test("F-TEAM-01: keys of a team that is gone, whose deletion was cut short, fill another one to its 100 and not beyond")
    func orphans() async throws {
        let node = try await TestNode()
        let (gone, team) = (try await node.makeTeam(), try await node.makeTeam())
        var orphans: [KeyRecord] = []
        for index in 0..<155 {
            let key = try await node.makeKey(credits: 1, team: index < 95 ? gone : team).record
            if index < 95 { orphans.append(key) } else { try await node.send("SADD", node.keys.members(of: team.id), key.id) }
        }
        let teams = Self.directory(node)
        try await teams.records.delete(gone.id, .test())
        let all = orphans
        try await withThrowingTaskGroup(of: Void.self) { group in
            for key in all {
                group.addTask {
                    do { try await teams.assign(key, to: team.id, .test()) } catch { #expect(error as? TeamRefusal == .full) }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await teams.members(of: team.id).count <= TeamDirectory.capacity)
        for key in orphans { do { try await teams.assign(key, to: team.id, .test()) } catch { #expect(error as? TeamRefusal == .full) } }
        let members = try await teams.members(of: team.id).map(\.id)
        #expect(members.count == TeamDirectory.capacity)
        #expect(try await Self.members(node, team) == Set(members))
    }
}

/// A store before one of whose commands something else happens, once.
private final class SlowStore: CommandStore {
    private let real: RedisStore
    private let word: String
    private let work: @Sendable () async throws -> Void
    private let done = Mutex(false)

    init(_ real: RedisStore, before word: String, _ work: @escaping @Sendable () async throws -> Void) {
        (self.real, self.word, self.work) = (real, word, work)
    }

    var keys: RedisKeys { real.keys }
    var wasThere: Bool { done.withLock { $0 } }

    func send(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply {
        let isNow = done.withLock { done in
            guard !done, command.words.first.map({ String(decoding: $0, as: UTF8.self) }) == word else { return false }
            done = true
            return true
        }
        if isNow { do { try await work() } catch { throw .fault("\(error)") } }
        return try await real.sendPatiently(command)
    }

    func sendPatiently(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply { try await send(command) }

    func sendAll(_ commands: [RedisCommand]) async throws(StoreFailure) -> [RedisReply] {
        var replies: [RedisReply] = []
        for command in commands { replies.append(try await send(command)) }
        return replies
    }
}
