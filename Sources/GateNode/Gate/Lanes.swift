// All lanes of the node: how code that is on no event loop, or on another one, reaches them.

package import ClusterState
package import NIOCore

/// The node's lanes, one an event loop.
package final class Lanes: Sendable {
    private let lanes: [(loop: any EventLoop, lane: NIOLoopBound<Lane>)]
    /// Client connections that one lane takes; together the node's cap (F-SEC-16).
    let connectionsPerLane: Int
    let doors: Doors

    /// - Throws: if an event loop has no link to Redis, or is shut down.
    package init(node: Node, loops: [any EventLoop], headers: ResponseHeaders, log: CallLogSink) async throws {
        var lanes: [(loop: any EventLoop, lane: NIOLoopBound<Lane>)] = []
        for (index, loop) in loops.enumerated() {
            guard let link = node.store.link(of: loop) else { throw ChannelError.operationUnsupported }
            let lane = try await loop.submit {
                NIOLoopBound(
                    Lane(node: node, eventLoop: loop, link: link, headers: headers, index: index, loops: loops.count, log: CallLog(log)),
                    eventLoop: loop)
            }.get()
            loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in lane.value.sweep() }
            loop.scheduleRepeatedTask(initialDelay: .milliseconds(100), delay: .milliseconds(100)) { _ in lane.value.meter.lag.tick() }
            lanes.append((loop, lane))
        }
        self.lanes = lanes
        connectionsPerLane = max(1, node.settings.maxConnections / max(1, loops.count))
        doors = Doors(mostOfAddress: node.settings.maxConnectionsPerAddress)
        forEach { [weak self] lane in lane.siblings = self }
    }

    func lane(on loop: any EventLoop) throws -> Lane {
        guard let lane = lanes.first(where: { $0.loop === loop })?.lane else { throw ChannelError.operationUnsupported }
        return lane.value
    }

    package func apply(_ change: Change) {
        forEach { $0.apply(change) }
    }

    func forEach(_ body: @escaping @Sendable (Lane) -> Void) {
        for (loop, lane) in lanes {
            if loop.inEventLoop { body(lane.value) } else { loop.execute { body(lane.value) } }
        }
    }

    /// The sums over all lanes.
    package func meter() async -> GateMeter {
        var sum = GateMeter()
        for (loop, lane) in lanes {
            guard let meter = try? await loop.submit({ lane.value.reading }).get() else { continue }
            sum.add(meter)
        }
        return sum
    }

    /// Ends the connections that have nothing under way, and the others after it.
    package func quiesce() {
        forEach { lane in
            for connection in lane.connections { connection.quiesce() }
        }
    }

    /// Whether everything that was taken has been settled.
    package var isSettled: Bool {
        get async {
            for (loop, lane) in lanes {
                let backlog = (try? await loop.submit { lane.value.ledger.openHolds + lane.value.ledger.backlog }.get()) ?? 0
                if backlog > 0 { return false }
            }
            return true
        }
    }

    package func flushLogs() async {
        for (loop, lane) in lanes { _ = try? await loop.submit { lane.value.log.flush() }.get() }
    }
}

extension Lane {
    /// The lane's counts with what it holds right now.
    fileprivate var reading: GateMeter {
        var reading = meter
        reading.openHolds = ledger.openHolds
        reading.settlementBacklog = ledger.backlog
        reading.connections = connections.count
        reading.streams = streams.count
        let keys = cache.assumeIsolated { (hits: $0.hits, misses: $0.misses, count: $0.count) }
        reading.cachedKeys = keys.count
        reading.cacheHits = keys.hits
        reading.cacheMisses = keys.misses
        return reading
    }
}
