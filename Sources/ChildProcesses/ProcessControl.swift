// What the kernel is told of this process: who may look into it, who its orphans go to.

import Glibc

/// `prctl(2)`, as far as the gate needs it.
package enum ProcessControl {
    private typealias Control = @convention(c) (CInt, CUnsignedLong, CUnsignedLong, CUnsignedLong, CUnsignedLong) -> CInt

    /// Swift cannot call functions with a variable number of arguments; on Linux these words travel as those of any other function.
    private static let control = dlsym(nil, "prctl").map { unsafeBitCast($0, to: Control.self) }

    /// From now on no process of the same user reads this one's memory or environment (`/proc/PID/environ`, ptrace), and it leaves no core.
    /// A process with CAP_SYS_PTRACE still may; children start afresh with their `exec`.
    /// - Returns: whether the kernel has agreed.
    @discardableResult
    package static func hideFromOthers() -> Bool { set(4, 0) }

    /// The signal that this process gets when the thread that started it ends.
    static func setDeathSignal(_ signal: CInt) { set(1, CUnsignedLong(signal)) }

    /// Orphans below this process become its children, and not those of process 1.
    @discardableResult
    static func adoptOrphans() -> Bool { set(36, 1) }

    @discardableResult
    private static func set(_ option: CInt, _ value: CUnsignedLong) -> Bool { control?(option, value, 0, 0, 0) == 0 }
}
