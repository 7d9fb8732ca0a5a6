// What is asked about each name of a store, and what is wrong with the answers.

import GateDomain

/// Commands about one name, and what their answers say.
struct StoreQuestion {
    let commands: [RedisCommand]
    /// Called with as many answers, none of which is an error.
    let judge: ([RedisReply]) -> StoreVerdict

    init(_ commands: [RedisCommand], _ judge: @escaping ([RedisReply]) -> StoreVerdict) {
        (self.commands, self.judge) = (commands, judge)
    }
}

/// What is known after an answer.
struct StoreVerdict {
    var findings: [StoreFinding] = []
    var openCalls = 0
    /// What has to be asked next; nil where all is known.
    var next: StoreQuestion?
}

/// A name as `<prefix>{<shard>}:<kind>:<rest>`.
struct StoreName: Hashable {
    let text: String
    let shard: Int
    let kind: String
    let rest: String

    /// Nil for a text of another shape.
    init?(_ text: String, keys: RedisKeys) {
        let head = keys.prefix + "{"
        guard text.hasPrefix(head), let close = text.dropFirst(head.count).firstIndex(of: "}"),
            let shard = Int(text.dropFirst(head.count)[..<close])
        else { return nil }
        let tail = text[text.index(after: close)...]
        guard tail.first == ":" else { return nil }
        let words = tail.dropFirst().split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        self.text = text
        self.shard = shard
        kind = String(words[0])
        rest = words.count > 1 ? String(words[1]) : ""
    }

    /// Nil for what a check does not look at.
    func question(in keys: RedisKeys) -> StoreQuestion? {
        guard let place = place(in: keys) else { return nil }
        guard place == text else {
            let sentence =
                shard < keys.shards
                ? "It lies in shard \(shard), where nobody looks for it." : "It lies in shard \(shard) of a store that has \(keys.shards)."
            // Whatever it is, nobody reads it; and it may be gone by now.
            return StoreQuestion([RedisCommand("EXISTS", text)]) { replies in
                StoreVerdict(findings: replies[0].integer == 1 ? [StoreFinding(.names, text, sentence)] : [])
            }
        }
        switch kind {
        case "account": return account(keys)
        case "record": return record(keys)
        case "reservations": return reservations(keys)
        case "credential": return credential(keys)
        case "credentials": return credentials(keys)
        case "alias": return alias(keys)
        case "members": return members(keys)
        // Tokens end by themselves; what has changed is a note to look, and is struck out by whoever does.
        case "index": return rest.hasPrefix("tokens") || rest == KeyRecord.changes ? nil : index(keys, from: "0")
        case "open": return open(keys, from: "0", calls: 0)
        default: return nil
        }
    }

    /// What the answers say; a value of another type is a finding in itself.
    func verdict(on replies: [RedisReply], to question: StoreQuestion) -> StoreVerdict {
        for case .error in replies {
            return StoreVerdict(findings: [StoreFinding(.form, text, "It, or what belongs to it, is of another type than it should be.")])
        }
        return question.judge(replies)
    }

    /// The name under which a node would look for the same; nil for kinds that a check does not look at.
    private func place(in keys: RedisKeys) -> String? {
        let isHere = shard < keys.shards
        switch kind {
        case "account": return keys.account(rest)
        case "record": return keys.record(rest)
        case "reservations": return keys.reservations(of: rest)
        case "credential": return keys.credential(rest)
        case "credentials": return keys.credentials(of: rest)
        case "alias": return rest.hasPrefix("sha256:") ? keys.aliasDigest(String(rest.dropFirst(7))) : keys.alias(rest)
        case "members": return keys.members(of: rest)
        case "index": return isHere ? keys.index(rest, shard) : ""
        case "open": return isHere ? keys.open(rest, shard) : ""
        default: return nil
        }
    }

    private func found(_ rule: StoreFinding.Rule, _ sentence: String) -> StoreFinding { StoreFinding(rule, rest, sentence) }
}

// Money.
extension StoreName {
    private static let numbers = ["credits", "spent", "granted", "held", "calls"]

