// How the process ends: every status, and the sentence that goes with one.

/// Why the node cannot start: one sentence for the operator and the status that the process ends with.
package struct StartupFailure: Error, Sendable, Equatable {
    /// A whole sentence without the program's name, for example "Port 3402 is taken.".
    package let sentence: String
    /// What the process ends with.
    package let status: ExitStatus

    /// A failure with its sentence, which never repeats a secret.
    package init(_ sentence: String, status: ExitStatus) {
        self.sentence = sentence
        self.status = status
    }
}

/// Every status that the process ends with; from 64 on they follow sysexits(3).
package enum ExitStatus: Int32, Sendable, CaseIterable {
    /// Done, or stopped by SIGTERM or SIGINT and drained.
    case ok = 0
    /// The configuration is invalid, or a file that `init` would overwrite exists.
    case invalidConfiguration = 1
    /// The command line cannot be understood.
    case usage = 64
    /// `store check` has found something that does not add up.
    case storeDoesNotAddUp = 65
    /// The MCP server behind the gate cannot be started or reached.
    case backendUnavailable = 68
    /// Redis cannot be reached, or `redis-server` is not installed.
    case storeUnavailable = 69
    /// A fault of the program itself.
    case internalFault = 70
    /// Another node uses the state directory.
    case stateDirectoryInUse = 73
    /// The address and port are taken, or may not be listened on.
    case portUnavailable = 75
}

extension ExitStatus {
    /// What the status means, for the help text.
    package var meaning: String {
        switch self {
        case .ok: "success, or a graceful stop"
        case .invalidConfiguration: "invalid configuration"
        case .usage: "the command line cannot be understood"
        case .storeDoesNotAddUp: "store check has found something that does not add up"
        case .backendUnavailable: "the MCP server cannot be started or reached"
        case .storeUnavailable: "Redis cannot be reached or started"
        case .internalFault: "internal error"
        case .stateDirectoryInUse: "the state directory is in use by another node"
        case .portUnavailable: "the port is taken"
        }
    }
}
