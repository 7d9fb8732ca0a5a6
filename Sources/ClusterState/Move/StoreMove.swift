// Moves a store while nodes serve: everything is copied, then what has changed meanwhile, then for a moment nothing may change (decision 25).

package import GateDomain

/// One move from a store into an empty one.
///
/// Invariant: nodes go over when `arrived` stands in the target, which is written once, by whoever has the lease, and only while the source
/// takes no write and the target is its copy. Until then everything that nodes do is done in the source. A mover that dies before leaves the
/// source as it is, and the next one begins anew; between the closing and `arrived`, for a second at most, it leaves the source closed, and the
/// next one opens it. A store is closed for good only where the target has been made of it: both have the same session secret.
package struct StoreMove: Sendable {
    typealias Part = RedisKeys.MovePart

    private typealias Refusal = StoreMoveRefusal

    private let from: StoreVisit
    private let to: StoreVisit
    private let progress: @Sendable (StoreProgress) -> Void
    private let id = RandomHex.digits(16)

    /// More replicas than any Redis has: whoever asks for them takes no write.
    private static let closing = "1000000"
    private static let closingSetting = "min-replicas-to-write"
    /// Changed names that are few enough to be copied while the store is closed.
    private static let few = 400
    /// Changed names that are copied before the walk goes on.
    private static let many = 10_000
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
    package init(from: StoreVisit, to: StoreVisit, progress: @escaping @Sendable (StoreProgress) -> Void = { _ in }) {
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

    /// - Throws: `StoreMoveRefusal`, `StoreFailure`: what keeps the store from being moved. Nodes go on with the source then, unless it is said
    ///   that this is closed.
    package func run() async throws -> StoreMoveReport {
        let source = try await from.ask([Part.arrived, .underWay].map { RedisCommand("GET", from.keys.move($0)) })
        guard source[1] == .null else { throw Refusal("a move into it has not ended, so that it is no store yet") }
        if let arrived = try await text(.arrived) {
            guard try await from.session() == to.session(), source[0].string != arrived, await !isClosed(to) else {
                throw Self.another
            }
            // Nobody may write there, whatever has become of the one that has moved it.
            try await setClosed(Self.closing)
            return StoreMoveReport(wasMoved: true)
        }
        try await checkTarget()
        try await takeLease()
        // Owned by this call, which cancels it.
        let renewal = Task { [to, id] in
            let order = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"
            while !Task.isCancelled {
                _ = try? await to.ask([RedisCommand("EVAL", order, "1", to.keys.move(.lease), id, String(Self.lease))])
                try? await Task.sleep(for: .seconds(1))
            }
        }
        defer { renewal.cancel() }
        for attempt in 1...Self.attempts {
            do {
                // It may have run out when everything stood still.
                try await takeLease()
                return try await move(try await prepare())
            } catch let refusal as Refusal where refusal == Self.disturbed && attempt < Self.attempts {
                continue
            }
        }
        throw Self.disturbed
    }

    private static let disturbed = Refusal("its servers have changed, or a connection broke, while it was moved; run it again")
    private static let another = Refusal("the target holds another store, or is the same one")
    private static let leftClosed = "the source is closed, run it again"

    private func text(_ part: Part) async throws -> String? {
        try await to.ask([RedisCommand("GET", to.keys.move(part))])[0].string
    }

    /// Before anything is written there: what is there is not written over, unless a move of the same store has begun to make it.
    private func checkTarget() async throws {
        let replies = try await to.ask([Part.underWay, .source].map { RedisCommand("GET", to.keys.move($0)) })
        guard replies[0] == .null else {
            if let other = replies[1].string, try await from.session() != other {
                throw Refusal("a move of another store into the target has not ended; name an empty one")
            }
            return try await checkStrangers()
        }
        if try await to.shards() != nil { throw Refusal("the target has been used by gates; name an empty one") }
        for server in await to.servers {
            var cursor = "0"
            repeat {
                let page = try await to.names(of: server, from: cursor)
                cursor = page.next
                guard page.names.allSatisfy(isOfThisMoment) else {
                    throw Refusal("the target has names that begin with '\(to.keys.prefix)'; name an empty one")
                }
            } while cursor != "0"
        }
    }

    /// Whether a name is of the move itself, or of somebody's try whether he may write.
    private func isOfThisMoment(_ name: [UInt8]) -> Bool {
        guard let text = String(validating: name, as: UTF8.self), let name = StoreName(text, keys: to.keys) else { return false }
        return ["move", "probe", "trial"].contains(name.kind)
    }

    /// A node that lives in the target and not in the source has made the target its store. What was copied is taken for dead a moment later.
    private func checkStrangers() async throws {
        let deadline = ContinuousClock.now + .milliseconds(Membership.lifetime + 1000)
        while true {
            let (known, strangers) = (try await living(in: from), try await living(in: to))
            if strangers.isSubset(of: known) { return }
            guard ContinuousClock.now < deadline else { throw Refusal("the target is used by gates; name an empty one") }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Names of nodes that were heard a moment ago.
    private func living(in visit: StoreVisit) async throws -> Set<String> {
        let replies = try await visit.ask([RedisCommand("HGETALL", visit.keys.nodes), RedisCommand("TIME")])
        let dead = replies[1].integer(at: 0) * 1_000_000 - Membership.lifetime * 1000
        return Set(replies[0].fields.filter { $0.key != "grace" && (Int($0.value) ?? 0) > dead }.keys)
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
        var (settings, isClosed): ([String], Bool) = ([], false)
        for server in await from.servers {
            let setting = try await from.ask(server, [RedisCommand("CONFIG", "GET", "min-replicas-*")])[0].fields
            guard let replicas = setting[Self.closingSetting], let lag = setting["min-replicas-max-lag"], lag != "0" else {
                throw Refusal("CONFIG GET min-replicas-to-write and min-replicas-max-lag say nothing, or the second is 0")
            }
            if replicas == Self.closing { isClosed = true } else { settings.append(replicas) }
        }
        try await checkTarget()
        if let underWay = try await text(.underWay) {
            // A mover that was cut short may have left it closed, or some of its servers.
            if isClosed { try await reopen(underWay) }
            try await checkFollowers()
            return underWay
        }
        guard !isClosed, let open = settings.first else {
            throw Refusal(
                "the source is closed: it has been moved, or a move into another target has not ended; run that again, or open it by CONFIG SET min-replicas-to-write 0"
            )
        }
        try await checkFollowers()
        guard let session = try await from.session() else { throw Refusal("the source has no session secret") }
        _ = try await to.ask([RedisCommand("SET", to.keys.move(.source), session), RedisCommand("SET", to.keys.move(.underWay), open)])
        return open
    }

    /// A node that does not know of the target would stand still when the source is closed. One that has just died is waited for.
    private func checkFollowers() async throws {
        let deadline = ContinuousClock.now + .milliseconds(Membership.lifetime + 1000)
        while true {
            let living = try await living(in: from)
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

    /// Whether any server of a store says that it is closed.
    private func isClosed(_ visit: StoreVisit) async -> Bool {
        for server in await visit.servers {
            let reply = try? await visit.ask(server, [RedisCommand("CONFIG", "GET", Self.closingSetting)])
            if reply?[0].fields[Self.closingSetting] == Self.closing { return true }
        }
        return false
    }

    /// All servers at the same time, and each whatever becomes of the others.
    private func setClosed(_ value: String) async throws {
        let failure = await withTaskGroup(of: (any Error)?.self) { [from] group in
            for server in await from.servers {
                group.addTask {
                    var failure: (any Error)?
                    // The first may find a connection that has broken meanwhile.
                    for _ in 1...2 {
                        do {
                            _ = try await from.ask(server, [RedisCommand("CONFIG", "SET", Self.closingSetting, value)])
                            return nil
                        } catch { failure = error }
                    }
                    return failure
                }
            }
            var first: (any Error)?
            for await failure in group { first = first ?? failure }
            return first
        }
        if let failure { throw failure }
    }

    /// - Throws: `StoreMoveRefusal` that says that the source is closed.
    private func reopen(_ value: String) async throws {
        do { try await setClosed(value) } catch {
            throw Refusal(
                "a server of the source does not open again (\((error as? StoreFailure)?.sentence ?? "\(error)")); \(Self.leftClosed)")
        }
    }

    private func move(_ open: String) async throws -> StoreMoveReport {
        try await empty()
        let course = await from.course
        let changes = ChangedNames()
        defer { changes.close() }
        for server in await from.servers { try await from.follow(server, changes) }
        var (report, copy) = (StoreMoveReport(), StoreCopy(from: from, to: to))
        try await copyAll(&copy, &report, changes)
        let walked = report.copied
        for _ in 0..<Self.rounds where changes.count > Self.few {
            let names = changes.take()
            try await copy.copy(names)
            report.copied += names.count
            progress(StoreProgress(.following, done: report.copied - walked, of: report.copied - walked + changes.count))
        }
        for _ in 0..<Self.closings {
            let names = changes.take()
            try await copy.copy(names)
            report.copied += names.count
            try await checkFollowers()
            // Nobody who has lost the lease closes anything.
            guard try await text(.lease) == id else { throw Self.disturbed }
            let closedAt = ContinuousClock.now
            // Owned by this call, which awaits it: whoever is waited for, the source does not stay closed for longer.
            let opening = Task {
                do { try await Task.sleep(until: closedAt + Self.patience, clock: .continuous) } catch { return false }
                try? await setClosed(open)
                return true
            }
            var isSame = false
            do {
                try await setClosed(Self.closing)
                isSame = try await finish(&copy, &report, changes, until: closedAt + Self.patience)
                if isSame, await from.course != course || changes.isDeaf { throw Self.disturbed }
            } catch {
                opening.cancel()
                _ = await opening.value
                try await reopen(open)
                throw error
            }
            opening.cancel()
            let wasOpened = await opening.value
            isSame = isSame && !wasOpened
            // Whatever comes of this, the source stays closed where nodes may have gone over.
            if isSame { try await arrive(open) } else { try await reopen(open) }
            report.closed += ContinuousClock.now - closedAt
            report.compared = copy.compared
            if isSame { return report }
        }
        throw Refusal("more changes than can be copied while it is closed for a moment; try again when there is less to do")
    }

    /// Everything that is in the source when the walk begins.
    private func copyAll(_ copy: inout StoreCopy, _ report: inout StoreMoveReport, _ changes: ChangedNames) async throws {
        let total = await from.size
        var walked = 0
        for server in await from.servers {
            var cursor = "0"
            repeat {
                let page = try await from.names(of: server, from: cursor)
                cursor = page.next
                try await copy.copy(page.names)
                report.copied += page.names.count
                walked += page.names.count
                progress(StoreProgress(.copying, done: walked, of: total))
                // However large the store and long the walk is: what changes meanwhile is not gathered without an end.
                if changes.count > Self.many {
                    let names = changes.take()
                    try await copy.copy(names)
                    report.copied += names.count
                }
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
        do { try await copy.settle() } catch let refusal as Refusal {
            // By then it may have been opened, and accounts may have changed.
            if ContinuousClock.now > deadline { return false }
            throw refusal
        }
        // Whatever takes the target's place if it dies at once has all of it.
        return try await to.isReplicated(within: Self.replication) && ContinuousClock.now < deadline
    }

    /// Lets the nodes go over.
    /// - Parameter open: what the source is opened with where they certainly have not.
    private func arrive(_ open: String) async throws {
        let order =
            "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[2], ARGV[1]); redis.call('DEL', KEYS[1], KEYS[3], KEYS[4]) end "
            + "return {redis.call('GET', KEYS[2]), redis.call('GET', KEYS[1])}"
        let names = [Part.lease, .arrived, .underWay, .source].map(to.keys.move)
        let replies: [RedisReply]
        do {
            replies = try await to.ask([RedisCommand("EVAL", order, "4", names[0], names[1], names[2], names[3], id)])[0].array ?? []
        } catch {
            let why = (error as? StoreFailure)?.sentence ?? "\(error)"
            throw Refusal("the target does not say whether nodes go over (\(why)); \(Self.leftClosed)")
        }
        guard replies.count == 2 else { throw Refusal("the target does not say whether nodes go over; \(Self.leftClosed)") }
        if replies[0].string == id { return }
        guard replies == [.null, .null] else { throw Refusal("another move into it has begun; \(Self.leftClosed)") }
        // The target stood still for longer than the lease.
        try await reopen(open)
        throw Self.disturbed
    }

    /// Takes away what an earlier run has left.
    private func empty() async throws {
        let own = Set([Part.lease, .underWay, .source, .followers].map { Array(to.keys.move($0).utf8) })
        let total = await to.size
        var gone = 0
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
                gone += page.names.count
                progress(StoreProgress(.emptying, done: gone, of: total))
            } while cursor != "0"
        }
    }
}