    private func account(_ keys: RedisKeys) -> StoreQuestion {
        var money = RedisCommand("HMGET", text, "version")
        for name in Self.numbers { money.append(name) }
        let commands = [
            money, RedisCommand("HVALS", keys.reservations(of: rest)), RedisCommand("EXISTS", keys.record(rest)),
            RedisCommand("ZSCORE", keys.reserved(shard), rest),
        ]
        return StoreQuestion(commands) { replies in
            let values = replies[0].array ?? []
            // It is gone, or belongs to no record and holds nothing.
            if values.allSatisfy({ $0 == .null }) || values.first?.integer == 0 { return StoreVerdict() }
            let numbers = values.dropFirst().map { $0 == .null ? 0 : $0.integer }
            guard values[0].integer != nil, let credits = numbers[0], let spent = numbers[1], let granted = numbers[2],
                let held = numbers[3],
                let calls = numbers[4]
            else {
                return StoreVerdict(findings: [found(.form, "Its account has no version, or something in it that is no whole number.")])
            }
            var verdict = StoreVerdict()
            if min(credits, spent, held, calls) < 0 || held > spent {
                let sentence = "Less than nothing: a balance of \(credits), held \(held), spent \(spent &- held), calls \(calls)."
                verdict.findings.append(found(.money, sentence))
            }
            if rest.hasPrefix("team_") {
                verdict.next = shares(spent: spent)
                return verdict
            }
            guard rest.hasPrefix("key_") else { return verdict }
            if replies[2].integer == 0 { verdict.findings.append(found(.names, "It has an account and no record.")) }
            let sum = credits &+ spent
            if sum != granted {
                let difference = sum > granted ? "\(sum &- granted) too many" : "\(granted &- sum) too few"
                verdict.findings.append(
                    found(
                        .money, "Funded with \(granted), but balance \(credits) + held \(held) + spent \(spent &- held) are \(difference).")
                )
            }
            let open = (replies[1].array ?? []).compactMap { SetAsideEntry($0.string ?? "") }
            let reserved = open.reduce(0) { $0 &+ ($1.isReservation ? $1.credits : 0) }
            if reserved != held {
                verdict.findings.append(found(.reservations, "Held are \(held) credits, but its open reservations are of \(reserved)."))
            }
            if !open.isEmpty, replies[3] == .null {
                verdict.findings.append(
                    found(.reservations, "It has credits set aside and stands on no schedule, so nobody gives them back."))
            }
            return verdict
        }
    }

    /// Fields above which a team's account is not read: that would take Redis too long.
    private static let mostFields = 10_000

    /// Whatever a team has spent, one of its keys has.
    private func shares(spent: Int) -> StoreQuestion {
        StoreQuestion([RedisCommand("HLEN", text)]) { replies in
            guard let length = replies[0].integer, length <= Self.mostFields else { return StoreVerdict() }
            return StoreVerdict(
                next: StoreQuestion([RedisCommand("HGETALL", text)]) { replies in
                    let fields = replies[0].fields
                    let shares = fields.filter { $0.key.hasPrefix("m:credits@") }
                    let sum = shares.values.reduce(0) { $0 &+ (Int($1.split(separator: ":").last ?? "") ?? 0) }
                    guard let spent = fields["spent"].flatMap({ Int($0) }), spent != sum else { return StoreVerdict() }
                    return StoreVerdict(findings: [found(.money, "It has spent \(spent) credits, but the shares of its keys are \(sum).")])
                })
        }
    }

    private func reservations(_ keys: RedisKeys) -> StoreQuestion {
        StoreQuestion([RedisCommand("EXISTS", text), RedisCommand("HEXISTS", keys.account(rest), "version")]) { replies in
            guard replies[0].integer == 1, replies[1].integer == 0 else { return StoreVerdict() }
            return StoreVerdict(findings: [found(.reservations, "Credits are set aside for it, and it has no account.")])
        }
    }
}

/// What is set aside and open, as `reservation.lua` writes it.
private struct SetAsideEntry {
    let isReservation: Bool
    let credits: Int

    /// Nil for what has ended, and for other texts.
    init?(_ text: String) {
        let words = text.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false)
        guard words.count == 5, words[0] == "1", words[1] == "o", let credits = Int(words[3]) else { return nil }
        (isReservation, self.credits) = (words[2] == "r", credits)
    }
}

