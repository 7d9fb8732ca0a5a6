// Redis's clock as this node knows it: every rule of time follows one clock, and that is not ours.

import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Redis TIME, carried on by this machine's monotonic clock since it was last heard.
///
/// For readings, and for the moments and periods that commands carry; scripts compare those with the real one and say so when they differ.
package final class RedisClock: Sendable {
    /// Redis TIME minus the monotonic clock, microseconds.
    private let offset: Atomic<Int>
    private let monotonic: @Sendable () -> Int

    /// Starts from this machine's own wall clock.
    package convenience init() {
        self.init(wall: WallClock.milliseconds * 1000) { Self.machine }
    }

    /// - Parameters:
    ///   - wall: microseconds since 1970, to begin with.
    ///   - monotonic: microseconds of a clock that never steps.
    package init(wall: Int, monotonic: @escaping @Sendable () -> Int) {
        self.monotonic = monotonic
        offset = Atomic(wall - monotonic())
    }

    /// - Parameter microseconds: Redis TIME as a reply has just said it.
    package func heard(_ microseconds: Int) {
        offset.store(microseconds - monotonic(), ordering: .relaxed)
    }

    /// Microseconds since 1970.
    package var microseconds: Int { monotonic() + offset.load(ordering: .relaxed) }
    /// Microseconds of the monotonic clock, which no step of Redis's clock moves.
    package var uptime: Int { monotonic() }
    /// Milliseconds since 1970.
    package var milliseconds: Int { microseconds / 1000 }

    private static var machine: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }
}
