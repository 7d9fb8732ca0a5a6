// Keeps the hourly sums of calls up with the log, and what this node has read of them ready for reports.

import ClusterState
import GateDomain
import Logging
import MCPUpstream
import ServiceLifecycle

/// Adds what is new in the log to the sums, page by page, whenever it is this node's turn.
struct RollupService: Service {
    let rollups: Rollups
    let book: RollupBook
    /// Of the keys that have called, and of all others, when there is time.
    let orders: KeyOrders
    let node: String
    let clock: RedisClock
    let upstreams: UpstreamSet
    let logger: Logger

    /// Between two looks at a log that has nothing new.
    private static let interval = Duration.milliseconds(500)
    /// The shortest one.
    private static let pause = Duration.milliseconds(10)
    /// Between two looks at whether the sums of keys are there at all.
    private static let look = Duration.seconds(1)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            // Reports of this node need not wait then; one that asks earlier reads on from here.
            async let prepared: Void? = try? await book.prepare(at: clock.milliseconds)
            await follow()
            await prepared
        }
    }

    private func follow() async {
        var tools = KnownTools()
        var (upkeep, look) = (ContinuousClock.now, ContinuousClock.now)
        while !Task.isCancelled {
            var hasMore = false
            do {
                if try await rollups.turn.take(node) {
                    tools.update(from: upstreams)
                    let begin = clock.milliseconds
                    // What is away of one is no matter of the other.
                    let calls = await rollups.advance(knowing: tools.contains)
                    let moved = await orders.catchUp()
                    hasMore = calls.left || moved.left
                    var failure = calls.failure ?? moved.failure
                    if failure == nil, !hasMore { do { try await orders.note(followed: begin) } catch { failure = error } }
                    let start = ContinuousClock.now
                    var isDue = start >= upkeep
                    if !isDue, start >= look {
                        isDue = await orders.haveLostSums()
                        look = start + Self.look
                    }
                    if isDue {
                        let step = await orders.upkeep(at: clock.milliseconds)
                        // A third of the time at most, so that a million keys, or a shard that does not answer, stand in nobody's way.
                        let pause = (ContinuousClock.now - start) * 2
                        (upkeep, look) = (.now + max(step.left, pause), .now + max(Self.look, pause))
                        failure = failure ?? step.failure
                    }
                    if let failure { throw failure }
                }
            } catch {
                // The log is read on from where it stands when the store is there again.
                logger.debug("the hourly sums wait for the store", metadata: ["error": "\(error)"])
            }
            if !hasMore { try? await Task.sleep(for: min(Self.interval, max(Self.pause, upkeep - .now))) }
        }
    }
}

/// The names by which reports tell calls apart: what the servers have, or had since the start.
///
/// While not every server has said what it has, any name may be a tool's.
private struct KnownTools {
    private var names: Set<String> = ["tools/call_batch"]
    private var listed: [String] = []
    private var isComplete = false

    /// Names that are remembered.
    private static let capacity = 10_000

    mutating func update(from upstreams: UpstreamSet) {
        isComplete = upstreams.isDiscovered
        guard upstreams.tools != listed else { return }
        listed = upstreams.tools
        for name in listed where names.count < Self.capacity { names.insert(name.cut(toBytes: CallEvent.toolBytes)) }
    }

    func contains(_ name: String) -> Bool { !isComplete || names.contains(name) }
}
