// Which key a task of a server belongs to (MCP tasks): a server behind the gate knows one client only, and a task's id is a name and no proof.

import ClusterState
import GateDomain
import MCPWire
import NIOCore

/// The tasks of keys, in Redis, so that every node knows them: one sorted set a key, by the time of their making, and for each task whose it is.
///
/// Bounded by number and by time: a task that a key can have forgotten can no longer be asked for, by nobody.
/// Invariant: a task belongs to one key, the last for which its server has made it; a server that counts anew gives its names again.
struct TaskOwners {
    let link: any CommandLink
    let keys: RedisKeys

    /// Tasks of one key; beyond it the oldest is forgotten.
    static let most = TaskCommands.mostOfKey
    /// Seconds after its making for which a task is known, and is paid back if it comes to nothing.
    fileprivate static let lifetime = TaskCommands.lifetime
    /// Charges of one task that can come back: those of the last calls that were answered with it.
    private static let mostCharges = 16
    /// Bytes of a task's id.
    static let longestID = 512

    /// What a server says of a task when it makes it.
    struct Made {
        let id: String
        let status: TaskRecord.Status
        /// Milliseconds for which the server keeps it; nil if it does not say.
        let lifetime: Int?

        /// Nil where nobody could ask about it.
        init?(_ task: JSONValue?) {
            guard let task, let id = task["taskId"]?.stringValue, id.utf8.count <= TaskOwners.longestID else { return nil }
            self.id = id
            let status = task["status"]?.stringValue.flatMap(TaskRecord.Status.said) ?? .working
            self.status = status == .unknown ? .working : status
            let lifetime = (task["ttlMs"] ?? task["ttl"])?.intValue
            self.lifetime = lifetime.flatMap { (0...Int64(TaskOwners.lifetime) * 1000).contains($0) ? Int($0) : nil }
        }
    }

    /// The task that a server has made of a call; nil if it has answered the call itself. 2025-11-25 says `task.taskId`,
    /// 2026-07-28 `taskId` beside `resultType`.
    static func made(by reply: Reply, in message: ByteBuffer) -> Made? {
        guard let result = reply.result else { return nil }
        return message.withUnsafeReadableBytes { bytes in
            let result = UnsafeRawBufferPointer(rebasing: bytes[result])
            guard result.count < 65_536, result.holds("\"taskId\""),
                let value = try? JSONValue.parse(Array(result))
            else { return nil }
            let isTask = value["resultType"]?.stringValue?.hasSameBytes(as: "task") ?? false
            return Made(value["task"]) ?? (isTask ? Made(value) : nil)
        }
    }

    /// Remembers that a key has made a task, and goes on when Redis has heard it. Where it does not hear, the task runs and is charged, and
    /// cannot be asked about.
    func remember(_ task: TaskRecord, _ completion: @escaping () -> Void) {
        let (key, name, member) = (task.id.key, keys.tasks(of: task.id.key), task.id.name)
        let commands = TaskCommands(keys: keys)
        // It may lie in another shard than the rest.
        link.send(RedisCommand("SET", keys.taskOwner(member), key, "EX", "\(Self.lifetime)")) { [self] _ in
            // What an earlier task of its name has cost stays paid where that is completed, or nothing more can be found out of it.
            standing(of: task.id) { earlier in
                guard let earlier, earlier.status == .completed || earlier.status == .unknown else { return }
                for command in commands.dismiss(earlier.charges, of: task.id) { link.send(command) { _ in } }
            }
            for command in commands.make(task) { link.send(command) { _ in } }
            // Those that the key can have forgotten leave the lists of all with it.
            link.send(RedisCommand("ZRANGE", name, "0", "\(-Self.most)")) { result in
                for oldest in ((try? result.get())?.array ?? []).compactMap(\.string) where oldest != member {
                    for command in commands.forget(TaskID(key: key, name: oldest)) { link.send(command) { _ in } }
                }
            }
            link.send(RedisCommand("ZREMRANGEBYRANK", name, "0", "\(-Self.most)")) { _ in }
            link.send(RedisCommand("ZADD", name, "\(task.createdAt)", member)) { _ in completion() }
            link.send(RedisCommand("EXPIRE", name, "\(Self.lifetime)")) { _ in }
        }
    }

    /// Says of each task whether it is the key's; nil if Redis does not answer. - Parameter tasks: ids, and the prefixes of their servers.
    func own(_ tasks: [(id: String, server: String?)], by key: String, _ completion: @escaping ([Bool]?) -> Void) {
        guard !tasks.isEmpty else { return completion([]) }
        var command = RedisCommand("ZMSCORE", keys.tasks(of: key))
        for task in tasks { command.append(Self.name(of: task.id, server: task.server)) }
        link.send(command) { result in
            guard let scores = (try? result.get())?.array, scores.count == tasks.count else { return completion(nil) }
            stillOwn(tasks, where: scores.map { $0 != .null }, by: key, completion)
        }
    }

