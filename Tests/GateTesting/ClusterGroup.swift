// A Redis Cluster of a test's own: three primaries, mostly with a replica each, real processes on 127.0.0.1.

import Synchronization
import Testing

/// Slots lie evenly on the first three servers to begin with; the fourth follows the first, and so on.
package final class ClusterGroup: Sendable {
    /// Primaries first, as they are to begin with; then those that were added.
    package var servers: [RedisServer] { all.withLock { $0 } }
    private let all: Mutex<[RedisServer]>
    private let replicas: Int
    private let timeout: Int
    private let tls: TLSFiles?
    /// What clients reach a server through, by its port.
    private let doors: [Int: RedisProxy]
    private static let size = 3

    /// Returns once every server knows all others, and every replica is in step.
    /// - Parameters:
    ///   - timeout: milliseconds of silence after which a server counts as dead to the others.
    ///   - replicas: of each primary, 0 or 1.
    ///   - tls: what servers speak TLS with, to clients and to one another; nil for none.
    ///   - isProxied: whether each server announces the address of a proxy of its own; what servers say to one another does not pass it, but
    ///     for the changes that a replica is sent.
    package init(timeout: Int = 1500, replicas: Int = 1, tls: TLSFiles? = nil, isProxied: Bool = false) async throws {
        (self.timeout, self.replicas, self.tls) = (timeout, replicas, tls)
        let buses = (0..<(1 + replicas) * Self.size).map { _ in FreePort.take() }
        var proxies: [RedisProxy] = []
        for _ in buses where isProxied { proxies.append(try await RedisProxy(to: 0)) }
        let announced = proxies.map(\.port)
        let servers = try await withThrowingTaskGroup(of: (Int, RedisServer).self) { group in
            for (index, bus) in buses.enumerated() {
                let port = isProxied ? announced[index] : nil
                group.addTask { (index, try await Self.server(bus: bus, announced: port, timeout: timeout, tls)) }
            }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
        all = Mutex(servers)
        for (server, proxy) in zip(servers, proxies) { proxy.redirect(to: server.port) }
        doors = Dictionary(uniqueKeysWithValues: zip(servers.map(\.port), proxies))
        let bounds = (0...Self.size).map { ClusterSlot.count * $0 / Self.size }
        for (index, server) in servers.enumerated() {
            try await server.command("CLUSTER", "SET-CONFIG-EPOCH", "\(index + 1)")
            if index < Self.size { try await server.command("CLUSTER", "ADDSLOTSRANGE", "\(bounds[index])", "\(bounds[index + 1] - 1)") }
        }
        // A server gives an introduction up that takes longer than its timeout, as it may where the machine stands still.
        var looks = 0
        try await eventually("the servers know one another", within: .seconds(30), every: .milliseconds(100)) {
            defer { looks += 1 }
            if looks % 30 == 0 {
                for (server, bus) in zip(servers, buses).dropFirst() {
                    try await servers[0].command("CLUSTER", "MEET", "127.0.0.1", "\(server.port)", "\(bus)")
                }
            }
            return try await everyServerSays { members in members.count == servers.count && members.allSatisfy { !$0.isNew } }
        }
        for index in 0..<Self.size * replicas {
            let id = try await servers[index].command("CLUSTER", "MYID")
            try await servers[Self.size + index].command("CLUSTER", "REPLICATE", id)
        }
        try await settle()
    }

    private static func server(bus: Int, announced: Int? = nil, timeout: Int, _ tls: TLSFiles?) async throws -> RedisServer {
        let flags = [
            "--cluster-enabled", "yes", "--cluster-port", "\(bus)", "--cluster-node-timeout", "\(timeout)",
            "--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor", "0", "--cluster-announce-ip", "127.0.0.1",
        ]
        let address = announced.map { ["--cluster-announce-port", "\($0)", "--cluster-announce-bus-port", "\(bus)"] } ?? []
        return try await RedisServer(
            flags: flags + address + (tls == nil ? [] : ["--tls-cluster", "yes", "--tls-replication", "yes"]), tls: tls)
    }

    /// What nodes are given: two of the servers.
    package var url: String {
        "\(tls == nil ? "redis" : "rediss")+cluster://127.0.0.1:\(place(of: servers[0])),127.0.0.1:\(place(of: servers[1]))"
    }

    /// The port that a server announces.
    package func place(of server: RedisServer) -> Int { doors[server.port]?.port ?? server.port }

    /// The server that announces a port.
    package func server(at port: Int?) -> RedisServer? { servers.first { place(of: $0) == port } }

    /// What lies between clients and a server.
    package func door(of server: RedisServer) throws -> RedisProxy {
        guard let door = doors[server.port] else { throw KitFailure("the cluster has no proxies") }
        return door
    }

    /// Lets a user log in at every server, who may do all.
    package func admit(_ user: String, password: String) async throws {
        for server in servers { try await server.command("ACL", "SETUSER", user, "on", ">" + password, "~*", "&*", "+@all") }
    }

    /// Waits until every server has the same three primaries and no replica is behind.
    package func settle() async throws {
        try await eventually("every slot has a server", within: .seconds(30), every: .milliseconds(100)) {
            try await everyServerSays { members in
                members.filter { !$0.slots.isEmpty }.count == Self.size && members.count { !$0.isPrimary } == Self.size * replicas
                    && members.allSatisfy { !$0.isMissing }
            }
        }
        for member in try await members() where member.isPrimary && replicas > 0 { try await waitForReplicas(of: member) }
    }

    /// A replica is called online up to a second before it is sent what comes after its copy: only a byte of that shows that it is in step.
    private func waitForReplicas(of primary: Member) async throws {
        guard let server = self.server(at: primary.port) else { return }
        let followers = try await members().filter { $0.primary == primary.id }
        let tags = (0..<1000).lazy.map { "{\($0)}" }
        guard let tag = tags.first(where: { tag in primary.slots.contains { $0.contains(ClusterSlot.of(tag)) } }) else { return }
        try await eventually("its replica is online", within: .seconds(20), every: .milliseconds(100)) {
            try await server.facts("replication").values.contains { $0.contains("state=online") }
        }
        try await server.command("SET", tag + "in-step", "?")
        try await server.command("DEL", tag + "in-step")
        for follower in followers {
            guard let replica = self.server(at: follower.port) else { continue }
            try await eventually("the replica is in step", within: .seconds(20), every: .milliseconds(50)) {
                let (here, there) = (try await replica.facts("replication"), try await server.facts("replication"))
                return here["master_link_status"] == "up" && here["slave_repl_offset"] == there["master_repl_offset"]
            }
        }
    }

    /// Ends all of it. None of its servers may have refused a documented user anything.
    package func end() async throws {
        try await servers.expectNoRefusals()
        for server in servers { try await server.kill9() }
    }
}

// Who has what.
extension ClusterGroup {
    /// A line of `CLUSTER NODES`.
    package struct Member: Sendable {
        package let id: String
        package let port: Int
        package let isPrimary: Bool
        package let isMissing: Bool
        /// Whether its greeting is under way.
        package let isNew: Bool
        /// The id of its primary.
        package let primary: String
        package let slots: [ClosedRange<Int>]

        init?(_ line: Substring) {
            let words = line.split(separator: " ")
            guard words.count >= 8, let port = words[1].split(separator: "@").first?.split(separator: ":").last.flatMap({ Int($0) }) else {
                return nil
            }
            (id, self.port, primary) = (String(words[0]), port, String(words[3]))
            let flags = words[2].split(separator: ",")
            isPrimary = flags.contains("master")
            isMissing = flags.contains { $0.hasPrefix("fail") }
            isNew = flags.contains("handshake")
            slots = words.dropFirst(8).compactMap { word in
                let ends = word.split(separator: "-").compactMap { Int($0) }
                return ends.isEmpty || word.hasPrefix("[") ? nil : ends[0]...ends[ends.count - 1]
            }
        }
    }

    /// As the first server that runs knows them.
    package func members() async throws -> [Member] {
        for server in servers where server.isRunning { return try await Self.members(of: server) }
        throw KitFailure("no server of the cluster runs")
    }

    private static func members(of server: RedisServer) async throws -> [Member] {
        try await server.command("CLUSTER", "NODES").split(whereSeparator: \.isNewline).compactMap(Member.init)
    }

    private func everyServerSays(_ rule: ([Member]) -> Bool) async throws -> Bool {
        for server in servers where server.isRunning {
            guard rule(try await Self.members(of: server)) else { return false }
        }
        return true
    }

    /// The primary that has a slot.
    package func owner(of slot: Int) async throws -> RedisServer {
        let member = try await members().first { $0.isPrimary && $0.slots.contains { $0.contains(slot) } }
        guard let server = self.server(at: member?.port) else { throw KitFailure("nobody has slot \(slot)") }
        return server
    }

    /// Every name that matches, of all primaries.
    package func names(_ pattern: String) async throws -> Set<String> {
        var names: Set<String> = []
        for member in try await members() where member.isPrimary && !member.slots.isEmpty {
            guard let server = self.server(at: member.port) else { continue }
            names.formUnion(try await server.command("KEYS", pattern).split(whereSeparator: \.isNewline).map(String.init))
        }
        return names
    }
}

// What can happen to it.
extension ClusterGroup {
    /// Adds a primary, which has no slots yet; returns once every server knows it.
    package func grow() async throws -> RedisServer {
        let bus = FreePort.take()
        let server = try await Self.server(bus: bus, timeout: timeout, tls)
        try await server.command("CLUSTER", "SET-CONFIG-EPOCH", "\(servers.count + 1)")
        try await servers[0].command("CLUSTER", "MEET", "127.0.0.1", "\(server.port)", "\(bus)")
        let count = all.withLock { servers in
            servers.append(server)
            return servers.count
        }
        try await eventually("the servers know the new one", within: .seconds(30), every: .milliseconds(100)) {
            try await everyServerSays { members in members.count == count && members.allSatisfy { !$0.isNew } }
        }
        return server
    }

    /// Moves a slot to another primary as an operator does; returns where it went.
    /// - Parameter wanted: nil for any other one that has slots.
    @discardableResult
    package func move(_ slot: Int, to wanted: RedisServer? = nil) async throws -> RedisServer {
        let source = try await owner(of: slot)
        let members = try await members()
        guard let from = members.first(where: { $0.port == place(of: source) }),
            let to = members.first(where: {
                $0.isPrimary && $0.id != from.id && (wanted == nil ? !$0.slots.isEmpty : $0.port == wanted.map(place(of:)))
            }),
            let target = server(at: to.port)
        else { throw KitFailure("no server to move slot \(slot) to") }
        try await target.command("CLUSTER", "SETSLOT", "\(slot)", "IMPORTING", from.id)
        try await source.command("CLUSTER", "SETSLOT", "\(slot)", "MIGRATING", to.id)
        while case let names = try await source.command("CLUSTER", "GETKEYSINSLOT", "\(slot)", "8").split(whereSeparator: \.isNewline),
            !names.isEmpty
        {
            try await source.command(["MIGRATE", "127.0.0.1", "\(target.port)", "", "0", "5000", "KEYS"] + names.map(String.init))
        }
        for server in [target, source] { try await server.command("CLUSTER", "SETSLOT", "\(slot)", "NODE", to.id) }
        return target
    }

    /// Lets the replica of a primary take its place while both live; returns the new primary.
    package func failOver(_ primary: RedisServer) async throws -> RedisServer {
        let replica = try await replica(of: primary)
        try await replica.command("CLUSTER", "FAILOVER")
        try await waitForPromotion(of: replica)
        return replica
    }

    /// Ends a primary by SIGKILL; returns the replica that has taken its place.
    package func kill(_ primary: RedisServer) async throws -> RedisServer {
        let replica = try await replica(of: primary)
        try await primary.kill9()
        try await waitForPromotion(of: replica)
        return replica
    }

    /// Lets a primary stand still until it has been replaced; returns the replica that has taken its place. `resume` wakes it.
    package func stop(_ primary: RedisServer) async throws -> RedisServer {
        let replica = try await replica(of: primary)
        primary.pause()
        try await waitForPromotion(of: replica)
        return replica
    }

    private func replica(of primary: RedisServer) async throws -> RedisServer {
        let members = try await members()
        let id = members.first { $0.port == place(of: primary) }?.id
        let follower = members.first { !$0.isPrimary && $0.primary == id }
        guard let replica = server(at: follower?.port) else { throw KitFailure("no replica") }
        return replica
    }

    private func waitForPromotion(of replica: RedisServer) async throws {
        try await eventually("the replica is promoted", within: .seconds(30), every: .milliseconds(30)) {
            try await Self.members(of: replica).contains { $0.port == place(of: replica) && $0.isPrimary && !$0.slots.isEmpty }
        }
    }
}
