// GET and POST /admin/tasks: the tasks that servers have made of calls, and what has become of them (F-EXTRA-02).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPUpstream
import MCPWire

extension Endpoint {
    static let listTasks = Endpoint(
        .get, "/admin/tasks", "List the tasks that servers have made of calls in the last day, the newest first.", for: .atLeast(.viewer),
        query: [Field.taskID, Field.taskStatus, Field.taskSession, Field.taskKeyPrefix, Field.taskPageSize, Field.taskCursor],
        answer: [
            "tasks": .list(of: TaskBook.Entry.view.schema), "total": .integer.described("Tasks that the filters take, on all pages."),
            "nextCursor": .string.maybe, "stats": TaskTotals.view.schema,
        ],
        using: \.store
    ) { request, store in
        let book = TaskBook(store: store)
        let (filter, size) = (try TaskFilter(request), try request[.taskPageSize])
        let cursor = try request[.taskCursor].map { text in
            guard let place = TaskPlace(text) else { throw HTTPFailure.badRequest("Invalid cursor. Must be the nextCursor of a page.") }
            return place
        }
        let all = try await book.all()
        let found = all.filter(filter.takes)
        let rest = found.drop { task in cursor.map { !TaskPlace(of: task).isBehind($0) } ?? false }
        let page = Array(rest.prefix(size))
        var answer: JSONObject = [
            "tasks": .array(try await book.charges(of: page).map { .object(TaskBook.Entry.view.json($0)) }),
            "total": .int(Int64(found.count)),
            "stats": .object(TaskTotals.view.json(TaskTotals(all))),
        ]
        if rest.count > size, let last = page.last { answer["nextCursor"] = .string(TaskPlace(of: last).text) }
        return EndpointResponse(json: .object(answer))
    }

    static let changeTask = Endpoint(
        .post, "/admin/tasks", "Have a task given up by its server, whichever node has made it, or read the sums over all tasks.",
        for: .atLeast(.admin), headers: [Field.idempotencyKey, Field.xIdempotencyKey],
        body: [Field.taskAction, Field.taskToCancel, Field.taskServer],
        answer: ["task": TaskBook.Entry.view.schema.maybe, "stats": TaskTotals.view.schema.maybe],
        failures: [.notFound, .unprocessableContent], audits: ["task.cancel_requested"],
        using: { (store: $0.store, upstreams: $0.upstreams) }
    ) { request, parts in
        let book = TaskBook(store: parts.store)
        let (action, named, server) = (try request[.taskAction], try request[.taskToCancel], try request[.taskServer])
        guard action == .cancel else {
            return ["stats": TaskTotals.view.json(TaskTotals(try await book.all()))]
        }
        guard let taskID = named else { throw HTTPFailure.badRequest("Missing taskId, the task to cancel") }
        var found: [TaskRecord] = []
        for prefix in parts.upstreams.all.map({ $0.prefix ?? "" }) where server.map({ $0.hasSameBytes(as: prefix) }) ?? true {
            let name = TaskOwners.name(of: taskID, server: prefix)
            guard let owner = try await book.owner(of: name) else { continue }
            if let task = try await book.read(TaskID(key: owner, name: name)) { found.append(task) }
        }
        guard let task = found.first else { throw HTTPFailure.notFound("Task not found") }
        guard found.count == 1 else {
            throw HTTPFailure.badRequest("Several servers have a task of this id. Name one in server, as the list of tasks shows it.")
        }
        let operation = Operation(
            id: try request.operation, fingerprint: "cancel task \(task.id.word)",
            audit: request.audit(
                "A task is to be given up", ["keyId": task.id.key, "taskId": task.taskID, "tool": task.tool, "server": task.server]))
        if try await !book.hasCancelled(task.id, operation) {
            guard !task.status.isFinal else { throw HTTPFailure.badRequest("The task has ended; its status is \(task.status.rawValue)") }
            try await book.cancel(task.id, operation)
        }
        let now = try await TaskBook.asked(about: task, in: book)
        return ["task": TaskBook.Entry.view.json(try await book.charges(of: [now])[0])]
    }
}

extension TaskBook {
    /// The task as it is when its server has been asked, by whichever node can ask it, or after ten seconds.
    fileprivate static func asked(about task: TaskRecord, in book: TaskBook) async throws -> TaskRecord {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let now = try await book.read(task.id) ?? task
            if now.status.isFinal || now.inquiries > task.inquiries || ContinuousClock.now >= deadline { return now }
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}

/// What is asked for; nil means anything.
private struct TaskFilter {
    private let id: String?
    private let status: TaskRecord.Status?
    private let session: String?
    private let keyPrefix: String?

