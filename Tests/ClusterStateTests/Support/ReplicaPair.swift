// A primary that dies when a test says so, and its replica, which takes its place with all that it had.

@testable import ClusterState
import GateTesting
import Synchronization
import Testing

/// Both are reached at one address, as behind Sentinels.
final class ReplicaPair: Sendable {
    let primary: RedisServer
    let replica: RedisServer
    let proxy: RedisProxy

    init() async throws {
        (primary, replica) = (try await RedisServer(), try await RedisServer())
        proxy = try await RedisProxy(to: primary.port)
        try await replica.follow(primary)
    }

    /// SIGKILL, once the replica lacks nothing; returns when the replica takes writes.
    func die() async throws {
        try await eventually("the replica has everything") {
            let (here, there) = (try await replica.facts("replication"), try await primary.facts("replication"))
            return here["slave_repl_offset"] == there["master_repl_offset"]
        }
        proxy.redirect(to: replica.port)
        try await primary.kill9()
        try await replica.command("REPLICAOF", "NO", "ONE")
    }

    func end() async throws {
        for server in [primary, replica] { try await server.kill9() }
    }
}

/// The way of a node to a pair whose primary dies at a command of a test's choice.
final class FailingStore: CommandStore {
    /// What becomes of that command, and of the node.
    enum Death: CaseIterable {
        /// It is sent to the new primary, and so are all that follow.
        case before
        /// It was carried out, its answer is lost, and a copy is sent to the new primary.
        case during
        /// The node dies too: nothing more is sent.
        case withTheNode
    }

    private let node: TestNode
    private let pair: ReplicaPair
    private let death: Death
    private let step: Int
    private let count = Atomic<Int>(0)

    /// - Parameter step: commands that come before.
    init(_ node: TestNode, _ pair: ReplicaPair, _ death: Death, after step: Int) {
        (self.node, self.pair, self.death, self.step) = (node, pair, death, step)
    }

    var keys: RedisKeys { node.keys }
    /// Whether as many commands were sent.
    var hasDied: Bool { count.load(ordering: .relaxed) > step }

    func send(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply {
        let number = count.add(1, ordering: .relaxed).oldValue
        if number > step, death == .withTheNode { throw .unavailable("the node is dead") }
        guard number == step else { return try await node.store.sendPatiently(command) }
        if death == .during { _ = try await node.store.sendPatiently(command) }
        try await die()
        if death == .withTheNode { throw .unavailable("the node is dead") }
        return try await node.store.sendPatiently(command)
    }

    private func die() async throws(StoreFailure) {
        do {
            try await pair.die()
            try await node.awaitStore()
        } catch {
            throw .fault("\(error)")
        }
    }

    func sendPatiently(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply { try await send(command) }

    func sendAll(_ commands: [RedisCommand]) async throws(StoreFailure) -> [RedisReply] {
        var replies: [RedisReply] = []
        for command in commands { replies.append(try await send(command)) }
        return replies
    }
}

extension TestNode {
    /// Waits until its store takes writes.
    func awaitStore() async throws {
        try await eventually("the store takes writes", within: .seconds(20)) {
            await result(of: RedisCommand("SET", keys.probe(0), "", "PX", "5000")) == .success(.bytes(Array("OK".utf8)))
        }
    }
}
