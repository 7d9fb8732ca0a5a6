// Requests about tasks: of the key that made them alone, and never for their price where they came to nothing.

import ClusterState
import GateDomain
import Logging
import MCPUpstream
import MCPWire
import NIOCore

extension ProxiedRequest {
    /// A task is asked about by the key that made it, and by nobody else.
    func beginTask() {
        guard let task = exchange.envelope.taskId.flatMap({ exchange.string($0) }), task.utf8.count <= TaskOwners.longestID else {
            return exchange.fail(code: -32602, "Invalid params: missing taskId")
        }
        guard let keyID else { return refuseTask() }
        loop.tasks.own(loop.parts.upstreams.all.map { (task, $0.prefix) }, by: keyID) { [self] owned in
            guard let owned else { return exchange.failForStore() }
            guard let index = owned.firstIndex(of: true) else { return refuseTask() }
            learnTool(of: task, at: index) { [self] in send(to: [ServerChoice.Target(index: index)]) }
        }
    }

    /// Finds out which tool a task is of, where there are rules of what tools say.
    private func learnTool(of task: String, at index: Int, then next: @escaping () -> Void) {
        guard taskTool == nil, hasRules, let keyID else { return next() }
        loop.tasks.tools(of: [(task, loop.parts.upstreams.all[index].prefix)], by: keyID) { [self] tools in
            guard let tools else { return exchange.failForStore() }
            taskTool = tools.first
            next()
        }
    }

    private func refuseTask() { exchange.fail(code: -32602, "Invalid params: Task not found") }

    /// A task that has come to nothing is paid back before its owner hears of it.
    func finishTask(_ message: ByteBuffer, _ reply: Reply, of index: Int) {
        guard let key, let task = exchange.envelope.taskId.flatMap({ exchange.string($0) }) else { return exchange.relay(message, reply) }
        learnTool(of: task, at: index) { [self] in finish(task, of: key, message, reply, at: index) }
    }

    private func finish(_ task: String, of key: KeyRecord, _ message: ByteBuffer, _ reply: Reply, at index: Int) {
        guard reply.result != nil else { return tell(message, reply) }
        let upstream = loop.parts.upstreams.all[index]
        // A result is the call's, and says nothing of the task: a failed one has a result, too (2025-11-25).
        let status = method == "tasks/result" ? nil : TaskOwners.status(in: reply, message)
        if let status, status.isLost {
            return loop.tasks.lost(status, task, of: upstream.prefix, to: key, at: loop.now) { [self] _ in tell(message, reply) }
        }
        if let status { loop.tasks.heard(status, of: task, server: upstream.prefix, by: key.id, at: loop.now) }
        tell(message, reply)
        var isFailure = false
        if case .result(isError: true) = reply.kind { isFailure = method == "tasks/result" }
        guard isFailure || method == "tasks/cancel" && upstream.isStateless else { return }
        // Where the server only says that it has heard (2026-07-28), or that the call was an error, it is asked what became of the task: its
        // owner may never ask again.
        upstream.ask(
            "tasks/get", ["taskId": .string(task)], declaring: TaskOwners.capabilities, within: .seconds(15),
            of: upstream.isStateless ? nil : loop.client(of: exchange, key: key.id), on: loop.eventLoop
        ) { [loop] outcome in
            guard case .answered(let message, let reply) = outcome, let status = TaskOwners.status(in: reply, message) else { return }
            if status.isLost { return loop.tasks.lost(status, task, of: upstream.prefix, to: key, at: loop.now) { _ in } }
            loop.tasks.heard(status, of: task, server: upstream.prefix, by: key.id, at: loop.now)
        }
    }

    /// Of the tasks of the gate the caller sees its own.
    func finishTasks(_ message: ByteBuffer, _ reply: Reply) {
        guard reply.result != nil else { return exchange.relay(message, reply) }
        let (set, pages) = (loop.parts.upstreams, pages)
        guard let keyID, let first = pages.first, let list = Self.taskList(first.result) else { return failUnusable() }
        let tasks = pages.flatMap { page in Self.tasks(page.result).map { (id: $0.id, bytes: $0.bytes, server: set.all[page.index].prefix) }
        }
        guard tasks.count <= TaskOwners.most else { return failUnusable() }
        let cursor = set.isSeveral ? MergedList(pages, of: method, in: set)?.nextCursor : nil
        loop.tasks.own(tasks.map { ($0.id, $0.server) }, by: keyID) { [self] owned in
            guard let owned else { return exchange.failForStore() }
            screened(zip(tasks, owned).filter(\.1).map(\.0)) { [self] own in
                if set.isSeveral { return exchange.succeed(MergedList.result(method, own, nextCursor: cursor)) }
                exchange.succeed(first.result.withUnsafeBytes { list.replacing(own, in: $0) })
            }
        }
    }

