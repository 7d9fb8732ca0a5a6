// The admin keys of the cluster and the rules between them, as one value: what may be made, revoked and replaced.

import ClusterState
import GateDomain

/// One admin key; its secret is known by its SHA-256 alone.
struct AdminKeyEntry: Sendable, Equatable {
    /// Names it where the secret must not be shown.
    let id: String
    let name: String
    let role: AdminRole
    /// The first 7 and the last 4 characters of the secret.
    let masked: String
    /// Milliseconds since 1970; nil for a key that a node was started with.
    let createdAt: Int?
    /// Who made it, in the words of the audit log.
    let createdBy: String
    var isActive = true
    /// It is the key of the start, or has taken its place.
    var isBootstrap = false
    /// A node may be started with it again: that it holds no more is never forgotten.
    var isPinned = false

    static let bootstrapID = "bootstrap"

    /// The key that a node was started with, as long as nobody has replaced or revoked it.
    static let bootstrap = AdminKeyEntry(
        id: bootstrapID, name: bootstrapID, role: .superAdmin, masked: bootstrapID, createdAt: nil, createdBy: "system", isBootstrap: true)

    /// In the words of the audit log: never a secret.
    var actor: String { isBootstrap ? "admin" : "\(name) (\(masked))" }
}

/// Why the admin keys stay as they are.
enum AdminKeyRefusal: String, Error, Sendable {
    case unknown, ambiguous, revoked, own, lastSuperAdmin, full, notBootstrap, notHeld
}

/// A change of the admin keys; digests are of the secrets.
enum AdminKeyChange: Sendable {
    case add(AdminKeyEntry, digest: String)
    case revoke(_ reference: String, digest: String)
    case replaceBootstrap(with: AdminKeyEntry, digest: String)
}

/// All admin keys, by the SHA-256 of their secrets in hex digits.
///
/// Invariant: at least one super admin is left. All keys lie in one record, so that a change is made of what the others have become:
/// two super admins who revoke each other at once do not both succeed.
struct AdminKeyBook: Sendable, Equatable {
    private(set) var entries: [String: AdminKeyEntry]
    /// The digest of the key that this node was started with.
    private let bootstrap: String

    /// Keys that may be active at once.
    static let capacity = 100
    /// Revoked ones that are still shown.
    static let remembered = 100
    /// Keys of starts that were replaced or revoked.
    static let pinned = 1000

    /// - Parameter values: fields of the record; what cannot be read holds for nobody.
    init(_ values: [String: String], bootstrap: String) {
        self.bootstrap = bootstrap
        entries = values.reduce(into: [:]) { entries, field in
            guard field.key.hasPrefix(Self.prefix), let entry = AdminKeyEntry(packed: field.value) else { return }
            entries[String(field.key.dropFirst(Self.prefix.count))] = entry
        }
    }

    var values: [String: String] {
        Dictionary(uniqueKeysWithValues: entries.map { (Self.field(of: $0.key), $0.value.packed) })
    }

    private static let prefix = "k:"
    /// The record's field of a key.
    static func field(of digest: String) -> String { prefix + digest }

    /// The active key of this digest.
    func holder(_ digest: String) -> AdminKeyEntry? {
        known.first { $0.digest == digest && $0.entry.isActive }?.entry
    }

    /// Every key, that of the start first, then in the order of their making.
    var listed: [AdminKeyEntry] {
        known.map(\.entry).sorted { ($0.createdAt ?? 0, $0.id) < ($1.createdAt ?? 0, $1.id) }
    }

    private var known: [(digest: String, entry: AdminKeyEntry)] {
        let own = entries[bootstrap] == nil ? [(digest: bootstrap, entry: AdminKeyEntry.bootstrap)] : []
        return own + entries.map { (digest: $0.key, entry: $0.value) }
    }

    /// - Parameter actor: the digest of the key that asks. It is looked at here as well as when its request came: a key that is revoked
    ///   meanwhile changes none.
    mutating func apply(_ change: AdminKeyChange, by actor: String) throws(AdminKeyRefusal) {
        guard holder(actor)?.role == .superAdmin else { throw .notHeld }
        switch change {
        case .add(let entry, let digest): try add(entry, digest: digest)
        case .revoke(let reference, let digest): _ = try revoke(reference, digest: digest, by: actor)
        case .replaceBootstrap(let entry, let digest): try replaceBootstrap(actor, with: entry, digest: digest)
        }
    }

