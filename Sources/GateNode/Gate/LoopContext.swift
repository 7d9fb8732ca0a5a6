// Everything that one event loop owns: its connections, its way to Redis, its keys, its counts.

import ClusterState
import GateDomain
import GateSettings
import Logging
import MCPUpstream
import MCPWire
import NIOCore

/// One event loop's share of the node; confined to that loop, so nothing in it is locked or hopped to.
final class LoopContext: ExchangeHandler {
    let parts: GateParts
    let eventLoop: any EventLoop
    /// What the connections of the loop share.
    let front: FrontContext
    let link: any CommandLink
    let ledger: Ledger
    let cache: KeyCache
    let sessions: SessionBook
    let tasks: TaskOwners
    let lists = ListCopies()
    let ownTools = OwnTools()
    let questions: ClientQuestions
    let rounds: CallRounds
    let streams: LiveStreams
    /// The news of lists; of all loops of the node the first one has them.
    let news: NewsDesk
    let calls: CallStreams
    let listeners: ListenStreams
    let log: CallLog
    /// Whether calls that cost nothing pass while the store is away.
    let opensWithoutStore: Bool
    /// Whether clients see three tools in the place of all (F-DISC-01).
    let discoversDynamically: Bool
    private var catalog: (revision: Int, tools: ToolCatalog)?
    var meter = GateMeter()
    /// Requests that a client may still cancel, by session and its own id.
    var cancellable: [CancelKey: any CancellableRequest] = [:]
    /// The operator's rules as they are now; a call reads them once.
    private(set) var snapshot: RuleSnapshot
    var rules: GateRules { snapshot.rules }
    /// The contexts of the other event loops, and this one.
    weak var siblings: LoopContexts?
    /// What `server/discover` was answered last.
    var discovered: (result: [UInt8], at: NIODeadline)?
    /// Calls that were compared with schemas since the last sweep, and those of them that did not fit.
    var schemaChecks = SchemaTotals.Counts()
    var priceTexts = PriceTexts()
    var sessionNotes = SessionNotes()
    var keptAnswers: KeptAnswers
    /// How many of each key were noted since the last sweep.
    private var notedViolations: [String: Int] = [:]
    private var sequence: UInt64 = 0
    private let holdPrefix: String

    init(
        _ parts: GateParts, eventLoop: any EventLoop, link: NIOLoopBound<any StoreLink>, headers: ResponseHeaders, index: Int, loops: Int,
        log: CallLog
    ) {
        self.parts = parts
        self.eventLoop = eventLoop
        self.log = log
        opensWithoutStore = parts.settings.onStoreLoss == .open
        discoversDynamically = parts.settings.discoveryMode == .dynamic
        self.link = link.value
        keptAnswers = KeptAnswers(loops: loops)
        let keys = parts.store.keys
        front = FrontContext(settings: parts.settings, switches: parts.switches, addresses: parts.addresses, headers: headers, loops: loops)
        ledger = Ledger(link: link.value, keys: keys, identity: parts.identity, clock: parts.clock, logger: parts.logger)
        snapshot = parts.ruleBook.snapshot
        cache = KeyCache(link: link, on: eventLoop, keys: keys, rules: snapshot.rules) {
            [switches = parts.switches, ruleBook = parts.ruleBook] version in
            ruleBook.meet(version)
            switches.rulesAreOld()
        }
        sessions = SessionBook(
            link: link.value, keys: keys, mint: parts.sessions.mint, clock: parts.clock, limiter: parts.addressLimiter)
        tasks = TaskOwners(link: link.value, keys: keys)
        questions = ClientQuestions(node: parts.id, loop: index, link: link.value, keys: keys)
        rounds = CallRounds(node: parts.id, loop: index, link: link.value, keys: keys)
        streams = LiveStreams(
            link: link.value, commands: sessions.commands, mail: SessionMail(link: link.value, keys: keys, origin: parts.id),
            most: parts.settings.maxConnections / max(1, loops) / 4)
        news = NewsDesk(streams.mail, on: eventLoop)
        calls = CallStreams(
            node: parts.id, loop: index, sessions: sessions, mail: streams.mail,
            through: CallShares(link: link.value, keys: keys, clock: parts.clock),
            most: parts.settings.maxConnections / max(1, loops) / 4)
        front.logs = calls
        listeners = ListenStreams(most: parts.settings.maxConnections / max(1, loops) / 4)
        holdPrefix = "\(parts.id).\(index)."
    }

    /// Milliseconds since 1970 of Redis TIME, as this node last heard it: a reading, the scripts ask the real one.
    var now: Int { parts.clock.milliseconds }

    var allocator: ByteBufferAllocator { front.allocator }

    /// An id for a hold that no other node, loop or time uses.
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

    /// What servers have said of their tools.
    func tools() -> ToolCatalog {
        if let catalog, catalog.revision == parts.upstreams.toolRevision { return catalog.tools }
        let (revision, lists) = parts.upstreams.toolLists
        let tools = ToolCatalog(lists, separator: parts.upstreams.separator)
        catalog = (revision, tools)
        return tools
    }

    func receive(_ exchange: MCPExchange) {
        MCPEndpoint.receive(exchange, on: self)
    }

    /// Whether whoever listens with a credential may go on listening: its key is there and active. Where nobody can say, it may.
    /// - Parameter fresh: whether the store is asked, whatever is remembered.
    func mayListen(_ credential: String?, fresh: Bool = false, _ answer: @escaping (Bool) -> Void) {
        guard let credential else { return answer(true) }
        identify(credential, fresh: fresh) { [self] lookup, _ in
            switch lookup {
            case .found(let key): answer(key.record.state == .active && !key.record.isExpired(at: now))
            case .unknown: answer(false)
            case .failed: answer(true)
            }
        }
    }

