// What a Redis URL may look like, of every topology.

import GateDomain
import Testing

@Suite("Redis URLs of all topologies")
struct RedisURLTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let url: String
        let servers: [RedisURL.Server]
        let topology: RedisURL.Topology
        var tls = false
        var user: String?
        var password: String?
        var database = 0

        var testDescription: String { url }
    }

    private static func tcp(_ host: String, _ port: Int) -> RedisURL.Server { .tcp(host: host, port: port) }

    @Test(
        "A URL names servers, how they are used, and who asks (F-REDIS-08)",
        arguments: [
            Row(url: "redis://h", servers: [tcp("h", 6379)], topology: .single),
            Row(url: "REDISS://h:1/2", servers: [tcp("h", 1)], topology: .single, tls: true, database: 2),
            Row(
                url: "redis+sentinel://a,b:1,[::1]:2/main", servers: [tcp("a", 26_379), tcp("b", 1), tcp("::1", 2)],
                topology: .sentinel(primary: "main")),
            Row(
                url: "rediss+sentinel://us:p%40w,x@a:1/main/3", servers: [tcp("a", 1)], topology: .sentinel(primary: "main"), tls: true,
                user: "us", password: "p@w,x", database: 3),
            Row(url: "redis+sentinel://a/m%2Fn/", servers: [tcp("a", 26_379)], topology: .sentinel(primary: "m/n")),
            Row(url: "redis+cluster://a,b:7000", servers: [tcp("a", 6379), tcp("b", 7000)], topology: .cluster),
            Row(url: "rediss+cluster://:pw@a/0", servers: [tcp("a", 6379)], topology: .cluster, tls: true, password: "pw"),
        ])
    func accepted(_ row: Row) throws {
        let url = try RedisURL(row.url)
        #expect(url.servers == row.servers && url.topology == row.topology && url.usesTLS == row.tls)
        #expect(url.username == row.user && url.password == row.password && url.database == row.database)
    }

    @Test(
        "Anything else is refused with the rule that it breaks, and nothing of it is repeated",
        arguments: [
            ("redis+sentinel://h", RedisURLFault.noPrimary), ("redis+sentinel://h/", .noPrimary), ("redis+sentinel://h/a%20b", .noPrimary),
            ("redis+sentinel://h/m/x", .badDatabase), ("redis+sentinel://h/m/1/2", .badDatabase), ("redis+sentinel://a,,b/m", .emptyHost),
            ("redis+sentinel:///m", .emptyHost), ("redis+sentinel://a,a:26379/m", .hostTwice), ("redis://a,b", .severalHosts),
            ("redis+cluster://a/1", .clusterDatabase), ("redis+cluster://a:0", .badPort),
            ("redis+cluster://a:99999999999999999999", .badPort),
            ("redis+sentinel://::1/m", .badPort), ("redis+sentinel://[::1/m", .badHost), ("redis+sentinel://a b/m", .badHost),
            ("redis://h/99999999999999999999", .badDatabase), ("unix://x", .noSocket), ("unix:///x?db=", .badDatabase),
            ("redis+other://h", .unknownScheme), ("hunter2", .notAURL), ("", .notAURL), ("redis\u{338}://h", .unknownScheme),
        ])
    func refused(_ text: String, _ fault: RedisURLFault) {
        #expect(throws: fault) { try RedisURL(text) }
    }

    @Test("A URL names 64 hosts at most, and one of a megabyte is refused at once")
    func bounded() {
        let hosts = (0..<65).map { "h\($0)" }
        #expect(throws: RedisURLFault.tooManyHosts) { try RedisURL("redis+cluster://" + hosts.joined(separator: ",")) }
        #expect(throws: RedisURLFault.tooManyHosts) { try RedisURL("redis+sentinel://" + String(repeating: "a,", count: 500_000) + "a/m") }
    }

    @Test("Every rule is a sentence of its own")
    func sentences() {
        #expect(RedisURLFault.allCases.allSatisfy { $0.rule.hasSuffix(".") && !$0.rule.contains("hunter2") })
    }
}
