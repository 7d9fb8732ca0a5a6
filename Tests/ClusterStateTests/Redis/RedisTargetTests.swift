// What a Redis URL may look like.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Redis URLs")
struct RedisTargetTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let url: String
        var address = RedisTarget.Address.tcp(host: "host", port: 6379)
        var tls = false
        var user: String?
        var password: String?
        var database = 0

        var testDescription: String { url }
    }

    @Test(
        "A URL says where Redis is and how to be let in (F-REDIS-08)",
        arguments: [
            Row(url: "redis://host"),
            Row(url: "redis://host/"),
            Row(url: "redis://host:6380", address: .tcp(host: "host", port: 6380)),
            Row(url: "redis://host/3", database: 3),
            Row(url: "redis://host/3?timeout=5", database: 3),
            Row(url: "rediss://host", tls: true),
            Row(url: "redis://:secret@host", password: "secret"),
            Row(url: "redis://secret@host", password: "secret"),
            Row(url: "redis://user:secret@host", user: "user", password: "secret"),
            Row(url: "redis://user:a:b@c@host", user: "user", password: "a:b@c"),
            Row(url: "redis://us%65r:p%40%2Fx%zz%+1@host", user: "user", password: "p@/x%zz%+1"),
            Row(url: "redis://", address: .tcp(host: "127.0.0.1", port: 6379)),
            Row(url: "redis://:6390", address: .tcp(host: "127.0.0.1", port: 6390)),
            Row(url: "redis://[::1]", address: .tcp(host: "::1", port: 6379)),
            Row(url: "redis://[fe80::1]:7000/1", address: .tcp(host: "fe80::1", port: 7000), database: 1),
            Row(url: "unix:///run/redis.sock", address: .unix(path: "/run/redis.sock")),
            Row(url: "unix:///run/redis.sock?db=2", address: .unix(path: "/run/redis.sock"), database: 2),
        ])
    func accepted(_ row: Row) throws {
        let target = try #require(RedisTarget(url: row.url))
        #expect(target.address == row.address)
        #expect(target.usesTLS == row.tls)
        #expect(target.username == row.user)
        #expect(target.password == row.password)
        #expect(target.database == row.database)
        if let password = row.password { #expect(!target.description.contains(password)) }
    }

    @Test(
        "Anything else is refused",
        arguments: [
            "", "host", "http://host", "redis:host", "redis://host:", "redis://host:0", "redis://host:65536", "redis://host:12x",
            "redis://host/x", "redis://host/-1", "redis://::1", "redis://[::1", "redis://[::1]6379", "unix://relative", "unix://",
            "unix:///a?db=x", "unix:///a?db=-1", "unix:///a?x=1",
        ])
    func refused(_ url: String) {
        #expect(RedisTarget(url: url) == nil)
    }
}
