// Whether a store agrees with itself: all of it is read, a few hundred names at a time, and nothing is changed.

package import GateDomain

/// Reads every name of a store, and the record of calls of every shard.
///
/// Nodes may serve meanwhile. What is read one after another may disagree for a moment, so whatever was found is looked at again, and only
/// what was there each time is told. What is held in memory does not grow with the store: a page of names, what is doubtful, and what each
/// key of one shard was charged by the entries that the record keeps.
package struct StoreCheck: Sendable {
    private enum Suspect: Hashable {
        case name(StoreName)
        case usage(shard: Int)
    }

    private let reader: StoreVisit
    private let progress: @Sendable (StoreProgress) -> Void
    private var report = StoreReport()
    private var suspects: [Suspect: [StoreFinding]] = [:]
    private var keys: RedisKeys { reader.keys }

    /// Names that are looked at together.
    private static let batch = 200
    /// Entries of the record of calls that one command reads.
    private static let page = 1000
    /// Suspects that are gathered before they are looked at again.
    private static let mostSuspects = 500
    private static let pause = Duration.milliseconds(1200)
    /// Further looks at a suspect.
    private static let looks = 2
    /// Times that it begins anew because servers have changed.
    private static let attempts = 3

    /// - Parameters:
    ///   - reader: under the names of the store's shards.
    ///   - progress: told after every page.
    package init(_ reader: StoreVisit, progress: @escaping @Sendable (StoreProgress) -> Void = { _ in }) {
        (self.reader, self.progress) = (reader, progress)
    }

    /// - Throws: `StoreFailure` when the store cannot be read to its end.
    package mutating func run() async throws -> StoreReport {
        for _ in 0..<Self.attempts {
            report = StoreReport()
            report.shards = keys.shards
            suspects = [:]
            let course = await reader.course
            do { try await pass() } catch {
                // A walk through the names of a server that broke off begins anew; everything else was asked for long enough.
                if await reader.course == course { throw error }
                continue
            }
            guard report.isCut else {
                if await reader.course == course { return sorted() }
                continue
            }
            return sorted()
        }
        throw StoreFailure.unavailable("its servers, or who of them has which slots, have changed while it was read; run it again")
    }

    private func sorted() -> StoreReport {
        var report = report
        report.findings.sort { ($0.subject, $0.sentence) < ($1.subject, $1.sentence) }
        return report
    }

    private mutating func pass() async throws {
        let total = await reader.size
        for server in await reader.servers {
            var cursor = "0"
            repeat {
                let page = try await reader.names(of: server, from: cursor)
                cursor = page.next
                report.names += page.names.count
                let names = page.names.compactMap { name in String(validating: name, as: UTF8.self).flatMap { StoreName($0, keys: keys) } }
                for start in stride(from: 0, to: names.count, by: Self.batch) {
                    try await look(at: Array(names[start..<min(start + Self.batch, names.count)]))
                    if report.isCut { return }
                }
                progress(StoreProgress(.reading, done: report.names, of: total))
            } while cursor != "0"
        }
        for shard in 0..<keys.shards {
            let (found, entries) = try await usage(of: shard)
            report.entries += entries
            if !found.isEmpty { suspects[.usage(shard: shard)] = found }
            progress(StoreProgress(.summing, done: shard + 1, of: keys.shards))
            if suspects.count >= Self.mostSuspects { try await settle() }
            if report.isCut { return }
        }
        try await settle()
    }

    private mutating func look(at names: [StoreName]) async throws {
        for name in names {
            switch name.kind {
            case "record" where name.rest.hasPrefix("key_"): report.keys += 1
            case "record" where name.rest.hasPrefix("team_"): report.teams += 1
            case "credential": report.credentials += 1
            case "alias" where !name.rest.hasPrefix("sha256:"): report.aliases += 1
            default: break
            }
        }
        for (name, verdict) in try await judged(names) {
            report.openCalls += verdict.openCalls
            if !verdict.findings.isEmpty { suspects[.name(name)] = verdict.findings }
        }
        if suspects.count >= Self.mostSuspects { try await settle() }
    }

    /// Asks everything that there is to ask about some names, all of them at once in each step.
    private func judged(_ names: [StoreName]) async throws -> [(StoreName, StoreVerdict)] {
        var verdicts = [StoreVerdict](repeating: StoreVerdict(), count: names.count)
        var open = names.enumerated().compactMap { index, name in
            name.question(in: keys).map { (index: index, question: $0) }
        }
        while !open.isEmpty {
            let replies = try await reader.ask(open.flatMap(\.question.commands))
            var (at, next): (Int, [(index: Int, question: StoreQuestion)]) = (0, [])
            for (index, question) in open {
                let own = Array(replies[at..<at + question.commands.count])
                at += question.commands.count
                let verdict = names[index].verdict(on: own, to: question)
                verdicts[index].findings += verdict.findings
                verdicts[index].openCalls += verdict.openCalls
                if let further = verdict.next { next.append((index, further)) }
            }
            open = next
        }
        return Array(zip(names, verdicts))
    }

    /// Looks again at what was found, and takes into the report what stays.
    private mutating func settle() async throws {
        for _ in 0..<Self.looks where !suspects.isEmpty {
            try await Task.sleep(for: Self.pause)
            var again: [Suspect: [StoreFinding]] = [:]
            let names = suspects.keys.compactMap { suspect in if case .name(let name) = suspect { name } else { nil } }
            for (name, verdict) in try await judged(names) { again[.name(name)] = verdict.findings }
            for case .usage(let shard) in suspects.keys { again[.usage(shard: shard)] = try await usage(of: shard).findings }
            for (suspect, before) in suspects {
                let known = Set(before.map(\.place))
                let left = (again[suspect] ?? []).filter { known.contains($0.place) }
                suspects[suspect] = left.isEmpty ? nil : left
            }
        }
        let told = Set(report.findings)
        report.findings += Set(suspects.values.joined()).subtracting(told).sorted { $0.subject < $1.subject }
        suspects = [:]
        if report.findings.count > StoreReport.most {
            report.findings.removeLast(report.findings.count - StoreReport.most)
            report.isCut = true
        }
    }
}

