// Who has asked to be told of which resource (`resources/subscribe`): a server behind the gate knows one client only, the gate.

import DequeModule
import GateDomain
import MCPUpstream
import Synchronization

/// The subscriptions that this node holds; its own connections to the servers are what they were made on.
///
/// Invariant: an update reaches a stream only if the same credential subscribed in the same session, at the server that says it. A server is
/// told of the first subscription to a resource and of the end of the last one, so that nobody ends another's: whatever takes subscriptions
/// away returns what it has taken, and of which of them nobody asks for the resource any more.
package final class SubscriptionBook: Sendable {
    /// A session and the digest of the credential that acts in it.
    struct Subscriber: Hashable, Sendable {
        let session: String
        let credential: String
        /// Whether a key opened the session: then it hears of it on whichever node it listens, and any node may hold it.
        let isOwned: Bool
        /// The id of the key that acts; empty for nobody's.
        var key = ""
    }

    /// Whom to tell of a resource, and under which name.
    struct Subscription: Hashable, Sendable {
        let subscriber: Subscriber
        /// The URI, as the subscriber has it; of several servers it may have one's prefix.
        let name: ExactText
    }

    /// A resource where it is.
    struct NewsSource: Hashable, Sendable {
        /// The place of the server.
        let server: Int
        /// As the server has it.
        let uri: ExactText
        /// For whom alone the server's process, or session, works; nil for that which all share.
        var client: UpstreamClient?

        /// The same resource at that which all share.
        var shared: NewsSource { NewsSource(server: server, uri: uri) }
    }

    /// A subscription that is none any more.
    struct Removal: Equatable {
        let subscription: Subscription
        let source: NewsSource
        /// Whether nobody asks for the resource any more.
        let isLast: Bool
    }

    fileprivate struct Entry {
        let source: NewsSource
        let number: UInt64
    }

    /// One credential's subscriptions.
    fileprivate struct Share {
        /// The oldest first, with those that are gone already.
        var order: Deque<(subscription: Subscription, number: UInt64)> = []
        var count = 0
    }

    fileprivate struct State {
        var entries: [Subscription: Entry] = [:]
        var sources: [NewsSource: Set<Subscription>] = [:]
        /// By what is shared: the clients that have the same resource at servers of their own.
        var clients: [NewsSource: Set<UpstreamClient>] = [:]
        var sessions: [String: Set<Subscription>] = [:]
        var shares: [String: Share] = [:]
        /// How many each key has.
        var keys: [String: Int] = [:]
        var number: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Subscriptions of the node; beyond it the oldest of the credential that has most is forgotten, so that nobody pushes out others'.
    static let capacity = 10_000
    /// Bytes of a resource's URI.
    static let longestURI = 2_048

    /// - Returns: what had to give way, and what the same subscription was before, if that was another source.
    @discardableResult
    func add(_ subscription: Subscription, from source: NewsSource) -> [Removal] {
        state.withLock { state in
            var removed: [Removal] = []
            if let old = state.entries[subscription], old.source != source { removed += state.remove(subscription).map { [$0] } ?? [] }
            state.number += 1
            let credential = subscription.subscriber.credential
            if state.entries.updateValue(Entry(source: source, number: state.number), forKey: subscription) == nil {
                state.sources[source, default: []].insert(subscription)
                if let client = source.client { state.clients[source.shared, default: []].insert(client) }
                state.sessions[subscription.subscriber.session, default: []].insert(subscription)
                state.shares[credential, default: Share()].count += 1
                if !subscription.subscriber.key.isEmpty { state.keys[subscription.subscriber.key, default: 0] += 1 }
            }
            state.shares[credential]?.order.append((subscription, state.number))
            state.tidy(credential)
            while state.entries.count > Self.capacity, let most = state.shares.max(by: { $0.value.count < $1.value.count })?.key {
                guard let oldest = state.removeOldest(of: most) else { break }
                removed.append(oldest)
            }
            return removed
        }
    }

    /// - Parameter number: that it has to have, so that one which was made anew stays; nil for any.
    func remove(_ subscription: Subscription, number: UInt64? = nil) -> Removal? {
        state.withLock { state in
            guard number == nil || state.entries[subscription]?.number == number else { return nil }
            return state.remove(subscription)
        }
    }

    /// Forgets what was asked for in a session.
    func forget(session: String) -> [Removal] {
        state.withLock { state in (state.sessions[session] ?? []).compactMap { state.remove($0) } }
    }

    /// Forgets what a key has asked for, in whichever session.
    func forget(key: String) -> [Removal] {
        state.withLock { state in
            state.entries.keys.filter { $0.subscriber.key.hasSameBytes(as: key) }.compactMap { state.remove($0) }
        }
    }

    /// Whether somebody asks for a resource.
    func isWanted(_ source: NewsSource) -> Bool { state.withLock { $0.sources[source] != nil } }

    /// Whether this is where a subscription is made.
    func holds(_ subscription: Subscription, from source: NewsSource) -> Bool {
        state.withLock { $0.entries[subscription]?.source == source }
    }

    /// Whether a key has asked for anything.
    func holds(key: String) -> Bool { state.withLock { $0.keys[key] != nil } }

    /// Whether anything was asked for in a session.
    func holds(session: String) -> Bool { state.withLock { $0.sessions[session] != nil } }

    /// The sessions in which something was asked for, and the keys that have asked.
    var subscribed: (sessions: Set<String>, keys: [String]) {
        state.withLock { (Set($0.sessions.keys), Array($0.keys.keys)) }
    }

    /// What was asked for in a session, each with its number.
    func subscriptions(of session: String) -> [(subscription: Subscription, number: UInt64)] {
        state.withLock { state in
            (state.sessions[session] ?? []).compactMap { subscription in
                state.entries[subscription].map { (subscription: subscription, number: $0.number) }
            }
        }
    }

    /// Whom to tell of a resource.
    func subscriptions(to source: NewsSource) -> Set<Subscription> { state.withLock { $0.sources[source] ?? [] } }

    /// What is asked for of a server.
    /// - Parameter client: for whom alone it works; nil for that which all share.
    func sources(of server: Int, _ client: UpstreamClient?) -> [NewsSource] {
        state.withLock { $0.sources.keys.filter { $0.server == server && $0.client == client } }
    }

    /// The clients whose own processes, or sessions, of servers somebody wants to hear of.
    var clients: Set<UpstreamClient> { state.withLock { $0.clients.values.reduce(into: []) { $0.formUnion($1) } } }

    /// Those of them that want to hear of a resource.
    func clients(of source: NewsSource) -> Set<UpstreamClient> { state.withLock { $0.clients[source.shared] ?? [] } }
}

extension SubscriptionBook.State {
    /// Drops what is gone from a credential's order before it is twice as long as what there is.
    fileprivate mutating func tidy(_ credential: String) {
        guard let share = shares[credential], share.order.count > 2 * share.count + 16 else { return }
        let entries = entries
        shares[credential]?.order.removeAll { entries[$0.subscription]?.number != $0.number }
    }

    fileprivate mutating func removeOldest(of credential: String) -> SubscriptionBook.Removal? {
        while let (subscription, number) = shares[credential]?.order.popFirst() {
            if entries[subscription]?.number == number { return remove(subscription) }
        }
        return nil
    }

    fileprivate mutating func remove(_ subscription: SubscriptionBook.Subscription) -> SubscriptionBook.Removal? {
        guard let entry = entries.removeValue(forKey: subscription) else { return nil }
        let subscriber = subscription.subscriber
        sources[entry.source]?.remove(subscription)
        let isLast = sources[entry.source]?.isEmpty ?? true
        if isLast {
            sources[entry.source] = nil
            if let client = entry.source.client {
                clients[entry.source.shared]?.remove(client)
                if clients[entry.source.shared]?.isEmpty ?? false { clients[entry.source.shared] = nil }
            }
        }
        sessions[subscriber.session]?.remove(subscription)
        if sessions[subscriber.session]?.isEmpty ?? false { sessions[subscriber.session] = nil }
        if let count = keys[subscriber.key] { keys[subscriber.key] = count > 1 ? count - 1 : nil }
        shares[subscriber.credential]?.count -= 1
        if shares[subscriber.credential]?.count == 0 { shares[subscriber.credential] = nil }
        return SubscriptionBook.Removal(subscription: subscription, source: entry.source, isLast: isLast)
    }
}
