// One event loop's way to a store that may be moved while it is used (decision 25).

import LuaScripts
package import NIOCore

/// Sends to the store that it was made for, until it is told that this has been moved; confined to one loop.
///
/// While a store is closed for the last step of a move it refuses writes as one whose replicas are missing: such a command was not carried
/// out, and is sent again, to whichever store is the one by then, for `patience`.
package final class MovableLink: CommandLink, StoreLink {
    /// The one that it belongs to; nothing else may touch it.
    package let eventLoop: any EventLoop
    private let source: any StoreLink
    private let target: any StoreLink
    private var hasMoved = false
    private var waiting = 0

    /// For how long a refused command is sent again; a store is closed for less.
    private static let patience = TimeAmount.milliseconds(1200)
    private static let pause = TimeAmount.milliseconds(10)
    /// After that time nothing that was sent to the old store can be answered any more.
    private static let farewell = TimeAmount.seconds(5)

    init(from source: any StoreLink, to target: any StoreLink, eventLoop: any EventLoop) {
        (self.source, self.target, self.eventLoop) = (source, target, eventLoop)
    }

    /// Where commands go.
    private var current: any StoreLink { hasMoved ? target : source }

    package var isUsable: Bool { current.isUsable }

    package var meter: RedisMeter {
        var sum = source.meter
        sum.add(target.meter)
        return sum
    }

    package func start() {
        source.start()
        target.start()
    }

    package func stop() {
        source.stop()
        target.stop()
    }

    /// From now on everything goes to the target; what is under way is answered by the source.
    func moveOver() {
        guard !hasMoved else { return }
        hasMoved = true
        eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: Self.farewell) { self.source.stop() }
    }

    package func send(_ command: RedisCommand, _ completion: @escaping RedisLink.Completion) {
        if hasMoved { return target.send(command, completion) }
        send(command, until: .now() + Self.patience, completion)
    }

    /// Asks the store that may become the one.
    func ask(_ command: RedisCommand, _ completion: @escaping RedisLink.Completion) { target.send(command, completion) }

    private func send(_ command: RedisCommand, until deadline: NIODeadline, _ completion: @escaping RedisLink.Completion) {
        current.send(command) { result in
            guard Self.isRefused(result, to: command.script), .now() < deadline, self.waiting < RedisLink.capacity else {
                return completion(result)
            }
            self.waiting += 1
            self.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: Self.pause) {
                self.waiting -= 1
                self.send(command, until: deadline, completion)
            }
        }
    }

    /// Whether a closed store has refused a command, or a script that has caught this and written nothing (`admit.lua`: 14, `settle.lua`: 3):
    /// what is refused to one part of a script is refused to all.
    private static func isRefused(_ result: Result<RedisReply, StoreFailure>, to script: LuaScript?) -> Bool {
        switch (result, script) {
        case (.failure(.unavailable(let why)), _): why.contains("NOREPLICAS")
        case (.success(let reply), .admit): ScriptAnswers(reply).contains { $0.status == 14 && $0.why.contains("NOREPLICAS") }
        case (.success(let reply), .settle): ScriptAnswers(reply).contains { $0.status == 3 && $0.why.contains("NOREPLICAS") }
        default: false
        }
    }

    package func atEndOfTick(_ work: @escaping () -> Void) { source.atEndOfTick(work) }
}
