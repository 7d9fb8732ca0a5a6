// One event loop's way to a single primary whose replicas have to acknowledge: what only reads does not wait for them.

package import NIOCore

/// Two connections: the one of writes has a `WAIT` behind its commands, which holds up whatever comes after it for as long as a
/// replica hangs; readings take the other one. Confined to one loop.
package final class ReplicatedLink: CommandLink, StoreLink {
    /// The one that it belongs to; nothing else may touch it.
    package let eventLoop: any EventLoop
    private let writes: RedisLink
    private let reads: RedisLink

    init(writes: RedisLink, reads: RedisLink) {
        (self.writes, self.reads, eventLoop) = (writes, reads, writes.eventLoop)
    }

    /// Whether a write has a chance.
    package var isUsable: Bool { writes.isUsable }

    /// The sums over both.
    package var meter: RedisMeter {
        var sum = writes.meter
        sum.add(reads.meter)
        return sum
    }

    package func start() {
        writes.start()
        reads.start()
    }

    package func stop() {
        writes.stop()
        reads.stop()
    }

    package func send(_ command: RedisCommand, _ completion: @escaping RedisLink.Completion) {
        (command.isWrite ? writes : reads).send(command, completion)
    }

    package func atEndOfTick(_ work: @escaping () -> Void) { writes.atEndOfTick(work) }
}