    func knows(_ secret: String) -> Bool { cache.assumeIsolated { $0.knows(secret) } }

    /// Notes a call that was refused, or that shadow mode let pass; nobody waits for it.
    func note(_ event: CallEvent) {
        link.send(EventLog.note(event, keys: parts.store.keys)) { [self] result in
            if case .failure = result { meter.lostNotes += 1 }
        }
    }

    /// Notes what rules have found in a call of a known key; nobody waits for it. A key that makes more of it than anybody reads is passed
    /// over for the rest of the second, so that it does not push out what others have done.
    func note(_ violations: [RuleViolation], in tool: String, of key: String?, _ requestID: String) {
        let most = snapshot.settings.guardrails.maxViolations
        guard most > 0, let key else { return }
        for violation in violations {
            guard notedViolations[key, default: 0] < Self.violationsPerSecond else { return }
            notedViolations[key, default: 0] += 1
            let event = ViolationEvent(violation, tool: tool, keyID: key, requestID: requestID)
            link.send(ViolationLog.note(event, keys: parts.store.keys, most: most)) { [self] result in
                if case .failure = result { meter.lostNotes += 1 }
            }
        }
    }

    /// Violations of one key that are noted in one second.
    private static let violationsPerSecond = 50

    /// What is due every second: slow connections, settlements that are owed.
    func sweep() {
        let now = NIODeadline.now()
        front.checkTime(at: now)
        ledger.sweep()
        sessions.sweep(at: now)
        notedViolations.removeAll(keepingCapacity: true)
        noteSchemaChecks()
        questions.sweep(at: now)
        rounds.sweep(at: now, on: self)
        calls.sweep(at: now, on: self)
        log.flush()
    }

    private func noteSchemaChecks() {
        guard schemaChecks.all > 0 else { return }
        let counts = schemaChecks
        schemaChecks = SchemaTotals.Counts()
        for command in SchemaTotals.commands(adding: counts, keys: parts.store.keys) {
            link.send(command) { [self] result in
                if case .failure = result { meter.lostNotes += 1 }
            }
        }
    }

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
                session: StatelessEndpoint.session(of: key, capabilities), key: key, capabilities: capabilities, isShared: true)
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
            return questions.ask(question, on: flow.exchange, of: self)
        }
        return questions.ask(question, session: session, of: self)
    }

    /// Asks the client of a request, on the request's stream or, if it has none, wherever the client listens.
    func ask(_ question: UpstreamQuestion, on exchange: MCPExchange) {
        if questions.ask(question, on: exchange, of: self) { return }
        let refuse = { @Sendable in question.refuse(code: -32603, "The client listens to nothing now") }
        guard let session = exchange.session?.id, let siblings else { return refuse() }
        siblings.first({ $0.ask(question, session: session) }, otherwise: refuse)
    }

    /// Gives up a call of a client, if it is under way here.
    func cancel(_ key: CancelKey) { cancellable[key]?.cancel() }

    /// A change that the feed has told of.
    func apply(_ change: Change) {
        switch change {
        case .record(.key, let id): cache.assumeIsolated { $0.forget(key: id) }
        // Many keys belong to a team, and changes of teams are rare.
        case .record(.team, _): cache.assumeIsolated { $0.forgetAll() }
        case .everything:
            cache.assumeIsolated { $0.forgetAll() }
            streams.lookAgain()
            calls.collectAll()
            questions.lookAgain()
            rounds.lookAgain()
        case .record(.answer, let id):
            questions.collect(id)
            rounds.collect(id, on: self)
            calls.collect(id, on: self)
        case .record(.mail, let name):
            streams.collect(session: name)
            calls.collect(stream: name)
        case .record(.moved, let word): streams.moved(word)
        case .record(.cancel, let word): if let key = CancelKey(word: word) { cancel(key) }
        case .record(.session, let id):
            sessions.forget(id)
            streams.close(session: id)
            calls.close(session: id)
        case .record(.switch, _), .record(.rules, _), .record(.beat, _), .record(.aside, _), .record(.subscription, _), .record(.news, _):
            break
        }
    }

    /// The configuration has been reloaded.
    func adopt(_ snapshot: RuleSnapshot) {
        guard snapshot.rules.version >= rules.version else { return }
        self.snapshot = snapshot
        cache.assumeIsolated { $0.adopt(snapshot.rules) }
    }
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

/// What calls need of their node; all of it may be used from any event loop.
struct GateParts: Sendable {
    let id: String
    let settings: Settings
    let store: RedisStore
    let identity: NodeIdentity
    let clock: RedisClock
    let ruleBook: RuleBook
    let addresses: ClientAddressRule
    let addressLimiter: AddressLimiter
    let upstreams: UpstreamSet
    let subscriptions: SubscriptionBook
    let wishes: ResourceWishes
    let sessions: SessionSecret
    let switches: Switches
    let logger: Logger
}

/// A request under way that its client may give up.
protocol CancellableRequest: AnyObject {
    var exchange: MCPExchange { get }

    /// Gives it up, wherever it is; it then ends as one that was given up.
    func cancel()
}

/// Whose request is meant by a `notifications/cancelled`: ids are only unique within a session, and only who has asked may give up.
struct CancelKey: Hashable {
    let session: String
    /// The id of the key that called; empty for nobody's.
    let caller: String
    /// The raw token of the client's id.
    let id: [UInt8]

    /// Bytes of an id that can be given up.
    static let longestID = ClientText.cancelledID

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
    /// All its rounds, at a server of the revision 2026-07-28.
    var rounds: UpstreamRounds?

    /// Tells the server that nobody waits any more.
    func cancel(on loop: any EventLoop) {
        if let rounds { rounds.cancel() } else { upstream.cancel(number, on: loop) }
    }
}
