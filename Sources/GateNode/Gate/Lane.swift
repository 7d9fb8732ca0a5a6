// Everything that one event loop owns: its connections, its way to Redis, its keys, its counts.

import ClusterState
import GateDomain
import MCPWire
import NIOCore

/// One event loop's share of the node; confined to that loop, so nothing in it is locked or hopped to.
final class Lane {
    let node: Node
    let eventLoop: any EventLoop
    let link: RedisLink
    let ledger: Ledger
    let cache: KeyCache
    let sessions: SessionBook
    let tasks: TaskOwners
    let lists = ListCopies()
    let headers: RenderedHeaders
    let allocator = ByteBufferAllocator()
    let log: CallLog
    var meter = GateMeter()
    var random = FastRandom()
    var connections: Set<FrontHandler> = []
    var streams: Set<LiveStream> = []
    /// Requests that a client may still cancel, by session and its own id.
    var cancellable: [CancelKey: CallFlow] = [:]
    /// The operator's rules as they are now; a call reads them once.
    private(set) var snapshot: RuleSnapshot
    var rules: GateRules { snapshot.rules }
    /// The lanes of the other event loops, and this one.
    weak var siblings: Lanes?
    private var sequence: UInt64 = 0
    private let holdPrefix: String

    init(node: Node, eventLoop: any EventLoop, link: NIOLoopBound<RedisLink>, headers: ResponseHeaders, index: Int, log: CallLog) {
        self.node = node
        self.eventLoop = eventLoop
        self.log = log
        self.link = link.value
        self.headers = RenderedHeaders(headers)
        ledger = Ledger(link: link.value, keys: node.store.keys, identity: node.identity, clock: node.clock)
        snapshot = node.ruleBook.snapshot
        cache = KeyCache(link: link, on: eventLoop, keys: node.store.keys, rules: snapshot.rules) { _ in node.switches.rulesAreOld() }
        tasks = TaskOwners(link: link.value, keys: node.store.keys)
        sessions = SessionBook(link: link.value, keys: node.store.keys, mint: node.sessions.mint)
        holdPrefix = "\(node.id).\(index)."
    }

    /// Milliseconds since 1970 of Redis TIME, as this node last heard it: a reading, the scripts ask the real one.
    var now: Int { node.clock.milliseconds }

    /// An id for a hold that no other node, lane or time uses.
    func nextID() -> String {
        sequence += 1
        return holdPrefix + String(sequence, radix: 36)
    }

    /// Finds the key of a credential: remembered, or read from Redis if it is not or if `fresh` is asked for.
    /// The completion comes on this loop, with whether Redis was read for it.
    func identify(_ secret: String, fresh: Bool, _ completion: @escaping (KeyLookup, Bool) -> Void) {
        if !fresh, let known = cache.assumeIsolated({ $0.remembered(secret) }) { return completion(.found(known), false) }
        let bound = NIOLoopBound(completion, eventLoop: eventLoop)
        cache.assumeIsolated { $0.load(secret) { bound.value($0, true) } }
    }

    func receive(_ exchange: MCPExchange) {
        MCPEndpoint.receive(exchange)
    }

    /// Notes a call that was refused, or that shadow mode let pass; nobody waits for it.
    func note(_ event: CallEvent) {
        link.send(EventLog.note(event, keys: node.store.keys)) { [self] result in
            if case .failure = result { meter.lostNotes += 1 }
        }
    }

    /// What is due every second: slow connections, settlements that are owed.
    func sweep() {
        let now = NIODeadline.now()
        for connection in connections { connection.checkTime(at: now) }
        ledger.sweep()
        sessions.sweep(at: now)
        log.flush()
    }

    /// Sends what concerns every client to each session once: on the oldest of its streams here (MCP Transports, multiple connections).
    func broadcast(_ message: [UInt8]) {
        for (_, streams) in Dictionary(grouping: streams, by: \.session.id) {
            streams.min { $0.openedAt < $1.openedAt }?.send(message)
        }
    }

    /// Sends the news of one resource to the sessions that have asked for it, each once, and only where who listens is who asked.
    func deliver(_ message: [UInt8], of uri: String) {
        let listening = streams.filter {
            node.subscriptions.holds(uri, for: .init(session: $0.session.id, credential: $0.credential))
        }
        for (_, streams) in Dictionary(grouping: listening, by: \.session.id) {
            streams.min { $0.openedAt < $1.openedAt }?.send(message)
        }
    }

    /// Gives up a call of a client, if it is under way here.
    func cancel(_ key: CancelKey) { cancellable[key]?.cancel() }

    /// A change that the feed has told of.
    func apply(_ change: Change) {
        switch change {
        case .record(.key, let id): cache.assumeIsolated { $0.forget(key: id) }
        // Many keys belong to a team, and changes of teams are rare.
        case .record(.team, _), .everything: cache.assumeIsolated { $0.forgetAll() }
        case .record(.cancel, let word): if let key = CancelKey(word: word) { cancel(key) }
        case .record(.session, let id):
            sessions.forget(id)
            node.subscriptions.forget(session: id)
            for stream in streams where stream.session.id == id { stream.close() }
        case .record(.switch, _), .record(.rules, _), .record(.beat, _): break
        }
    }

    /// The configuration has been reloaded.
    func adopt(_ snapshot: RuleSnapshot) {
        guard snapshot.rules.version >= rules.version else { return }
        self.snapshot = snapshot
        cache.assumeIsolated { $0.adopt(snapshot.rules) }
    }
}

/// Whose request is meant by a `notifications/cancelled`: ids are only unique within a session, and only who has asked may give up.
struct CancelKey: Hashable {
    let session: String
    /// The id of the key that called; empty for nobody's.
    let caller: String
    /// The raw token of the client's id.
    let id: [UInt8]

    /// Bytes of an id that can be given up.
    static let longestID = 128

    /// Nil for an id that is longer than anybody's.
    init?(session: String, caller: String, id: [UInt8]) {
        guard id.count <= Self.longestID else { return nil }
        self.session = session
        self.caller = caller
        self.id = id
    }

    /// As the change feed carries it: no space, whatever the client calls its requests.
    var word: String { "\(session)/\(caller)/\(Hex.string(id))" }

    init?(word: String) {
        let parts = word.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, let id = Hex.bytes(parts[2]) else { return nil }
        self.init(session: String(parts[0]), caller: String(parts[1]), id: id)
    }
}

/// A request that is under way upstream.
struct UpstreamTicket {
    let upstream: any Upstream
    let number: UInt64
}
