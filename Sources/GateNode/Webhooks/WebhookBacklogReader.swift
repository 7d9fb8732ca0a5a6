// What waits for the sinks of webhooks, for the metrics page.

import ClusterState
import GateDomain
import MCPWire

/// Reads the backlogs of the whole gate every two seconds at most, however many ask; nothing while the store does not answer.
actor WebhookBacklogReader {
    private let queue: WebhookQueue
    private var last: (backlog: [EventBacklog], at: ContinuousClock.Instant)?
    private var underWay: Task<[EventBacklog], Never>?

    private static let freshness = Duration.seconds(2)

    init(_ queue: WebhookQueue) {
        self.queue = queue
    }

    func latest() async -> [EventBacklog] {
        if let last, ContinuousClock.now - last.at < Self.freshness { return last.backlog }
        if let underWay { return await underWay.value }
        let task = Task { [queue] in await Self.read(queue) }  // owned by this actor: one at a time, as long as commands may take
        underWay = task
        let backlog = await task.value
        (last, underWay) = ((backlog, .now), nil)
        return backlog
    }

    private static func read(_ queue: WebhookQueue) async -> [EventBacklog] {
        var backlog: [EventBacklog] = []
        for (kind, name) in [(WebhookSinkKind.gate, "gate"), (.key, "keys")] {
            guard let heads = await queue.heads(kind) else { return [] }
            let times = heads.events.compactMap { WebhookEvent(packed: $0)?.time }
            let oldest = times.min().map { max(0, heads.now - $0) / 1000 } ?? 0
            backlog.append(EventBacklog(sinks: name, waiting: heads.waiting, oldestSeconds: heads.waiting > 0 ? oldest : 0))
        }
        return backlog
    }
}

extension WebhookEvent {
    /// Milliseconds since 1970; nil where it says none.
    fileprivate var time: Int? { json["timestamp"]?.stringValue.flatMap { Timestamp.milliseconds($0) } }
}
