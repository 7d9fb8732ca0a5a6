// Everything that one event loop owns: its connections, its way to Redis, its keys, its counts.

import ClusterState
import GateDomain
import GateSettings
import Logging
import MCPUpstream
import NIOCore

/// One event loop's share of the node; confined to that loop, so nothing in it is locked or hopped to.
///
/// Its facets are whom servers can reach (`LoopContext+Clients`) and what is written down without anybody waiting (`LoopContext+Notes`). What has
/// a life of its own in it, as streams, questions and the door, gets its parts when it is made and knows no context.
final class LoopContext {
    let parts: GateParts
    let eventLoop: any EventLoop
    /// What the connections of the loop share.
    let front: FrontContext
    let link: any CommandLink
    let ledger: Ledger
    let cache: KeyCache
    let authenticator: LoopAuthenticator
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
    private(set) weak var siblings: LoopContexts?
    /// What `server/discover` was answered last.
    var discovered: (result: [UInt8], at: NIODeadline)?
    /// Calls that were compared with schemas since the last sweep, and those of them that did not fit.
    var schemaChecks = SchemaTotals.Counts()
    var priceTexts = PriceTexts()
    var sessionNotes = SessionNotes()
    var keptAnswers: KeptAnswers
    /// How many of each key were noted since the last sweep.
    var notedViolations: [String: Int] = [:]
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
        authenticator = LoopAuthenticator(cache: cache, eventLoop: eventLoop, clock: parts.clock)
        sessions = SessionBook(
            link: link.value, keys: keys, mint: parts.sessions.mint, clock: parts.clock, limiter: parts.addressLimiter)
        tasks = TaskOwners(link: link.value, keys: keys)
        rounds = CallRounds(node: parts.id, loop: index, link: link.value, keys: keys)
        streams = LiveStreams(
            link: link.value, commands: sessions.commands, mail: SessionMail(link: link.value, keys: keys, origin: parts.id),
            most: parts.settings.maxConnections / max(1, loops) / 4)
        news = NewsDesk(streams.mail, on: eventLoop)
        questions = ClientQuestions(
            node: parts.id, loop: index, on: eventLoop, sessions: sessions, streams: streams, clock: parts.clock,
            through: NodePassage(node: parts.id, link: link.value, keys: keys))
        calls = CallStreams(
            node: parts.id, loop: index, authenticator: authenticator, sessions: sessions, mail: streams.mail,
            through: CallShares(link: link.value, keys: keys, clock: parts.clock),
            most: parts.settings.maxConnections / max(1, loops) / 4)
        front.logs = calls
        listeners = ListenStreams(most: parts.settings.maxConnections / max(1, loops) / 4)
        holdPrefix = "\(parts.id).\(index)."
    }

    /// Comes to know the contexts of the other event loops, and so does what reaches its like on them.
    func join(_ all: LoopContexts) {
        siblings = all
        questions.everywhere = { [weak all] body in all?.forEach { body($0.questions) } }
        calls.everywhere = { [weak all] body in all?.forEach { body($0.calls) } }
    }

    /// Milliseconds since 1970 of Redis TIME, as this node last heard it: a reading, the scripts ask the real one.
    var now: Int { parts.clock.milliseconds }

    var allocator: ByteBufferAllocator { front.allocator }

    /// An id for a hold that no other node, loop or time uses.
    func nextID() -> String {
        sequence += 1
        return holdPrefix + String(sequence, radix: 36)
    }

    /// Finds the key of a credential, as `LoopAuthenticator` does.
    func identify(_ secret: String, fresh: Bool, _ completion: @escaping (KeyLookup, Bool) -> Void) {
        authenticator.identify(secret, fresh: fresh, completion)
    }

    /// What servers have said of their tools.
    func tools() -> ToolCatalog {
        if let catalog, catalog.revision == parts.upstreams.toolRevision { return catalog.tools }
        let (revision, lists) = parts.upstreams.toolLists
        let tools = ToolCatalog(lists, separator: parts.upstreams.separator)
        catalog = (revision, tools)
        return tools
    }

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
        calls.sweep(at: now)
        log.flush()
    }

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
            calls.collect(id)
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
