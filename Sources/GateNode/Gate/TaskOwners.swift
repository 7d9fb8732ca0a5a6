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
    static let most = 1_000
    /// Seconds after its making for which a task is known, and is paid back if it comes to nothing.
    fileprivate static let lifetime = 86_400
    /// Charges of one task that can come back: those of the last calls that were answered with it.
    private static let mostCharges = 16
    /// Bytes of a task's id.
    static let longestID = 512

    /// The id of the task that a server has made of a call; nil if it has answered the call itself. 2025-11-25 says `task.taskId`,
    /// 2026-07-28 `taskId` beside `resultType`.
    static func made(by reply: Reply, in message: ByteBuffer) -> String? {
        guard let result = reply.result else { return nil }
        return message.withUnsafeReadableBytes { bytes in
            let result = UnsafeRawBufferPointer(rebasing: bytes[result])
            guard result.count < 65_536, result.holds("\"taskId\""),
                let value = try? JSONValue.parse(Array(result))
            else { return nil }
            let isTask = value["resultType"]?.stringValue == "task"
            return value["task"]?["taskId"]?.stringValue ?? (isTask ? value["taskId"]?.stringValue : nil)
        }
    }

    /// Remembers that a key has made a task, and goes on when Redis has heard it. Where it does not hear, the task runs and is charged, and
    /// cannot be asked about.
    func remember(_ task: String, of server: String?, for key: String, at now: Int, _ completion: @escaping () -> Void) {
        let (name, member) = (keys.tasks(of: key), Self.member(task, of: server))
        // It may lie in another shard than the rest.
        link.send(RedisCommand("SET", keys.taskOwner(member), key, "EX", "\(Self.lifetime)")) { [link] _ in
            link.send(RedisCommand("ZREMRANGEBYRANK", name, "0", "\(-Self.most)")) { _ in }
            link.send(RedisCommand("ZADD", name, "\(now)", member)) { _ in completion() }
            link.send(RedisCommand("EXPIRE", name, "\(Self.lifetime)")) { _ in }
        }
    }

    /// Says of each task whether it is the key's; nil if Redis does not answer. - Parameter tasks: ids, and the prefixes of their servers.
    func own(_ tasks: [(id: String, server: String?)], by key: String, _ completion: @escaping ([Bool]?) -> Void) {
        guard !tasks.isEmpty else { return completion([]) }
        var command = RedisCommand("ZMSCORE", keys.tasks(of: key))
        for task in tasks { command.append(Self.member(task.id, of: task.server)) }
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
            link.send(RedisCommand("GET", keys.taskOwner(Self.member(tasks[index].id, of: tasks[index].server)))) { result in
                switch result {
                case .success(let owner): own[index] = owner.string.map { $0.hasSameBytes(as: key) } ?? false
                case .failure: isHeard = false
                }
                done()
            }
        }
        done()
    }

    /// Of one length whatever the server calls it.
    fileprivate static func member(_ task: String, of server: String?) -> String { KeyCache.digest("\(server ?? ""):\(task)") }
}

// MARK: What a task has cost

/// A task is charged when it is made, once; asking about it costs nothing. What it has cost goes back once, when its server says that it has failed or
/// was cancelled, to the key, as a top-up of its own: what calls and teams have counted stays counted. Where several calls were answered with one
/// task, each of their charges is a word of its own, so that none is lost to another and each goes back once.
extension TaskOwners {
    /// Notes what a task has cost. The client hears of the task when that is done.
    /// - Parameters:
    ///   - charge: a name that no other charge has.
    ///   - now: milliseconds since 1970.
    func note(
        _ credits: Int, for task: String, of server: String?, by key: String, charge: String, at now: Int,
        _ completion: @escaping () -> Void
    ) {
        let name = keys.taskCharge(of: key, Self.member(task, of: server))
        link.send(RedisCommand("RPUSH", name, "\(credits) \(charge) \(now / 1000)")) { _ in completion() }
        link.send(RedisCommand("LTRIM", name, "\(-Self.mostCharges)", "-1")) { _ in }
        link.send(RedisCommand("EXPIRE", name, "\(Self.lifetime)")) { _ in }
    }

    /// What a request declares that knows of tasks (io.modelcontextprotocol/tasks).
    static let capabilities = Array(#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#.utf8)

    /// Whether an answer says of a task that it has come to nothing.
    static func isLost(_ reply: Reply, in message: ByteBuffer) -> Bool {
        guard let result = reply.result else { return false }
        return message.withUnsafeReadableBytes { bytes in
            let result = UnsafeRawBufferPointer(rebasing: bytes[result])
            return MemberScan.range(of: ["status"], in: result).map { place in
                result[place].elementsEqual(#""failed""#.utf8) || result[place].elementsEqual(#""cancelled""#.utf8)
            } ?? false
        }
    }

    /// Gives back what a lost task has cost, if that has not been done; on whichever node and however often it is found lost.
    /// - Parameters:
    ///   - key: that of the task's owner.
    ///   - now: milliseconds since 1970.
    func refund(_ task: String, of server: String?, to key: KeyRecord, at now: Int, _ completion: @escaping () -> Void) {
        let name = keys.taskCharge(of: key.id, Self.member(task, of: server))
        link.send(RedisCommand("LRANGE", name, "0", "-1")) { result in
            // A word may be there twice, after a lost answer.
            let words = Set(((try? result.get())?.array ?? []).compactMap(\.string))
            var open = 1
            let done = {
                open -= 1
                if open == 0 { completion() }
            }
            for word in words {
                open += 1
                giveBack(word, from: name, to: key, at: now, done)
            }
            done()
        }
    }

    private func giveBack(_ word: String, from name: String, to key: KeyRecord, at now: Int, _ completion: @escaping () -> Void) {
        let parts = word.split(separator: " ")
        // The operation is remembered for longer than a word is good for, so a copy of it that follows a lost answer adds nothing.
        guard parts.count == 3, let credits = Int(parts[0]), credits > 0, let time = Int(parts[2]), now / 1000 - time < Self.lifetime else {
            return completion()
        }
        let audit = AuditEntry(
            type: "key.task_refunded", actor: "system", message: "Credits of a task that failed or was cancelled given back",
            metadata: [("keyMasked", key.masked), ("keyId", key.id), ("name", key.name), ("creditsAdded", "\(credits)")])
        let operation = Operation(id: "task:\(parts[1])", fingerprint: "task \(credits)", audit: audit)
        link.send(KeyDirectory.topUp(key.id, credits: credits, operation, keys: keys)) { [link] result in
            if case .success(let reply) = result, reply.integer(at: 0) == 0 { link.send(RedisCommand("LREM", name, "0", word)) { _ in } }
            completion()
        }
    }
}