    init(_ request: EndpointRequest) throws(HTTPFailure) {
        (id, status) = (try request[.taskID], try request[.taskStatus])
        (session, keyPrefix) = (try request[.taskSession], try request[.taskKeyPrefix])
    }

    func takes(_ task: TaskRecord) -> Bool {
        id.map { $0.hasSameBytes(as: task.taskID) } ?? true && status.map { $0 == task.status } ?? true
            && session.map { $0.hasSameBytes(as: task.session) } ?? true
            && keyPrefix.map { task.keyPrefix.utf8.starts(with: $0.utf8) } ?? true
    }
}

/// Where a task stands in the list.
private struct TaskPlace {
    private let createdAt: Int
    private let word: String

    init(of task: TaskRecord) { (createdAt, word) = (task.createdAt, task.id.word) }

    /// Nil for a text that is none of ours.
    init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let createdAt = Int(parts[0]), TaskID(word: String(parts[1])) != nil else { return nil }
        (self.createdAt, word) = (createdAt, String(parts[1]))
    }

    var text: String { "\(createdAt).\(word)" }

    func isBehind(_ other: TaskPlace) -> Bool { (createdAt, word) < (other.createdAt, other.word) }
}

/// Sums over all tasks that are shown.
private struct TaskTotals: Sendable {
    private let total: Int
    private var byStatus: [String: Int] = [:]
    private var refunded = 0

    init(_ tasks: [TaskRecord]) {
        total = tasks.count
        for task in tasks {
            byStatus[task.status.rawValue, default: 0] += 1
            refunded = refunded.saturating(adding: task.creditsRefunded)
        }
    }

    static let view = View<TaskTotals>([
        .integer("total", \.total), .of("byStatus", .map(of: .integer), \.byStatus), .credits("creditsRefunded", \.refunded),
    ])
}

extension TaskBook.Entry {
    fileprivate static let view = View<TaskBook.Entry>([
        .text("taskId", \.task.taskID), .choice("status", \.task.status),
        .text("server") { $0.task.server.isEmpty ? nil : $0.task.server }.maybe,
        .text("tool", \.task.tool), .text("sessionId") { $0.task.session.isEmpty ? nil : $0.task.session }.maybe,
        .text("keyId", \.task.id.key), .text("keyPrefix", \.task.keyPrefix), .text("node", \.task.node),
        .time("createdAt", \.task.createdAt), .time("updatedAt", \.task.updatedAt),
        .time("expiresAt", \.task.expiresAt).described("Until when its server keeps it, if that has said so."),
        .credits("creditsCharged", \.charged), .credits("creditsRefunded", \.task.creditsRefunded),
        .integer("inquiries", \.task.inquiries).described("How often the gate has asked about it of its own accord."),
        .flag("cancelRequested", \.task.isToBeCancelled),
    ])
}

extension TaskRecord.Status: JSONRepresentable {}

/// What can be done at `POST /admin/tasks`.
private enum TaskAction: String, CaseIterable, Sendable, JSONRepresentable {
    case stats, cancel
}

extension Field where Value == TaskAction {
    fileprivate static let taskAction = Field("action", .choice, "What is done.")
}

extension Field where Value == String? {
    fileprivate static let taskID = Field<String>("taskId", .text(upTo: 512), "The task that its server calls so.").optional
    fileprivate static let taskSession = Field<String>("sessionId", .text(upTo: 200), "Of calls in this session.").optional
    fileprivate static let taskKeyPrefix = Field<String>("apiKeyPrefix", .text(upTo: 200), "Of keys that begin so.").optional
    fileprivate static let taskCursor = Field<String>("cursor", .text(upTo: 200), "The nextCursor of the page before.").optional
    fileprivate static let taskToCancel = Field<String>("taskId", .text(upTo: 512), "The task to cancel.").optional
    fileprivate static let taskServer = Field<String>(
        "server", .text(upTo: 200), "The prefix of its server, where several have a task of this id."
    ).optional
}

extension Field where Value == TaskRecord.Status? {
    fileprivate static let taskStatus = Field<TaskRecord.Status>("status", .choice, "What has become of them.").optional
}

extension Field where Value == Int {
    fileprivate static let taskPageSize = Field("pageSize", .integer(1...200, excess: .clamped), "Tasks of a page.").default(50)
}
