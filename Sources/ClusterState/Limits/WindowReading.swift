// What rolling windows hold at a moment: readings, which use nothing up.

package import GateDomain
import LuaScripts

/// A rolling limit of a key, and how much of it is used.
package struct WindowReading: Sendable, Equatable {
    /// The limit.
    package let limit: Limit
    /// Calls that its window counts; above the cap after that was lowered.
    package let used: Int
    /// Microseconds until the oldest of them leaves; the whole window where there is none.
    package let reset: Int

    /// Calls that it has room for, 0 or more.
    package var remaining: Int { max(0, limit.cap - used) }
}

extension KeyDirectory {
    /// What the rolling ones of some limits of a key's own account hold, in their order, the others left out.
    /// - Throws: `store`.
    package func windows(of id: String, _ limits: [Limit]) async throws(RecordRefusal) -> [WindowReading] {
        let rolling = limits.filter { $0.isRolling && $0.account == 0 }
        var readings: [WindowReading] = []
        for start in stride(from: 0, to: rolling.count, by: Self.windowsAtOnce) {
            let part = rolling[start..<min(start + Self.windowsAtOnce, rolling.count)]
            let reply = try await store.ask(.windows(store.keys.account(id), part.map { ($0, store.keys.ring(id, $0.name)) }))
            for (place, limit) in part.enumerated() {
                readings.append(
                    WindowReading(limit: limit, used: reply.integer(at: 2 * place + 1), reset: reply.integer(at: 2 * place + 2)))
            }
        }
        return readings
    }

    private static var windowsAtOnce: Int { 50 }
}

extension RedisCommand {
    /// Asks for the credits of an account and what some of its rolling windows hold.
    /// - Parameter windows: each with the name of its slots.
    static func windows(_ account: String, _ windows: [(limit: Limit, ring: String)]) -> RedisCommand {
        var command = RedisCommand(script: .windows, keys: 1 + windows.count)
        command.append(account)
        for window in windows { command.append(window.ring) }
        command.append(windows.count)
        for (limit, _) in windows {
            command.append(limit.name)
            command.append(limit.cap)
            if case .rolling(let span) = limit.window { command.append(span) } else { command.append(Limit.minute) }
        }
        return command
    }
}
