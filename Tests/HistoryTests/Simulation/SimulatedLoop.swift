// The event loop that a node's key cache believes to live on: the one thread that runs the history.

@testable import ClusterState
import Dispatch
import NIOCore

/// Everything is on it; nothing is ever scheduled, as the rules of a history stand still.
final class SimulatedLoop: EventLoop, NIOSerialEventLoopExecutor, @unchecked Sendable {
    var inEventLoop: Bool { true }
    var now: NIODeadline { .uptimeNanoseconds(0) }

    func execute(_ task: @escaping @Sendable () -> Void) { task() }

    func submit<T>(_ task: @escaping @Sendable () throws -> T) -> EventLoopFuture<T> {
        preconditionFailure("nobody waits for an event loop in a history")
    }

    func scheduleTask<T>(deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        preconditionFailure("nobody waits for rules in a history")
    }

    func scheduleTask<T>(in: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        preconditionFailure("nobody waits for rules in a history")
    }

    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) { callback(nil) }
}

/// The way of a node's key cache: records go the node's own way. Whose a credential is and which rules hold never changes in a history, and
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
        guard command.words.first?.elementsEqual("HGET".utf8) == true else { return link.send(command, completion) }
        completion(Result { () throws(StoreFailure) in try world.redis.run(command) })
    }
}
