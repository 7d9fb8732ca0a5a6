// A primary, its replicas and three Sentinels of a test's own: real processes on 127.0.0.1.

import Glibc
import Synchronization
import Testing

/// The Sentinels know one another and every replica from the start, so that nothing has to be waited for but what a test does.
package final class SentinelGroup: Sendable {
    /// How a primary loses its place.
    package enum Failover: String, Sendable, CaseIterable, CustomStringConvertible {
        /// `SENTINEL FAILOVER`: nothing is broken.
        case command
        /// SIGKILL.
        case kill
        /// SIGSTOP: it keeps its connections and says nothing.
        case stop

        package var description: String { rawValue }
    }

    /// The first is the primary to begin with.
    package let servers: [RedisServer]
    /// Where the Sentinels listen.
    package let ports: [Int]
    private let programs: Mutex<[Program]>
    private let directory: TemporaryDirectory
    /// What everybody reaches the first primary through.
    private let door: RedisProxy?

    package static let name = "gate"
    /// Who Sentinels and replicas are to a primary that stands behind a proxy, each with the password `pw`.
    package static let (sentinelUser, replicaUser) = ("sentinel", "replica")

    /// - Parameters:
    ///   - downAfter: milliseconds of silence after which a Sentinel votes for another primary.
    ///   - password: of the Sentinels; nil for none.
    ///   - isProxied: whether the first primary is known to all by the address of a proxy. Sentinels and replicas log in there under their names.
    package init(replicas: Int = 1, downAfter: Int = 2000, password: String? = nil, isProxied: Bool = false) async throws {
        let door = isProxied ? try await RedisProxy(to: 0) : nil
        let insiders = [Self.sentinelUser, Self.replicaUser].flatMap { ["--user", $0, "on", ">pw", "~*", "&*", "+@all"] }
        let flags = isProxied ? insiders + ["--masteruser", Self.replicaUser, "--masterauth", "pw"] : []
        let primary = try await RedisServer(flags: flags + (door.map { ["--replica-announce-port", "\($0.port)"] } ?? []))
        door?.redirect(to: primary.port)
        let place = door?.port ?? primary.port
        var servers = [primary]
        for _ in 0..<replicas {
            let replica = try await RedisServer(flags: flags)
            try await replica.follow(primary, at: place)
            servers.append(replica)
        }
        self.door = door
        directory = try TemporaryDirectory()
        ports = (0..<3).map { _ in FreePort.take() }
        let ids = (0..<3).map { String(repeating: String($0 + 1), count: 40) }
        var programs: [Program] = []
        for index in 0..<3 {
            var lines = [
                "port \(ports[index])", "bind 127.0.0.1", "protected-mode no", "dir \(directory.path)", "sentinel myid \(ids[index])",
                "sentinel monitor \(Self.name) 127.0.0.1 \(place) 2", "sentinel down-after-milliseconds \(Self.name) \(downAfter)",
                "sentinel failover-timeout \(Self.name) 10000",
                "user \(DocumentedRights.watch.rawValue) " + DocumentedRights.watch.words.joined(separator: " "),
            ]
            if isProxied { lines += ["sentinel auth-user \(Self.name) \(Self.sentinelUser)", "sentinel auth-pass \(Self.name) pw"] }
            if let password { lines += ["requirepass \(password)", "sentinel sentinel-pass \(password)"] }
            lines += servers.dropFirst().map { "sentinel known-replica \(Self.name) 127.0.0.1 \($0.port)" }
            for other in 0..<3 where other != index {
                lines.append("sentinel known-sentinel \(Self.name) 127.0.0.1 \(ports[other]) \(ids[other])")
            }
            let file = try directory.write(lines.joined(separator: "\n") + "\n", to: "sentinel\(index).conf")
            programs.append(try Program("sentinel \(index)", ["redis-server", file, "--sentinel"]))
        }
        self.servers = servers
        self.programs = Mutex(programs)
        for program in programs { try await program.waitForOutput("+monitor master") }
    }

    deinit { programs.withLock { $0 }.forEach { $0.signal(SIGKILL) } }

    /// What nodes are given.
    package var url: String {
        "redis+sentinel://" + ports.map { "127.0.0.1:\($0)" }.joined(separator: ",") + "/" + Self.name
    }

    /// Stops Sentinels, or lets them go on.
    package func signal(_ signal: Int32, sentinels: Range<Int>) {
        programs.withLock { Array($0[sentinels]) }.forEach { $0.signal(signal) }
    }

    /// Runs one command on a Sentinel without a password; what `redis-cli` prints for it.
    package func ask(_ index: Int, _ words: String...) async throws -> String {
        let client = try Program("redis-cli", ["redis-cli", "-p", "\(ports[index])"] + words)
        _ = try await client.waitForExit(within: .seconds(20))
        return client.log
    }

    /// The port of the primary as one Sentinel knows it.
    package func primaryPort(_ index: Int = 0) async throws -> Int? {
        try await ask(index, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self.name).split(whereSeparator: \.isNewline).last.flatMap { Int($0) }
    }

    /// The port by which Sentinels and nodes know a server.
    package func place(of server: RedisServer) -> Int { server.port == servers[0].port ? door?.port ?? server.port : server.port }

    /// What lies between the first primary and all others.
    package func doorOfPrimary() throws -> RedisProxy {
        guard let door else { throw KitFailure("the primary has no proxy") }
        return door
    }

    /// The server that is known by a port.
    package func server(on port: Int?) throws -> RedisServer {
        guard let server = servers.first(where: { place(of: $0) == port }) else { throw KitFailure("no server on port \(port ?? 0)") }
        return server
    }

    /// Takes the primary's place away from it; returns once a Sentinel names another one, the old primary first.
    @discardableResult
    package func failOver(_ how: Failover) async throws -> (old: RedisServer, new: RedisServer) {
        let old = try server(on: try await primaryPort())
        switch how {
        case .command:
            try await eventually("a Sentinel finds a replica to promote", within: .seconds(20), every: .milliseconds(200)) {
                try await ask(0, "SENTINEL", "FAILOVER", Self.name).contains("OK")
            }
        case .kill: try await old.kill9()
        case .stop: old.pause()
        }
        return (old, try await successor(of: old))
    }

    /// Waits until a Sentinel names another primary.
    package func successor(of old: RedisServer) async throws -> RedisServer {
        var port: Int?
        try await eventually("the Sentinels name another primary", within: .seconds(60), every: .milliseconds(20)) {
            port = try await primaryPort()
            return port != nil && port != place(of: old)
        }
        return try server(on: port)
    }

    /// Ends all of it. None of its servers may have refused a documented user anything.
    package func end() async throws {
        try await servers.expectNoRefusals()
        for program in programs.withLock({ $0 }) { try await program.kill9() }
        for server in servers { try await server.kill9() }
    }
}
