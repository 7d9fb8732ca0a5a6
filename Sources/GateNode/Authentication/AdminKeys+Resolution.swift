// Where the bootstrap key comes from when a node starts.

import ClusterState
import GateDomain
import GateSettings
import Glibc
import Logging
import Synchronization

extension AdminKeys {
    /// How a node came by its bootstrap key.
    enum Origin: Sendable, Equatable {
        /// The operator chose it.
        case configured
        /// Made by this node, now or at an earlier start, and kept in a file that nobody else may read.
        case kept(key: String, path: String)
        /// Made by this node for all nodes that share the Redis, which keeps its digest alone: it is shown once and never again.
        case claimed(key: String)
        /// Made by the first node of the cluster, which showed it.
        case claimedElsewhere

        /// The key, where this node knows it and has to show it.
        var generated: String? {
            switch self {
            case .kept(let key, _), .claimed(let key): key
            case .configured, .claimedElsewhere: nil
            }
        }

        /// What the operator is told at the start.
        var announcement: String? {
            switch self {
            case .configured: nil
            case .kept(let key, let path): "Admin key: \(key) (kept in \(path))"
            case .claimed(let key): "Admin key: \(key) (for every node of this Redis; it is not shown again)"
            case .claimedElsewhere: "Admin key: the first node of this Redis has printed it."
            }
        }
    }

    /// Finds, makes or agrees on the bootstrap key.
    /// - Parameter stateDirectory: the directory of the private Redis, which this process has locked; not used with a shared one.
    /// - Throws: `StoreFailure`, or `StartupFailure` where the key's file cannot be used.
    static func resolve(
        settings: Settings, store: any CommandStore, stateDirectory: String
    ) async throws -> (keys: AdminKeys, origin: Origin) {
        if let key = settings.adminKey { return (AdminKeys(bootstrapKey: key), .configured) }
        if settings.redisUrl == nil {
            let file = AdminKeyFile(path: stateDirectory + "/admin-key")
            let key = try file.read() ?? file.write(generate())
            return (AdminKeys(bootstrapKey: key), .kept(key: key, path: file.path))
        }
        return try await claim(generate(), in: store)
    }

    private static func generate() -> String { "admin_" + RandomHex.digits(32) }

    /// The first node to write its digest wins. A claim whose answer was lost is recognised by its digest, so the winner always shows its key.
    private static func claim(_ key: String, in store: any CommandStore) async throws(StoreFailure) -> (AdminKeys, Origin) {
        let own = Hex.string(digest(key))
        _ = try await store.sendPatiently(RedisCommand("HSETNX", store.keys.secrets, "admin", own))
        let agreed = try await store.sendPatiently(RedisCommand("HGET", store.keys.secrets, "admin")).string ?? ""
        guard let bytes = Hex.bytes(agreed), bytes.count == digest(key).count else {
            throw .fault("field 'admin' of '\(store.keys.secrets)' is not a SHA-256 digest")
        }
        return (AdminKeys(bootstrapDigest: bytes, isAgreed: true), agreed == own ? .claimed(key: key) : .claimedElsewhere)
    }
}

/// Keeps the digest of a key that the nodes have made themselves in their Redis: one that was restarted empty has lost it, and the next node
/// to start would make another key.
final class AdminKeyWatch: Sendable {
    private let keys: AdminKeys
    private let logger: Logger
    private let hasWarned = Atomic<Bool>(false)

    init(_ keys: AdminKeys, logger: Logger) {
        self.keys = keys
        self.logger = logger
    }

    /// Puts the digest back if it is gone. Where another one lies there already, made by a node that came first, this node keeps the key that
    /// it was started with, and says so once.
    func look(in store: any CommandStore) async throws(StoreFailure) {
        guard keys.isAgreed else { return }
        if try await store.send(RedisCommand("HSETNX", store.keys.secrets, "admin", keys.digestText)).integer == 1 {
            return logger.notice("Redis had lost the digest of the admin key; it is there again, and the key is the same")
        }
        let held = try await store.send(RedisCommand("HGET", store.keys.secrets, "admin")).string
        guard held != keys.digestText else { return hasWarned.store(false, ordering: .relaxed) }
        if hasWarned.exchange(true, ordering: .relaxed) { return }
        logger.error(
            "this node accepts another admin key than the Redis has: it was restarted empty, and a new node has made a new one. Restart this node to accept the new key, or give all nodes one with --admin-key-file"
        )
    }
}

/// The file of a generated key: mode 0600, written as a whole or not at all.
private struct AdminKeyFile {
    let path: String

    /// Nil if there is no such file.
    func read() throws(StartupFailure) -> String? {
        guard let file = fopen(path, "re") else {
            if errno == ENOENT { return nil }
            throw failure("read")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = fread(&bytes, 1, bytes.count, file)
        let key = String(decoding: bytes[..<count], as: UTF8.self).filter { !$0.isWhitespace }
        return key.utf8.count >= 8 ? key : nil
    }

    func write(_ key: String) throws(StartupFailure) -> String {
        let draft = path + ".new"
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("write") }
        let line = Array((key + "\n").utf8)
        let isWritten = Glibc.write(descriptor, line, line.count) == line.count && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, rename(draft, path) == 0 else { throw failure("write") }
        return key
    }

    private func failure(_ what: String) -> StartupFailure {
        StartupFailure("Cannot \(what) the admin key in '\(path)': \(String(cString: strerror(errno))).", status: .storeUnavailable)
    }
}
