// What a test of the admin API works with: a node on a Redis of its own, asked through its router without a socket.

import ClusterState
@testable import GateNode
@testable import GateSettings
import GateTesting
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
@testable import MCPUpstream
import MCPWire
import NIOCore
import NIOPosix
import Testing

/// One node behind its router.
struct AdminBench: Sendable {
    static let adminKey = "admin-key-of-tests"

    let redis: RedisServer
    let node: Node
    let client: any TestClientProtocol

    /// Runs a test on a fresh node and a fresh Redis.
    /// - Parameter endpoints: what it serves; all that a node serves by default.
    static func run(
        on redis: RedisServer? = nil, serving endpoints: [Endpoint]? = nil,
        adjusting adjust: @Sendable (inout Settings) -> Void = { _ in }, figures: NodeFigures = NodeFigures(),
        _ test: @Sendable (AdminBench) async throws -> Void
    ) async throws {
        let server: RedisServer
        if let redis { server = redis } else { server = try await RedisServer() }
        var settings = Settings()
        (settings.adminRateLimit, settings.publicRateLimit, settings.redisUrl) = (0, 0, server.url)
        adjust(&settings)
        let node = try await makeNode(settings, server)
        let table = endpoints.map { EndpointTable("test", $0) } ?? .standard
        let totals = KeyTotals(node.keys)
        let router = GateRouter(table, on: node.adminParts) {
            var figures = figures
            figures.keys = await totals.latest()
            return figures
        }
        let application = Application(responder: router, logger: .silent)
        try await application.test(.router) { client in
            try await test(AdminBench(redis: server, node: node, client: client))
        }
        await node.store.stop()
    }

    static func makeNode(
        _ settings: Settings, _ redis: RedisServer, on loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()
    ) async throws -> Node {
        let store = try await store(of: redis, on: loop)
        let (identity, clock) = (NodeIdentity(base: "test"), RedisClock())
        let members = Membership(store: store, identity: identity, clock: clock, refundUnknown: true, logger: .silent)
        return Node(
            identity: identity, clock: clock, settings: settings, resolve: { SettingsResolution(flags: ["serverCommand": ["true"]]) },
            store: store, members: members, upstreams: UpstreamSet([], transport: "stdio"),
            lentSessions: LentSessions(node: identity.base, store: store, on: loop),
            adminKeys: AdminKeys(bootstrapKey: adminKey), sessions: SessionSecret(), logger: .silent)
    }

    static func store(
        of redis: RedisServer, on loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()
    ) async throws -> RedisStore {
        guard let target = RedisTarget(url: redis.url) else { throw KitFailure("no target in \(redis.url)") }
        let store = try await RedisStore(
            connector: RedisConnector(target), keys: RedisKeys(prefix: "pg:"), loops: [loop],
            logger: .silent)
        try await eventually("the store is reached", within: .seconds(5)) { await store.isReachable }
        return store
    }
}

extension EndpointTable {
    init(_ tag: String, _ endpoints: [Endpoint]) { self.init([Group(tag: tag, help: "Test.", endpoints: endpoints)]) }
}

extension Logger {
    static let silent = Logger(label: "silent") { _ in SwiftLogNoOpLogHandler() }
}

/// An answer as tests look at it.
struct Answer: Sendable {
    let status: Int
    let headers: HTTPFields
    let text: String

    var json: JSONValue { (try? JSONValue.parse(text)) ?? .null }
    var error: String? { json["error"]?.stringValue }

    func header(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
}

/// What is sent, once or several times.
struct AdminRequest: Sendable {
    let method: HTTPRequest.Method
    let path: String
    var headers: [String: String]
    var body: [UInt8]?
}

extension AdminBench {
    func send(_ request: AdminRequest) async throws -> Answer {
        try await send(request.method, request.path, request.headers, bytes: request.body)
    }

    /// Sends what it is told to, and nothing of its own.
    func send(_ method: HTTPRequest.Method, _ path: String, _ headers: [String: String] = [:], bytes: [UInt8]? = nil) async throws -> Answer
    {
        let fields = headers.reduce(into: HTTPFields()) { fields, header in
            if let name = HTTPField.Name(header.key) { fields[name] = header.value }
        }
        let response = try await client.executeRequest(
            uri: path, method: method, headers: fields, body: bytes.map { ByteBuffer(bytes: $0) })
        return Answer(status: response.status.code, headers: response.headers, text: String(buffer: response.body))
    }

    func get(_ path: String) async throws -> Answer {
        try await send(.get, path, ["X-Admin-Key": Self.adminKey])
    }

    func post(_ path: String, _ body: JSONValue, headers: [String: String] = [:]) async throws -> Answer {
        try await post(path, text: body.text, headers: headers)
    }

    func post(_ path: String, text: String, headers: [String: String] = [:]) async throws -> Answer {
        let own = ["X-Admin-Key": Self.adminKey, "Content-Type": "application/json"]
        return try await send(.post, path, own.merging(headers) { $1 }, bytes: Array(text.utf8))
    }

    /// Makes a key and returns its secret and its id.
    func createKey(_ body: JSONValue = [:]) async throws -> (secret: String, id: String) {
        let json = try await post("/keys", body).json
        guard let secret = json["key"]?.stringValue, let id = json["id"]?.stringValue else { throw KitFailure("POST /keys: \(json.text)") }
        return (secret, id)
    }

    func balance(_ secret: String) async throws -> Answer {
        try await send(.get, "/balance", ["X-API-Key": secret])
    }

    /// Everything that a refused request must leave as it was.
    func state() async throws -> [String] {
        var state: [String] = []
        for key in try await redis.command("--scan").split(separator: "\n").sorted()
        where !key.contains("visits") && !key.contains("admins:used") {
            state.append("\(key) \(try await redis.command("DUMP", String(key)))")
        }
        return state
    }
}
