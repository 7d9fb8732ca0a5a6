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

    /// How long a server may take to agree.
    private static let patience = TimeAmount.seconds(10)

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
                    + "and resourceSubscriptions (at most \(ListenFilter.most) URIs)")
        }
        guard loop.listeners.hasRoom(for: key ?? "") else { return exchange.refuse(429, "Too many streams", retryAfter: 30) }
        Listening(exchange, filter, key, on: loop).agree()
    }

    private init(_ exchange: MCPExchange, _ filter: ListenFilter, _ key: String?, on loop: LoopContext) {
        (self.exchange, self.filter, self.loop) = (exchange, filter, loop)
        self.key = key ?? ""
        client = loop.client(of: exchange, key: key)
        subscriber = .init(session: "listen:" + loop.nextID(), credential: key ?? "", isOwned: false, key: key ?? "")
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
            Self.ask("resources/subscribe", uri, key, client, on: loop) { [self] isAgreed in
                if isAgreed {
                    filter.resources.append(uri)
                    loop.release(loop.parts.subscriptions.add(uri, for: subscriber))
                }
                pending -= 1
                if pending == 0 { open() }
            }
        }
    }

    private func open() {
        let credential = exchange.credential
        loop.listeners.open(exchange, filter, for: key) { [weak loop] answer in
            if let loop { loop.mayListen(credential, answer) } else { answer(true) }
        } onEnd: { [weak loop, filter, subscriber, client] in
            guard let loop else { return }
            for uri in filter.resources where loop.parts.subscriptions.remove(uri, for: subscriber) {
                Self.ask("resources/unsubscribe", uri, subscriber.credential, client, on: loop) { _ in }
            }
        }
    }

    /// Asks for the news of a resource, or for no more of them; nobody else's stream is ended by that.
    static func ask(
        _ method: String, _ uri: String, _ key: String?, _ client: UpstreamClient?, on loop: LoopContext,
        _ completion: @escaping (Bool) -> Void
    ) {
        let set = loop.parts.upstreams
        var (index, uri) = (set.isSeveral ? set.resources.owner(of: uri) : 0, uri)
        if index == nil, let (named, own) = set.server(ofPrefixedURI: uri) { (index, uri) = (named, own) }
        guard let index, set.all.indices.contains(index) else { return completion(false) }
        let upstream = set.all[index]
        if upstream.isStateless { return loop.watch(uri, method == "resources/subscribe", of: index, for: key, completion) }
        upstream.ask(method, ["uri": .string(uri)], within: patience, of: client, on: loop.eventLoop) { outcome in
            guard case .answered(_, let reply) = outcome else { return completion(false) }
            completion(reply.result != nil)
        }
    }

    /// What the own server of a stateless client's key says outside of requests: its listening streams hear it, and nobody else's.
    static func tell(_ message: [UInt8], to key: String, on loop: LoopContext) {
        let uri = message.withUnsafeBytes { bytes -> String? in
            guard let name = Reply.scan(bytes)?.methodName, bytes[name].elementsEqual("notifications/resources/updated".utf8) else {
                return nil
            }
            let token = MemberScan.range(of: ["params", "uri"], in: bytes)
            return token.flatMap { JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[$0])) }
        }
        if let uri { loop.listeners.updated(message, of: uri, for: key) } else { loop.listeners.changed(message, for: key) }
    }

    /// A server has come, or come back, and knows of no subscriptions.
    static func renew(on loop: LoopContext) {
        for uri in loop.listeners.resources { ask("resources/subscribe", uri.text, nil, nil, on: loop) { _ in } }
    }
}
