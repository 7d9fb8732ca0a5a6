// Changes that are no edit of a record: plain commands as one operation of an admin, with its audit entry in the same step.

import GateDomain
import LuaScripts

extension CommandStore {
    /// Carries commands out in one step with the audit entry of their operation, once, however often that is sent (M12).
    /// - Parameters:
    ///   - id: whose operation ids they are; where it lies all names have to lie.
    ///   - commands: each of a verb, one name, and its words; the first answers a whole number. Together they keep Redis for no longer than one.
    ///   - name: what the audit entry calls the first answer; nil where it does not tell it.
    /// - Returns: what the first of them has answered, when it was carried out; 0 without commands.
    /// - Throws: `operationReused`, or `store`.
    @discardableResult
    package func perform(
        _ operation: Operation, of id: String, _ commands: [RedisCommand], telling name: String? = nil
    ) async throws(RecordRefusal) -> Int {
        let all = commands.map(\.words)
        var command = RedisCommand(script: .perform, keys: 2 + all.count)
        command.append(keys.operation(id, operationName(operation, of: id)))
        command.append(keys.audit(keys.shard(of: id)))
        for words in all { command.append(words[1]) }
        command.append(operation: operation.fingerprint, audit: operation.audit.packed)
        command.append(name ?? "")
        for words in all {
            command.append(words[0])
            command.append(words.count - 2)
            for word in words.dropFirst(2) { command.append(word) }
        }
        let reply = try await ask(command)
        switch reply.status {
        case 0: return reply.integer(at: 1)
        case 1: throw .operationReused
        default: throw .unexpected
        }
    }

    /// Whether `perform` has carried an operation out.
    /// - Throws: `operationReused` where its id stands for something else, or `store`.
    package func hasPerformed(_ operation: Operation, of id: String) async throws(RecordRefusal) -> Bool {
        let name = keys.operation(id, operationName(operation, of: id))
        guard let done = try await ask(RedisCommand("HGET", name, "fingerprint")).string else { return false }
        guard done.hasSameBytes(as: operation.fingerprint) else { throw .operationReused }
        return true
    }

    /// Writes an audit entry of something that has changed nothing here, once.
    /// - Throws: `store`.
    package func note(_ audit: AuditEntry) async throws(RecordRefusal) {
        try await perform(Operation(audit: audit), of: "notes", [])
    }

    func operationName(_ operation: Operation, of id: String) -> String { "\(id):\(operation.id)" }
}
