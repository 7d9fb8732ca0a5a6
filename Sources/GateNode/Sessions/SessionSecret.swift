// The secret of session ids, which all nodes share; whoever comes first makes it, and a Redis that has lost it gets it again.

import ClusterState
import GateDomain
import Synchronization

/// What this node seals session ids with.
///
/// Invariant: it is the secret that Redis had when it was last asked. A Redis that was restarted empty takes that of the node which asks
/// first, and the others follow it; sessions themselves are gone with Redis.
final class SessionSecret: Sendable {
    private let state: Mutex<(text: String, mint: SessionMint)>
    private let listener = Mutex<@Sendable (SessionMint) -> Void>({ _ in })

    /// - Parameter text: hex digits; what this node proposes until others are heard.
    init(_ text: String = RandomHex.digits(64)) {
        state = Mutex((text, Self.mint(text)))
    }

    var mint: SessionMint { state.withLock { $0.mint } }

    /// Who has to be told of another secret: every event loop.
    func onChange(_ work: @escaping @Sendable (SessionMint) -> Void) { listener.withLock { $0 = work } }

    /// Proposes this node's secret and takes the one that Redis has.
    ///
    /// The proposal is a write over every link of the node, and is nothing to Redis if it has a secret already: a node that has agreed can
    /// write over all of them.
    /// - Throws: when one of the links does not carry a write, or Redis refuses it.
    func agree(in store: RedisStore) async throws(StoreFailure) {
        let own = state.withLock { $0.text }
        // First, so that nobody who finds a secret takes the store for one of a version that knew no shards.
        _ = try await store.send(RedisCommand("HSETNX", store.keys.secrets, "shards", String(store.keys.shards)))
        try await store.sendOverEveryLink(RedisCommand("HSETNX", store.keys.secrets, "session", own))
        guard let agreed = try await store.send(RedisCommand("HGET", store.keys.secrets, "session")).string else {
            throw .fault("the secret of sessions is gone")
        }
        guard agreed != own else { return }
        let mint = Self.mint(agreed)
        let isNew = state.withLock { state in
            guard state.text != agreed else { return false }
            state = (agreed, mint)
            return true
        }
        if isNew { listener.withLock { $0 }(mint) }
    }

    /// The same while a node comes up and not every link of it has: for as long as its operator may reasonably wait (5 s).
    /// - Throws: what was still in the way after that, or at once what no waiting heals.
    func agreePatiently(in store: RedisStore) async throws(StoreFailure) {
        let deadline = ContinuousClock.now + .seconds(5)
        while true {
            do {
                return try await agree(in: store)
            } catch {
                if case .fault = error { throw error }
                if ContinuousClock.now >= deadline { throw error }
                do { try await Task.sleep(for: .milliseconds(20)) } catch { throw .unknown }
            }
        }
    }

    private static func mint(_ text: String) -> SessionMint { SessionMint(secret: Hex.bytes(text) ?? Array(text.utf8)) }
}

/// Whether calls can be admitted over every link of this node, found by writing (F25).
///
/// Invariant: however many ask, one write is under way at a time, and ten a second are made at most.
actor StoreProbe {
    private let write: @Sendable () async -> StoreReach
    private var last: (reach: StoreReach, at: ContinuousClock.Instant)?
    private var underWay: Task<StoreReach, Never>?

    private static let freshness = Duration.milliseconds(100)

    init(_ write: @escaping @Sendable () async -> StoreReach) {
        self.write = write
    }

    /// Of a single Redis all of it or nothing; of a Redis Cluster whatever its primaries say, each by itself.
    init(_ store: RedisStore, _ sessions: SessionSecret) {
        self.init {
            let shards = store.keys.shards
            guard store.isCluster else {
                return StoreReach(shards: shards, served: await Self.hasAgreed(sessions, in: store) ? shards : 0)
            }
            async let served = store.writableShards()
            _ = await Self.hasAgreed(sessions, in: store)
            return StoreReach(shards: shards, served: await served)
        }
    }

    private static func hasAgreed(_ sessions: SessionSecret, in store: RedisStore) async -> Bool {
        do throws(StoreFailure) {
            try await sessions.agree(in: store)
            return true
        } catch {
            return false
        }
    }

    /// What came of the last write, or of a new one if that is older than 100 ms; at most the time that a command may take.
    func reach() async -> StoreReach {
        if let last, ContinuousClock.now - last.at < Self.freshness { return last.reach }
        if let underWay { return await underWay.value }
        let task = Task { await write() }  // owned by this actor: one at a time, bounded by the time that commands may take
        underWay = task
        let reach = await task.value
        (last, underWay) = ((reach, .now), nil)
        return reach
    }
}
