// Two nodes on a real Redis Cluster whose network is cut, slowed and silenced between them and its primaries.

import GateTesting
import Synchronization
import Testing

extension ClusterTests {
    @Suite("Redis Cluster, network cuts")
    struct RedisClusterCutTests {
        private static let granted = 1_000_000
        private static let price = 3
        private static let cap = 150
        private static let keys = 48

        /// A key, and where it lies.
        private struct Placed: Sendable {
            let secret: String
            let account: Int
        }

        /// What calls of one phase came to, by node and by whether the key lies on the primary that is cut off; those alone that were begun in it.
        private struct Phase {
            var number = 0
            var hot = [Tally(), Tally()]
            var calm = [Tally(), Tally()]

            mutating func add(_ node: Int, isHot: Bool, _ outcome: CallOutcome) {
                if isHot { hot[node].add(outcome) } else { calm[node].add(outcome) }
            }
        }

        /// Everything that was ever called; also orders, which are repeated under their idempotency key until they are answered.
        private final class Book: Sendable {
            private struct State {
                var phase = Phase()
                var served: [String: Int] = [:]
                var open: [Int: String] = [:]
                var orders = 0
                var next = 0
            }

            private let state = Mutex(State())

            func begin() { state.withLock { $0.phase = Phase(number: $0.phase.number + 1) } }
            var phase: Phase { state.withLock { $0.phase } }
            func served(_ key: String) -> Int { state.withLock { $0.served[key, default: 0] } }
            var orders: Int { state.withLock { $0.orders } }
            var open: [Int: String] { state.withLock { $0.open } }

            func note(_ node: Int, _ key: Placed, in phase: Int? = nil, isHot: Bool = false, _ outcome: CallOutcome) {
                state.withLock { state in
                    if phase == state.phase.number { state.phase.add(node, isHot: isHot, outcome) }
                    if outcome.isServed { state.served[key.secret, default: 0] += 1 }
                }
            }

            /// The order that a worker has not had answered, or a new one.
            func order(of worker: Int) -> String {
                state.withLock { state in
                    if let open = state.open[worker] { return open }
                    state.next += 1
                    state.open[worker] = "order-\(state.next)"
                    return "order-\(state.next)"
                }
            }

            func answered(_ worker: Int) {
                state.withLock { state in
                    if state.open.removeValue(forKey: worker) != nil { state.orders += 1 }
                }
            }
        }

        /// The server that will be cut off, and the keys by where they lie.
        private struct Field {
            let cluster: GateCluster
            let group: ClusterGroup
            let doomed: RedisServer
            let hot: [Placed]
            let calm: [Placed]
            let ordered: Placed
            let capped: Placed

            var door: RedisProxy { get throws { try group.door(of: doomed) } }
        }

        private static func field(_ cluster: GateCluster, _ group: ClusterGroup) async throws -> Field {
            // Not that of shard 0, which has what there is once a cluster.
            let first = try await group.owner(of: ClusterSlot.of("{0}"))
            let doomed = try #require(try await group.members().first { $0.isPrimary && $0.port != group.place(of: first) })
            let server = try #require(group.server(at: doomed.port))
            let secrets = try await concurrently(keys) { index in
                try await cluster[index].createKey(credits: granted, ["name": .string("key \(index)")])
            }
            let listed = try await cluster[0].admin("/keys").json.array ?? []
            var owners: Set<String> = []
            for name in try await server.command("KEYS", "pg:{*}:credential:*").split(whereSeparator: \.isNewline) {
                owners.formUnion(try await server.command("HVALS", String(name)).split(whereSeparator: \.isNewline).map(String.init))
            }
            var (hot, calm): ([Placed], [Placed]) = ([], [])
            for (index, secret) in secrets.enumerated() {
                let id = try #require(listed.first { $0["name"] == .string("key \(index)") }?["id"]?.string)
                let home = try #require(UInt32(id.dropFirst(4).prefix(8), radix: 16))
                let slot = ClusterSlot.of("{\(home % 64)}")
                let isHot = doomed.slots.contains { $0.contains(slot) }
                let placed = Placed(secret: secret, account: slot)
                // All that a call of a calm one needs lies on other primaries.
                if isHot { hot.append(placed) } else if !owners.contains(id) { calm.append(placed) }
            }
            try #require(hot.count >= 4 && calm.count >= 2, "keys lie on all primaries: \(hot.count) and \(calm.count)")
            let (ordered, capped) = (hot.removeLast(), hot.removeLast())
            try await cluster[0].order("/keys/quota", ["key": .string(capped.secret), "dailyCallLimit": .int(cap)])
            return Field(
                cluster: cluster, group: group, doomed: server, hot: hot, calm: calm, ordered: ordered, capped: capped)
        }

