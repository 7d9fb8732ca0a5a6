// Subscriptions between their clients, the servers that tell of resources, and the store, in which every node finds them.

import ClusterState
import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

extension LoopContext {
    /// What came of a wish about a subscription.
    enum SubscriptionOutcome {
        case done
        /// The session has as many as it may have.
        case full
        /// The store does not answer.
        case unavailable
    }

    private var facts: SubscriptionCommands { SubscriptionCommands(keys: parts.store.keys, node: parts.id) }

    /// Notes that a server tells of a resource here, for whoever has asked for that; another node that told of it stops. What cannot be noted
    /// is given up at the server.
    func hold(
        _ subscription: SubscriptionBook.Subscription, from source: SubscriptionBook.NewsSource,
        _ completion: @escaping (SubscriptionOutcome) -> Void
    ) {
        let subscriber = subscription.subscriber
        guard subscriber.isOwned else {
            settle(parts.subscriptions.add(subscription, from: source))
            return completion(.done)
        }
        let fact = SubscriptionFact(
            server: parts.upstreams.all[source.server].prefix ?? "", uri: source.uri.text, credential: subscriber.credential,
            key: subscriber.key)
        link.send(facts.hold(subscription.name.text, of: subscriber.session, value: fact.bytes)) { [self] result in
            let status = (try? result.get())?.status
            if status == 0 {
                settle(parts.subscriptions.add(subscription, from: source))
            } else if !parts.subscriptions.isWanted(source) {
                release([source])
            }
            completion(status == 0 ? .done : status == 1 ? .full : .unavailable)
        }
    }

    /// Ends a subscription, whichever node holds it.
    /// - Parameter completion: also gets what was taken away here; nil where another node holds it, or nobody.
    func drop(
        _ subscription: SubscriptionBook.Subscription, _ completion: @escaping (SubscriptionOutcome, SubscriptionBook.Removal?) -> Void
    ) {
        let removal = parts.subscriptions.remove(subscription)
        guard subscription.subscriber.isOwned else { return completion(.done, removal) }
        link.send(facts.drop(subscription.name.text, of: subscription.subscriber.session)) { result in
            completion((try? result.get())?.status == 0 ? .done : .unavailable, removal)
        }
    }

    /// Gives up, at the servers and in the store, what was taken out of the book.
    func settle(_ removals: [SubscriptionBook.Removal]) {
        for removal in removals where removal.subscription.subscriber.isOwned {
            link.send(facts.leave(removal.subscription.name.text, of: removal.subscription.subscriber.session)) { _ in }
        }
        release(removals.filter(\.isLast).map(\.source))
    }

    /// Takes over what a node held that is gone. The session is told of the resource at once: nobody knows what has become of it meanwhile.
    /// - Parameter client: for whom servers with sessions keep something of its own; nil for what all share.
    func inherit(_ fact: SubscriptionFact, _ name: String, of session: String, _ client: UpstreamClient?) {
        let set = parts.upstreams
        let subscriber = SubscriptionBook.Subscriber(session: session, credential: fact.credential, isOwned: true, key: fact.key)
        let subscription = SubscriptionBook.Subscription(subscriber: subscriber, name: ExactText(name))
        guard let server = set.all.firstIndex(where: { ($0.prefix ?? "").hasSameBytes(as: fact.server) }) else {
            return link.send(facts.leave(name, of: session)) { _ in }
        }
        let source = SubscriptionBook.NewsSource(
            server: server, uri: ExactText(fact.uri), client: set.all[server].isStateless ? nil : client)
        guard !parts.subscriptions.holds(subscription, from: source) else { return }
        settle(parts.subscriptions.add(subscription, from: source))
        ask("resources/subscribe", source, for: fact.key) { [self] answer in
            if answer == .refused { return settle(parts.subscriptions.remove(subscription).map { [$0] } ?? []) }
            let news: JSONValue = ["jsonrpc": "2.0", "method": "notifications/resources/updated", "params": ["uri": .string(name)]]
            streams.post(news.bytes, to: session)
        }
    }

    /// A server has come, or come back, and knows of no subscriptions.
    func renew(server: Int, _ client: UpstreamClient?) {
        each(parts.subscriptions.sources(of: server, client)) { [self] source, done in
            ask("resources/subscribe", source, for: nil) { _ in done() }
        }
    }

    /// Tells the servers that nobody here wants to hear of these resources any more. Whoever has begun to want one meanwhile may have asked
    /// before the server heard this, so it is asked for again.
    func release(_ sources: [SubscriptionBook.NewsSource]) {
        each(sources) { [self] source, done in
            // Nobody's end is told to a server of its own that is not there: the one that all share would hear it.
            if let client = source.client, !parts.upstreams.all[source.server].sessions.contains(client.session) { return done() }
            ask("resources/unsubscribe", source, for: nil) { [self] _ in
                if parts.subscriptions.isWanted(source) { ask("resources/subscribe", source, for: nil) { _ in } }
                done()
            }
        }
    }

    /// What a server says to the wish to hear of a resource, or not to.
    enum SubscriptionAnswer {
        case agreed, refused
        /// It is away, or has no room.
        case none
    }

    /// - Parameter key: the id of the key that wishes for it; empty for nobody's, and nil for what was agreed to before.
    func ask(
        _ method: String, _ source: SubscriptionBook.NewsSource, for key: String?, _ completion: @escaping (SubscriptionAnswer) -> Void
    ) {
        let upstream = parts.upstreams.all[source.server]
        if upstream.isStateless {
            return watch(source.uri.text, method == "resources/subscribe", of: source.server, for: key) {
                completion($0 ? .agreed : .none)
            }
        }
        upstream.ask(
            method, ["uri": .string(source.uri.text)], within: Self.patienceOfServers, of: source.client, on: eventLoop
        ) { outcome in
            guard case .answered(_, let reply) = outcome else { return completion(.none) }
            completion(reply.result != nil ? .agreed : .refused)
        }
    }

    /// Has a server without sessions tell of a resource, or tell no more of it, as far as the key's share goes.
    /// - Parameters:
    ///   - server: its place among the servers.
    ///   - key: the id of the key that wishes for it; empty for nobody's, and nil for what was agreed to before.
    func watch(_ uri: String, _ isWanted: Bool, of server: Int, for key: String?, _ completion: @escaping (Bool) -> Void) {
        let wishes = parts.wishes
        if isWanted, let key, !wishes.take(uri, of: server, for: key) { return completion(false) }
        parts.upstreams.all[server].watch(uri, isWanted, on: eventLoop) { isAgreed in
            if !isWanted || !isAgreed { wishes.leave(uri, of: server) }
            completion(isAgreed)
        }
    }

    /// Some at once, so that a server which is slow has not thousands of them to answer.
    private func each(
        _ sources: [SubscriptionBook.NewsSource], _ body: @escaping (SubscriptionBook.NewsSource, @escaping () -> Void) -> Void
    ) {
        each(sources[...], body)
    }

    private func each(
        _ sources: ArraySlice<SubscriptionBook.NewsSource>, _ body: @escaping (SubscriptionBook.NewsSource, @escaping () -> Void) -> Void
    ) {
        var open = min(sources.count, Self.sourcesAtOnce)
        let rest = sources.dropFirst(open)
        for source in sources.prefix(open) {
            body(source) { [self] in
                open -= 1
                if open == 0 { each(rest, body) }
            }
        }
    }

    private static let sourcesAtOnce = 32
    private static let patienceOfServers = TimeAmount.seconds(10)
}
