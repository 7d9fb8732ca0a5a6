// What the gate knows of a task that a server has made of a call.

import GateDomain

/// A task by its key and its name: the name is of one length, and made of what its server calls it.
package struct TaskID: Hashable, Sendable {
    /// The id of the key whose call it was made of.
    package let key: String
    /// 64 hex digits.
    package let name: String

    package init(key: String, name: String) { (self.key, self.name) = (key, name) }

    /// As lists of tasks have it.
    package var word: String { key + "/" + name }

    /// Nil for a text of another shape.
    package init?(word: String) {
        let parts = word.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        self.init(key: String(parts[0]), name: String(parts[1]))
    }
}

/// One task. Its end is what its server has said, to whoever asked; nothing is known of one that nobody can be asked about any more.
package struct TaskRecord: Sendable {
    /// What its server has said last.
    package enum Status: String, Sendable, CaseIterable {
        /// The server works on it.
        case working
        /// It waits for its client.
        case inputRequired = "input_required"
        /// It has come to a result.
        case completed
        /// It has come to nothing, and what it has cost goes back.
        case failed
        /// It was given up, and what it has cost goes back.
        case cancelled
        /// What has become of it can no longer be found out. Servers forget what they have finished, too: so nothing goes back.
        case unknown

        /// As a server says it; nil for any other word.
        package static func said(_ word: String) -> Status? { allCases.first { $0.rawValue.hasSameBytes(as: word) } }

        /// Whether it stays so.
        package var isFinal: Bool { self != .working && self != .inputRequired }
        /// Whether it came to nothing, as its server says.
        package var isLost: Bool { self == .failed || self == .cancelled }
    }

    /// Its key and its name.
    package let id: TaskID
    /// As its server calls it.
    package let taskID: String
    /// The prefix of its server; empty where there is one server alone.
    package let server: String
    /// The tool that was called.
    package let tool: String
    /// The session of the call; empty for one without.
    package let session: String
    /// The client for which its server has a process, or a session, of its own; empty where it has none.
    package let client: String
    /// What that client can be asked, as `ClientCapabilities` has it.
    package let capabilities: Int
    /// The first characters of the key, as they were then.
    package let keyPrefix: String
    /// The node that has made the call, by the first of its names.
    package let node: String
    /// What was heard of it last, or its end.
    package let status: Status
    /// Milliseconds since 1970.
    package let createdAt: Int
    /// Milliseconds since 1970: when the status was last heard.
    package let updatedAt: Int
    /// Milliseconds since 1970 until which its server keeps it, if it has said so.
    package let expiresAt: Int?
    /// How often the gate has asked its server of its own accord.
    package let inquiries: Int
    /// Whether an admin wants it to be given up.
    package let isToBeCancelled: Bool
    /// What has gone back to the key.
    package let creditsRefunded: Int
    /// What it has cost for good: credits that can no longer go back, as it is completed.
    package let creditsKept: Int

    /// A new one.
    /// - Parameters:
    ///   - lifetime: milliseconds for which its server keeps it; nil if it does not say.
    ///   - now: milliseconds since 1970.
    package init(
        _ id: TaskID, taskID: String, server: String, tool: String, session: String, client: String, capabilities: Int, keyPrefix: String,
        node: String, status: Status, lifetime: Int?, at now: Int
    ) {
        (self.id, self.taskID, self.server, self.tool, self.session) = (id, taskID, server, tool, session)
        (self.client, self.capabilities, self.keyPrefix, self.node) = (client, capabilities, keyPrefix, node)
        (self.status, createdAt, updatedAt) = (status, now, now)
        expiresAt = lifetime.map { now + $0 }
        (inquiries, isToBeCancelled, creditsRefunded, creditsKept) = (0, false, 0, 0)
    }

    /// Nil where the fields are none of a task.
    init?(_ id: TaskID, fields: [String: String]) {
        guard let taskID = fields["task"], let status = (fields["end"] ?? fields["status"]).map({ Status(rawValue: $0) ?? .working }),
            let createdAt = fields["at"].flatMap({ Int($0) })
        else { return nil }
        self.id = id
        self.taskID = taskID
        self.status = status
        self.createdAt = createdAt
        server = fields["server"] ?? ""
        tool = fields["tool"] ?? ""
        session = fields["session"] ?? ""
        client = fields["client"] ?? ""
        capabilities = fields["capabilities"].flatMap { Int($0) } ?? 0
        keyPrefix = fields["prefix"] ?? ""
        node = fields["node"] ?? ""
        updatedAt = fields["heard"].flatMap { Int($0) } ?? createdAt
        expiresAt = fields["until"].flatMap { Int($0) }
        inquiries = fields["asked"].flatMap { Int($0) } ?? 0
        isToBeCancelled = fields["cancel"] != nil
        func sum(_ prefix: String) -> Int {
            fields.reduce(0) { $1.key.hasPrefix(prefix) ? $0.saturating(adding: Int($1.value) ?? 0) : $0 }
        }
        (creditsRefunded, creditsKept) = (sum(Self.refund), sum(Self.kept))
    }

    /// What the field of a charge that has gone back begins with.
    static let refund = "refund:"
    /// What the field of a charge begins with that can no longer go back.
    static let kept = "kept:"

    /// As they are stored.
    var fields: [(String, String)] {
        [
            ("v", "1"), ("task", taskID), ("server", server), ("tool", tool), ("session", session), ("client", client),
            ("capabilities", String(capabilities)), ("prefix", keyPrefix), ("node", node), ("status", status.rawValue),
            ("at", String(createdAt)), ("heard", String(updatedAt)),
        ] + (expiresAt.map { [("until", String($0))] } ?? [])
    }
}
