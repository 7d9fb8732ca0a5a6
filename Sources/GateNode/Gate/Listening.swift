// A `subscriptions/listen` of a key up to its open stream: what it asks for is agreed with the servers first.

import ClusterState
import GateDomain
import HTTPWire
import MCPUpstream
import MCPWire
import NIOCore

/// The way of one request to its stream; confined to its event loop. What waits for servers holds it.
final class Listening {
    private let exchange: MCPExchange
    private let loop: LoopContext
    private let key: String
    private let client: UpstreamClient?
    private var filter: ListenFilter
    private let subscriber: SubscriptionBook.Subscriber
    private var pending = 0

    /// - Parameter key: the id of the key that listens; nil for a client without one.
    static func begin(_ exchange: MCPExchange, for key: String?, on loop: LoopContext) {
        guard exchange.head.version == .http11 else { return exchange.refuse(505, "A stream needs HTTP/1.1") }
        guard exchange.head.fields.contains(.accept), exchange.head.fields.accepts(.eventStream) else {
            return exchange.refuse(406, "Not acceptable. subscriptions/listen is answered with a stream: send Accept: text/event-stream")
        }
        guard let filter = ListenFilter(exchange.envelope.params.map { exchange.body.token($0) }) else {
            return exchange.fail(
                code: -32602,
                "Invalid params: notifications must be an object of toolsListChanged, promptsListChanged, resourcesListChanged (true or false) "
                    + "and resourceSubscriptions (at most \(ListenFilter.most) URIs of \(ListenFilter.mostBytes) bytes)")
        }
        guard loop.listeners.hasRoom(for: key ?? "") else { return exchange.refuse(429, "Too many streams", retryAfter: 30) }
        Listening(exchange, filter, key, on: loop).agree()
    }

    private init(_ exchange: MCPExchange, _ filter: ListenFilter, _ key: String?, on loop: LoopContext) {
        (self.exchange, self.filter, self.loop) = (exchange, filter, loop)
        self.key = key ?? ""
        client = loop.client(of: exchange, key: key)
        subscriber = .init(session: ListenStreams.prefix + loop.nextID(), credential: key ?? "", isOwned: false, key: key ?? "")
    }

    /// Asks the servers for news of resources, and keeps of the filter what they can tell.
    private func agree() {
        // Servers tell of changes also where they have not declared that they would; so it counts that they have such a list.
        let capabilities = Handshake.capabilities(of: loop.parts.upstreams)
        filter.lists = filter.lists.filter { capabilities[$0.rawValue] != nil }
        let wanted = capabilities["resources"] == nil ? [] : filter.resources
        filter.resources = []
        pending = wanted.count
        guard pending > 0 else { return open() }
        for uri in wanted {
            guard let source = source(of: uri) else {
                agreed(uri, nil)
                continue
            }
            loop.ask("resources/subscribe", source, for: key) { [self] answer in agreed(uri, answer == .agreed ? source : nil) }
        }
    }

    private func agreed(_ uri: String, _ source: SubscriptionBook.NewsSource?) {
        if let source {
            filter.resources.append(uri)
            loop.settle(loop.parts.subscriptions.add(subscription(uri), from: source))
        }
        pending -= 1
        if pending == 0 { open() }
    }

    private func subscription(_ uri: String) -> SubscriptionBook.Subscription { .init(subscriber: subscriber, name: ExactText(uri)) }

    /// Where a resource is; nil if no server has named it.
    private func source(of uri: String) -> SubscriptionBook.NewsSource? {
        let set = loop.parts.upstreams
        var (index, own) = (set.isSeveral ? set.resources.owner(of: uri) : 0, uri)
        if index == nil, let (named, rest) = set.server(ofPrefixedURI: uri) { (index, own) = (named, rest) }
        guard let index, set.all.indices.contains(index) else { return nil }
        return .init(server: index, uri: ExactText(own), client: set.all[index].isStateless ? nil : client)
    }

    private func open() {
        let credential = exchange.credential
        loop.listeners.open(exchange, filter, for: key, as: subscriber.session) { [authenticator = loop.authenticator] in
            authenticator.mayListen(credential, $0)
        } onEnd: { [weak loop, filter, subscriber] in
            guard let loop else { return }
            loop.settle(
                filter.resources.compactMap { uri in
                    loop.parts.subscriptions.remove(.init(subscriber: subscriber, name: ExactText(uri)))
                })
        }
    }
}
