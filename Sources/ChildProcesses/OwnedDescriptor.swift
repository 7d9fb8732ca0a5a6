// Descriptors that close themselves, so that no error path of a launch can leak one.

import Glibc

/// A file descriptor with one owner; it is closed when its owner lets go of it.
package struct OwnedDescriptor: ~Copyable {
    /// The descriptor; whoever reads it must not close it.
    package let number: CInt

    /// Takes an open descriptor over.
    package init(_ number: CInt) {
        self.number = number
    }

    deinit {
        close(number)
    }

    /// Gives the descriptor to somebody else, who closes it from now on.
    consuming func release() -> CInt {
        let number = number
        discard self
        return number
    }
}

/// The two ends of a pipe, both closed on `exec`.
struct Pipe: ~Copyable {
    var reading: OwnedDescriptor
    var writing: OwnedDescriptor

    init() throws(ChildProcessFailure) {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .system(call: "pipe", errno: errno) }
        let first = OwnedDescriptor(ends[0])
        let second = OwnedDescriptor(ends[1])
        let reading = try first.closedOnExec()
        let writing = try second.closedOnExec()
        self.reading = reading
        self.writing = writing
    }
}

extension OwnedDescriptor {
    /// The descriptor marked close-on-exec, under a number above 2: `dup2` to 0, 1 and 2 in the child must not meet one
    /// of its own sources there.
    fileprivate consuming func closedOnExec() throws(ChildProcessFailure) -> OwnedDescriptor {
        if number > 2, fcntl(number, F_SETFD, FD_CLOEXEC) == 0 { return self }
        let moved = fcntl(number, F_DUPFD_CLOEXEC, 3)
        guard moved >= 0 else { throw .system(call: "fcntl", errno: errno) }
        return OwnedDescriptor(moved)
    }
}
