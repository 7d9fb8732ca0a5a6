// The sessions that one event loop has met lately, and the way to those of the whole cluster.

import ClusterState
import GateDomain
import MCPWire
import NIOCore

/// How a request has come into a session, or why it has not.
enum SessionEntry {
    case entered(Session)
    /// The one that it presents is none of ours, or has ended.
    case unknown
    /// Its address has opened too many; seconds until it may open one again, 1 to 60.
    case crowded(retryAfter: Int)
}

/// What came of the wish to end a session.
enum SessionEnd {
    case ended
    /// There is none, or it is another's.
    case unknown
    /// The store did not answer: it may have ended, or not.
    case unavailable
}

/// Sessions live in Redis, so any node serves any of them; an event loop believes what it has read for a second (F-MCP-06, X-51).
///
/// A session is not a credential: without a store it is taken as it is presented, and every call is judged by its own key all the same. But
/// the streams and the end of one that was opened with a credential are nobody else's: to whoever shows another one it does not exist, and
/// without a store, which alone knows whose it is, there are none.
final class SessionBook {
    private struct Entry {
        let session: Session
        let readAt: NIODeadline
        /// The credential that was last found to be the owner's.
        var provenBy: ExactText?
    }

    private let link: any CommandLink
    let commands: SessionCommands
    private let clock: RedisClock
    private let limiter: AddressLimiter
    private(set) var mint: SessionMint
    private var entries: [String: Entry] = [:]
    private var random = FastRandom()
    private var offers = SessionMint.Offers()

    /// Sessions of the cluster; those used least lately are forgotten beyond it (F-MCP-03).
    static let capacity = 1000
    private static let freshness = TimeAmount.seconds(1)
    private static let remembered = 4096

    init(link: any CommandLink, keys: RedisKeys, mint: SessionMint, clock: RedisClock, limiter: AddressLimiter) {
        self.link = link
        self.clock = clock
        self.limiter = limiter
        commands = SessionCommands(keys: keys, lifetime: SessionMint.lifetime * 1000, capacity: Self.capacity)
        self.mint = mint
    }

    /// Finds the session that a request presents; one that presents none is offered a new one. An id that is only offered is written nowhere,
    /// and counts as a new session when it is used.
    /// - Parameters:
    ///   - opens: whether a request without a session opens one: by a handshake, or for a stream.
    ///   - address: of the client, as new sessions are limited by it (F-RATE-05).
    func enter(_ id: String?, opens: Bool, from address: @escaping () -> IPAddress, _ completion: @escaping (SessionEntry) -> Void) {
        if let id { return find(id, from: address, completion) }
        guard opens else { return completion(.entered(offer())) }
        admit(address, { [self] in completion(.entered(offer())) }, completion)
    }

    /// New sessions are limited by address (F-RATE-05).
    private func admit(_ address: () -> IPAddress, _ next: @escaping () -> Void, _ completion: @escaping (SessionEntry) -> Void) {
        guard let command = limiter.command(.session, address()) else { return next() }
        link.send(command) { result in
            if let wait = AddressLimiter.wait(try? result.get()) { completion(.crowded(retryAfter: wait)) } else { next() }
        }
    }

    /// Whether the credential is the one that the session was opened with, if it was opened with one.
    func isOwn(_ session: Session, _ credential: String?) -> Bool {
        guard !session.owner.isEmpty else { return true }
        guard let credential else { return false }
        if entries[session.id]?.provenBy == ExactText(credential) { return true }
        guard session.owner == Credential.digest(of: credential) else { return false }
        entries[session.id]?.provenBy = ExactText(credential)
        return true
    }

    /// Opens a session by handshake: it is written before it is named.
    /// - Parameters:
    ///   - owner: the digest of the credential that was shown; empty for none.
    ///   - key: the id of the active key whose credential that is; nil if there is none: only a key's session takes a place among the owned.
    ///   - capabilities: what its client can be asked.
    ///   - revision: that it has agreed on.
    func open(
        owner: String, key: String?, _ capabilities: ClientCapabilities, _ revision: ProtocolRevision,
        _ completion: @escaping (Session) -> Void
    ) {
        let session = Session(id: make(key == nil ? .opened : .owned, capabilities), isPresented: false, isOpened: true)
        // Of the others it makes no difference which one it is.
        let kept = revision.takesArrays ? revision.rawValue : ""
        let command = commands.command(.create, session.id, isOwned: key != nil, owner: owner, revision: kept, key: key ?? "")
        link.send(command) { [self] result in
            if case .failure = result { completion(offer()) } else { completion(session) }
        }
    }

