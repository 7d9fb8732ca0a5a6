// What a link measures of itself; read by the metrics page.

package import GateDomain
package import LuaScripts
import NIOCore

/// Counts of one link, on its own event loop: no lock on the way of a call.
package struct RedisMeter: Sendable {
    /// Writes to the socket; one carries all commands of a tick.
    package var writes = 0
    /// Commands that were answered.
    package var commands = 0
    /// Times that an answer did not come in time.
    package var stalls = 0
    /// Answers and their summed nanoseconds, by script; `nil` for plain commands.
    package var latencies: [LuaScript: Latency] = [:]
    /// How long answers took that came from the server of this moment, whose `place` is the key of `earlier` when another one follows.
    private var times = TimeHistogram()
    private var place = ""
    private var earlier: [String: TimeHistogram] = [:]

    /// Servers whose answers are told apart; those of further ones are summed up as `other`.
    private static let mostServers = 64

    /// How long answers took, summed up.
    package struct Latency: Sendable {
        /// Answers.
        package var count = 0
        /// From the write to the answer, of all of them together.
        package var nanoseconds: Int64 = 0
    }

    package init() {}

    /// The latencies by the scripts' names.
    package var latenciesByName: [String: Latency] {
        Dictionary(uniqueKeysWithValues: latencies.map { ($0.key.rawValue, $0.value) })
    }

    /// How long answers took, by the servers that gave them, as `host:port`.
    package var timesByServer: [String: TimeHistogram] {
        var all = earlier
        if times.count > 0 { Self.add(times, of: place, to: &all) }
        return all
    }

    /// What is answered from now on comes from this server.
    mutating func connected(to server: String) {
        guard server != place else { return }
        if times.count > 0 { Self.add(times, of: place, to: &earlier) }
        (times, place) = (TimeHistogram(), server)
    }

    private static func add(_ times: TimeHistogram, of server: String, to all: inout [String: TimeHistogram]) {
        all[all[server] != nil || all.count < mostServers ? server : "other", default: TimeHistogram()].add(times)
    }

    mutating func answered(_ script: LuaScript?, after time: TimeAmount) {
        commands += 1
        times.record(time.nanoseconds)
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
        for (server, times) in other.timesByServer { Self.add(times, of: server, to: &earlier) }
        for (script, latency) in other.latencies {
            latencies[script, default: Latency()].count += latency.count
            latencies[script, default: Latency()].nanoseconds += latency.nanoseconds
        }
    }
}