// Names that belong to somebody.
extension StoreName {
    private func record(_ keys: RedisKeys) -> StoreQuestion? {
        let kinds = [("team_", TeamRecord.kind), ("template:", KeyTemplate.kind), (WebhookFilter.prefix, WebhookFilter.kind)]
        if rest.hasPrefix("key_") {
            return StoreQuestion([RedisCommand("HGETALL", text)]) { replies in
                let fields = replies[0].fields
                if fields.isEmpty { return StoreVerdict() }
                guard let key = KeyRecord(id: rest, fields: fields) else {
                    return StoreVerdict(findings: [found(.form, "Its record has no state or no version.")])
                }
                return StoreVerdict(next: belongings(of: key, keys))
            }
        }
        guard let (_, kind) = kinds.first(where: { rest.hasPrefix($0.0) }) else { return nil }
        let commands = [
            RedisCommand("EXISTS", text), RedisCommand("ZSCORE", keys.index(kind, shard), rest),
            RedisCommand("HEXISTS", keys.account(rest), "version"),
        ]
        return StoreQuestion(commands) { replies in
            guard replies[0].integer == 1 else { return StoreVerdict() }
            var findings: [StoreFinding] = []
            if replies[1] == .null { findings.append(found(.names, "It stands in no index, so lists leave it out.")) }
            if kind == TeamRecord.kind, replies[2].integer == 0 { findings.append(found(.names, "It has a record and no account.")) }
            return StoreVerdict(findings: findings)
        }
    }

    private func belongings(of key: KeyRecord, _ keys: RedisKeys) -> StoreQuestion {
        let alias = key.alias ?? "", digest = key.credential ?? "", team = key.teamID ?? ""
        let commands = [
            RedisCommand("HEXISTS", keys.account(rest), "version"), RedisCommand("ZSCORE", keys.index(KeyRecord.kind, shard), rest),
            RedisCommand("HGET", keys.alias(alias), "owner"), RedisCommand("HGET", keys.credential(digest), "owner"),
            RedisCommand("SCARD", keys.credentials(of: rest)), RedisCommand("SISMEMBER", keys.members(of: team), rest),
            RedisCommand("EXISTS", keys.record(team)),
        ]
        return StoreQuestion(commands) { replies in
            var findings: [StoreFinding] = []
            if replies[0].integer == 0 { findings.append(found(.names, "It has a record and no account.")) }
            if replies[1] == .null { findings.append(found(.names, "It stands in no index, so lists and reports leave it out.")) }
            if !alias.isEmpty, replies[2].string != rest {
                findings.append(found(.names, "Its alias '\(alias)' leads to \(replies[2].string ?? "nobody")."))
            }
            if digest.isEmpty ? replies[4].integer == 0 : replies[3].string != rest {
                findings.append(found(.names, "No secret leads to it, so nobody can use it."))
            }
            if !team.isEmpty, replies[6].integer == 1, replies[5].integer == 0 {
                findings.append(found(.names, "It belongs to \(team), whose list of members leaves it out."))
            }
            return StoreVerdict(findings: findings)
        }
    }

    private func credential(_ keys: RedisKeys) -> StoreQuestion { owned("The secret with the SHA-256", keys) }

    private func alias(_ keys: RedisKeys) -> StoreQuestion { owned("The alias", keys) }

    private func owned(_ what: String, _ keys: RedisKeys) -> StoreQuestion {
        StoreQuestion([RedisCommand("EXISTS", text), RedisCommand("HGET", text, "owner")]) { replies in
            guard replies[0].integer == 1 else { return StoreVerdict() }
            guard let owner = replies[1].string else {
                return StoreVerdict(findings: [found(.names, "\(what) belongs to nobody.")])
            }
            return StoreVerdict(
                next: StoreQuestion([RedisCommand("EXISTS", keys.record(owner))]) { replies in
                    guard replies[0].integer == 0 else { return StoreVerdict() }
                    return StoreVerdict(findings: [found(.names, "\(what) leads to \(owner), which is not there.")])
                })
        }
    }

    private func credentials(_ keys: RedisKeys, from cursor: String = "0") -> StoreQuestion {
        StoreQuestion([RedisCommand("SSCAN", text, cursor, "COUNT", "200"), RedisCommand("EXISTS", keys.record(rest))]) { replies in
            let (next, digests) = replies[0].page(step: 1)
            let further = next == "0" ? nil : credentials(keys, from: next)
            guard !digests.isEmpty else { return StoreVerdict(next: further) }
            guard replies[1].integer == 1 else {
                return StoreVerdict(findings: [found(.names, "It has a list of secrets and no record.")])
            }
            return StoreVerdict(
                next: StoreQuestion(digests.map { RedisCommand("HGET", keys.credential($0), "owner") }) { replies in
                    let lost = zip(digests, replies).filter { $1.string != rest }
                    let findings = lost.map { found(.names, "Its secret with the SHA-256 \($0) leads to \($1.string ?? "nobody").") }
                    return StoreVerdict(findings: findings, next: further)
                })
        }
    }

