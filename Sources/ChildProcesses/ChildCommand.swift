// What a child is started as.

/// What to launch: a command as a person would type it, with the surroundings it is to run in.
package struct ChildCommand: Sendable, Equatable {
    /// The signal that the kernel sends to a child when the node dies without having ended it (`kill -9`).
    package enum DeathSignal: String, Sendable {
        /// The child cannot refuse it.
        case kill = "KILL"
        /// The child may end in order.
        case terminate = "TERM"
    }

    /// A name to look up on the `PATH`, or a path when it contains a slash (relative to `workingDirectory`).
    package var executable: String
    /// Each as it is; no shell looks at them.
    package var arguments: [String]
    /// The whole environment of the child; nil inherits the node's, secrets included.
    package var environment: [String: String]?
    /// nil is the node's own working directory.
    package var workingDirectory: String?
    /// What the child gets when the node dies.
    package var deathSignal: DeathSignal
    /// The user that it runs as, by name; nil is the node's own. Only a node of root may name one.
    package var user: String?
    /// A program that keeps a `ChildGuard` when it is called as `guard PARENT PATH …`; nil runs the command without one.
    package var guardian: String?

    /// A command; nothing is looked up or started.
    package init(
        _ executable: String,
        _ arguments: [String] = [],
        environment: [String: String]? = nil,
        workingDirectory: String? = nil,
        deathSignal: DeathSignal = .kill
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.deathSignal = deathSignal
    }
}