    /// Ends a session; a session that was opened with a key takes that key to end it.
    func end(
        _ id: String, credential: String?, from address: @escaping () -> IPAddress, _ completion: @escaping (SessionEnd) -> Void
    ) {
        find(id, from: address) { [self] entry in
            guard case .entered(let session) = entry else { return completion(.unknown) }
            guard session.isRead else { return completion(.unavailable) }
            guard isOwn(session, credential) else { return completion(.unknown) }
            let isOwned = mint.read(id, now: 0)?.kind == .owned
            link.send(commands.command(.end, id, isOwned: isOwned)) { [self] result in
                guard case .success(let reply) = result else { return completion(.unavailable) }
                entries[id] = nil
                completion(reply.integer(at: 0) == 0 ? .ended : .unknown)
            }
        }
    }

    func forget(_ id: String) { entries[id] = nil }

    /// Writes down from which level on a session wants to hear of logs; the nodes hear of it within a second.
    func hear(from level: LogLevel, in session: Session, _ completion: @escaping (Bool) -> Void) {
        let command = commands.command(.touch, session.id, isOwned: session.isOwned, level: level.rawValue)
        link.send(command) { [self] result in
            entries[session.id] = nil
            completion((try? result.get())?.integer(at: 0) == 0)
        }
    }

    /// The nodes have agreed on another secret.
    func adopt(_ mint: SessionMint) {
        self.mint = mint
        (entries, offers) = ([:], SessionMint.Offers())
    }

    func sweep(at now: NIODeadline) {
        guard entries.count > Self.remembered else { return }
        entries = entries.filter { now - $0.value.readAt < Self.freshness }
    }

    private func find(_ id: String, from address: @escaping () -> IPAddress, _ completion: @escaping (SessionEntry) -> Void) {
        // Whatever is no id of ours is told so by its length, before anything is made of it.
        guard id.utf8.count == SessionMint.length else { return completion(.unknown) }
        if let entry = entries[id], NIODeadline.now() - entry.readAt < Self.freshness { return completion(.entered(entry.session)) }
        guard let (kind, age, capabilities) = mint.read(id, now: now) else { return completion(.unknown) }
        use(id, .touch, kind, capabilities) { [self] session in
            if let session { return completion(.entered(session)) }
            guard kind == .offered, age < SessionMint.lifetime else { return completion(.unknown) }
            // Its first use opens it.
            let open = { [self] in use(id, .adopt, kind, capabilities) { completion($0.map(SessionEntry.entered) ?? .unknown) } }
            admit(address, open, completion)
        }
    }

    private func use(
        _ id: String, _ verb: SessionCommands.Verb, _ kind: SessionMint.Kind, _ capabilities: ClientCapabilities,
        _ completion: @escaping (Session?) -> Void
    ) {
        link.send(commands.command(verb, id, isOwned: kind == .owned)) { [self] result in
            switch result {
            // Whose it was a while ago it still is.
            case .failure:
                completion(entries[id]?.session ?? Session(id: id, isPresented: true, isRead: false, capabilities: capabilities))
            case .success(let reply):
                guard let owner = SessionCommands.owner(reply) else { return completion(nil) }
                var session = Session(id: id, isPresented: true, owner: owner, isOwned: kind == .owned, capabilities: capabilities)
                session.key = SessionCommands.key(reply) ?? ""
                session.logLevel = SessionCommands.level(reply).flatMap { LogLevel(rawValue: $0) }
                session.takesArrays = SessionCommands.revision(reply).flatMap { ProtocolRevision(rawValue: $0) }?.takesArrays ?? false
                entries[id] = Entry(session: session, readAt: .now(), provenBy: entries[id]?.provenBy)
                completion(session)
            }
        }
    }

    /// A session that nobody has asked for; it is written once it is used.
    private func offer() -> Session {
        Session(id: offers.next(of: mint, now: now, chance: random.next()), isPresented: false)
    }

    private func make(_ kind: SessionMint.Kind, _ capabilities: ClientCapabilities) -> String {
        mint.make(kind, now: now, chance: random.next(), capabilities)
    }

    /// Seconds since 1970 of Redis TIME, as last heard.
    private var now: Int { clock.milliseconds / 1000 }
}
