// What a link measures of itself; read by the metrics page.

package import LuaScripts
import NIOCore

/// Counts of one link, on its own event loop: no lock on the way of a call.
package struct RedisMeter: Sendable {
    package var writes = 0
    package var commands = 0
    package var stalls = 0
    /// Answers and their summed nanoseconds, by script; `nil` for plain commands.
    package var latencies: [LuaScript: Latency] = [:]

    package struct Latency: Sendable {
        package var count = 0
        package var nanoseconds: Int64 = 0
    }

    package init() {}

    /// The latencies by the scripts' names.
    package var latenciesByName: [String: Latency] {
        Dictionary(uniqueKeysWithValues: latencies.map { ($0.key.rawValue, $0.value) })
    }

    mutating func answered(_ script: LuaScript?, after time: TimeAmount) {
        commands += 1
        guard let script else { return }
        latencies[script, default: Latency()].count += 1
        latencies[script, default: Latency()].nanoseconds += time.nanoseconds
    }
}

extension RedisMeter {
    mutating func add(_ other: RedisMeter) {
        writes += other.writes
        commands += other.commands
        stalls += other.stalls
        for (script, latency) in other.latencies {
            latencies[script, default: Latency()].count += latency.count
            latencies[script, default: Latency()].nanoseconds += latency.nanoseconds
        }
    }
}
