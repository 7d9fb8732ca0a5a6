// Asks servers what has become of tasks that nobody asks about: one that came to nothing is paid back all the same.

import ClusterState
import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// Each node sees to the tasks that were made over it, and to those of nodes that have died; a task is asked about by one of them at a time,
/// half a minute after its making, then ever more seldom, and just before its server forgets it.
///
/// Invariants: what is paid back is paid back once, however many ask, as the operation of its charge. A task of which nothing more can be found out
/// is *unknown*, and nothing of it goes back: a server forgets what it has finished, too.
struct TaskWatch: Sendable {
    private let book: TaskBook
    private let store: RedisStore
    private let keys: KeyDirectory
    private let upstreams: UpstreamSet
    private let clock: RedisClock
    /// The first name of this node.
    private let node: String
    private let loop: any EventLoop

    /// Tasks of a shard that are looked at together, how often in one look, and of these, those that servers are asked about.
    private static let (most, pages, mostAsked) = (64, 8, 16)
    /// How long a server may take.
    private static let patience = TimeAmount.seconds(10)

    init(_ node: Node, on loop: any EventLoop) {
        (book, store, keys, upstreams) = (TaskBook(store: node.store), node.store, node.keys, node.upstreams)
        (clock, self.node, self.loop) = (node.clock, node.id, loop)
    }

    /// Asks about what is due.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: `StoreFailure`; what is left is due at the next look.
    func seeToDue(at now: Int) async throws {
        var (round, nodes): (TaskRound, [String]?) = (TaskRound(most: Self.mostAsked, servers: upstreams.all.count), nil)
        for page in 0..<Self.pages where !round.isFull {
            let due = try await book.due(at: now, count: Self.most, from: page * Self.most)
            guard !due.isEmpty else { break }
            let tasks = try await book.read(due)
            let known = Set(tasks.map(\.id))
            for id in due where !known.contains(id) { await book.drop(id) }
            if nodes == nil, tasks.contains(where: { $0.node != node }) { nodes = try await book.nodes() }
            round.add(
                tasks.filter { task in
                    task.node == node || !(nodes ?? []).contains { $0 == task.node || $0.hasPrefix(task.node + "+") }
                })
        }
        await withDiscardingTaskGroup { group in
            for task in round.tasks { group.addTask { await look(at: task) } }
        }
    }

    private func look(at task: TaskRecord) async {
        do {
            guard try await book.takeTurn(task.id, as: node) else { return }
            try await see(to: task)
        } catch {
            // The store is away: it is due again.
        }
        await book.leaveTurn(task.id)
    }

    private func see(to task: TaskRecord) async throws {
        // One whose end was heard before its charge was noted is not asked about again: its server may have forgotten it.
        let isOver = task.status.isFinal && task.status != .unknown
        let word = isOver ? .said(task.status) : try await word(of: task)
        let now = clock.milliseconds
        switch word {
        case .said(let status) where status.isLost:
            // Where the refund has not been heard, the task stays as it was, and is due again.
            guard try await refund(task) else { return try await book.hear(task.status, of: task, at: now) }
            try await book.hear(status, of: task, at: now)
            // A charge may have been noted meanwhile, by somebody who has not found the end yet.
            if try await refund(task) { try await book.unschedule(task.id) }
        case .said(let status) where status.isFinal: try await book.hear(status, of: task, at: now)
        case .said(let status):
            try await book.hear(TaskCommands.isOver(task, at: now) ? .unknown : status, of: task, at: now)
        case .silence:
            try await book.hear(TaskCommands.isOver(task, at: now) ? .unknown : task.status, of: task, at: now)
        case .gone: try await book.hear(.unknown, of: task, at: now)
        }
    }

    /// What there is to be heard of a task.
    private enum Word: Sendable {
        case said(TaskRecord.Status)
        /// Its server does not answer, or not what it was asked.
        case silence
        /// Nobody knows it any more.
        case gone

        init(_ outcome: UpstreamOutcome) {
            guard case .answered(let message, let reply) = outcome else {
                self = .silence
                return
            }
            if let status = TaskOwners.status(in: reply, message) {
                self = .said(status)
            } else if case .error(-32602) = reply.kind {
                self = .gone
            } else {
                self = .silence
            }
        }
    }

    private func word(of task: TaskRecord) async throws -> Word {
        // Its server may have given the name to another key's task since.
        guard try await book.owner(of: task.id.name)?.hasSameBytes(as: task.id.key) ?? false,
            let upstream = upstreams.all.first(where: { ($0.prefix ?? "").hasSameBytes(as: task.server) })
        else { return .gone }
        // A process has ended with its node, and with its client's session, and its tasks with it.
        if upstream.livesWithNode, task.node != node { return .gone }
        var client: UpstreamClient?
        if !task.client.isEmpty, upstream.sessions.contains(where: { $0.hasSameBytes(as: task.client) }) {
            client = UpstreamClient(
                session: task.client, key: task.id.key, capabilities: ClientCapabilities(rawValue: UInt8(clamping: task.capabilities)))
        } else if !task.client.isEmpty, upstream.livesWithNode {
            return .gone
        }
        if task.isToBeCancelled { _ = await ask("tasks/cancel", task, upstream, client) }
        return await ask("tasks/get", task, upstream, client)
    }

    private func ask(_ method: String, _ task: TaskRecord, _ upstream: any Upstream, _ client: UpstreamClient?) async -> Word {
        let word = try? await loop.flatSubmit { [loop] in
            let promise = loop.makePromise(of: Word.self)
            upstream.ask(
                method, ["taskId": .string(task.taskID)], declaring: TaskOwners.capabilities, within: Self.patience, of: client, on: loop
            ) { promise.succeed(Word($0)) }
            return promise.futureResult
        }.get()
        return word ?? .silence
    }

    /// - Returns: whether there is no more to be given back.
    private func refund(_ task: TaskRecord) async throws -> Bool {
        guard let key = try await keys.records.read(task.id.key), let link = store.link(of: loop) else { return true }
        let now = clock.milliseconds
        return try await loop.flatSubmit { [loop, store] in
            let promise = loop.makePromise(of: Bool.self)
            TaskOwners(link: link.value, keys: store.keys).refund(task.taskID, of: task.server, to: key, at: now) { promise.succeed($0) }
            return promise.futureResult
        }.get()
    }
}

/// The tasks that are asked about together. Of one server there are four until the others have had theirs, so that one that does not answer
/// keeps nobody waiting behind its own.
struct TaskRound {
    private let most: Int
    /// Of one server, at first.
    private let share: Int
    private var chosen: [TaskRecord] = []
    private var others: [TaskRecord] = []
    private var counts: [String: Int] = [:]

    /// - Parameters:
    ///   - most: tasks that are asked about.
    ///   - servers: how many there are to ask.
    init(most: Int, servers: Int) { (self.most, share) = (most, servers > 1 ? 4 : most) }

    /// Whether there is nothing to be gained by adding more.
    var isFull: Bool { chosen.count >= most }

    /// What is asked about.
    var tasks: [TaskRecord] { chosen + others.prefix(most - chosen.count) }

    /// Takes what there is room for, what is to be given up before all else.
    mutating func add(_ due: [TaskRecord]) {
        for task in due.filter(\.isToBeCancelled) + due.filter({ !$0.isToBeCancelled }) {
            if chosen.count < most, counts[task.server, default: 0] < share {
                counts[task.server, default: 0] += 1
                chosen.append(task)
            } else if others.count < most {
                others.append(task)
            }
        }
    }
}
