// The bootstrap key: where it comes from, and whom it lets in.

import ClusterState
import Foundation
@testable import GateNode
@testable import GateSettings
import GateTesting
import Logging
import Synchronization
import Testing

@Suite("The admin key")
struct AdminKeysTests {
    @Test("F-SEC-03: lets in exactly the key, as super admin")
    func comparison() {
        let keys = AdminKeys(bootstrapKey: "a-long-secret")
        #expect(keys.role(of: "a-long-secret") == .superAdmin)
        for other in ["", "a-long-secre", "a-long-secrets", "A-long-secret"] { #expect(keys.role(of: other) == nil, "\(other)") }
        #expect(AdminRole.viewer < .admin && AdminRole.admin < .superAdmin)
    }

    @Test("with a Redis of the node's own it is made once, kept in a file that nobody else may read, and found again")
    func kept() async throws {
        let (redis, place) = (try await RedisServer(), try TemporaryDirectory())
        let store = try await AdminBench.store(of: redis)
        let (_, first) = try await AdminKeys.resolve(settings: Settings(), store: store, stateDirectory: place.path)
        let (keys, second) = try await AdminKeys.resolve(settings: Settings(), store: store, stateDirectory: place.path)
        let key = try #require(first.generated)
        #expect(key.wholeMatch(of: /admin_[0-9a-f]{32}/) != nil && second.generated == key && keys.role(of: key) == .superAdmin)
        #expect(try FileManager.default.attributesOfItem(atPath: place.file("admin-key"))[.posixPermissions] as? Int == 0o600)
        await store.stop()
    }

    @Test("on a shared Redis the first node makes and shows it; the others accept the same one; Redis never holds it")
    func claimed() async throws {
        let redis = try await RedisServer()
        let store = try await AdminBench.store(of: redis)
        var settings = Settings()
        settings.redisUrl = redis.url
        let outcomes = try await withThrowingTaskGroup(of: (keys: AdminKeys, origin: AdminKeys.Origin).self) { group in
            for _ in 0..<8 {
                group.addTask { [settings] in try await AdminKeys.resolve(settings: settings, store: store, stateDirectory: "/nowhere") }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let shown = outcomes.compactMap(\.origin.generated)
        #expect(shown.count == 1)
        for outcome in outcomes { #expect(outcome.keys.role(of: shown[0]) == .superAdmin) }
        #expect(!(try await redis.command("HGETALL", store.keys.secrets).contains(shown[0])))
        await store.stop()
    }

    @Test("a Redis that was restarted empty gets the digest back from any node that knows it; another one is left, and said once")
    func lostDigest() async throws {
        let redis = try await RedisServer()
        let store = try await AdminBench.store(of: redis)
        var settings = Settings()
        settings.redisUrl = redis.url
        let (_, origin) = try await AdminKeys.resolve(settings: settings, store: store, stateDirectory: "/nowhere")
        let (others, _) = try await AdminKeys.resolve(settings: settings, store: store, stateDirectory: "/nowhere")
        let key = try #require(origin.generated)
        let lines = Lines()
        let watch = AdminKeyWatch(others, logger: lines.logger)
        try await watch.look(in: store)
        #expect(lines.all.isEmpty)
        try await redis.command("FLUSHALL")
        try await watch.look(in: store)
        let (late, lateOrigin) = try await AdminKeys.resolve(settings: settings, store: store, stateDirectory: "/nowhere")
        #expect(late.role(of: key) == .superAdmin && lateOrigin == .claimedElsewhere)
        #expect(lines.all.count == 1 && !lines.all[0].contains(key))

        try await redis.command("FLUSHALL")
        let (strange, strangeOrigin) = try await AdminKeys.resolve(settings: settings, store: store, stateDirectory: "/nowhere")
        for _ in 0..<3 { try await watch.look(in: store) }
        #expect(lines.all.count == 2 && lines.all[1].contains("another admin key"))
        #expect(strange.role(of: try #require(strangeOrigin.generated)) == .superAdmin)
        settings.adminKey = "operators-key"
        let (own, _) = try await AdminKeys.resolve(settings: settings, store: store, stateDirectory: "/nowhere")
        try await redis.command("FLUSHALL")
        try await AdminKeyWatch(own, logger: lines.logger).look(in: store)
        #expect(try await redis.command("KEYS", "*") == "")
        await store.stop()
    }

    /// What a logger was told.
    private final class Lines: Sendable {
        private struct Handler: LogHandler {
            let lines: Lines
            var metadata: Logger.Metadata = [:]
            var logLevel = Logger.Level.trace

            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { metadata[key] }
                set { metadata[key] = newValue }
            }

            func log(event: LogEvent) { lines.told.withLock { $0.append(event.message.description) } }
        }

        private let told = Mutex<[String]>([])
        var all: [String] { told.withLock { $0 } }
        var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }
    }

    @Test("the operator's own key is never written anywhere")
    func configured() async throws {
        let redis = try await RedisServer()
        let store = try await AdminBench.store(of: redis)
        var settings = Settings()
        settings.adminKey = "operators-key"
        let (keys, origin) = try await AdminKeys.resolve(settings: settings, store: store, stateDirectory: "/nowhere")
        #expect(keys.role(of: "operators-key") == .superAdmin && origin == .configured && origin.announcement == nil)
        #expect(try await redis.command("KEYS", "*") == "")
        await store.stop()
    }
}
