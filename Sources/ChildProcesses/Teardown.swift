// How a child is asked to leave, and how the request grows louder (MCP 2025-11-25, Lifecycle, Shutdown: stdio).

package import NIOCore

/// Decides when a child that has to go is pushed: end of its input, then SIGTERM, then SIGKILL.
package struct Teardown {
    /// How long each request is given before the next, louder one.
    package struct Patience: Sendable, Equatable {
        /// From the end of its input to SIGTERM.
        package var afterEndOfInput: TimeAmount
        /// From SIGTERM to SIGKILL.
        package var afterTerminate: TimeAmount

        package init(afterEndOfInput: TimeAmount, afterTerminate: TimeAmount) {
            self.afterEndOfInput = afterEndOfInput
            self.afterTerminate = afterTerminate
        }
    }

    /// One way to ask; each is louder than the one before.
    package enum Step: Equatable {
        case closeInput, terminate, kill
    }

    private let terminateAt: NIODeadline
    private let killAt: NIODeadline
    private var next: Step? = .closeInput

    /// - Parameter now: the moment at which the child has to go.
    package init(patience: Patience, startingAt now: NIODeadline) {
        terminateAt = now + patience.afterEndOfInput
        killAt = terminateAt + patience.afterTerminate
    }

    /// The step to take now, each once and in order; nil when there is nothing to do yet.
    package mutating func due(at now: NIODeadline) -> Step? {
        switch next {
        case .closeInput:
            next = .terminate
            return .closeInput
        case .terminate where now >= terminateAt:
            next = .kill
            return .terminate
        case .kill where now >= killAt:
            next = nil
            return .kill
        case .terminate, .kill, nil:
            return nil
        }
    }
}