    /// Of the tasks that a key has made, those that nobody has made since.
    private func stillOwn(
        _ tasks: [(id: String, server: String?)], where made: [Bool], by key: String, _ completion: @escaping ([Bool]?) -> Void
    ) {
        var (own, open, isHeard) = (made, 1, true)
        let done = {
            open -= 1
            if open == 0 { completion(isHeard ? own : nil) }
        }
        for index in tasks.indices where made[index] {
            open += 1
            link.send(RedisCommand("GET", keys.taskOwner(Self.name(of: tasks[index].id, server: tasks[index].server)))) { result in
                switch result {
                case .success(let owner): own[index] = owner.string.map { $0.hasSameBytes(as: key) } ?? false
                case .failure: isHeard = false
                }
                done()
            }
        }
        done()
    }

    /// The tool that each of a key's tasks was made by, empty where that is not known; nil if Redis does not answer.
    /// - Parameter tasks: ids, and the prefixes of their servers.
    func tools(of tasks: [(id: String, server: String?)], by key: String, _ completion: @escaping ([String]?) -> Void) {
        var (tools, open, isHeard) = (Array(repeating: "", count: tasks.count), tasks.count, true)
        if tasks.isEmpty { return completion([]) }
        for (index, task) in tasks.enumerated() {
            link.send(RedisCommand("HGET", keys.taskFacts(of: key, Self.name(of: task.id, server: task.server)), "tool")) { result in
                switch result {
                case .success(let tool): tools[index] = tool.string ?? ""
                case .failure: isHeard = false
                }
                open -= 1
                if open == 0 { completion(isHeard ? tools : nil) }
            }
        }
    }

    /// Of one length whatever the server calls it: 64 hex digits.
    /// - Parameter server: its prefix; nil or empty for one server alone.
    static func name(of task: String, server: String?) -> String { Credential.digest(of: "\(server ?? ""):\(task)") }
}

// MARK: What a task has cost

/// A task is charged when it is made, once; asking about it costs nothing. What it has cost goes back once, when its server says that it has failed or
/// was cancelled, to the key, as a top-up of its own: what calls and teams have counted stays counted. Where several calls were answered with one
/// task, each of their charges is a word of its own, so that none is lost to another and each goes back once.
extension TaskOwners {
    /// Notes what a task has cost, and goes on when that is done: the client hears of the task then. Where its end was heard before, as
    /// that of a task of a batch may be, or of one whose settlement was held up, it is seen to at once; where no end is known yet, whoever
    /// hears it later finds the charge.
    /// - Parameters:
    ///   - key: that of the task's owner.
    ///   - charge: a name that no other charge has.
    ///   - now: milliseconds since 1970.
    func note(
        _ credits: Int, for task: String, of server: String?, by key: KeyRecord, charge: String, at now: Int,
        _ completion: @escaping () -> Void
    ) {
        let id = TaskID(key: key.id, name: Self.name(of: task, server: server))
        let name = keys.taskCharge(of: id.key, id.name)
        link.send(RedisCommand("RPUSH", name, "\(credits) \(charge) \(now / 1000)")) { _ in }
        link.send(RedisCommand("LTRIM", name, "\(-Self.mostCharges)", "-1")) { _ in }
        link.send(RedisCommand("EXPIRE", name, "\(Self.lifetime)")) { _ in }
        // Whoever has heard the end without the charge has taken the task off the schedule.
        for command in TaskCommands(keys: keys).schedule(id, at: now) { link.send(command) { _ in } }
        standing(of: id) { [self] standing in
            guard let status = standing?.status else { return completion() }
            if status.isLost { return lost(status, task, of: server, to: key, at: now) { _ in completion() } }
            if status == .completed { heard(status, of: task, server: server, by: id.key, at: now) }
            completion()
        }
    }

    /// Reads what has become of a task and what of its charges can go back; nil if Redis does not answer.
    private func standing(of id: TaskID, _ completion: @escaping (TaskStanding?) -> Void) {
        var facts: RedisReply?
        let commands = TaskCommands(keys: keys).standing(of: id)
        link.send(commands[0]) { facts = try? $0.get() }
        link.send(commands[1]) { charges in
            guard let facts, let charges = try? charges.get() else { return completion(nil) }
            completion(TaskStanding(facts: facts, charges: charges))
        }
    }

