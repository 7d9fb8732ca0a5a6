// The bootstrap key: where it comes from, and whom it lets in.

import ClusterState
import Foundation
@testable import GateNode
@testable import GateSettings
import GateTesting
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
