// This node's own clock: for showing times before Redis was first heard, never for a rule.

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// This machine's own clock: for ids, logs and the time before Redis was heard; never for decisions.
package enum WallClock {
    /// Milliseconds since 1970.
    package static var milliseconds: Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
