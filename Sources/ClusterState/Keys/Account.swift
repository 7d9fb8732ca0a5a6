// The counters of an account, and what the current day and month have seen.

package import GateDomain

/// The counters of an account.
package struct Account: Sendable, Equatable {
    /// What it may still spend: what is reserved is not in it (F-CREDIT-06).
    package let credits: Int
    /// Credits that it has spent in its life, as refunds have left it.
    package let spent: Int
    /// Credits that are reserved: neither to be spent by anybody else, nor spent.
    package let held: Int
    /// Calls that were admitted in its life and not given back.
    package let calls: Int
    /// Milliseconds since 1970 of the last admission, nil if there was none.
    package let lastUsedAt: Int?

    /// Asks for all that `init` reads. - Parameter account: its name in Redis.
    package static func reading(_ account: String) -> RedisCommand {
        RedisCommand("HMGET", account, "credits", "spent", "calls", "used", "held")
    }

    /// Reads what `reading` asks for. In Redis what is reserved counts as spent, so that spending limits count it.
    package init(_ reply: RedisReply) {
        credits = reply.integer(at: 0)
        held = reply.integer(at: 4)
        spent = reply.integer(at: 1) - held
        calls = reply.integer(at: 2)
        let used = reply.integer(at: 3)
        lastUsedAt = used > 0 ? used : nil
    }
}

/// What a key has done in the current UTC day and month of Redis TIME.
package struct KeyCounts: Sendable, Equatable {
    /// As its quota counts it; 0 where it has none.
    package var used = Quota()
    /// Automatic top-ups of the day.
    package var refills = 0

    /// Nothing.
    package init() {}

    init(_ reply: RedisReply, at now: Int) {
        used = Quota(used: reply, at: now)
        refills = reply.count(at: 5 + Quota.meters.count, of: now / 86_400_000)
    }
}

extension Account {
    /// Reads an account with the meters of its quota, which come after what `init` reads.
    static func commandWithQuota(_ name: String) -> RedisCommand {
        var command = reading(name)
        for meter in Quota.meters { command.append("m:" + meter.name) }
        return command
    }
}

extension Quota {
    /// What the current periods have seen. - Parameter now: milliseconds since 1970 of Redis TIME.
    init(used reply: RedisReply, at now: Int) {
        let used = Self.meters.enumerated().map { reply.count(at: 5 + $0, of: $1.period.span(at: now * 1000).number) }
        self.init(dailyCalls: used[0], monthlyCalls: used[1], dailyCredits: used[2], monthlyCredits: used[3])
    }
}

extension RedisReply {
    /// What a meter `<period>:<count>` in a list of fields says of a period; 0 for nothing.
    func count(at index: Int, of period: Int) -> Int {
        guard let fields = array, fields.indices.contains(index) else { return 0 }
        let parts = (fields[index].string ?? "").split(separator: ":").compactMap { Int($0) }
        return parts.count == 2 && parts[0] == period ? parts[1] : 0
    }
}
