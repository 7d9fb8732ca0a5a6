// The clients of an event loop: for whom servers keep something of its own, and how they are asked or told to give up.

import GateSettings
import MCPUpstream
import MCPWire
import NIOCore

extension LoopContext {
    /// The client for which servers keep something of its own: one that acts in the session that its key has opened, where it can be asked
    /// something, or where each session has a server of its own (`--isolation`). A stateless client has no session: there its key stands for
    /// one.
    /// - Parameter key: the id of the key that the request has shown.
    func client(of exchange: MCPExchange, key: String?) -> UpstreamClient? {
        if exchange.isStateless {
            // Who listens to what comes of requests has to reach the server that they reach.
            let isOwn = StatelessEra.canBeAsked(exchange) || exchange.envelope.method == .subscriptionsListen
            let capabilities = isOwn ? StatelessEra.capabilities(of: exchange) : []
            guard let key, parts.settings.isolation.isolates(capabilities) else { return nil }
            return UpstreamClient(
                session: StatelessSession.name(of: key, capabilities), key: key, capabilities: capabilities, isShared: true)
        }
        guard let session = exchange.session, session.isPresented, session.isOwned, parts.settings.isolation.isolates(session.capabilities),
            let key,
            sessions.isOwn(session, exchange.credential)
        else { return nil }
        return UpstreamClient(session: session.id, key: key, capabilities: session.capabilities)
    }

    /// Asks a session's client something that belongs to none of its requests: through a call that is under way here, or a stream.
    /// False if it cannot be reached here.
    func ask(_ question: UpstreamQuestion, session: String) -> Bool {
        if let flow = cancellable.first(where: { $0.key.session == session && $0.value.exchange.canSend })?.value {
            return questions.ask(question, on: flow.exchange)
        }
        return questions.ask(question, session: session)
    }

    /// Asks the client of a request, on the request's stream or, if it has none, wherever the client listens.
    func ask(_ question: UpstreamQuestion, on exchange: MCPExchange) {
        if questions.ask(question, on: exchange) { return }
        let refuse = { @Sendable in question.refuse(code: -32603, "The client listens to nothing now") }
        guard let session = exchange.session?.id, let siblings else { return refuse() }
        siblings.first({ $0.ask(question, session: session) }, otherwise: refuse)
    }

    /// Gives up a call of a client, if it is under way here.
    func cancel(_ key: CancelKey) { cancellable[key]?.cancel() }
}

extension Settings.Isolation {
    /// Whether a session whose client can be asked this has servers of its own.
    func isolates(_ capabilities: ClientCapabilities) -> Bool {
        switch self {
        case .auto: !capabilities.isEmpty
        case .shared: false
        case .session: true
        }
    }
}
