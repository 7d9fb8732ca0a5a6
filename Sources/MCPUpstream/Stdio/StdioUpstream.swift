// A stdio MCP server behind the gate: one child process, shared by the clients of all event loops.

import ChildProcesses
import GateDomain
package import Logging
package import MCPWire
package import NIOCore

import Synchronization

/// A stdio MCP server (MCP 2025-11-25, Transports, stdio): handshake, multiplexing, restarts.
///
/// It lives on one event loop, its home; requests of other loops hop there and their outcomes hop back. What to do is
/// decided by `StdioUpstreamState`; this actor owns the process and does it. When the process dies every open request
/// fails within 200 ms, and another process is started with a growing pause (F32). A new process knows nothing of
/// what clients told the old one (log level, subscriptions).
package actor StdioUpstream: Upstream {
    /// What happened so far, for metrics.
    package struct Counts: Sendable, Equatable {
        /// Children that were launched.
        package var starts = 0
        /// Children that ended without being asked to.
        package var deaths = 0
        /// Lines that are no JSON-RPC message.
        package var garbageLines = 0
        /// Lines above `maxResponseBytes`, which are lost.
        package var overlongLines = 0
        /// Answers that nobody waited for (any more).
        package var lateAnswers = 0
        /// Notifications that belong to no one request.
        package var droppedNotifications = 0
    }

    package nonisolated let prefix: String?
    nonisolated let home: any EventLoop
    nonisolated let numbers: RequestNumbers
    nonisolated let connected = Atomic<Bool>(false)
    nonisolated let stateless = Atomic<Bool>(false)
    nonisolated let info = Mutex<InitializeResult?>(nil)
    nonisolated let complaint = Mutex<String?>(nil)

    let settings: StdioUpstreamSettings
    let log: Logger
    let onNotification: @Sendable (ByteBuffer, Reply) -> Void
    let onQuestion: @Sendable (UpstreamQuestion) -> Void
    let onArrival: @Sendable () -> Void
    var state: StdioUpstreamState<StdioCaller>
    var framing: StdioFraming
    var child: ChildProcess?
    var readySince: NIODeadline?
    var pause: TimeAmount?
    var timer: (deadline: NIODeadline, task: Scheduled<Void>)?
    /// The number of the `server/discover` that this process has not answered.
    var probe: UInt64?
    /// The number of the `initialize` that this process has been sent.
    var handshake: UInt64?
    /// What this process has asked its client.
    var questions = OpenQuestions()
    /// A process has ended over being probed.
    var skipsProbe = false
    /// Listens to a server without sessions.
    lazy var subscriptions = UpstreamListening(
        on: home, over: StdioTransport(upstream: self), onNotification: onNotification, onGap: onArrival)
    var supervisor: Task<Void, Never>?
    var startWaiter: CheckedContinuation<StartupFailure?, Never>?
    /// Since the node began.
    package internal(set) var counts = Counts()

    package nonisolated var unownedExecutor: UnownedSerialExecutor { home.executor.asUnownedSerialExecutor() }
    package nonisolated var isConnected: Bool { connected.load(ordering: .relaxed) }
    package nonisolated var trouble: String? { complaint.withLock { $0 } }
    package nonisolated var isStateless: Bool { stateless.load(ordering: .relaxed) }
    package nonisolated var livesWithNode: Bool { true }
    package nonisolated var serverInfo: InitializeResult? { info.withLock { $0 } }

    /// The last lines of the server's standard error, oldest first.
    package var stderrTail: [String] { child?.stderrTail ?? [] }
    /// Of the child that runs; nil between two of them.
    package var processIdentifier: Int32? { child?.processIdentifier }

    /// - Parameters:
    ///   - numbers: shared by all that get requests of the same senders.
    ///   - onNotification: gets, on the home loop, what concerns every client: `…/list_changed` and
    ///     `notifications/resources/updated`; with a client of its own, all that belongs to no request. The ranges of the reply are offsets from the first readable byte.
    ///   - onQuestion: gets what its one client is asked while no request of it is under way.
    ///   - onArrival: is called after each handshake.
    package init(
        settings: StdioUpstreamSettings,
        eventLoop: any EventLoop,
        logger: Logger,
        numbers: RequestNumbers = RequestNumbers(),
        onNotification: @escaping @Sendable (ByteBuffer, Reply) -> Void = { _, _ in },
        onQuestion: @escaping @Sendable (UpstreamQuestion) -> Void = { $0.refuse() },
        onArrival: @escaping @Sendable () -> Void = {}
    ) {
        prefix = settings.prefix
        home = eventLoop
        log = logger
        self.settings = settings
        self.onNotification = onNotification
        self.numbers = numbers
        self.onQuestion = onQuestion
        self.onArrival = onArrival
        state = StdioUpstreamState(limits: settings.limits, backoff: settings.backoff)
        framing = StdioFraming(cap: settings.maxResponseBytes)
    }

    package nonisolated func nextNumber() -> UInt64 {
        numbers.take()
    }
}

extension StdioUpstreamSettings {
    fileprivate var limits: StdioUpstreamState<StdioCaller>.Limits {
        .init(maxPending: maxPending, maxWaiting: maxWaiting, longestWait: longestWait, handshake: handshakeLimit)
    }
}