    private func members(_ keys: RedisKeys, from cursor: String = "0") -> StoreQuestion {
        StoreQuestion([RedisCommand("SSCAN", text, cursor, "COUNT", "200")]) { replies in
            let (next, ids) = replies[0].page(step: 1)
            let further = next == "0" ? nil : members(keys, from: next)
            if ids.isEmpty { return StoreVerdict(next: further) }
            return StoreVerdict(
                next: StoreQuestion(ids.map { RedisCommand("EXISTS", keys.record($0)) }) { replies in
                    let gone = zip(ids, replies).filter { $1.integer == 0 }.map(\.0)
                    let findings = gone.map { found(.names, "Its list of members has \($0), which is not there.") }
                    return StoreVerdict(findings: findings, next: further)
                })
        }
    }

    /// In the order of names the id stands behind a word that is made of the name, which is told to nobody.
    private func idOfMember(_ member: String) -> String {
        guard rest == KeyRecord.names else { return member }
        return KeyPlace(number: 0, member: Array(member.utf8)).id
    }

    private func index(_ keys: RedisKeys, from cursor: String) -> StoreQuestion {
        StoreQuestion([RedisCommand("ZSCAN", text, cursor, "COUNT", "200")]) { replies in
            let (next, members) = replies[0].page(step: 2)
            let further = next == "0" ? nil : index(keys, from: next)
            let ids = members.map(idOfMember)
            guard !ids.isEmpty else { return StoreVerdict(next: further) }
            return StoreVerdict(
                next: StoreQuestion(ids.map { RedisCommand("EXISTS", keys.record($0)) }) { replies in
                    let gone = zip(ids, replies).filter { $1.integer == 0 }.map(\.0)
                    let findings = gone.map { StoreFinding(.names, text, "It lists \($0), which is not there.") }
                    return StoreVerdict(findings: findings, next: further)
                })
        }
    }
}

// Open calls.
extension StoreName {
    private func open(_ keys: RedisKeys, from cursor: String, calls: Int) -> StoreQuestion {
        StoreQuestion([RedisCommand("HSCAN", text, cursor, "COUNT", "200")]) { replies in
            let page = replies[0].array ?? []
            let words = page.last?.array ?? []
            var (calls, findings): (Int, [StoreFinding]) = (calls, [])
            for index in stride(from: 0, to: words.count - 1, by: 2) {
                guard let hold = words[index].string, hold != "!", case .bytes(let bytes) = words[index + 1] else { continue }
                // A letter, and then packed fields, of which the first is the number of the format.
                let isHold = bytes.count > 2 && (bytes[0] == UInt8(ascii: "o") || bytes[0] == UInt8(ascii: "d")) && bytes[1] < 0x80
                if !isHold { findings.append(found(.holds, "Its call \(hold) in shard \(shard) cannot be read, so nobody can end it.")) }
                if bytes.first == UInt8(ascii: "o") { calls += 1 }
            }
            let next = page.first?.string ?? "0"
            if next != "0" { return StoreVerdict(findings: findings, next: open(keys, from: next, calls: calls)) }
            if calls == 0 { return StoreVerdict(findings: findings) }
            let count = calls
            return StoreVerdict(
                findings: findings, openCalls: count,
                next: StoreQuestion([RedisCommand("HEXISTS", keys.nodes, rest)]) { replies in
                    guard replies[0].integer == 0 else { return StoreVerdict() }
                    let calls = count == 1 ? "A call of this node is" : "\(count) calls of this node are"
                    let sentence = "\(calls) open in shard \(shard), and no node knows it any more, so nobody ends what is open."
                    return StoreVerdict(findings: [found(.holds, sentence)])
                })
        }
    }
}

extension RedisReply {
    /// Of a SCAN of a value: where it goes on, and every so many words of what it has.
    fileprivate func page(step: Int) -> (next: String, words: [String]) {
        guard let parts = array, parts.count == 2 else { return ("0", []) }
        let words = parts[1].array ?? []
        return (parts[0].string ?? "0", stride(from: 0, to: words.count, by: step).compactMap { words[$0].string })
    }
}
