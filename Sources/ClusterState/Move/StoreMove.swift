// Moves a store while nodes serve: everything is copied, then what has changed meanwhile, then for a moment nothing may change (decision 25).

import GateDomain

/// What a move has done.
package struct StoreMoveReport: Sendable, Equatable {
    /// Names that were copied; one that changed meanwhile counts each time.
    package internal(set) var copied = 0
    /// Times that an account was compared after it was copied; each was at least once.
    package internal(set) var compared = 0
    /// For how long the store was closed.
    package internal(set) var closed = Duration.zero
    /// Whether an earlier run had moved it.
    package internal(set) var wasMoved = false
}

/// Why a store is not moved.
package struct StoreMoveRefusal: Error, Equatable {
    /// A sentence without its beginning and its end.
    package let words: String

    init(_ words: String) { self.words = words }
}

/// One move from a store into an empty one.
///
/// Invariant: nodes go over when `arrived` stands in the target, which is written once, by whoever has the lease, and only while the source
/// takes no write and the target is its copy. Until then everything that nodes do is done in the source. A mover that dies before leaves the
/// source as it is, and the next one begins anew; between the closing and `arrived`, for a second at most, it leaves the source closed, and the
/// next one opens it.
package struct StoreMove: Sendable {
    typealias Part = RedisKeys.MovePart

    /// How far it has come: names that were copied, and about how many there are; 0 where that is not known.
    package typealias Progress = @Sendable (_ names: Int, _ of: Int) -> Void

    private typealias Refusal = StoreMoveRefusal

    private let from: StoreVisit
    private let to: StoreVisit
    private let progress: Progress
    private let id = RandomHex.digits(16)

    /// More replicas than any Redis has: whoever asks for them takes no write.
    private static let closing = "1000000"
    private static let closingSetting = "min-replicas-to-write"
    /// Changed names that are few enough to be copied while the store is closed.
    private static let few = 400
    private static let rounds = 60
    private static let attempts = 3
    private static let closings = 10
    /// For how long the store is closed at most; then it is opened again, and closed later.
    private static let patience = Duration.milliseconds(600)
    private static let lease = 4000
    /// Milliseconds for which replicas of the target are waited for while the store is closed.
    private static let replication = 200

    /// - Parameters:
    ///   - from: under the names of its shards.
    ///   - to: under the same names.
    package init(from: StoreVisit, to: StoreVisit, progress: @escaping Progress = { _, _ in }) {
        (self.from, self.to, self.progress) = (from, to, progress)
    }

    /// What a store is, as far as moves into it go.
    package enum Standing: Sendable, Equatable {
        /// Nobody has begun to move anything into it.
        case none
        /// It is no store yet.
        case underWay
        /// It has been moved here.
        case arrived
    }

    /// - Throws: `StoreFailure`.
    package static func standing(in visit: StoreVisit) async throws -> Standing {
        let replies = try await visit.ask([Part.arrived, .underWay].map { RedisCommand("GET", visit.keys.move($0)) })
        return replies[0] != .null ? .arrived : replies[1] != .null ? .underWay : .none
    }

    /// - Throws: `StoreMoveRefusal`, `StoreFailure`: what keeps the store from being moved; nodes go on with the source then.
    package func run() async throws -> StoreMoveReport {
        if try await text(.arrived) != nil {
            // Nobody may write there, whatever has become of the one that has moved it.
            try await setClosed(Self.closing)
            return StoreMoveReport(wasMoved: true)
        }
        try await checkTarget()
        try await takeLease()
        // Owned by this call, which cancels it.
        let renewal = Task { [to] in
            while !Task.isCancelled {
                _ = try? await to.ask([RedisCommand("PEXPIRE", to.keys.move(.lease), String(Self.lease))])
                try? await Task.sleep(for: .seconds(1))
            }
        }
        defer { renewal.cancel() }
        let before = try await prepare()
        for attempt in 1...Self.attempts {
            do { return try await move(before) } catch let refusal as Refusal where refusal == Self.disturbed && attempt < Self.attempts {
                continue
            }
        }
        throw Self.disturbed
    }

    private static let disturbed = Refusal("its servers have changed, or a connection broke, while it was moved; run it again")

    private func text(_ part: Part) async throws -> String? {
        try await to.ask([RedisCommand("GET", to.keys.move(part))])[0].string
    }

    /// Before anything is written there: what gates have used is not written over, unless a move has begun to make it.
    private func checkTarget() async throws {
        guard try await text(.underWay) == nil, try await to.shards() != nil else { return }
        throw Refusal("the target has been used by gates; name an empty one")
    }

    private func takeLease() async throws {
        let deadline = ContinuousClock.now + .milliseconds(Self.lease + 2000)
        while try await to.ask([RedisCommand("SET", to.keys.move(.lease), id, "NX", "PX", String(Self.lease))])[0] == .null {
            if try await text(.lease) == id { return }
            guard ContinuousClock.now < deadline else { throw Refusal("another move into it is under way") }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Whether the target may be written over, and what the source is closed and opened by.
    /// - Returns: what the source has for replicas when it is open.
    private func prepare() async throws -> String {
        let setting = try await from.ask(from.firstServer, [RedisCommand("CONFIG", "GET", "min-replicas-*")])[0].fields
        guard let replicas = setting[Self.closingSetting], let lag = setting["min-replicas-max-lag"], lag != "0" else {
            throw Refusal("CONFIG GET min-replicas-to-write and min-replicas-max-lag say nothing, or the second is 0")
        }
        if let underWay = try await text(.underWay) {
            // A mover that was cut short may have left it closed.
            if replicas == Self.closing { try await setClosed(underWay) }
            try await checkFollowers()
            return underWay
        }
        try await checkTarget()
        try await checkFollowers()
        let open = replicas == Self.closing ? "0" : replicas
        _ = try await to.ask([RedisCommand("SET", to.keys.move(.underWay), open)])
        return open
    }

    /// A node that does not know of the target would stand still when the source is closed. One that has just died is waited for.
    private func checkFollowers() async throws {
        let deadline = ContinuousClock.now + .milliseconds(Membership.lifetime + 1000)
        while true {
            let replies = try await from.ask([RedisCommand("HGETALL", from.keys.nodes), RedisCommand("TIME")])
            let dead = replies[1].integer(at: 0) * 1_000_000 - Membership.lifetime * 1000
            let living = replies[0].fields.filter { $0.key != "grace" && (Int($0.value) ?? 0) > dead }.keys
            let followers = try await to.ask([RedisCommand("HGETALL", to.keys.move(.followers))])[0].fields
            let others = living.count { followers[$0] == nil }
            if others == 0 { return }
            guard ContinuousClock.now < deadline else {
                throw Refusal(
                    "\(others) of \(living.count) nodes do not know of the target; give it to them as --redis-to and start them again")
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func setClosed(_ value: String) async throws {
        for server in await from.servers {
            _ = try await from.ask(server, [RedisCommand("CONFIG", "SET", Self.closingSetting, value)])
        }
    }

    private func move(_ open: String) async throws -> StoreMoveReport {
        try await empty()
        let course = await from.course
        let changes = ChangedNames()
        defer { changes.close() }
        for server in await from.servers { try await from.follow(server, changes) }
        var (report, copy) = (StoreMoveReport(), StoreCopy(from: from, to: to))
        try await copyAll(&copy, &report)
        for _ in 0..<Self.rounds where changes.count > Self.few {
            let names = changes.take()
            try await copy.copy(names)
            report.copied += names.count
            progress(report.copied, 0)
        }
        for _ in 0..<Self.closings {
            let names = changes.take()
            try await copy.copy(names)
            report.copied += names.count
            try await checkFollowers()
            let closedAt = ContinuousClock.now
            var isSame = false
            do {
                try await setClosed(Self.closing)
                isSame = try await finish(&copy, &report, changes, until: closedAt + Self.patience)
                if isSame, await from.course != course || changes.isDeaf { throw Self.disturbed }
            } catch {
                try await setClosed(open)
                throw error
            }
            // Whatever comes of this, the source stays closed: nodes may have gone over.
            if isSame { try await arrive() } else { try await setClosed(open) }
            report.closed += ContinuousClock.now - closedAt
            report.compared = copy.compared
            if isSame { return report }
        }
        throw Refusal("more changes than can be copied while it is closed for a moment; try again when there is less to do")
    }

    /// Everything that is in the source when the walk begins.
    private func copyAll(_ copy: inout StoreCopy, _ report: inout StoreMoveReport) async throws {
        var total = 0
        for server in await from.servers { total += await from.size(of: server) ?? 0 }
        for server in await from.servers {
            var cursor = "0"
            repeat {
                let page = try await from.names(of: server, from: cursor)
                cursor = page.next
                try await copy.copy(page.names)
                report.copied += page.names.count
                progress(report.copied, total)
            } while cursor != "0"
        }
    }

    /// Copies what is left while nothing changes.
    /// - Returns: whether the target is the same as the source now; false where that would take too long.
    private func finish(
        _ copy: inout StoreCopy, _ report: inout StoreMoveReport, _ changes: ChangedNames, until deadline: ContinuousClock.Instant
    ) async throws -> Bool {
        repeat {
            try await changes.catchUp()
            let names = changes.take()
            guard names.count <= 4 * Self.few else {
                changes.putBack(names)
                return false
            }
            try await copy.copy(names)
            report.copied += names.count
            if ContinuousClock.now > deadline { return false }
        } while changes.count > 0
        try await copy.settle()
        // Whatever takes the target's place if it dies at once has all of it.
        return try await to.isReplicated(within: Self.replication) && ContinuousClock.now < deadline
    }

    /// Lets the nodes go over.
    private func arrive() async throws {
        let order =
            "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[2], ARGV[1]); redis.call('DEL', KEYS[1], KEYS[3]) end "
            + "return redis.call('GET', KEYS[2])"
        let names = [Part.lease, .arrived, .underWay].map(to.keys.move)
        let reply = try await to.ask([RedisCommand("EVAL", order, "3", names[0], names[1], names[2], id)])[0]
        guard reply.string == id else { throw Refusal("another move into it has begun; the source is closed, run it again") }
    }

    /// Takes away what an earlier run has left.
    private func empty() async throws {
        let own = Set([Part.lease, .underWay, .followers].map { Array(to.keys.move($0).utf8) })
        for server in await to.servers {
            var cursor = "0"
            repeat {
                let page = try await to.names(of: server, from: cursor)
                cursor = page.next
                _ = try await to.ask(
                    page.names.filter { !own.contains($0) }.map { name in
                        var order = RedisCommand("UNLINK")
                        order.append(name)
                        return order
                    })
            } while cursor != "0"
        }
    }
}
