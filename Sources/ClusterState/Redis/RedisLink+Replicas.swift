// A write counts as done when so many replicas have it: a WAIT behind it and all that were sent with it (docs/redis.md, what survives a failover).

import NIOCore

extension RedisLink {
    /// How long replicas have, milliseconds; within the time of a command, so that Redis itself says how many there were.
    static let replicaPatience = 400
    /// How long writes are refused after too few have acknowledged one.
    static let unreplicatedPause = TimeAmount.milliseconds(300)

    /// Puts the question behind all that was sent.
    func askForAcknowledgement() {
        isAcknowledgementDue = false
        isAcknowledging = true
        var question = RedisCommand("WAIT")
        question.append(connector.replicasToAck)
        question.append(Self.replicaPatience)
        var waiter = Waiter(command: question, sentAt: .now()) { self.acknowledged($0) }
        waiter.isWritten = true
        waiter.isAcknowledgement = true
        question.write(to: &outbound)
        waiters.append(waiter)
    }

    /// Tells those whose writes the question stood behind. Writes that too few have may be lost yet, so nobody knows what becomes of them.
    private func acknowledged(_ result: Result<RedisReply, StoreFailure>) {
        isAcknowledging = false
        if isAcknowledgementDue { scheduleFlush() }
        let told = unacknowledged
        unacknowledged = []
        if case .success(let reply) = result, let count = reply.integer, count >= connector.replicasToAck {
            unreplicatedUntil = nil
            for (waiter, reply) in told { waiter.completion?(.success(reply)) }
        } else {
            unreplicatedUntil = .now() + Self.unreplicatedPause
            for (waiter, _) in told { waiter.completion?(.failure(.unknown)) }
        }
    }
}
