// The keys that one event loop has met lately: an actor that lives on that loop.

import GateDomain
package import NIOCore
import Crypto

/// What a credential turned out to be.
package enum KeyLookup: Sendable {
    case found(KeyFacts)
    case unknown
    case failed(StoreFailure)
}

/// Local cache of keys; an actor whose executor is one event loop, so code of that loop asks it without a hop (`budget.md`).
///
/// Invariant: it never decides anything. What was judged by a cached record is admitted only if Redis holds the same version; a
/// credential that is not known is asked for every time, so a new key works at once everywhere (V24). Loads are single-flight.
package actor KeyCache {
    package nonisolated let unownedExecutor: UnownedSerialExecutor
    private let link: NIOLoopBound<RedisLink>
    private let keys: RedisKeys
    /// Facts by credential; they hold only while they are also the facts of their key.
    private var credentials: GenerationCache<String, KeyFacts>
    private var facts: GenerationCache<String, KeyFacts>
    private var loading: [String: [@Sendable (KeyLookup) -> Void]] = [:]
    /// Changes heard of; what was asked before one and is answered after it may be out of date and is not kept.
    private var changes = 0
    package private(set) var hits = 0
    package private(set) var misses = 0

    /// Keys that a loop remembers at most.
    package static let capacity = 20_000

    package init(link: NIOLoopBound<RedisLink>, on loop: any EventLoop, keys: RedisKeys) {
        self.link = link
        self.keys = keys
        unownedExecutor = loop.executor.asUnownedSerialExecutor()
        credentials = GenerationCache(capacity: Self.capacity)
        facts = GenerationCache(capacity: Self.capacity)
    }

    package var count: Int { facts.count }

    /// What is remembered of a credential; no I/O.
    package func remembered(_ secret: String) -> KeyFacts? {
        guard let known = credentials.value(for: secret), known === facts.value(for: known.record.id) else {
            misses += 1
            return nil
        }
        hits += 1
        return known
    }

    /// Asks Redis; the answer comes on this loop.
    package func load(_ secret: String, _ completion: @escaping @Sendable (KeyLookup) -> Void) {
        guard loading[secret]?.append(completion) == nil else { return }
        loading[secret] = [completion]
        link.value.send(RedisCommand("GET", keys.credential(Self.digest(secret)))) { result in
            self.assumeIsolated { $0.loadedCredential(secret, result) }
        }
    }

    private func loadedCredential(_ secret: String, _ result: Result<RedisReply, StoreFailure>) {
        switch result {
        case .failure(let failure): finish(secret, .failed(failure))
        case .success(let reply):
            guard let id = reply.string else { return finish(secret, .unknown) }
            let askedAt = changes
            link.value.send(RedisCommand("HGETALL", keys.record(id))) { result in
                self.assumeIsolated { $0.loadedRecord(secret, id, askedAt, result) }
            }
        }
    }

    private func loadedRecord(_ secret: String, _ id: String, _ askedAt: Int, _ result: Result<RedisReply, StoreFailure>) {
        switch result {
        case .failure(let failure): finish(secret, .failed(failure))
        case .success(let reply):
            guard let record = KeyRecord(id: id, fields: reply.fields) else { return finish(secret, .unknown) }
            let known = facts.value(for: id).flatMap { $0.record == record ? $0 : nil } ?? KeyFacts(record, keys: keys)
            if askedAt == changes {
                credentials.insert(known, for: secret)
                facts.insert(known, for: id)
            }
            finish(secret, .found(known))
        }
    }

    private func finish(_ secret: String, _ lookup: KeyLookup) {
        for completion in loading.removeValue(forKey: secret) ?? [] { completion(lookup) }
    }

    /// A key has changed somewhere.
    package func forget(_ id: String) {
        changes += 1
        facts.remove(id)
    }

    /// Messages may have been missed.
    package func forgetAll() {
        changes += 1
        facts.removeAll()
        credentials.removeAll()
    }

    /// How a credential is named in Redis: never in the clear.
    package static func digest(_ secret: String) -> String {
        Hex.string(SHA256.hash(data: Array(secret.utf8)))
    }
}
