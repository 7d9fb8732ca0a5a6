// The bounds of a stdio server; every queue and every wait of it has its limit here.

package import ChildProcesses
package import NIOCore

/// A stdio server with the bounds of everything that is kept or waited for.
package struct StdioUpstreamSettings: Sendable {
    /// What is run.
    package var command: ChildCommand
    /// With several servers, the name before the tool.
    package var prefix: String?
    /// Whom the process works for; nil if clients share it.
    package var client: UpstreamClient?
    /// Whether the server is asked first whether it is of the revision 2026-07-28.
    package var probes = false
    /// How long it may take to say so before it is offered a handshake as well: what it answers first counts.
    package var probeLimit = TimeAmount.seconds(1)
    /// The longest line that is taken from the server, in bytes (F-MCP-11).
    package var maxResponseBytes = 10 << 20
    /// Requests that may wait for their answers.
    package var maxPending = 10_000
    /// Requests that may wait for a starting server, and for how long.
    package var maxWaiting = 1_024
    /// How long one of them waits at most.
    package var longestWait = TimeAmount.seconds(2)
    /// How long a server may take to answer `initialize`; `npx` may have to download it first.
    package var handshakeLimit = TimeAmount.seconds(30)
    /// How long `start` waits for the first handshake. It goes on in the background.
    package var startLimit = TimeAmount.seconds(5)
    /// How long `stop` waits for answers that are still owed.
    package var drainLimit = TimeAmount.seconds(3)
    /// How a server is asked to leave.
    package var patience = Teardown.Patience(afterEndOfInput: .seconds(2), afterTerminate: .seconds(2))
    /// The pauses before a server that has died is started again.
    package var backoff = RestartBackoff()

    /// The usual bounds for this command.
    package init(command: ChildCommand, prefix: String? = nil) {
        self.command = command
        self.prefix = prefix
    }
}