        /// One call of a worker: of keys of all primaries in turn, of the capped key, and of an order that is repeated until it is answered.
        private static func call(_ turn: Int, _ field: Field, _ book: Book) async -> CallOutcome {
            let (worker, round, phase) = (turn % 12, turn / 12, book.phase.number)
            // Orders are repeated at the other node.
            let node = worker < 10 && worker > 7 ? (round + worker) % 2 : worker % 2
            let client = field.cluster[node]
            switch worker {
            case 8, 9:
                let order = book.order(of: worker)
                let outcome = await client.echo(order, key: field.ordered.secret, headers: [("X-Idempotency-Key", order)])
                if outcome.isServed { book.answered(worker) }
                return outcome
            case 10 where round % 4 == 0, 11 where round % 4 == 0:
                let outcome = await client.echo(key: field.capped.secret)
                book.note(node, field.capped, outcome)
                return outcome
            default:
                let keys = worker < 4 ? field.hot : field.calm
                let key = keys[round % keys.count]
                let outcome = await client.echo(key: key.secret)
                book.note(node, key, in: phase, isHot: worker < 4, outcome)
                return outcome
            }
        }

        /// Whether calls are served as ever; a machine that others use may let a few wait for too long.
        private func goOn(_ tally: Tally) -> Bool { tally.served > 0 && tally.served >= 4 * (tally.total - tally.served) }

        private func ready(_ client: GateClient) async throws -> (status: Int, isDegraded: Bool, served: Int) {
            let page = try await client.get("/ready")
            return (page.status, page.json["degraded"] == true, page.json["store"]?["served"]?.int ?? -1)
        }

        /// Waits until every node serves keys of all primaries.
        private func expectHealed(_ field: Field, _ book: Book) async throws {
            for node in 0...1 {
                for key in [field.hot[0], field.calm[0]] {
                    try await eventually("node \(node) serves after the heal", within: .seconds(15), every: .milliseconds(50)) {
                        let outcome = await field.cluster[node].echo(key: key.secret)
                        book.note(node, key, outcome)
                        return outcome.isServed
                    }
                }
                try await eventually("node \(node) is whole", within: .seconds(15), every: .milliseconds(50)) {
                    let page = try await ready(field.cluster[node])
                    return page.status == 200 && !page.isDegraded && page.served == 64
                }
            }
        }

        /// Lets a phase go on until something has been called often enough.
        private func untilCalled(_ book: Book, _ enough: @escaping @Sendable (Phase) -> Bool) async throws {
            book.begin()
            try await eventually("calls go on", within: .seconds(15), every: .milliseconds(50)) { enough(book.phase) }
        }

        @Test(
            "F29, M1, D17: a node that is cut off from one primary, or from all, both nodes from one that stays up, one that takes bytes and says nothing, one that answers late: only calls of its shards wait, /ready says degraded, and after the heal every credit, quota and order is exact"
        )
        func cuts() async throws {
            let group = try await ClusterGroup(replicas: 0, isProxied: true)
            for node in 0...1 { try await group.admit("node\(node)", password: "pw") }
            let users = (0...1).map { ($0, ["PAYGATE_REDIS_USER": "node\($0)", "PAYGATE_REDIS_PASSWORD": "pw"]) }
            try await GateCluster.run(
                nodes: 2, ["--redis-url", group.url, "--price", "\(Self.price)"], environments: Dictionary(uniqueKeysWithValues: users)
            ) { cluster in
                let (field, book) = (try await Self.field(cluster, group), Book())
                let outcomes = try await underLoad(workers: 12, pause: .milliseconds(20), { await Self.call($0, field, book) }) {
                    try await untilCalled(book) { $0.hot[0].served > 5 && $0.hot[1].served > 5 && $0.calm[0].served > 5 }
                    try await oneFromOne(field, book)
                    try await oneFromAll(field, book)
                    try await allFromOne(field, book)
                    try await silence(field, book)
                    try await lateAnswers(field, book)
                }
                #expect(Tally(outcomes).count("lost") == 0, "each call gets a definite answer: \(Tally(outcomes))")
                try await expectExact(field, book)
            }
            try await group.end()
        }

        private func oneFromOne(_ field: Field, _ book: Book) async throws {
            let door = try field.door
            for direction in [RedisProxy.Direction.requests, .replies] { try await door.set(direction, .severed, on: .user("node0")) }
            try await eventually("node 0 misses it") { try await ready(field.cluster[0]).isDegraded }
            try await untilCalled(book) { $0.hot[0].total > 10 && $0.hot[1].total > 10 && $0.calm[0].total > 10 }
            let phase = book.phase
            #expect(phase.hot[0].served == 0 && phase.hot[0].count("HTTP 503") > 0, "\(phase.hot[0])")
            #expect(goOn(phase.hot[1]), "the other node reaches it: \(phase.hot[1])")
            #expect(goOn(phase.calm[0]) && goOn(phase.calm[1]), "calls of other shards go on: \(phase.calm)")
            let (one, other) = (try await ready(field.cluster[0]), try await ready(field.cluster[1]))
            #expect(one.status == 200 && one.isDegraded && (1..<64).contains(one.served), "\(one)")
            #expect(other.status == 200 && !other.isDegraded && other.served == 64, "\(other)")
            // A write may take too long once on a slow machine: then a reading says less than the one before.
            try await eventually("the metrics say the same", within: .seconds(15), every: .milliseconds(200)) {
                let metrics = try await field.cluster[0].metrics()
                return metrics.sum("paygate_redis_shards_served") == one.served && metrics.sum("paygate_redis_shards") == 64
            }
            let servers = try await field.cluster[0].get("/health").json["redis"]?["servers"]?.array ?? []
            let missing = servers.filter { $0["reachable"] == false }
            #expect(missing.map { $0["server"]?.string } == ["127.0.0.1:\(field.group.place(of: field.doomed))"], "\(servers)")
            #expect(servers.reduce(0) { $0 + ($1["shards"]?.int ?? 0) } == 64, "\(servers)")
            try await door.heal()
            try await expectHealed(field, book)
        }

