// What one key may have of the connections to a server: however many calls it has open, others find room.

import NIOCore

extension HTTPUpstreamPool {
    /// Whether one more request of somebody may have a connection.
    func mayHaveConnection(_ owner: UpstreamRequest.Owner) -> Bool {
        owner.mayHave(oneMoreOf: settings.maxConnections, taken: connections.count - idle.count) {
            connections.count { $0.exchange?.owner == owner }
        }
    }

    /// Whether one more request of somebody may wait for one.
    func mayWait(_ owner: UpstreamRequest.Owner) -> Bool {
        owner.mayHave(oneMoreOf: settings.maxWaiting, taken: waiting.count) { waiting.count { $0.owner == owner } }
    }

    /// The request that has waited longest, of those whose turn it may be.
    /// - Parameter freed: connections that nobody has and that are not idle yet.
    func takeWaiting(freed: Int) -> HTTPExchange? {
        guard !waiting.isEmpty else { return nil }
        guard let sated = sated(freed: freed) else { return waiting.popFirst() }
        guard let index = waiting.firstIndex(where: { !sated.contains($0.owner) }) else { return nil }
        return waiting.remove(at: index)
    }

    /// Sends what waits, and may be sent, on connections that are free.
    func startWaiting() {
        while !waiting.isEmpty, let connection = freeConnection() {
            guard let exchange = takeWaiting(freed: 1) else { return idle.append(connection) }
            start(exchange, on: connection)
        }
    }

    /// Requests that wait for nothing but a connection.
    func countInTurn() -> Int {
        guard !waiting.isEmpty, let sated = sated(freed: 0) else { return waiting.count }
        return waiting.count { !sated.contains($0.owner) }
    }

    /// Who has as many connections as he may; nil where there are so many left that nobody can.
    private func sated(freed: Int) -> Set<UpstreamRequest.Owner>? {
        let busy = connections.count - idle.count - freed
        let most = UpstreamRequest.Owner.share * max(0, settings.maxConnections - busy)
        guard busy >= most else { return nil }
        var counts: [UpstreamRequest.Owner: Int] = [:]
        for connection in connections {
            if let owner = connection.exchange?.owner, owner.hasShare { counts[owner, default: 0] += 1 }
        }
        return Set(counts.lazy.filter { $0.value >= most }.map(\.key))
    }
}