// The record of calls against what accounts have spent.
extension StoreCheck {
    /// The record keeps the newest entries, and reservations are charged without one: so what it says is never more than what was spent.
    private func usage(of shard: Int) async throws -> (findings: [StoreFinding], entries: Int) {
        var (charged, findings, entries): ([String: Int], [StoreFinding], Int) = ([:], [], 0)
        let stream = keys.usage(shard)
        var from = "-"
        while true {
            let reply = try await reader.ask([RedisCommand("XRANGE", stream, from, "+", "COUNT", String(Self.page))])[0]
            guard let page = reply.array else { return ([StoreFinding(.form, stream, "It is something else than a record of calls.")], 0) }
            for entry in page {
                if let call = LoggedCall(entry) {
                    if call.event.keyID.hasPrefix("key_") { charged[call.event.keyID, default: 0] += call.credits }
                } else if !entry.isCorrection, findings.count < StoreReport.most {
                    let id = entry.array?.first?.string ?? "?"
                    findings.append(StoreFinding(.form, stream, "The entry \(id) of the record of calls cannot be read."))
                }
            }
            entries += page.count
            // Nodes write meanwhile: as many as the record keeps are enough.
            guard page.count == Self.page, entries < 2 * EventLog.retained, let last = page.last?.array?.first?.string else { break }
            from = "(" + last
        }
        let ids = Array(charged.keys)
        for start in stride(from: 0, to: ids.count, by: Self.batch) {
            let some = ids[start..<min(start + Self.batch, ids.count)]
            let accounts = try await reader.ask(some.map { RedisCommand("HMGET", keys.account($0), "spent", "held") })
            for (id, account) in zip(some, accounts) {
                let spent = account.integer(at: 0) - account.integer(at: 1)
                guard let told = charged[id], told > spent else { continue }
                findings.append(
                    StoreFinding(
                        .usage, id, "The record of calls has charges of \(told) credits, but the account says that it has spent \(spent)."))
            }
        }
        return (findings, entries)
    }
}

extension RedisReply {
    /// Whether an entry of the record takes another one back, as `settle.lua` says.
    fileprivate var isCorrection: Bool {
        guard let fields = array?.last?.array else { return false }
        return fields.first?.string == "x" || fields.first?.string == "n"
    }
}
