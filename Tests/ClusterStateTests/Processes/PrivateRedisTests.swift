// The Redis that a node brings itself: durable, private, supervised, and never two on one directory (design: State in Redis).

@testable import ChildProcesses
@testable import ClusterState
import Foundation
import GateTesting
import Logging
import NIOCore
import NIOPosix
import Testing

@Suite("The private Redis")
struct PrivateRedisTests {
    private let place: TemporaryDirectory
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    init() throws { place = try TemporaryDirectory() }

    private func redis(_ directory: String? = nil, executable: String = "redis-server") -> PrivateRedis {
        PrivateRedis(
            directory: directory ?? place.path + "/state", durable: true, executable: executable, eventLoop: loop,
            logger: Logger(label: "redis", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    private func ask(_ command: String, of redis: PrivateRedis) async -> RedisProbe.Answer {
        await RedisProbe(socketPath: redis.socketPath, loop: loop, limit: .seconds(10)).ask(command)
    }

    private func mode(of path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test("keeps what it was told over a stop and a start, in a directory that nobody else can read")
    func durability() async throws {
        let first = redis()
        try await first.start()
        #expect(await ask("INCR a", of: first) == .line(":1"))
        #expect(try mode(of: place.path + "/state") == 0o700)
        #expect(try mode(of: place.path + "/state/redis.sock") == 0o700)
        await first.stop()
        #expect(await ask("PING", of: first) == .refused)

        let second = redis()
        try await second.start()
        #expect(await ask("INCR a", of: second) == .line(":2"))
        await second.stop()
    }

    @Test("is started again when it dies, with everything that it acknowledged")
    func supervision() async throws {
        let redis = redis()
        try await redis.start()
        for round in 1...3 {
            #expect(await ask("INCR a", of: redis) == .line(":\(round)"))
            kill(try #require(await redis.processIdentifier), SIGKILL)
            try await eventually { await ask("PING", of: redis).isReady }
        }
        #expect(await ask("INCR a", of: redis) == .line(":4"))
        await redis.stop()
    }

    @Test("refuses a directory that another node holds, and takes it when that node has stopped")
    func exclusiveDirectory() async throws {
        let (first, second) = (redis(), redis())
        try await first.start()
        let state = place.path + "/state"
        await #expect(throws: PrivateRedisFailure.directoryInUse(directory: state, byProcess: getpid())) {
            try await second.start()
        }
        #expect(await ask("PING", of: first).isReady)
        await first.stop()
        try await second.start()
        await second.stop()
    }

    @Test("shuts down what a killed node left behind, and keeps its data")
    func orphan() async throws {
        let first = redis()
        try await first.start()
        let socket = await first.socketPath
        await first.stop()
        let orphan = ChildOwner()
        try await orphan.launch(
            ChildCommand(
                "redis-server",
                [
                    "--dir", place.path + "/state", "--port", "0", "--unixsocket", socket,
                    "--appendonly", "yes", "--save", "", "--logfile", place.path + "/orphan.log",
                ]))
        try await eventually { await ask("PING", of: first).isReady }
        #expect(await ask("INCR a", of: first) == .line(":1"))

        let second = redis()
        try await second.start()
        try await eventually { await orphan.exits == [.exited(code: 0)] }
        #expect(await ask("INCR a", of: second) == .line(":2"))
        await second.stop()
    }

    @Test("lives in a directory whose path is too long for a socket")
    func longPath() async throws {
        let long = place.path + "/" + String(repeating: "d", count: 60) + "/" + String(repeating: "e", count: 60)
        for round in 1...2 {
            let redis = redis(long)
            try await redis.start()
            #expect(await redis.socketPath.utf8.count <= 107)
            #expect(await ask("INCR a", of: redis) == .line(":\(round)"))
            let shortPlace = URL(fileURLWithPath: await redis.socketPath).deletingLastPathComponent().path
            #expect(FileManager.default.fileExists(atPath: shortPlace))
            await redis.stop()
            #expect(!FileManager.default.fileExists(atPath: shortPlace))
        }
        #expect(FileManager.default.fileExists(atPath: long + "/appendonlydir"))
    }

    @Test("keeps others out of a directory of state that is there already, and says so; one that is used for more is warned of")
    func modes() throws {
        func remark(_ path: String) throws -> String? {
            let directory = try StateDirectory(at: path)
            return directory.remark
        }
        func set(_ path: String, _ mode: Int) throws {
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        }
        let old = place.path + "/old"
        #expect(try remark(old) == nil)
        #expect(try mode(of: old) == 0o700)
        try FileManager.default.createDirectory(atPath: old + "/appendonlydir", withIntermediateDirectories: true)
        try place.write("secret", to: "old/admin-key")
        for path in [old, old + "/appendonlydir", old + "/admin-key", old + "/lock"] { try set(path, 0o755) }
        #expect(try remark(old)?.contains("0700 now") == true)
        #expect(try [old, old + "/appendonlydir", old + "/admin-key", old + "/lock"].map(mode(of:)) == [0o700, 0o700, 0o600, 0o600])
        #expect(try remark(old) == nil)

        let shared = place.path + "/shared"
        try FileManager.default.createDirectory(atPath: shared, withIntermediateDirectories: true)
        try place.write("of somebody", to: "shared/notes")
        try set(shared, 0o755)
        #expect(try remark(shared)?.contains("chmod 700") == true)
        #expect(try mode(of: shared) == 0o755)
    }

    @Test("says what is wrong: no redis-server, no right to the directory, a damaged file")
    func failures() async throws {
        await #expect(throws: PrivateRedisFailure.redisServerMissing) {
            try await redis(executable: "no-redis-server").start()
        }
        #expect(PrivateRedisFailure.redisServerMissing.sentence.contains("apt-get install redis-server"))

        let file = try place.write("", to: "file")
        await #expect(throws: PrivateRedisFailure.self) { try await redis(file).start() }

        let healthy = redis()
        try await healthy.start()
        #expect(await ask("INCR a", of: healthy) == .line(":1"))
        await healthy.stop()
        let manifest = place.path + "/state/appendonlydir/appendonly.aof.manifest"
        try "nonsense".write(toFile: manifest, atomically: true, encoding: .utf8)
        let failure = await #expect(throws: PrivateRedisFailure.self) { try await redis().start() }
        #expect(failure?.sentence.contains("manifest") == true, "\(String(describing: failure))")
    }
}
