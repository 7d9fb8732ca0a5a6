// The keys that one event loop has met lately: an actor that lives on that loop.

package import GateDomain
package import NIOCore

/// What a credential turned out to be.
package enum KeyLookup: Sendable {
    /// The key that it proves, in whatever state.
    case found(CachedKey)
    /// It proves no key.
    case unknown
    /// Redis did not say.
    case failed(StoreFailure)
}

/// Local cache of keys; an actor whose executor is one event loop, so code of that loop asks it without a hop.
///
/// Invariant: it never decides anything. What was judged by a cached policy is admitted only if Redis holds the same versions; a
/// credential that is not known is asked for every time, so a new key works at once everywhere (V24). Loads are single-flight: those who
/// ask while one is under way share the *next* one, as what that reads may be older than their question.
package actor KeyCache {
    package nonisolated let unownedExecutor: UnownedSerialExecutor
    private let link: NIOLoopBound<any StoreLink>
    private let keys: RedisKeys
    /// Cached keys by credential; they hold only while they are also the ones of their id.
    private var credentials: GenerationCache<ExactText, CachedKey>
    private var cached: GenerationCache<String, CachedKey>
    private var loads: [ExactText: Load] = [:]
    /// Changes heard of; what was asked before one and is answered after it may be out of date and is not kept.
    private var changes = 0
    private var rules: GateRules
    /// What goes on when newer rules have been adopted, or is given up in time.
    private var waitingForRules: [Parked] = []
    /// Whether a timer is set that gives them up.
    private var isTimed = false
    private let loop: any EventLoop
    private let onNewRules: @Sendable (Int) -> Void
    /// Credentials that were remembered, since the start.
    package private(set) var hits = 0
    /// Credentials that had to be read, since the start.
    package private(set) var misses = 0

    private struct Load {
        var waiting: [@Sendable (KeyLookup) -> Void]
        var next: [@Sendable (KeyLookup) -> Void] = []
    }

    /// What is read, and for whom.
    private struct Question {
        let secret: String
        let askedAt: Int
        /// How far it is.
        var lookup: CredentialLookup
    }

    /// A key that was read and can be judged only by rules that this node does not have yet.
    private struct Parked {
        let record: KeyRecord
        let team: TeamRecord?
        let credential: Credential
        let question: Question
        /// Of the rules.
        let version: Int
        let deadline: NIODeadline
    }

    /// How long a key waits for newer rules; a node that cannot have them says so, and nobody waits for ever.
    package static let patience = TimeAmount.seconds(2)
    /// Keys that a loop remembers at most.
    package static let capacity = 20_000
    /// Bytes of a credential at most; anything longer is unknown without being looked at.
    package static let longestCredential = ClientText.credential

    /// - Parameter onNewRules: told of a version that the store has and this cache has not; `adopt` must follow, whatever the rules are then.
    package init(
        link: NIOLoopBound<any StoreLink>, on loop: any EventLoop, keys: RedisKeys, rules: GateRules,
        onNewRules: @escaping @Sendable (Int) -> Void
    ) {
        self.onNewRules = onNewRules
        self.loop = loop
        self.link = link
        self.keys = keys
        self.rules = rules
        unownedExecutor = loop.executor.asUnownedSerialExecutor()
        credentials = GenerationCache(capacity: Self.capacity)
        cached = GenerationCache(capacity: Self.capacity)
    }

    /// Credentials that are remembered.
    package var count: Int { cached.count }

    /// What is remembered of a credential; no I/O.
    package func remembered(_ secret: String) -> CachedKey? {
        guard secret.utf8.count <= Self.longestCredential, let known = credentials.value(for: ExactText(secret)),
            known.own === cached.value(for: known.id)
        else {
            misses += 1
            return nil
        }
        hits += 1
        return known
    }

    /// The id of the key that a secret proves or a token lends, where it is remembered. It counts as no use of the cache.
    package func owner(of secret: String) -> String? {
        guard secret.utf8.count <= Self.longestCredential, let known = credentials.value(for: ExactText(secret)),
            known.own === cached.value(for: known.id)
        else { return nil }
        return known.id
    }

    /// Asks Redis; the answer comes on this loop, and is read after this was called.
    package func load(_ secret: String, _ completion: @escaping @Sendable (KeyLookup) -> Void) {
        guard secret.utf8.count <= Self.longestCredential else { return completion(.unknown) }
        if loads[ExactText(secret)]?.next.append(completion) != nil { return }
        loads[ExactText(secret)] = Load(waiting: [completion])
        begin(secret)
    }

    private func begin(_ secret: String) {
        let question = Question(secret: secret, askedAt: changes, lookup: CredentialLookup(secret, keys: keys))
        take(question.lookup.begin(), question)
    }

    private func take(_ step: CredentialLookup.Step, _ question: Question) {
        switch step {
        case .ask(let command):
            ask(command, question) { cache, reply in
                var question = question
                let next = question.lookup.hear(reply)
                cache.take(next, question)
            }
        case .proven(let credential, let record): readTeam(of: record, credential, question)
        case .unknown: finish(question.secret, .unknown)
        }
    }

    private func readTeam(of record: KeyRecord, _ credential: Credential, _ question: Question) {
        guard let team = record.teamID else { return found(record, nil, credential, question) }
        ask(RedisCommand("HGETALL", keys.record(team)), question) { cache, reply in
            cache.found(record, TeamRecord(id: team, fields: reply.fields), credential, question)
        }
    }

    private func found(_ record: KeyRecord, _ team: TeamRecord?, _ credential: Credential, _ question: Question) {
        ask(RedisCommand("HGET", keys.versions(keys.shard(of: record.id)), RulesVersion.name), question) { cache, reply in
            cache.judge(
                Parked(
                    record: record, team: team, credential: credential, question: question, version: reply.integer ?? 0,
                    deadline: .now() + Self.patience))
        }
    }

    /// Compiles the policy, once this node has the rules that hold.
    private func judge(_ found: Parked) {
        guard found.version <= rules.version else {
            park(found)
            return onNewRules(found.version)
        }
        let (record, team) = (found.record, found.team)
        let held = cached.value(for: record.id).flatMap { $0.policy.isMade(of: record, team, rules) ? $0 : nil }
        let own = held ?? CachedKey(Policy(key: record, team: team, rules: rules), keys: keys)
        let known = found.credential.kind.lends ? CachedKey(own, lentBy: found.credential) : own
        if found.question.askedAt == changes {
            credentials.insert(known, for: ExactText(found.question.secret))
            cached.insert(own, for: record.id)
        }
        finish(found.question.secret, .found(known))
    }

    private func park(_ found: Parked) {
        waitingForRules.append(found)
        setTimer()
    }

    /// One timer for all that wait.
    private func setTimer() {
        guard !isTimed, let next = waitingForRules.lazy.map(\.deadline).min() else { return }
        isTimed = true
        loop.scheduleTask(deadline: next) { [self] in assumeIsolated { $0.giveUp(at: .now()) } }
    }

    private func giveUp(at now: NIODeadline) {
        isTimed = false
        let late = waitingForRules.filter { $0.deadline <= now }
        waitingForRules.removeAll { $0.deadline <= now }
        setTimer()
        for found in late { finish(found.question.secret, .failed(.unavailable("this node has not got the rules that hold"))) }
    }

    private func ask(_ command: RedisCommand, _ question: Question, _ body: @escaping @Sendable (isolated KeyCache, RedisReply) -> Void) {
        link.value.send(command) { result in
            self.assumeIsolated { cache in
                switch result {
                case .failure(let failure): cache.finish(question.secret, .failed(failure))
                case .success(let reply): body(cache, reply)
                }
            }
        }
    }

    private func finish(_ secret: String, _ lookup: KeyLookup) {
        guard let load = loads.removeValue(forKey: ExactText(secret)) else { return }
        if !load.next.isEmpty {
            loads[ExactText(secret)] = Load(waiting: load.next)
            begin(secret)
        }
        for completion in load.waiting { completion(lookup) }
    }

    /// A key, or a team that keys belong to, has changed somewhere.
    package func forget(key id: String) {
        changes += 1
        cached.remove(id)
    }

    /// Messages may have been missed, or something has changed that many policies are made from.
    package func forgetAll() {
        changes += 1
        cached.removeAll()
        credentials.removeAll()
    }

    /// The operator's rules have been reloaded.
    package func adopt(_ rules: GateRules) {
        self.rules = rules
        forgetAll()
        let waiting = waitingForRules
        waitingForRules = []
        for found in waiting { judge(found) }
    }
}
