// What servers say outside of requests, on its way to whoever is to hear it, on whichever event loop or node.

import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// Hands out the servers' announcements; may be called on any event loop.
struct ServerNews: Sendable {
    let subscriptions: SubscriptionBook
    let upstreams: UpstreamSet
    let loops: LoopContexts
    let refresher: Refresher

    func hear(_ item: UpstreamNotifications.Announcement) {
        switch item {
        case .changed(let message):
            loops.forEach {
                $0.lists.forget()
                $0.listeners.changed(message)
            }
            loops.tell(changed: message)
            refresher.request(.tools)
        case .updated(let message, let uri, let server): updated(message, uri, of: server)
        case .said(let message, let client, let server): said(message, to: client, by: server)
        case .asked(let question, let session):
            loops.first {
                $0.ask(question, session: session)
            } otherwise: {
                question.refuse(code: -32603, "The client listens to nothing now")
            }
        case .arrived(let server):
            upstreams.toldLevels.forgetAll()
            loops.forEach { $0.lists.forget() }
            loops.one { $0.renew(server: server, nil) }
            refresher.request(.tools)
        case .joined(let client, let server): loops.one { $0.renew(server: server, client) }
        }
    }

    private func updated(_ message: [UInt8], _ uri: String, of server: Int) {
        var source = SubscriptionBook.NewsSource(server: server, uri: ExactText(uri))
        var wanted = subscriptions.subscriptions(to: source)
        // Clients for whose own there was no room are served by the one that all share.
        for client in subscriptions.clients(of: source) where !upstreams.all[server].sessions.contains(client.session) {
            source.client = client
            wanted.formUnion(subscriptions.subscriptions(to: source))
        }
        tell(message, uri, wanted)
    }

    /// What the own process, or session, of one client says: to it alone, under its own names for resources.
    private func said(_ message: [UInt8], to client: UpstreamClient, by server: Int) {
        let reply = message.withUnsafeBytes { Reply.scan($0) }
        if let uri = reply.flatMap({ UpstreamNotifications.updatedResource(in: message, $0) }) {
            let wanted = subscriptions.subscriptions(to: .init(server: server, uri: ExactText(uri), client: client))
            if !wanted.isEmpty || client.isShared { return tell(message, uri, wanted) }
        }
        guard let key = StatelessSession.key(of: client.session) else { return loops.post(message, to: client.session) }
        loops.forEach { $0.listeners.changed(message, for: key) }
    }

    private func tell(_ message: [UInt8], _ uri: String, _ wanted: Set<SubscriptionBook.Subscription>) {
        var (streams, guests): ([String: [[UInt8]]], [(SubscriptionBook.Subscriber, [UInt8])]) = ([:], [])
        for subscription in wanted {
            let (subscriber, news) = (subscription.subscriber, Self.renamed(message, uri, subscription.name.text))
            if subscriber.isOwned {
                loops.post(news, to: subscriber.session)
            } else if subscriber.session.hasPrefix(ListenStreams.prefix) {
                streams[subscriber.session, default: []].append(news)
            } else {
                guests.append((subscriber, news))
            }
        }
        if !streams.isEmpty { loops.forEach { [streams] in $0.listeners.tell(streams) } }
        for (guest, news) in guests {
            loops.first {
                $0.streams.send(news, guest: guest.session, credential: guest.credential)
            } otherwise: {
            }
        }
    }

    /// The same of a resource as a subscriber has it.
    private static func renamed(_ message: [UInt8], _ uri: String, _ name: String) -> [UInt8] {
        guard !name.hasSameBytes(as: uri) else { return message }
        return message.withUnsafeBytes { bytes in
            guard let place = MemberScan.range(of: ["params", "uri"], in: bytes) else { return message }
            return Splice.apply([.init(place, .bytes(JSONText.quoted(name)))], to: bytes)
        }
    }
}