    /// What a request declares that knows of tasks (io.modelcontextprotocol/tasks).
    static let capabilities = Array(#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#.utf8)

    /// What an answer says of a task; nil if it says nothing that is known.
    static func status(in reply: Reply, _ message: ByteBuffer) -> TaskRecord.Status? {
        guard let result = reply.result else { return nil }
        return message.withUnsafeReadableBytes { bytes in
            let result = UnsafeRawBufferPointer(rebasing: bytes[result])
            guard let place = MemberScan.range(of: ["status"], in: result) else { return nil }
            let status = JSONText.string(UnsafeRawBufferPointer(rebasing: result[place])).flatMap(TaskRecord.Status.said)
            // That is a word of the gate, and none of a server.
            return status == .unknown ? nil : status
        }
    }

    /// Writes down what a server has told the owner of a task. What a completed one has cost can go back no more.
    func heard(_ status: TaskRecord.Status, of task: String, server: String?, by key: String, at now: Int) {
        let id = TaskID(key: key, name: Self.name(of: task, server: server))
        let commands = TaskCommands(keys: keys)
        for command in commands.hear(status, of: id, at: now) { link.send(command) { _ in } }
        guard status == .completed else { return }
        standing(of: id) { [link] standing in
            guard let standing else { return }
            for command in commands.late(status, after: standing, of: id, at: now) { link.send(command) { _ in } }
        }
    }

    /// Gives back what a lost task has cost, and writes its end down when that is done; where it is not, the task is due.
    /// - Parameters:
    ///   - status: its end.
    ///   - key: that of the task's owner.
    ///   - now: milliseconds since 1970.
    ///   - completion: is told whether there is no more to be done.
    func lost(
        _ status: TaskRecord.Status, _ task: String, of server: String?, to key: KeyRecord, at now: Int,
        _ completion: @escaping (Bool) -> Void
    ) {
        let (id, commands) = (TaskID(key: key.id, name: Self.name(of: task, server: server)), TaskCommands(keys: keys))
        let finish = { [link] (isDone: Bool) in
            for command in isDone ? [commands.unschedule(id)] : commands.schedule(id, at: now) { link.send(command) { _ in } }
            completion(isDone)
        }
        refund(task, of: server, to: key, at: now) { [self] isDone in
            guard isDone else { return finish(false) }
            heard(status, of: task, server: server, by: key.id, at: now)
            // A charge may have been noted meanwhile, by somebody who has not found the end yet.
            refund(task, of: server, to: key, at: now, finish)
        }
    }

    /// Gives back what a lost task has cost, if that has not been done; on whichever node and however often it is found lost.
    /// - Parameters:
    ///   - key: that of the task's owner.
    ///   - now: milliseconds since 1970.
    ///   - completion: is told whether there is no more to be done.
    func refund(_ task: String, of server: String?, to key: KeyRecord, at now: Int, _ completion: @escaping (Bool) -> Void) {
        let id = TaskID(key: key.id, name: Self.name(of: task, server: server))
        link.send(RedisCommand("LRANGE", keys.taskCharge(of: key.id, id.name), "0", "-1")) { result in
            guard let reply = try? result.get() else { return completion(false) }
            // A word may be there twice, after a lost answer.
            let words = Set((reply.array ?? []).compactMap(\.string))
            var (open, isDone) = (1, true)
            let done = { (isGivenBack: Bool) in
                open -= 1
                isDone = isDone && isGivenBack
                if open == 0 { completion(isDone) }
            }
            for word in words {
                open += 1
                giveBack(word, of: id, to: key, at: now, done)
            }
            done(true)
        }
    }

    private func giveBack(_ word: String, of id: TaskID, to key: KeyRecord, at now: Int, _ completion: @escaping (Bool) -> Void) {
        let name = keys.taskCharge(of: id.key, id.name)
        let parts = word.split(separator: " ")
        // The operation is remembered for longer than a word is good for, so a copy of it that follows a lost answer adds nothing.
        guard parts.count == 3, let credits = Int(parts[0]), credits > 0, let time = Int(parts[2]), now / 1000 - time < Self.lifetime else {
            return completion(true)
        }
        let audit = AuditEntry(
            type: "key.task_refunded", actor: "system", message: "Credits of a task that failed or was cancelled given back",
            metadata: [("keyMasked", key.masked), ("keyId", key.id), ("name", key.name), ("creditsAdded", "\(credits)")])
        let operation = Operation(id: "task:\(parts[1])", fingerprint: "task \(credits)", audit: audit)
        link.send(KeyDirectory.topUp(key.id, credits: credits, operation, keys: keys)) { [link, keys] result in
            guard case .success(let reply) = result else { return completion(false) }
            if reply.integer(at: 0) == 0 {
                link.send(TaskCommands(keys: keys).refunded(credits, charge: String(parts[1]), of: id)) { _ in }
                link.send(RedisCommand("LREM", name, "0", word)) { _ in }
            }
            completion(true)
        }
    }
}
