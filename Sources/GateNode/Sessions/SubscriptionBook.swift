// Who has asked to be told of which resource (`resources/subscribe`): a server behind the gate knows one client only, the gate.

import DequeModule
import GateDomain
import Synchronization

/// The subscriptions that came in over this node; its own connection to the server is what they were made on.
///
/// Invariant: an update reaches a stream only if the same credential subscribed in the same session. The server is told of the first
/// subscription to a resource and of the end of the last one, so that nobody ends another's.
package final class SubscriptionBook: Sendable {
    /// A session and the digest of the credential that acts in it.
    struct Subscriber: Hashable, Sendable {
        let session: String
        let credential: String
        /// Whether a key opened the session: then it hears of it on whichever node it listens.
        let isOwned: Bool
    }

    /// One credential's subscriptions.
    private struct Share {
        /// The oldest first, with those that are gone already.
        var order: Deque<(uri: ExactText, subscriber: Subscriber, number: UInt64)> = []
        var count = 0
    }

    private struct State {
        var subscribers: [ExactText: [Subscriber: UInt64]] = [:]
        var shares: [String: Share] = [:]
        var count = 0
        var number: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Subscriptions of the node; beyond it the oldest of the credential that has most is forgotten, so that nobody pushes out others'.
    static let capacity = 10_000
    /// Bytes of a resource's URI.
    static let longestURI = 2_048

    func add(_ uri: String, for subscriber: Subscriber) {
        let uri = ExactText(uri)
        state.withLock { state in
            state.number += 1
            if state.subscribers[uri, default: [:]].updateValue(state.number, forKey: subscriber) == nil {
                state.count += 1
                state.shares[subscriber.credential, default: Share()].count += 1
            }
            state.shares[subscriber.credential]?.order.append((uri, subscriber, state.number))
            Self.tidy(subscriber.credential, in: &state)
            while state.count > Self.capacity, let most = state.shares.max(by: { $0.value.count < $1.value.count })?.key {
                Self.removeOldest(of: most, from: &state)
            }
        }
    }

    /// Drops what is gone from a credential's order before it is twice as long as what there is.
    private static func tidy(_ credential: String, in state: inout State) {
        guard let share = state.shares[credential], share.order.count > 2 * share.count + 16 else { return }
        let subscribers = state.subscribers
        state.shares[credential]?.order.removeAll { subscribers[$0.uri]?[$0.subscriber] != $0.number }
    }

    private static func removeOldest(of credential: String, from state: inout State) {
        while let (uri, subscriber, number) = state.shares[credential]?.order.popFirst() {
            if state.subscribers[uri]?[subscriber] == number { return remove(uri, subscriber, from: &state) }
        }
    }

    /// - Returns: whether this was the last one who was subscribed to the resource.
    func remove(_ uri: String, for subscriber: Subscriber) -> Bool {
        let uri = ExactText(uri)
        return state.withLock { state in
            guard state.subscribers[uri]?[subscriber] != nil else { return false }
            Self.remove(uri, subscriber, from: &state)
            return state.subscribers[uri] == nil
        }
    }

    func forget(session: String) {
        state.withLock { state in
            for (uri, subscribers) in state.subscribers {
                for subscriber in subscribers.keys where subscriber.session == session { Self.remove(uri, subscriber, from: &state) }
            }
        }
    }

    func holds(_ uri: String, for subscriber: Subscriber) -> Bool {
        state.withLock { $0.subscribers[ExactText(uri)]?[subscriber] != nil }
    }

    /// The sessions of keys that have asked for a resource.
    func owned(of uri: String) -> Set<String> {
        state.withLock { Set(($0.subscribers[ExactText(uri)] ?? [:]).keys.lazy.filter(\.isOwned).map(\.session)) }
    }

    private static func remove(_ uri: ExactText, _ subscriber: Subscriber, from state: inout State) {
        guard state.subscribers[uri]?.removeValue(forKey: subscriber) != nil else { return }
        state.count -= 1
        state.shares[subscriber.credential]?.count -= 1
        if state.shares[subscriber.credential]?.count == 0 { state.shares[subscriber.credential] = nil }
        if state.subscribers[uri]?.isEmpty ?? false { state.subscribers[uri] = nil }
    }
}
