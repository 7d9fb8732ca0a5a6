// What the orders of admins have to come to, read from the wire: by the header of edit.lua, and by nothing that the directory knows.

@testable import ClusterState
import GateDomain

/// What edit.lua was asked for.
struct AskedEdit {
    /// The name under which the operation is remembered.
    let operation: String
    let id: String
    /// The version that the change was made for.
    let expected: String
    let fields: [String: String]
    let removed: [String]
}

/// Every record as it stood from each moment on, by the orders that were carried out: each once, and each for the version that it was made for.
struct RecordModel {
    /// A record from one moment on. Moments count the commands that have arrived.
    struct State {
        let fields: [String: String]
        let since: Int
        /// Nil where it is no key.
        let key: KeyRecord?
        var version: Int { fields["version"].flatMap { Int($0) } ?? -1 }
        /// Credits that its account may spend; 0 for any number.
        var limit: Int { (fields["limit"] ?? fields["budget"]).flatMap { Int($0) } ?? 0 }

        init(_ id: String, _ fields: [String: String], since: Int) {
            (self.fields, self.since, key) = (fields, since, KeyRecord(id: id, fields: fields))
        }
    }

    private var states: [String: [State]] = [:]
    /// The version that each operation has made.
    private var done: [String: Int] = [:]
    /// What is not as it has to be.
    private(set) var violations: [String] = []

    /// A record as it is before anybody changes it.
    mutating func found(_ id: String, _ fields: [String: String]) { states[id] = [State(id, fields, since: 0)] }

    /// - Returns: whether something has changed by it.
    mutating func edited(_ asked: AskedEdit, _ reply: RedisReply, at moment: Int) -> Bool {
        guard reply.status == 0, let last = states[asked.id]?.last else { return false }
        let version = reply.integer(at: 1)
        if let made = done[asked.operation] {
            if made != version { violations.append("M12: \(asked.operation) has made version \(made), a copy of it \(version)") }
            return false
        }
        if asked.expected != String(last.version) || version != last.version + 1 {
            violations.append("V23: \(asked.operation), made for version \(asked.expected), makes \(version) of version \(last.version)")
        }
        done[asked.operation] = version
        var fields = last.fields.merging(asked.fields) { $1 }
        for field in asked.removed { fields[field] = nil }
        fields["version"] = String(version)
        states[asked.id]?.append(State(asked.id, fields, since: moment))
        return true
    }

    func isDone(_ operation: String) -> Bool { done[operation] != nil }

    /// A record as it is; nil where nobody has made it.
    func current(_ id: String) -> State? { states[id]?.last }

    /// All that a record has been at a moment or after it.
    func states(of id: String, since moment: Int) -> [State] {
        let all = states[id] ?? []
        return all.indices.filter { $0 + 1 == all.count || all[$0 + 1].since > moment }.map { all[$0] }
    }

    /// Whether anybody has changed a record.
    func hasChanged(_ id: String) -> Bool { (states[id]?.count ?? 0) > 1 }

    /// What stands in Redis is what the orders have made.
    /// - Parameters:
    ///   - record: the fields of a record.
    ///   - account: those of the account with its id.
    func atRest(record: (String) -> [String: String], account: (String) -> [String: String]) -> [String] {
        states.sorted { $0.key < $1.key }.flatMap { id, states -> [String] in
            guard let last = states.last else { return [] }
            let (found, counted) = (record(id), account(id))
            var violations: [String] = []
            if found != last.fields { violations.append("V23: \(id) is \(found), its orders say \(last.fields)") }
            if counted["version"] != last.fields["version"] || counted["limit"].flatMap({ Int($0) }) ?? 0 != last.limit {
                violations.append("V23: the account of \(id) has version \(counted["version"] ?? "") and limit \(counted["limit"] ?? "")")
            }
            return violations
        }
    }
}

extension KeyRecord {
    /// Why a call of the tool is refused by what admins have said of the key; nil where it is not.
    func refusal(of tool: String) -> Denial? {
        switch state {
        case .revoked: .invalidKey
        case .suspended: .keySuspended
        case .active: access.refusal(of: tool)
        }
    }
}

extension Denial {
    /// Whether it follows from what admins have said of a key, and from nothing else.
    var isOrdered: Bool {
        switch self {
        case .invalidKey, .keySuspended, .toolNotAllowed, .toolDenied: true
        default: false
        }
    }
}
