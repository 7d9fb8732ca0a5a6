// `logging/setLevel` of sessions in front of servers with a handshake: a level is its session's, on every node.

import MCPUpstream
import MCPWire
import NIOCore

extension LogLevel {
    /// 0 for debug to 7 for emergency.
    var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// The level of a log message; nil for any other notification, and for one without a level.
    init?(of message: ByteBuffer, _ reply: Reply) {
        guard let name = reply.methodName else { return nil }
        let level = message.withUnsafeReadableBytes { bytes -> LogLevel? in
            guard bytes[name].elementsEqual("notifications/message".utf8) else { return nil }
            return MemberScan.range(of: ["params", "level"], in: bytes).flatMap { LogLevel(token: bytes[$0]) }
        }
        guard let level else { return nil }
        self = level
    }
}

extension LoopContext {
    /// What a server that all share is told: whoever has set nothing goes on to hear `info` and what is above it.
    private static let usual = LogLevel.info

    /// Whether a session hears a notification on the stream of its request: a log message from its own level on.
    /// - Parameter client: for which servers keep something of its own.
    func isHeard(_ message: ByteBuffer, _ reply: Reply, on exchange: MCPExchange, of client: UpstreamClient?) -> Bool {
        guard !exchange.isStateless, !exchange.isOfStatelessServer, let level = LogLevel(of: message, reply) else { return true }
        let others = client == nil && parts.upstreams.toldLevels.isAny ? Self.usual : .debug
        return level.rank >= (exchange.session?.logLevel ?? others).rank
    }

    /// Has the server tell as much as the request's session wants to hear, where it has not been told: it may be another node's, or a new one.
    func tellLevel(of exchange: MCPExchange, to upstream: any Upstream, _ client: UpstreamClient?) {
        guard !exchange.isStateless, let level = exchange.session?.logLevel else { return }
        tell(level, to: upstream, client) { _ in }
    }

    /// - Parameter completion: gets what the server has answered; nil where it need not be asked.
    func tell(_ level: LogLevel, to upstream: any Upstream, _ client: UpstreamClient?, _ completion: @escaping (UpstreamOutcome?) -> Void) {
        let wanted = client == nil && level.rank > Self.usual.rank ? Self.usual : level
        guard parts.upstreams.toldLevels.isNews(wanted.rank, for: upstream, of: client?.session) else { return completion(nil) }
        upstream.ask("logging/setLevel", ["level": .string(wanted.rawValue)], within: ListCopies.patience, of: client, on: eventLoop) {
            [self] outcome in
            // One that says no says it to nobody's call: it is asked again by who sets a level.
            if case .failed = outcome { parts.upstreams.toldLevels.forget(upstream, of: client?.session) }
            completion(outcome)
        }
    }
}
