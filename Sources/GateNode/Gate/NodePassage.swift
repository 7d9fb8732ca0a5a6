// What one node leaves in Redis for another, which is told of it over the feed: answers of clients, rounds of calls.

import ClusterState
import NIOCore

/// Messages by their names; confined to the event loop of its link. What nobody takes is gone after a minute.
struct NodePassage {
    let node: String
    let link: any CommandLink
    let keys: RedisKeys

    /// Milliseconds that a message is kept.
    private static let kept = 60_000

    /// When to look for a message without having been told of it: what is told over the feed may be lost, what lies in the store is not.
    struct Look {
        private let at: NIODeadline

        /// Between two looks.
        private static let interval = TimeAmount.seconds(5)

        init(after now: NIODeadline = .now()) { at = now + Self.interval }

        func isDue(at now: NIODeadline) -> Bool { at <= now }
    }

    /// Leaves a message, and tells the nodes of it.
    /// - Parameters:
    ///   - isFirst: whether one that lies there under the same name stays, and this one goes.
    ///   - failed: is called if it was not left there for certain.
    func leave(_ message: some Sequence<UInt8>, as id: String, isFirst: Bool = false, failed: @escaping () -> Void = {}) {
        var command = RedisCommand("SET", keys.answer(id))
        command.append(message)
        for word in ["PX", "\(Self.kept)"] + (isFirst ? ["NX"] : []) { command.append(word) }
        link.send(command) { [self] result in
            if case .failure(let failure) = result, !failure.mayHaveBeenCarriedOut { return failed() }
            announce(id)
        }
    }

    /// Tells the nodes of a message: again, where the first word may have been lost.
    func announce(_ id: String) {
        link.send(FeedMessage.ephemeral(.answer, id, keys: keys, origin: node)) { _ in }
    }

    /// Takes a message away; `next` is called where there was one.
    func take(_ id: String, _ next: @escaping ([UInt8]) -> Void) {
        link.send(RedisCommand("GETDEL", keys.answer(id))) { result in
            if case .success(.bytes(let bytes)) = result { next(bytes) }
        }
    }

    /// Whether a message lies where it was left; nil if the store does not say.
    func lies(_ id: String, _ next: @escaping (Bool?) -> Void) {
        link.send(RedisCommand("EXISTS", keys.answer(id))) { result in
            if case .success(let reply) = result { next(reply.integer == 1) } else { next(nil) }
        }
    }
}
