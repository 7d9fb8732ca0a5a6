// The admin keys of the cluster in Redis: every request is proved by what they are at that moment, on every node.

import ClusterState
import GateDomain
import Synchronization

/// Who is proved to administer.
struct Administrator: Sendable, Equatable {
    let key: AdminKeyEntry
    /// SHA-256 of the secret that was shown, in hex digits.
    let digest: String

    var role: AdminRole { key.role }
}

/// Admin keys as one record that `edit.lua` changes (F-ADMIN-01 to 10).
///
/// Nothing of it is remembered by a node, so a key that is revoked opens nothing from the moment that the order is answered.
final class AdminKeyDirectory: Sendable {
    private let bootstrap: AdminKeys
    private let store: any CommandStore
    private let records: RecordStore<SwitchRecord>
    /// When this node has last noted the use of a key, by its id; milliseconds since 1970.
    private let notedUses = Mutex<[String: Int]>([:])
    private let refusals = Mutex(Refusals())

    static let record = "admin-keys"
    /// Milliseconds between two notes of one key's use, and between two of refused secrets.
    private static let pause = 60_000

    /// - Parameter origin: the node that changes keys through it, as the change feed names it.
    init(_ bootstrap: AdminKeys, store: any CommandStore, origin: String) {
        self.bootstrap = bootstrap
        self.store = store
        records = RecordStore(store: store, origin: origin)
    }

    /// The key that a secret proves; nil for none that is active.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: `StoreFailure` if the store does not answer: nobody is let in by what a node remembers.
    func holder(of secret: String, now: Int) async throws -> Administrator? {
        let digest = Hex.string(AdminKeys.digest(secret))
        let field = AdminKeyBook.field(of: digest)
        let stored = try await store.sendPatiently(RedisCommand("HGET", store.keys.record(Self.record), field)).string
        let key: AdminKeyEntry? =
            if let stored {
                AdminKeyEntry(packed: stored)
            } else {
                bootstrap.role(of: secret) == nil ? nil : .bootstrap
            }
        guard let key, key.isActive else { return nil }
        await noteUse(of: key.id, now: now)
        return Administrator(key: key, digest: digest)
    }

    /// Whether what an administrator has shown still opens anything.
    /// - Throws: `StoreFailure`.
    func isHeld(by administrator: Administrator) async throws -> Bool {
        let field = AdminKeyBook.field(of: administrator.digest)
        let stored = try await store.sendPatiently(RedisCommand("HGET", store.keys.record(Self.record), field)).string
        return stored.map { AdminKeyEntry(packed: $0)?.isActive == true } ?? (administrator.digest == bootstrap.digestText)
    }

    /// Whether the key that this node was started with holds no more.
    /// - Throws: `StoreFailure`.
    var isBootstrapReplaced: Bool {
        get async throws {
            let field = AdminKeyBook.field(of: bootstrap.digestText)
            let stored = try await store.sendPatiently(RedisCommand("HGET", store.keys.record(Self.record), field)).string
            return stored.flatMap(AdminKeyEntry.init(packed:)).map { !$0.isActive } ?? (stored != nil)
        }
    }

    /// Every key with the time of its last use: milliseconds since 1970, known to the minute.
    /// - Throws: `RecordRefusal`, `StoreFailure`.
    func list() async throws -> [(key: AdminKeyEntry, usedAt: Int?)] {
        let keys = try await book().listed
        let uses = try await store.sendPatiently(RedisCommand("HGETALL", store.keys.adminUses)).fields
        let gone = uses.keys.filter { id in !keys.contains { $0.id == id } }
        for id in gone { _ = try await store.send(RedisCommand("HDEL", store.keys.adminUses, id)) }
        return keys.map { ($0, uses[$0.id].flatMap { Int($0) }) }
    }

    /// - Throws: `AdminKeyRefusal`, `RecordRefusal`.
    func create(_ key: AdminKeyEntry, secret: String, by actor: Administrator, _ operation: Operation) async throws {
        let digest = Hex.string(AdminKeys.digest(secret))
        try await change(.add(key, digest: digest), by: actor, operation)
    }

