// The event loop that a node's key cache believes to live on: the one thread that runs the history.

@testable import ClusterState
import Dispatch
import NIOCore

/// Everything is on it. What is to be done at a time is done when the world's own has come so far.
final class SimulatedLoop: EventLoop, NIOSerialEventLoopExecutor, @unchecked Sendable {
    private unowned let world: World
    private unowned let store: SimulatedStore

    /// - Parameter store: of the node whose loop it is.
    init(_ world: World, _ store: SimulatedStore) { (self.world, self.store) = (world, store) }

    var inEventLoop: Bool { true }
    var now: NIODeadline { .uptimeNanoseconds(0) }

    func execute(_ task: @escaping @Sendable () -> Void) { task() }

    func submit<T>(_ task: @escaping @Sendable () throws -> T) -> EventLoopFuture<T> {
        preconditionFailure("nobody waits for an event loop in a history")
    }

    func scheduleTask<T>(deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        scheduleTask(in: KeyCache.patience, task)
    }

    func scheduleTask<T>(in time: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        world.later(Int(time.nanoseconds / 1000), of: store) { _ = try? task() }
        let promise = makePromise(of: T.self)
        // Nobody asks for what comes of it, and a history may end before.
        promise.fail(CancellationError())
        return Scheduled(promise: promise, cancellationTask: {})
    }

    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) { callback(nil) }
}

/// The way of a node's key cache: records go the node's own way. Whose a credential is never changes in a history, nor do the rules in most; that
/// is answered at once, so that no decisions are spent on it.
final class CacheLink: StoreLink {
    private let link: SimulatedLink
    private unowned let world: World

    init(_ link: SimulatedLink, _ world: World) { (self.link, self.world) = (link, world) }

    var isUsable: Bool { link.isUsable }
    var meter: RedisMeter { RedisMeter() }
    func start() {}
    func stop() {}
    func atEndOfTick(_ work: @escaping () -> Void) { link.atEndOfTick(work) }

    func send(_ command: RedisCommand, _ completion: @escaping (Result<RedisReply, StoreFailure>) -> Void) {
        let words = command.words
        let isOfRules = words.last?.elementsEqual(RulesVersion.name.utf8) == true
        guard words.first?.elementsEqual("HGET".utf8) == true, !(world.plan.reloads && isOfRules) else {
            return link.send(command, completion)
        }
        completion(Result { () throws(StoreFailure) in try world.redis.run(command) })
    }
}
