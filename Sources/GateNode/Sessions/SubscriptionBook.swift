// Who has asked to be told of which resource (`resources/subscribe`): a server behind the gate knows one client only, the gate.

import DequeModule
import GateDomain
import Synchronization

/// The subscriptions that came in over this node; its own connection to the server is what they were made on.
///
/// Invariant: an update reaches a stream only if the same credential subscribed in the same session. The server is told of the first
/// subscription to a resource and of the end of the last one, so that nobody ends another's: whatever takes subscriptions away returns the
/// resources that nobody asks for any more.
package final class SubscriptionBook: Sendable {
    /// A session and the digest of the credential that acts in it.
    struct Subscriber: Hashable, Sendable {
        let session: String
        let credential: String
        /// Whether a key opened the session: then it hears of it on whichever node it listens.
        let isOwned: Bool
        /// The id of the key that acts; empty for nobody's.
        var key = ""
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
        /// How many each key has.
        var keys: [String: Int] = [:]
        var count = 0
        var number: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Subscriptions of the node; beyond it the oldest of the credential that has most is forgotten, so that nobody pushes out others'.
    static let capacity = 10_000
    /// Bytes of a resource's URI.
    static let longestURI = 2_048

    /// - Returns: resources that nobody asks for any more, because their subscriptions had to give way.
    @discardableResult
    func add(_ uri: String, for subscriber: Subscriber) -> [String] {
        let uri = ExactText(uri)
        return state.withLock { state in
            state.number += 1
            if state.subscribers[uri, default: [:]].updateValue(state.number, forKey: subscriber) == nil {
                state.count += 1
                state.shares[subscriber.credential, default: Share()].count += 1
                if !subscriber.key.isEmpty { state.keys[subscriber.key, default: 0] += 1 }
            }
            state.shares[subscriber.credential]?.order.append((uri, subscriber, state.number))
            Self.tidy(subscriber.credential, in: &state)
            var left: [String] = []
            while state.count > Self.capacity, let most = state.shares.max(by: { $0.value.count < $1.value.count })?.key {
                if let uri = Self.removeOldest(of: most, from: &state) { left.append(uri.text) }
            }
            return left
        }
    }

    /// Drops what is gone from a credential's order before it is twice as long as what there is.
    private static func tidy(_ credential: String, in state: inout State) {
        guard let share = state.shares[credential], share.order.count > 2 * share.count + 16 else { return }
        let subscribers = state.subscribers
        state.shares[credential]?.order.removeAll { subscribers[$0.uri]?[$0.subscriber] != $0.number }
    }

    /// - Returns: its resource, if nobody else asks for that.
    private static func removeOldest(of credential: String, from state: inout State) -> ExactText? {
        while let (uri, subscriber, number) = state.shares[credential]?.order.popFirst() {
            guard state.subscribers[uri]?[subscriber] == number else { continue }
            remove(uri, subscriber, from: &state)
            return state.subscribers[uri] == nil ? uri : nil
        }
        return nil
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

    /// Forgets what was asked for in a session. - Returns: the resources that nobody else asks for.
    func forget(session: String) -> [String] { forget { $0.session.hasSameBytes(as: session) } }

    /// Forgets what a key has asked for, in whichever session. - Returns: the resources that nobody else asks for.
    func forget(key: String) -> [String] { forget { $0.key.hasSameBytes(as: key) } }

    private func forget(_ isOver: (Subscriber) -> Bool) -> [String] {
        state.withLock { state in
            var left: [String] = []
            for (uri, subscribers) in state.subscribers {
                for subscriber in subscribers.keys where isOver(subscriber) { Self.remove(uri, subscriber, from: &state) }
                if state.subscribers[uri] == nil { left.append(uri.text) }
            }
            return left
        }
    }

    /// Whether somebody asks for a resource.
    func isWanted(_ uri: String) -> Bool { state.withLock { $0.subscribers[ExactText(uri)] != nil } }

    /// Whether a key has asked for anything.
    func holds(key: String) -> Bool { state.withLock { $0.keys[key] != nil } }

    /// The sessions in which something was asked for, and the keys that have asked.
    var subscribed: (sessions: Set<String>, keys: [String]) {
        state.withLock { state in
            (Set(state.subscribers.values.lazy.flatMap(\.keys).map(\.session)), Array(state.keys.keys))
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
        if let count = state.keys[subscriber.key] { state.keys[subscriber.key] = count > 1 ? count - 1 : nil }
        state.shares[subscriber.credential]?.count -= 1
        if state.shares[subscriber.credential]?.count == 0 { state.shares[subscriber.credential] = nil }
        if state.subscribers[uri]?.isEmpty ?? false { state.subscribers[uri] = nil }
    }
}
