// Deadlines, cancellation, and connections that nobody uses.

import NIOCore

extension HTTPUpstreamPool {
    /// All deadlines share one timer. What is due is looked for among everything under way only when the earliest one
    /// passes: where requests are answered long before their deadlines, that is once a deadline's length.
    func watch(_ deadline: NIODeadline?) {
        guard let deadline, alarm.map({ deadline < $0.deadline }) ?? true else { return }
        alarm?.task.cancel()
        alarm = (deadline, loop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in expire() })
    }

    private func expire() {
        alarm = nil
        let now = NIODeadline.now()
        for exchange in underWay where !exchange.isFinished {
            guard let deadline = exchange.deadline, deadline <= now else { continue }
            abandon(exchange, exchange.mayBeWorkedOn ? .timedOut : .overdue)
        }
        watch(underWay.lazy.filter { !$0.isFinished }.compactMap(\.deadline).min())
    }

    /// Gives up the request with this number, if it is still under way.
    func cancel(_ number: UInt64) {
        guard let exchange = underWay.first(where: { $0.number == number && !$0.isFinished }) else { return }
        abandon(exchange, exchange.mayBeWorkedOn ? .cancelled : .withdrawn)
    }

    func abandon(_ exchange: HTTPExchange, _ failure: UpstreamFailure) {
        exchange.fail(failure)
        if let connection = connections.first(where: { $0.exchange === exchange }) {
            discard(connection)
        } else if !unpark(exchange) {
            waiting.removeAll { $0 === exchange }
            orphans.removeAll { $0 === exchange }
        }
        if exchange.mayBeWorkedOn { say(UpstreamMessage.cancelled(exchange.number)) }
    }

    private var underWay: [HTTPExchange] { connections.compactMap(\.exchange) + parked + orphans + waiting }

    /// Takes it out of the parked ones; false if it was not, or not any more, among them.
    func unpark(_ exchange: HTTPExchange) -> Bool {
        guard let index = parked.firstIndex(where: { $0 === exchange }) else { return false }
        parked.remove(at: index)
        return true
    }

    /// Closes what has been unused for too long, and answers that do not end.
    func sweep() {
        let now = NIODeadline.now()
        for connection in connections where connection.isOverdue(at: now) { discard(connection) }
    }

    /// Whether no request is under way.
    var isQuiet: Bool {
        waiting.isEmpty && parked.isEmpty && orphans.isEmpty && connections.allSatisfy { $0.exchange?.isFinished ?? true }
    }

    /// Whether there is no connection at all, and none on its way.
    var isVacant: Bool { connections.isEmpty && connecting == 0 }
}
