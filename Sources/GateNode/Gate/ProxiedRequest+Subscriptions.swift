// Subscriptions to resources: whose they are, where they are held, and when a server is told.

import ClusterState
import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

extension ProxiedRequest {
    /// What is subscribed to, and by whom; nil where no update could be delivered.
    var subscription: SubscriptionBook.Subscription? {
        guard let keyID, let credential = exchange.credential, let session = exchange.session, session.isPresented,
            let uri = exchange.envelope.uri.flatMap({ exchange.string($0) }), uri.utf8.count <= SubscriptionBook.longestURI
        else { return nil }
        let digest = Credential.digest(of: credential)
        let subscriber = SubscriptionBook.Subscriber(
            session: session.id, credential: digest, isOwned: session.isOwned && session.owner == digest, key: keyID)
        return .init(subscriber: subscriber, name: ExactText(uri))
    }

    /// Nobody could be told of an update, so no server is asked for it.
    func refuseSubscription() {
        exchange.fail(
            code: -32602,
            "Invalid params: subscribe in a session (Mcp-Session-Id) and with a key, to a uri of at most \(SubscriptionBook.longestURI) bytes"
        )
    }

    /// Nobody ends another's, and the last of those who want to hear of it here tells the server; another node that told of it has heard so.
    func unsubscribed(_ outcome: LoopContext.SubscriptionOutcome, _ removal: SubscriptionBook.Removal?) {
        guard outcome == .done else {
            if let removal, removal.isLast { loop.release([removal.source]) }
            return exchange.failForStore()
        }
        guard let removal, removal.isLast else { return exchange.succeed(Array("{}".utf8)) }
        let edit = exchange.envelope.uri.map { (text: removal.source.uri.text, token: $0) }
        choice = .each([ServerChoice.Target(index: removal.source.server, edit: edit)])
        forward()
    }

    /// Where the server of this place has what is subscribed to.
    private func source(of subscription: SubscriptionBook.Subscription, at index: Int) -> SubscriptionBook.NewsSource {
        var targets: [ServerChoice.Target] = []
        if case .all(let all) = choice { targets = all } else if case .each(let each) = choice { targets = each }
        let own = targets.first { $0.index == index }?.edit.map { ExactText($0.text) }
        return .init(
            server: index, uri: own ?? subscription.name, client: loop.parts.upstreams.all[index].isStateless ? nil : client)
    }

    func subscribed(_ message: ByteBuffer, _ reply: Reply, _ subscription: SubscriptionBook.Subscription, at index: Int) {
        loop.hold(subscription, from: source(of: subscription, at: index)) { [self] outcome in
            switch outcome {
            case .done: exchange.relay(message, reply)
            case .full:
                exchange.fail(
                    code: -32602,
                    "Invalid params: a session has at most \(SubscriptionCommands.most) subscriptions, whose URIs have "
                        + "\(SubscriptionCommands.mostBytes) bytes together; unsubscribe from one of them first")
            case .unavailable: exchange.failForStore()
            }
        }
    }
}
