// What a link does as one of several, to the servers of a Redis Cluster.

import NIOCore

extension RedisLink {
    /// Begins to connect.
    /// - Parameter isAwaited: whether commands are there already; they wait for the connection as they would for the next one.
    func start(isAwaited: Bool) {
        if isAwaited { lostAt = .now() }
        start()
    }

    /// Takes a command that was refused elsewhere, or that waited for another connection; its time goes on.
    /// - Parameter isAsking: whether this server is only just getting the slot, and has to be told that the caller knows.
    func take(_ waiter: Waiter, isAsking: Bool = false) {
        if let why = obstacle(to: waiter.command) {
            waiter.completion?(.failure(waiter.wasLost ? .unknown : .unavailable(why)))
            return
        }
        // Both are enqueued in one go, here or when the connection is there: nothing comes between them.
        if isAsking { put(Waiter(command: RedisCommand(once: "ASKING"), sentAt: waiter.sentAt, completion: { _ in })) }
        put(waiter)
    }

    private func put(_ waiter: Waiter) {
        if case .ready = state { enqueue(waiter) } else { resending.append(waiter) }
    }

    /// The server has no slot any more: what it has not been sent goes to others, what it has been sent is waited for.
    func leave() {
        isLeaving = true
        handOver()
        if case .ready = state { return }
        endIfIdle()
    }

    /// Ends when nothing is under way.
    func endIfIdle() {
        handOver()
        if channel != nil, !waiters.isEmpty || !unacknowledged.isEmpty { return }
        stop()
        cluster?.hasLeft(self)
    }

    private func handOver() {
        // An ASKING is for the command behind it, on one connection.
        let orphans = resending.filter { !$0.command.isAsking }
        resending = []
        if !orphans.isEmpty { cluster?.takeOver(orphans) }
    }
}
