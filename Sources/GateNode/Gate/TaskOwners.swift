// Which key a task of a server belongs to (MCP tasks): a server behind the gate knows one client only, and a task's id is a name and no proof.

import ClusterState
import MCPWire
import NIOCore

/// The tasks of keys, in Redis, so that every node knows them: one sorted set a key, by the time of their making.
///
/// Bounded by number and by time: a task that a key can have forgotten can no longer be asked for, by nobody.
struct TaskOwners {
    let link: any CommandLink
    let keys: RedisKeys

    /// Tasks of one key; beyond it the oldest is forgotten.
    static let most = 1_000
    /// Seconds after the last new task of a key.
    private static let lifetime = 86_400
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

    /// Remembers that a key has made a task, and goes on when Redis has heard it. Where it does not hear, the task is nobody's: it runs and
    /// is charged, and cannot be asked about.
    func remember(_ task: String, of server: String?, for key: String, at now: Int, _ completion: @escaping () -> Void) {
        let name = keys.tasks(of: key)
        link.send(RedisCommand("ZREMRANGEBYRANK", name, "0", "\(-Self.most)")) { _ in }
        link.send(RedisCommand("ZADD", name, "\(now)", Self.member(task, of: server))) { _ in completion() }
        link.send(RedisCommand("EXPIRE", name, "\(Self.lifetime)")) { _ in }
    }

    /// Says of each task whether it is the key's; nil if Redis does not answer. - Parameter tasks: ids, and the prefixes of their servers.
    func own(_ tasks: [(id: String, server: String?)], by key: String, _ completion: @escaping ([Bool]?) -> Void) {
        guard !tasks.isEmpty else { return completion([]) }
        var command = RedisCommand("ZMSCORE", keys.tasks(of: key))
        for task in tasks { command.append(Self.member(task.id, of: task.server)) }
        link.send(command) { result in
            completion((try? result.get())?.array.map { scores in scores.map { $0 != .null } })
        }
    }

    /// Of one length whatever the server calls it.
    private static func member(_ task: String, of server: String?) -> String { KeyCache.digest("\(server ?? ""):\(task)") }
}