        private func oneFromAll(_ field: Field, _ book: Book) async throws {
            for server in field.group.servers {
                let door = try field.group.door(of: server)
                for direction in [RedisProxy.Direction.requests, .replies] { try await door.set(direction, .severed, on: .user("node0")) }
            }
            try await eventually("node 0 is not ready") { await !field.cluster[0].isReady() }
            // Long enough to be taken for dead.
            try await eventually("node 1 is alone", within: .seconds(15), every: .milliseconds(100)) {
                try await field.cluster[1].metrics().sum("paygate_nodes") == 1
            }
            try await untilCalled(book) { $0.hot[0].total > 5 && $0.calm[0].total > 5 && $0.hot[1].total > 5 && $0.calm[1].total > 5 }
            let phase = book.phase
            #expect(phase.hot[0].served + phase.calm[0].served == 0, "\(phase)")
            #expect(goOn(phase.hot[1]) && goOn(phase.calm[1]), "\(phase)")
            for server in field.group.servers { try await field.group.door(of: server).heal() }
            try await expectHealed(field, book)
            try await eventually("both are members", within: .seconds(15)) {
                try await field.cluster[1].metrics().sum("paygate_nodes") >= 2
            }
        }

        /// Cuts both nodes off from the one primary, in some way, and looks at what they serve meanwhile.
        private func withoutThePrimary(_ field: Field, _ book: Book, _ passages: [(RedisProxy.Direction, RedisProxy.Passage)]) async throws
        {
            let door = try field.door
            for (direction, passage) in passages {
                for node in 0...1 { try await door.set(direction, passage, on: .user("node\(node)")) }
            }
            for node in 0...1 {
                try await eventually("node \(node) is degraded", within: .seconds(10), every: .milliseconds(50)) {
                    let page = try await ready(field.cluster[node])
                    return page.status == 200 && page.isDegraded
                }
            }
            try await untilCalled(book) { phase in (0...1).allSatisfy { phase.hot[$0].total > 8 && phase.calm[$0].total > 8 } }
            let phase = book.phase
            for node in 0...1 {
                #expect(phase.hot[node].served == 0 && phase.hot[node].count("HTTP 503") > 0, "\(phase.hot[node])")
                #expect(goOn(phase.calm[node]), "calls of other shards go on: \(phase.calm[node])")
            }
            try await door.heal()
            try await expectHealed(field, book)
        }

        private func allFromOne(_ field: Field, _ book: Book) async throws {
            try await withoutThePrimary(field, book, [(.requests, .severed), (.replies, .severed)])
        }

        /// Whatever is sent is carried out, and nobody hears of it.
        private func silence(_ field: Field, _ book: Book) async throws {
            try await withoutThePrimary(field, book, [(.replies, .swallowed)])
        }

        /// Whatever is sent is carried out, and heard of when nobody waits any more.
        private func lateAnswers(_ field: Field, _ book: Book) async throws {
            try await withoutThePrimary(field, book, [(.replies, .delayed(.seconds(2)))])
        }

        private func expectExact(_ field: Field, _ book: Book) async throws {
            for worker in book.open.keys {
                try await eventually("each order is answered in the end", within: .seconds(30), every: .milliseconds(100)) {
                    await Self.call(worker, field, book).isServed
                }
            }
            try await eventually("the quota is used up", within: .seconds(30)) {
                let outcome = await field.cluster[0].echo(key: field.capped.secret)
                book.note(0, field.capped, outcome)
                return outcome == .denied("daily_call_quota_exceeded")
            }
            #expect(book.served(field.capped.secret) == Self.cap, "a quota admits no call more, and no call less")
            for key in field.hot + field.calm + [field.capped] {
                let wanted = Self.price * book.served(key.secret)
                var balance = try await field.cluster[0].balance(key.secret)
                try await eventually("what was served is charged, once, and nothing else", within: .seconds(20)) {
                    balance = try await field.cluster[0].balance(key.secret)
                    return balance.spent == wanted
                }
                #expect(balance.credits + balance.spent == Self.granted, "nothing is lost or made: \(balance)")
            }
            let orders = Self.price * book.orders
            try await eventually("each order is charged once, however often it was sent", within: .seconds(20)) {
                try await field.cluster[1].balance(field.ordered.secret).spent == orders
            }
            let (status, text) = try await Program.storeCheck(
                field.group.url, environment: ["PAYGATE_REDIS_USER": "node1", "PAYGATE_REDIS_PASSWORD": "pw"])
            #expect(status == 0, "\(text)")
        }
    }
}
