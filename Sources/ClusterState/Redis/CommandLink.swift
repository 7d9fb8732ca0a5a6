// The seam between the ledger and the wire: what a ledger needs of its way to Redis.

import NIOCore

/// Carries commands of one event loop to Redis; everything is called on that loop.
///
/// Two real ones: `RedisLink`, a connection, and the scheduler of the history explorer, which delays, repeats, loses and reorders.
package protocol CommandLink: AnyObject {
    /// True if a command sent now has a chance.
    var isUsable: Bool { get }
    /// Sends a command; the completion comes once, on the same loop, and at once where the command is refused.
    func send(_ command: RedisCommand, _ completion: @escaping (Result<RedisReply, StoreFailure>) -> Void)
    /// Runs work when everything that arrived in this tick has been looked at.
    func atEndOfTick(_ work: @escaping () -> Void)
}

/// A way from one event loop to the whole store: `RedisLink` to one server, `ClusterLink` to those of a Redis Cluster.
package protocol StoreLink: CommandLink {
    /// What it has counted so far.
    var meter: RedisMeter { get }
    /// Begins to connect, and goes on until `stop`; to be called on the event loop.
    func start()
    /// Closes what it has opened; whatever is waiting fails, and nothing is taken any more.
    func stop()
}

extension RedisLink: CommandLink, StoreLink {
    package func atEndOfTick(_ work: @escaping () -> Void) {
        eventLoop.assumeIsolatedUnsafeUnchecked().execute(work)
    }
}
