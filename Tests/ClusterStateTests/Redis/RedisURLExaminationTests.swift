// What is found out about a Redis before a node uses it: real servers, and the list of commands against what the code sends.

@testable import ClusterState
import GateDomain
import Foundation
import GateTesting
import LuaScripts
import NIOCore
import NIOPosix
import Testing

@Suite("A look at the store before it is used")
struct RedisURLExaminationTests {
    private static let keys = RedisKeys(prefix: "look:")

    private static func look(_ url: String, replicas: Int = 0) async throws -> RedisExamination {
        let target = try #require(RedisTarget(url: url))
        let connector = try RedisConnector(target, replicasToAck: replicas)
        return await RedisExamination.of(connector, keys: keys, on: MultiThreadedEventLoopGroup.singleton.next())
    }

    private static func sentence(_ examination: RedisExamination) -> String {
        switch examination {
        case .fit(let remarks): "fit: " + remarks.joined(separator: " ")
        case .away(let why): "away: " + (why ?? "")
        case .unfit(let sentence): sentence
        }
    }

    @Test("A Redis that keeps everything is fit, one without a file is remarked on, and nothing is left behind")
    func fit() async throws {
        let (durable, volatile) = (try await RedisServer(.everysec), try await RedisServer())
        #expect(try await Self.look(durable.url, replicas: 1) == .fit(remarks: []))
        let remark = Self.sentence(try await Self.look(volatile.url))
        #expect(remark.hasPrefix("fit: ") && remark.contains("append-only file"), "\(remark)")
        #expect(try await durable.command("DBSIZE") == "0")
    }

    @Test("What is missing is named in one sentence: password, database, command, keys, channels")
    func unfit() async throws {
        let server = try await RedisServer()
        let all = ["on", ">pw", "~look:*", "&look:*", "+@all"]
        let users: [(name: String, rights: [String], says: String)] = [
            ("whole", all, "fit: "), ("nohget", all + ["-hget"], "may not use HGET; add +hget"),
            ("noeval", all + ["-evalsha", "-xadd"], "may not use XADD, EVALSHA; add +xadd +evalsha"),
            ("otherkeys", ["on", ">pw", "~other:*", "&look:*", "+@all"], "may not touch keys that begin with 'look:'"),
            ("nochannel", ["on", ">pw", "~look:*", "resetchannels", "+@all"], "may not use channels that begin with 'look:'"),
            ("nofeed", all + ["-subscribe"], "does not let this user use SUBSCRIBE"),
            ("noinfo", all + ["-info"], "does not let this user use INFO"),
        ]
        for (name, rights, says) in users {
            try await server.command(["ACL", "SETUSER", name] + rights)
            let sentence = Self.sentence(try await Self.look("redis://\(name):pw@127.0.0.1:\(server.port)"))
            #expect(sentence.contains(says) && !sentence.contains("pw@"), "\(name): \(sentence)")
        }
        let wrong = Self.sentence(try await Self.look("redis://whole:hunter2@127.0.0.1:\(server.port)"))
        #expect(wrong.contains("does not take the user and password") && !wrong.contains("hunter2"), "\(wrong)")
        #expect(Self.sentence(try await Self.look(server.url + "/99")).contains("no database 99"))
        try await server.command("ACL", "SETUSER", "default", "resetpass", ">pw")
        #expect(Self.sentence(try await Self.look(server.url)).contains("asks for a password"))
    }

    @Test("A policy that may drop credits is refused, one that may drop marks is remarked on")
    func eviction() async throws {
        let server = try await RedisServer(.everysec)
        try await server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        #expect(try await Self.look(server.url) == .fit(remarks: []), "without a maxmemory nothing is ever dropped")
        try await server.command("CONFIG", "SET", "maxmemory", "100mb")
        #expect(Self.sentence(try await Self.look(server.url)).contains("allkeys-lru: it may drop keys and their credits"))
        try await server.command("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
        #expect(Self.sentence(try await Self.look(server.url)).hasPrefix("fit: Redis at"))
    }

    @Test("A server that cannot be the store is told apart: nobody there, a replica, a Sentinel, a server of a cluster")
    func others() async throws {
        #expect(try await Self.look("redis://127.0.0.1:\(FreePort.take())") == .away(nil))
        let (primary, replica) = (try await RedisServer(), try await RedisServer())
        try await replica.follow(primary)
        #expect(try await Self.look(replica.url) == .away("is a replica and takes no writes"))
        let directory = try TemporaryDirectory()
        let (sentinel, member) = (FreePort.take(), FreePort.take())
        let file = try directory.write("port \(sentinel)\nbind 127.0.0.1\ndir \(directory.path)\n", to: "sentinel.conf")
        let programs = [
            try Program("sentinel", ["redis-server", file, "--sentinel"]),
            try Program(
                "member", ["redis-server", "--port", "\(member)", "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", ""]),
        ]
        for (port, says) in [
            (sentinel, "is a Sentinel; use redis+sentinel://"), (member, "is a server of a Redis Cluster; use redis+cluster://"),
        ] {
            var said = ""
            try await eventually("it answers") {
                said = Self.sentence(try await Self.look("redis://127.0.0.1:\(port)"))
                return !said.hasPrefix("away")
            }
            #expect(said.contains(says), "\(said)")
        }
        for program in programs { try await program.kill9() }
    }

    @Test("A Redis below 7.0 says so in its greeting")
    func version() throws {
        func hello(_ version: String) -> RedisReply {
            .array(["server", "redis", "version", version, "mode", "standalone", "role", "master"].map { .bytes(Array($0.utf8)) })
        }
        #expect(RedisHello(hello("6.2.14"))?.majorVersion == 6 && RedisHello(hello("7.0.0"))?.majorVersion == 7)
        #expect(RedisHello(hello("10.1"))?.majorVersion == 10 && RedisHello(hello("x"))?.majorVersion == 0)
        #expect(RedisHello(.bytes(Array("OK".utf8))) == nil)
    }

    @Test("Every command that the sources and the scripts send is among those whose right is tried")
    func complete() throws {
        let rights = Set(RightsTrial(keys: Self.keys, waits: true, isOfCluster: true).names)
        let documented = Set(DocumentedRights.nodes.words.filter { $0.hasPrefix("+") }.map { $0.dropFirst().uppercased() })
        #expect(
            documented == rights.union(["INFO", "SELECT", "CONFIG|GET"]), "docs/redis.md names what is tried, and what a start asks besides"
        )
        let tried = Set(rights.map { String($0.prefix { $0 != "|" }) })
        let scripts = LuaScript.allCases.map(\.source).joined(separator: "\n")
        var sent = Set(scripts.matches(of: /redis\.p?call\(\s*'([A-Z]+)'/).map { String($0.1) })
        let root = URL(fileURLWithPath: Repository.root).appendingPathComponent("Sources")
        let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
        // What operators run beside the nodes has rights of its own (docs/redis.md).
        let tools = ["/ClusterState/Check/", "/ClusterState/Move/", "/ClusterState/Visit/"]
        for file in files where file.pathExtension == "swift" && !tools.contains(where: file.path.contains) {
            let text = try String(contentsOf: file, encoding: .utf8)
            sent.formUnion(text.matches(of: /RedisCommand\((?:once: )?"([A-Z]+)"/).map { String($0.1) })
        }
        // Said before a right is asked for, asked apart, or meant for a Sentinel.
        let greetings: Set = ["AUTH", "HELLO", "SELECT", "INFO", "SENTINEL", "CLUSTER", "CONFIG"]
        #expect(sent.count > 30 && sent.subtracting(greetings).subtracting(tried) == [])
    }
}