    /// What the rules leave of the entries of a list; one that does not pass is left out.
    private func screened(_ tasks: [(id: String, bytes: [UInt8], server: String?)], _ completion: @escaping ([[UInt8]]) -> Void) {
        guard hasRules, let keyID else { return completion(tasks.map(\.bytes)) }
        loop.tasks.tools(of: tasks.map { ($0.id, $0.server) }, by: keyID) { [self] tools in
            guard let tools else { return exchange.failForStore() }
            let own = zip(tasks, tools).compactMap { task, tool -> [UInt8]? in
                switch task.bytes.withUnsafeBytes({ judge($0, of: tool) }) {
                case .passed: task.bytes
                case .rewritten(let bytes): bytes
                case .answered, .withheld: nil
                }
            }
            tellRemarks()
            completion(own)
        }
    }

    private static func taskList(_ result: [UInt8]) -> ListScan? {
        result.withUnsafeBytes { ListScan($0, list: "tasks", members: ["taskId"]) }
    }

    private static func tasks(_ result: [UInt8]) -> [(id: String, bytes: [UInt8])] {
        (taskList(result)?.entries ?? []).compactMap { entry in
            guard let range = entry.values[0],
                let id = result.withUnsafeBytes({ JSONText.string(UnsafeRawBufferPointer(rebasing: $0[range])) })
            else { return nil }
            return (id, Array(result[entry.range]))
        }
    }
}

// MARK: What rules make of tasks

extension ProxiedRequest {
    /// What is said of a task is said of the call that has made it, and the same rules are for it.
    private var hasRules: Bool { method.hasPrefix("tasks/") && loop.snapshot.pipeline.hasStages(of: .output) }

    private func judge(_ payload: UnsafeRawBufferPointer, of tool: String) -> OutputScreen.Verdict {
        let view = CallView(caller: caller, tool: tool, payload: payload, address: address, now: loop.now, headers: exchange.header)
        return screen.judge(view, by: loop.snapshot.pipeline, isShadow: isShadow)
    }

    private func judge(_ message: ByteBuffer, at place: Range<Int>) -> OutputScreen.Verdict {
        guard hasRules else { return .passed }
        return message.withUnsafeReadableBytes { judge(UnsafeRawBufferPointer(rebasing: $0[place]), of: taskTool ?? "") }
    }

    /// What the rules leave of a message that comes before the answer; nil for nothing.
    func passed(_ message: ByteBuffer, _ reply: Reply) -> (message: ByteBuffer, reply: Reply)? {
        guard hasRules else { return (message, reply) }
        return reply.screened(message) { judge($0, at: $1) }
    }

    /// What the rules leave of a question; nil for nothing.
    func passed(_ question: UpstreamQuestion) -> UpstreamQuestion? { question.screened { judge($0, at: $1) } }

    /// Tells its client what the rules leave of an answer.
    private func tell(_ message: ByteBuffer, _ reply: Reply) {
        guard let (message, reply) = hasRules ? reply.tightened(message) : (message, reply) else { return failUnusable() }
        guard let value = reply.said else { return exchange.relay(message, reply) }
        let verdict = judge(message, at: value)
        tellRemarks()
        switch verdict {
        case .withheld(let denial): refuse(denial)
        case .answered(let result): exchange.succeed(result)
        case .passed, .rewritten:
            guard let rest = verdict.rest(of: message, reply, at: value) else { return failUnusable() }
            exchange.relay(rest.message, rest.reply)
        }
    }

    private func tellRemarks() {
        exchange.readings.warnings += screen.warnings
        for note in screen.notes { loop.parts.logger.notice("\(note)", metadata: ["request": "\(exchange.requestID)"]) }
        loop.note(screen.violations, in: taskTool ?? method, of: keyID, exchange.requestID)
    }
}