    /// What revoking would do, so that it can be told before it is done.
    /// - Throws: `AdminKeyRefusal`, `RecordRefusal`.
    func target(_ reference: String, by actor: Administrator) async throws -> AdminKeyEntry {
        var book = try await book()
        return try book.revoke(reference, digest: Hex.string(AdminKeys.digest(reference)), by: actor.digest)
    }

    /// - Throws: `AdminKeyRefusal`, `RecordRefusal`.
    func revoke(_ reference: String, by actor: Administrator, _ operation: Operation) async throws {
        let digest = Hex.string(AdminKeys.digest(reference))
        try await change(.revoke(reference, digest: digest), by: actor, operation)
    }

    /// Puts `secret` into the place of the bootstrap key that asks.
    /// - Throws: `AdminKeyRefusal`, `RecordRefusal`.
    func rotate(_ actor: Administrator, to secret: String, now: Int, _ operation: Operation) async throws {
        let key = AdminKeyEntry(
            id: AdminKeyEntry.bootstrapID, name: AdminKeyEntry.bootstrapID, role: .superAdmin, masked: Credential.longMask(secret),
            createdAt: now, createdBy: actor.key.actor, isBootstrap: true)
        let digest = Hex.string(AdminKeys.digest(secret))
        try await change(.replaceBootstrap(with: key, digest: digest), by: actor, operation)
    }

    private func book() async throws(RecordRefusal) -> AdminKeyBook {
        AdminKeyBook(try await records.read(Self.record)?.values ?? [:], bootstrap: bootstrap.digestText)
    }

    private func change(_ change: AdminKeyChange, by actor: Administrator, _ operation: Operation) async throws {
        do {
            try await write(change, by: actor.digest, operation)
        } catch {
            throw Self.told(error)
        }
    }

    private static func told(_ refusal: RecordRefusal) -> any Error {
        if case .state(let word) = refusal, let own = AdminKeyRefusal(rawValue: word) { return own }
        return refusal
    }

    private func write(_ change: AdminKeyChange, by actor: String, _ operation: Operation) async throws(RecordRefusal) {
        if try await records.read(Self.record) == nil {
            var record = SwitchRecord(id: Self.record, values: [:])
            try apply(change, by: actor, to: &record)
            do { return try await records.create(record, operation) } catch { if error != .contended { throw error } }
        }
        _ = try await records.edit(Self.record, operation) { (record) throws(RecordRefusal) in
            try apply(change, by: actor, to: &record)
        }
    }

    private func apply(_ change: AdminKeyChange, by actor: String, to record: inout SwitchRecord) throws(RecordRefusal) {
        var book = AdminKeyBook(record.values, bootstrap: bootstrap.digestText)
        do throws(AdminKeyRefusal) { try book.apply(change, by: actor) } catch { throw .state(error.rawValue) }
        record.values = book.values
    }

    // MARK: Notes

    private func noteUse(of id: String, now: Int) async {
        let isDue = notedUses.withLock { noted in
            if let last = noted[id], abs(now - last) < Self.pause { return false }
            if noted.count > AdminKeyBook.capacity * 2 { noted.removeAll() }
            noted[id] = now
            return true
        }
        if isDue { _ = try? await store.send(RedisCommand("HSET", store.keys.adminUses, id, String(now))) }
    }

    private struct Refusals {
        var notedAt: Int?
        var count = 0
    }

    /// Notes that somebody was turned away (F-ADMIN-08). What needs no proof must not push out what does: a node writes one entry a minute,
    /// which says how many there were since the last one.
    func noteRefusal(from address: IPAddress?, now: Int) async {
        let count: Int? = refusals.withLock { refusals in
            refusals.count += 1
            if let last = refusals.notedAt, abs(now - last) < Self.pause { return nil }
            defer { refusals = Refusals(notedAt: now) }
            return refusals.count
        }
        guard let count else { return }
        let entry = AuditEntry(
            type: "admin.auth_failed", actor: "anyone", message: "Invalid admin key",
            metadata: [("attempts", String(count))] + (address.map { [("address", "\($0)")] } ?? []))
        try? await store.note(entry)
    }
}
