// The store of one node for what is off the call path, over its simulated link.

@testable import ClusterState

/// Runs the jobs of one node when the scheduler lets it: a stopped node stops in the middle of its tasks.
final class NodeExecutor: TaskExecutor, @unchecked Sendable {
    // Only ever touched by the one thread that runs the history.
    private var jobs: [UnownedJob] = []

    func enqueue(_ job: consuming ExecutorJob) { jobs.append(UnownedJob(job)) }

    var isIdle: Bool { jobs.isEmpty }

    func run() {
        while !jobs.isEmpty { jobs.removeFirst().runSynchronously(on: asUnownedTaskExecutor()) }
    }
}

/// Confined to the one thread that runs the history, which is why it may be handed to tasks of the node's executor.
final class SimulatedStore: CommandStore, @unchecked Sendable {
    let keys: RedisKeys
    private let link: SimulatedLink
    private unowned let world: World
    /// Every command arrives and is answered at once: while a history is prepared.
    var isCalm = false

    init(keys: RedisKeys, link: SimulatedLink, world: World) {
        self.keys = keys
        self.link = link
        self.world = world
    }

    func send(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply {
        if isCalm { return try world.redis.run(command) }
        let result = await withUnsafeContinuation { (continuation: UnsafeContinuation<Result<RedisReply, StoreFailure>, Never>) in
            link.send(command) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    func sendPatiently(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply {
        let deadline = world.now + 2_000_000
        while true {
            do {
                return try await send(command)
            } catch {
                if case .fault = error { throw error }
                if world.now >= deadline { throw error }
                await withUnsafeContinuation { continuation in world.later(50_000, of: self) { continuation.resume() } }
            }
        }
    }

    func sendAll(_ commands: [RedisCommand]) async throws(StoreFailure) -> [RedisReply] {
        var replies: [RedisReply] = []
        for command in commands { replies.append(try await sendPatiently(command)) }
        return replies
    }
}

/// Hands the world to what runs on its own thread, in the eyes of the compiler elsewhere.
final class Reference: @unchecked Sendable {
    // Only ever touched by the one thread that runs the history.
    unowned let value: World
    init(_ value: World) { self.value = value }
}
