// The sessions that one event loop has met lately, and the way to those of the whole cluster.

import ClusterState
import GateDomain
import HTTPWire
import MCPWire
import NIOCore

/// Sessions live in Redis, so any node serves any of them; a lane believes what it has read for a second (F-MCP-06, X-51).
///
/// A session is not a credential: without a store it is taken as it is presented, and every call is judged by its own key all the same. But
/// the streams and the end of one that was opened with a credential are nobody else's: to whoever shows another one it does not exist.
final class SessionBook {
    private struct Entry {
        let session: Session
        let readAt: NIODeadline
        /// The credential that was last found to be the owner's.
        var provenBy: ExactText?
    }

    private let link: RedisLink
    let commands: SessionCommands
    private var mint: SessionMint
    private var entries: [String: Entry] = [:]
    private var random = FastRandom()

    /// Sessions of the cluster; those used least lately are forgotten beyond it (F-MCP-03).
    static let capacity = 1000
    private static let freshness = TimeAmount.seconds(1)
    private static let remembered = 4096

    init(link: RedisLink, keys: RedisKeys, mint: SessionMint) {
        self.link = link
        commands = SessionCommands(keys: keys, lifetime: SessionMint.lifetime * 1000, capacity: Self.capacity)
        self.mint = mint
    }

    /// Gives the exchange its session, the presented one or an id for a new one, and goes on; or answers it.
    ///
    /// An id that is only offered is written nowhere, and counts as a new session when it is used.
    /// - Parameter asStream: the request opens a stream: with it a session where it names none, and only for the one that it belongs to.
    func enter(_ exchange: MCPExchange, asStream: Bool = false, then next: @escaping () -> Void) {
        let isHandshake = exchange.envelope.method == .initialize
        guard !isHandshake, let id = exchange.head.fields.string(of: .mcpSessionID) else {
            let offer = { [self] in
                exchange.session = Session(id: make(.offered, exchange), isPresented: false)
                next()
            }
            return isHandshake || asStream ? admit(exchange, then: offer) : offer()
        }
        find(id, exchange) { [self] session in
            guard let session, !asStream || isOwn(session, exchange.credential) else {
                return exchange.fail(status: 404, code: -32001, "Session not found")
            }
            exchange.session = session
            next()
        }
    }

    /// Whether the credential is the one that the session was opened with, if it was opened with one.
    private func isOwn(_ session: Session, _ credential: String?) -> Bool {
        guard !session.owner.isEmpty else { return true }
        guard let credential else { return false }
        if entries[session.id]?.provenBy == ExactText(credential) { return true }
        guard session.owner == KeyCache.digest(credential) else { return false }
        entries[session.id]?.provenBy = ExactText(credential)
        return true
    }

    /// New sessions are limited by address (F-RATE-05).
    private func admit(_ exchange: MCPExchange, then next: @escaping () -> Void) {
        guard let command = exchange.lane.node.addressLimiter.command(.session, exchange.address) else { return next() }
        link.send(command) { result in
            guard let wait = AddressLimiter.wait(try? result.get()) else { return next() }
            exchange.refuse(429, "Too many new sessions. Send the Mcp-Session-Id of an earlier answer.", retryAfter: wait)
        }
    }

    /// Opens a session by handshake: it is written before it is named.
    func open(_ exchange: MCPExchange, then next: @escaping (Session) -> Void) {
        guard let credential = exchange.credential else { return open(exchange, .opened, owner: "", then: next) }
        // Anybody can send a word that looks like a key: only one that is known takes a place among the owned.
        exchange.lane.identify(credential, fresh: false) { [self] lookup, _ in
            let kind =
                if case .found(let key) = lookup, key.record.state == .active { SessionMint.Kind.owned } else { SessionMint.Kind.opened }
            open(exchange, kind, owner: KeyCache.digest(credential), then: next)
        }
    }

    private func open(_ exchange: MCPExchange, _ kind: SessionMint.Kind, owner: String, then next: @escaping (Session) -> Void) {
        let session = Session(id: make(kind, exchange), isPresented: false)
        link.send(commands.command(.create, session.id, isOwned: kind == .owned, owner: owner)) { [self] result in
            if case .failure = result { return next(Session(id: make(.offered, exchange), isPresented: false)) }
            next(session)
        }
    }

    /// Ends a session.
    func end(_ id: String, _ exchange: MCPExchange, _ completion: @escaping (Bool) -> Void) {
        find(id, exchange) { [self] session in
            guard let session, isOwn(session, exchange.credential) else { return completion(false) }
            entries[id] = nil
            let isOwned = mint.read(id, now: 0)?.kind == .owned
            link.send(commands.command(.end, id, isOwned: isOwned)) { result in
                completion((try? result.get())?.integer(at: 0) == 0)
            }
        }
    }

    func forget(_ id: String) { entries[id] = nil }

    /// The nodes have agreed on another secret.
    func adopt(_ mint: SessionMint) {
        self.mint = mint
        entries = [:]
    }

    func sweep(at now: NIODeadline) {
        guard entries.count > Self.remembered else { return }
        entries = entries.filter { now - $0.value.readAt < Self.freshness }
    }

    private func find(_ id: String, _ exchange: MCPExchange, _ completion: @escaping (Session?) -> Void) {
        // Whatever is no id of ours is told so by its length, before anything is made of it.
        guard id.utf8.count == SessionMint.length else { return completion(nil) }
        if let entry = entries[id], NIODeadline.now() - entry.readAt < Self.freshness { return completion(entry.session) }
        guard let (kind, age) = mint.read(id, now: exchange.lane.now / 1000) else { return completion(nil) }
        use(id, .touch, kind) { [self] session in
            guard session == nil, kind == .offered, age < SessionMint.lifetime else { return completion(session) }
            // Its first use opens it.
            admit(exchange) { [self] in use(id, .adopt, kind, completion) }
        }
    }

    private func use(_ id: String, _ verb: SessionCommands.Verb, _ kind: SessionMint.Kind, _ completion: @escaping (Session?) -> Void) {
        link.send(commands.command(verb, id, isOwned: kind == .owned)) { [self] result in
            switch result {
            case .failure: completion(Session(id: id, isPresented: true))
            case .success(let reply):
                guard let owner = SessionCommands.owner(reply) else { return completion(nil) }
                let session = Session(id: id, isPresented: true, owner: owner, isOwned: kind == .owned)
                let proven = entries[id]?.provenBy
                entries[id] = Entry(session: session, readAt: .now(), provenBy: proven)
                completion(session)
            }
        }
    }

    private func make(_ kind: SessionMint.Kind, _ exchange: MCPExchange) -> String {
        mint.make(kind, now: exchange.lane.now / 1000, chance: random.next())
    }
}
