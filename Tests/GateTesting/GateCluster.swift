// Some nodes of the real binary in front of an upstream, sharing one real Redis.

import Testing

package struct GateCluster: Sendable {
    package let redis: RedisServer
    package let nodes: [ClusterNode]
    /// What lies between Redis and single nodes, by their index.
    package let proxies: [Int: RedisProxy]
    private let flags: [String]
    private let directory: TemporaryDirectory

    /// Runs a test against a fresh cluster and ends all of it afterwards. The nodes have the rights that docs/redis.md gives them.
    ///
    /// - Parameters:
    ///   - flags: Further flags of `wrap`; they win over those of the kit, which lift all rate limits.
    ///   - config: A config file, as JSON.
    ///   - environments: Variables of single nodes, by their index.
    ///   - proxied: The indices of the nodes that reach Redis through a proxy of their own.
    ///   - clock: What Redis takes for the time of day.
    ///   - liftsRate: Whether the kit's flags lift the calls a minute of keys, so that no config file sets them.
    @discardableResult
    package static func run<Result>(
        nodes count: Int = 3, _ flags: [String] = [], upstream: Upstream = .demo, durability: RedisServer.Durability = .memory,
        config: JSON? = nil, environments: [Int: [String: String]] = [:], proxied: Set<Int> = [], clock: SteppingClock? = nil,
        liftsRate: Bool = true, _ body: (GateCluster) async throws -> Result
    ) async throws -> Result {
        let redis = try await RedisServer(durability, clock: clock)
        let directory = try TemporaryDirectory()
        let file = try config.map { ["--config", try directory.write($0.text, to: "paygate.json")] } ?? []
        let all = upstream.flags + quiet + (liftsRate ? ["--rate-limit", "0"] : []) + ["--redis-url", redis.url] + file + flags
        var proxies: [Int: RedisProxy] = [:]
        for index in proxied { proxies[index] = try await RedisProxy(to: redis.port) }
        let rights = DocumentedRights.nodes.environment(with: all)
        let own = proxies.mapValues { ["--redis-url", $0.url] }
        let nodes = try await withThrowingTaskGroup(of: (Int, ClusterNode).self) { group in
            for index in 0..<count {
                group.addTask {
                    (
                        index,
                        try await ClusterNode(
                            "node \(index)", flags: all + (own[index] ?? []),
                            environment: rights.merging(environments[index] ?? [:]) { $1 })
                    )
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
        let cluster = GateCluster(redis: redis, nodes: nodes, proxies: proxies, flags: all, directory: directory)
        do {
            let result = try await body(cluster)
            try await [redis].expectNoRefusals()
            try await cluster.end()
            return result
        } catch {
            try await cluster.end()
            throw error
        }
    }

    /// Limits that a test does not ask for are off, and logs are short.
    private static let quiet = [
        "--host", "127.0.0.1", "--admin-key", GateClient.adminKey, "--session-rate-limit", "0", "--admin-rate-limit", "0",
        "--public-rate-limit", "0", "--log-level", "warn",
    ]

    package var clients: [GateClient] { nodes.map(\.client) }

    /// The client of node `index`, counted around the cluster.
    package subscript(_ index: Int) -> GateClient { nodes[index % nodes.count].client }

    /// What lies between Redis and a node for which the test has asked for a proxy.
    package func proxy(_ index: Int) throws -> RedisProxy {
        guard let proxy = proxies[index] else { throw KitFailure("node \(index) has no proxy") }
        return proxy
    }

    /// A node that has seen nothing: what it reports is the durable truth.
    package func coldNode() async throws -> ClusterNode {
        try await ClusterNode("cold node", flags: flags, environment: DocumentedRights.nodes.environment(with: flags))
    }

    private func end() async throws {
        for node in nodes { try await node.kill9() }
        try await redis.kill9()
    }
}