    mutating func add(_ entry: AdminKeyEntry, digest: String) throws(AdminKeyRefusal) {
        guard known.count(where: { $0.entry.isActive }) < Self.capacity else { throw .full }
        entries[digest] = entry
    }

    /// - Parameters:
    ///   - reference: the secret's digest first, else an id, else a mask that only one active key has.
    ///   - actor: the digest of the key that asks.
    /// - Returns: the key as it was.
    mutating func revoke(_ reference: String, digest: String, by actor: String) throws(AdminKeyRefusal) -> AdminKeyEntry {
        let found = try find(reference, digest)
        guard found.entry.isActive else { throw .revoked }
        guard found.digest != actor else { throw .own }
        let others = known.filter { $0.digest != found.digest && $0.entry.isActive && $0.entry.role == .superAdmin }
        guard found.entry.role != .superAdmin || !others.isEmpty else { throw .lastSuperAdmin }
        try retire(found)
        return found.entry
    }

    /// Puts a new key into the place of the bootstrap key that asks for it.
    mutating func replaceBootstrap(_ actor: String, with entry: AdminKeyEntry, digest: String) throws(AdminKeyRefusal) {
        guard let found = known.first(where: { $0.digest == actor }), found.entry.isActive, found.entry.isBootstrap else {
            throw .notBootstrap
        }
        try retire(found)
        entries[digest] = entry
    }

    private func find(_ reference: String, _ digest: String) throws(AdminKeyRefusal) -> (digest: String, entry: AdminKeyEntry) {
        if let found = known.first(where: { $0.digest == digest }) ?? known.first(where: { $0.entry.id.hasSameBytes(as: reference) }) {
            return found
        }
        let masked = known.filter { $0.entry.masked.hasSameBytes(as: reference) }
        let active = masked.filter { $0.entry.isActive }
        guard active.count <= 1 else { throw .ambiguous }
        guard let found = active.first ?? masked.first else { throw .unknown }
        return found
    }

    private mutating func retire(_ found: (digest: String, entry: AdminKeyEntry)) throws(AdminKeyRefusal) {
        let isPinned = found.entry.isPinned || found.digest == bootstrap
        let kept = AdminKeyEntry(
            id: found.entry.isBootstrap ? "adm_" + RandomHex.digits(16) : found.entry.id, name: found.entry.name, role: found.entry.role,
            masked: found.entry.masked, createdAt: found.entry.createdAt, createdBy: found.entry.createdBy, isActive: false,
            isBootstrap: found.entry.isBootstrap, isPinned: isPinned)
        if isPinned {
            guard entries.values.count(where: { $0.isPinned && !$0.isActive }) < Self.pinned else { throw .full }
        } else {
            let gone = entries.filter { !$0.value.isActive && !$0.value.isPinned }
            if gone.count >= Self.remembered, let oldest = gone.min(by: { ($0.value.createdAt ?? 0) < ($1.value.createdAt ?? 0) }) {
                entries[oldest.key] = nil
            }
        }
        entries[found.digest] = kept
    }
}

extension AdminKeyEntry {
    /// Tagged fields behind a format number.
    var packed: String {
        var fields = PackedFields(format: 1)
        fields.append("i", id)
        fields.append("n", name)
        fields.append("r", role.rawValue)
        fields.append("m", masked)
        if let createdAt { fields.append("c", createdAt) }
        fields.append("b", createdBy)
        fields.append("a", isActive ? 1 : 0)
        fields.append("s", isBootstrap ? 1 : 0)
        fields.append("p", isPinned ? 1 : 0)
        return String(decoding: fields.bytes, as: UTF8.self)
    }

    /// Nil for what is no entry: it lets nobody in.
    init?(packed: String) {
        var texts: [UInt8: String] = [:]
        let isWhole = PackedFields.read(Array(packed.utf8)) { texts[$0] = String(decoding: $1, as: UTF8.self) }
        func text(_ tag: Unicode.Scalar) -> String { texts[UInt8(ascii: tag)] ?? "" }
        guard isWhole, let role = AdminRole(rawValue: text("r")), !text("i").isEmpty else { return nil }
        self.init(
            id: text("i"), name: text("n"), role: role, masked: text("m"), createdAt: Int(text("c")), createdBy: text("b"),
            isActive: text("a") == "1", isBootstrap: text("s") == "1", isPinned: text("p") == "1")
    }
}
