// The tasks of all keys, for admins and for whoever asks servers about those that nobody else asks about.

import GateDomain

/// The commands that write down what is known of tasks. Each may be sent twice: no money hangs on them.
///
/// Bounded by number and by time: a key has 1,000 tasks, a cluster shows 10,000, each for a day. Of a shard's tasks that are to be asked about
/// one key has a quarter at most, so that no key alone pushes another's out.
package struct TaskCommands: Sendable {
    private let keys: RedisKeys

    /// Seconds after its making for which a task is known, and is paid back if it comes to nothing.
    package static let lifetime = 86_400
    /// Tasks that a cluster shows; beyond them the oldest of a shard are left out.
    package static let most = 10_000
    /// Tasks of one key; beyond it the oldest is forgotten.
    package static let mostOfKey = 1_000
    /// Milliseconds after its making, or after its client has asked, when its server is asked for the first time.
    package static let firstInquiry = 30_000

    package init(keys: RedisKeys) { self.keys = keys }

    /// Writes down a new task in the place of an earlier one of its name; in this order.
    package func make(_ task: TaskRecord) -> [RedisCommand] {
        let (facts, shard) = (keys.taskFacts(of: task.id.key, task.id.name), keys.shard(of: task.id.key))
        var write = RedisCommand("HSET", facts)
        for (name, value) in task.fields {
            write.append(name)
            write.append(value)
        }
        var commands = [RedisCommand("DEL", facts), write, RedisCommand("EXPIRE", facts, "\(Self.lifetime)")]
        let (known, due) = (keys.knownTasks(shard), keys.dueTasks(shard))
        commands.append(RedisCommand("ZADD", known, "\(task.createdAt)", task.id.word))
        // One that came to nothing at once has something to be paid back.
        if task.status != .completed {
            commands.append(RedisCommand("ZADD", due, "\(Self.next(for: task, at: task.createdAt))", task.id.word))
        }
        let most = max(200, Self.most / keys.shards)
        commands.append(RedisCommand("ZREMRANGEBYRANK", known, "0", "\(-most - 1)"))
        commands.append(RedisCommand("ZREMRANGEBYRANK", due, "\(max(4 * Self.mostOfKey, most))", "-1"))
        for name in [known, due] { commands.append(RedisCommand("EXPIRE", name, "\(Self.lifetime)")) }
        return commands
    }

    /// Leaves a task out of the lists: its key has too many, and cannot ask about it any more.
    package func forget(_ id: TaskID) -> [RedisCommand] {
        let shard = keys.shard(of: id.key)
        return [keys.knownTasks(shard), keys.dueTasks(shard)].map { RedisCommand("ZREM", $0, id.word) }
    }

    /// Puts a task on the schedule, where it is not, for half a minute from now, or leaves it where it is due earlier.
    /// - Parameter now: milliseconds since 1970.
    package func schedule(_ id: TaskID, at now: Int) -> [RedisCommand] {
        let due = keys.dueTasks(keys.shard(of: id.key))
        return [
            RedisCommand("ZADD", due, "LT", "\(now + Self.firstInquiry)", id.word), RedisCommand("EXPIRE", due, "\(Self.lifetime)"),
        ]
    }

    /// Takes a task off the schedule: there is no more to be given back.
    package func unschedule(_ id: TaskID) -> RedisCommand { RedisCommand("ZREM", keys.dueTasks(keys.shard(of: id.key)), id.word) }

    /// Reads what has become of a task and what of its charges can go back; `TaskStanding` is made of the replies.
    package func standing(of id: TaskID) -> [RedisCommand] {
        [
            RedisCommand("HMGET", keys.taskFacts(of: id.key, id.name), "end", "status"),
            RedisCommand("LRANGE", keys.taskCharge(of: id.key, id.name), "0", "-1"),
        ]
    }

    /// Has charges of a completed task go back no more, whatever becomes of a later task of its name.
    package func keep(_ charges: Set<String>, of id: TaskID) -> [RedisCommand] {
        let (facts, list) = (keys.taskFacts(of: id.key, id.name), keys.taskCharge(of: id.key, id.name))
        return charges.flatMap { word in
            let parts = word.split(separator: " ")
            let note = parts.count == 3 ? [RedisCommand("HSET", facts, TaskRecord.kept + parts[1], String(parts[0]))] : []
            return note + [RedisCommand("EXPIRE", facts, "\(Self.lifetime)"), RedisCommand("LREM", list, "0", word)]
        }
    }

    /// What is to be done when an end was heard: what a completed task has cost is kept, and one that came to nothing before stays on the
    /// schedule as long as something of it can go back.
    package func late(_ status: TaskRecord.Status, after standing: TaskStanding, of id: TaskID, at now: Int) -> [RedisCommand] {
        if standing.status == .completed { return keep(standing.charges, of: id) }
        let isOpen = standing.status?.isLost ?? false && !standing.charges.isEmpty
        return isOpen && status.isFinal && !status.isLost ? schedule(id, at: now) : []
    }

    /// Takes charges of an earlier task away, whose name a new one has.
    package func dismiss(_ charges: Set<String>, of id: TaskID) -> [RedisCommand] {
        charges.map { RedisCommand("LREM", keys.taskCharge(of: id.key, id.name), "0", $0) }
    }

    /// Writes down what a server has said of a task, to a client or to the gate. The first end that was heard of stays, whatever comes late. One
    /// that came to nothing stays on the schedule until what it has cost has gone back.
    /// - Parameters:
    ///   - next: when its server is asked, in milliseconds since 1970; nil leaves that as it is.
    ///   - counts: whether the gate has asked.
    package func hear(
        _ status: TaskRecord.Status, of id: TaskID, at now: Int, next: Int? = nil, counts: Bool = false
    ) -> [RedisCommand] {
        let (facts, due) = (keys.taskFacts(of: id.key, id.name), keys.dueTasks(keys.shard(of: id.key)))
        var commands = [RedisCommand("HSET", facts, "heard", "\(now)")]
        // What nobody could find out may still be heard.
        let isEnd = status.isFinal && status != .unknown
        commands.append(RedisCommand(isEnd ? "HSETNX" : "HSET", facts, isEnd ? "end" : "status", status.rawValue))
        if counts { commands.append(RedisCommand("HINCRBY", facts, "asked", "1")) }
        commands.append(RedisCommand("EXPIRE", facts, "\(Self.lifetime)"))
        if status.isFinal && !status.isLost {
            commands.append(unschedule(id))
        } else if let next {
            commands.append(RedisCommand("ZADD", due, "XX", "\(next)", id.word))
        }
        return commands
    }

    /// Writes down that a charge of a task has gone back; a second time it changes nothing.
    package func refunded(_ credits: Int, charge: String, of id: TaskID) -> RedisCommand {
        RedisCommand("HSET", keys.taskFacts(of: id.key, id.name), TaskRecord.refund + charge, "\(credits)")
    }

    /// When the server of a task is asked next: ever more seldom, from half a minute to ten, and just before it forgets the task.
    package static func next(for task: TaskRecord, at now: Int) -> Int {
        let pause = firstInquiry << min(task.inquiries, 5)
        let next = now + min(pause, 600_000)
        guard let last = task.expiresAt.map({ $0 - 2_000 }), last > now else { return next }
        return min(next, last)
    }

    /// Whether nobody need be asked any more: the server keeps the task no longer, or the gate does not.
    package static func isOver(_ task: TaskRecord, at now: Int) -> Bool {
        now >= task.expiresAt ?? .max || now >= task.createdAt + (lifetime - 3_600) * 1_000
    }
}

