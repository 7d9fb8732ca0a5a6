// How a child ends, and why one could not be launched, in words for the person who wrote the command.

import Glibc

/// Why a child could not be launched.
package enum ChildProcessFailure: Error, Equatable {
    /// There is no such file, or no such name on the PATH.
    case commandNotFound(String)
    /// A directory, or a file without the right to execute it.
    case notExecutable(String)
    /// The directory that it should begin in is not there.
    case noWorkingDirectory(String)
    /// This system knows no user of this name.
    case noUser(String)
    /// Another user was named, and the node is not root.
    case notRoot(String)
    /// A system call failed; `errno` is its reason.
    case system(call: String, errno: Int32)
    /// The event loop refused the pipes.
    case pipes(String)

    /// One sentence for the operator; it may name a path, never an argument.
    package var sentence: String {
        switch self {
        case .commandNotFound(let command):
            command.contains("/")
                ? "There is no file '\(command)'." : "The command '\(command)' was not found on the PATH."
        case .notExecutable(let path): "'\(path)' is not an executable file."
        case .noUser(let name): "There is no user '\(name)' to run the server as."
        case .notRoot(let name): "Only a node that root has started can run a server as '\(name)'."
        case .noWorkingDirectory(let path): "The working directory '\(path)' does not exist."
        case .system(let call, let errno): "\(call) failed: \(String(cString: strerror(errno)))."
        case .pipes(let reason): "The pipes to the child could not be opened: \(reason)."
        }
    }
}

/// How a child ended.
package enum ChildExit: Sendable, Equatable, CustomStringConvertible {
    /// By itself, with this code.
    case exited(code: Int32)
    /// By a signal, of this number.
    case signalled(Int32)
    /// Somebody else has reaped the child; only its end is known.
    case unknown

    package var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signalled(let signal): "signal \(signal)"
        case .unknown: "unknown status"
        }
    }
}