/// What has become of a task, and which of its charges can go back.
package struct TaskStanding: Sendable {
    /// What was heard of it last, or its end; nil where nothing is known of it.
    package let status: TaskRecord.Status?
    /// The words of its charges, each once: one may be there twice, after a lost answer.
    package let charges: Set<String>

    /// - Parameters:
    ///   - facts: the reply to the first of the commands of `TaskCommands.standing`.
    ///   - charges: that to the second.
    package init(facts: RedisReply, charges: RedisReply) {
        status = (facts.array ?? []).lazy.compactMap(\.string).first.flatMap(TaskRecord.Status.init)
        self.charges = Set((charges.array ?? []).compactMap(\.string))
    }
}

/// The tasks of a store, off the call path.
package struct TaskBook: Sendable {
    private let store: any CommandStore
    private var keys: RedisKeys { store.keys }
    private var commands: TaskCommands { TaskCommands(keys: store.keys) }

    /// Records that are read at once.
    private static let page = 200
    /// Milliseconds for which one node alone asks about a task.
    private static let turn = 30_000

    package init(store: any CommandStore) { self.store = store }

    /// A task and what it has cost so far, with what has gone back.
    package struct Entry: Sendable {
        /// The task.
        package let task: TaskRecord
        /// Credits.
        package let charged: Int
    }

    /// The task of this key and this name; nil if there is none.
    /// - Throws: `StoreFailure`.
    package func read(_ id: TaskID) async throws(StoreFailure) -> TaskRecord? { try await read([id]).first }

    /// Several tasks; those that are gone are left out.
    /// - Throws: `StoreFailure`.
    package func read(_ ids: [TaskID]) async throws(StoreFailure) -> [TaskRecord] {
        var records: [TaskRecord] = []
        for start in stride(from: 0, to: ids.count, by: Self.page) {
            let page = Array(ids[start..<min(start + Self.page, ids.count)])
            let replies = try await store.sendAll(page.map { RedisCommand("HGETALL", keys.taskFacts(of: $0.key, $0.name)) })
            records += zip(page, replies).compactMap { TaskRecord($0, fields: $1.fields) }
        }
        return records
    }

    /// All tasks that are shown, the newest first; 10,000 at most.
    /// - Throws: `StoreFailure`.
    package func all() async throws(StoreFailure) -> [TaskRecord] {
        let replies = try await store.sendAll((0..<keys.shards).map { RedisCommand("ZREVRANGE", keys.knownTasks($0), "0", "-1") })
        let ids = replies.flatMap { $0.array ?? [] }.compactMap { $0.string.flatMap(TaskID.init(word:)) }
        return try await read(ids).sorted { ($0.createdAt, $0.id.word) > ($1.createdAt, $1.id.word) }
    }

    /// What each of the tasks has cost.
    /// - Throws: `StoreFailure`.
    package func charges(of tasks: [TaskRecord]) async throws(StoreFailure) -> [Entry] {
        let replies = try await store.sendAll(tasks.map { RedisCommand("LRANGE", keys.taskCharge(of: $0.id.key, $0.id.name), "0", "-1") })
        return zip(tasks, replies).map { task, reply in
            let words = Set((reply.array ?? []).compactMap(\.string))
            let open = words.reduce(0) { $0.saturating(adding: Int($1.split(separator: " ").first ?? "") ?? 0) }
            return Entry(task: task, charged: open.saturating(adding: task.creditsRefunded).saturating(adding: task.creditsKept))
        }
    }

    /// The id of the key that a task belongs to; nil if it belongs to none. - Parameter name: of the task.
    /// - Throws: `StoreFailure`.
    package func owner(of name: String) async throws(StoreFailure) -> String? {
        try await store.sendPatiently(RedisCommand("GET", keys.taskOwner(name))).string
    }

    /// Has a task given up as soon as somebody asks its server, which is now; in one step with the operation's audit entry, once.
    /// - Throws: `operationReused`, or `store`.
    package func cancel(_ id: TaskID, _ operation: Operation) async throws(RecordRefusal) {
        let (facts, due) = (keys.taskFacts(of: id.key, id.name), keys.dueTasks(keys.shard(of: id.key)))
        try await store.perform(
            operation, of: id.key,
            [
                RedisCommand("HSET", facts, "cancel", "1"), RedisCommand("EXPIRE", facts, "\(TaskCommands.lifetime)"),
                RedisCommand("ZADD", due, "0", id.word), RedisCommand("EXPIRE", due, "\(TaskCommands.lifetime)"),
            ])
    }

    /// Whether the operation has been carried out, so that whoever sends it again is told what has become of the task.
    /// - Throws: `operationReused`, or `store`.
    package func hasCancelled(_ id: TaskID, _ operation: Operation) async throws(RecordRefusal) -> Bool {
        try await store.hasPerformed(operation, of: id.key)
    }

    /// Tasks whose servers are to be asked.
    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - count: of a shard, at most.
    ///   - first: how many of each shard are passed over.
    /// - Throws: `StoreFailure`.
    package func due(at now: Int, count: Int, from first: Int = 0) async throws(StoreFailure) -> [TaskID] {
        let pages = try await store.sendAll(
            (0..<keys.shards).map {
                RedisCommand("ZRANGEBYSCORE", keys.dueTasks($0), "-inf", String(now), "LIMIT", String(first), String(count))
            })
        return pages.flatMap { $0.array ?? [] }.compactMap { $0.string.flatMap(TaskID.init(word:)) }
    }

    /// Takes the turn to ask about a task; false where another node has it.
    /// - Throws: `StoreFailure`.
    package func takeTurn(_ id: TaskID, as node: String) async throws(StoreFailure) -> Bool {
        let name = keys.taskInquiry(of: id.key, id.name)
        return try await store.send(RedisCommand("SET", name, node, "NX", "PX", String(Self.turn))) != .null
    }

    /// Gives the turn back.
    package func leaveTurn(_ id: TaskID) async {
        _ = try? await store.send(RedisCommand("DEL", keys.taskInquiry(of: id.key, id.name)))
    }

    /// Writes down what was heard of a task. What a completed one has cost can go back no more; one that came to nothing is due until
    /// `unschedule`.
    /// - Throws: `StoreFailure`.
    package func hear(_ status: TaskRecord.Status, of task: TaskRecord, at now: Int) async throws(StoreFailure) {
        let replies = try await store.sendAll(
            commands.hear(status, of: task.id, at: now, next: TaskCommands.next(for: task, at: now), counts: true)
                + commands.standing(of: task.id))
        let standing = TaskStanding(facts: replies[replies.count - 2], charges: replies[replies.count - 1])
        let late = commands.late(status, after: standing, of: task.id, at: now)
        if !late.isEmpty { _ = try await store.sendAll(late) }
    }

    /// Takes a task off the schedule: there is no more to be given back.
    /// - Throws: `StoreFailure`.
    package func unschedule(_ id: TaskID) async throws(StoreFailure) { _ = try await store.sendAll([commands.unschedule(id)]) }

    /// Takes a task off the schedule that is not there any more.
    package func drop(_ id: TaskID) async {
        _ = try? await store.sendAll(commands.forget(id))
    }

    /// The names under which nodes are on the list, dead ones among them that nobody has struck off yet.
    /// - Throws: `StoreFailure`.
    package func nodes() async throws(StoreFailure) -> [String] {
        (try await store.sendPatiently(RedisCommand("HKEYS", keys.nodes)).array ?? []).compactMap(\.string)
    }
}
