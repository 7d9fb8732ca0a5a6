// A running child: its pipes as channels of one event loop, its end noticed and cleaned up without blocking.

import Logging
package import NIOCore

/// A child process in a process group of its own, confined to the event loop that launched it.
///
/// Whoever launches a child has to `end` it or see it die: until `onExit` was called it keeps itself alive, so that
/// no zombie stays behind. `onExit` comes exactly once and is the last call; by then the child is reaped, what was
/// left of its group is killed, and its pipes are closed, even if a grandchild in another group still holds them.
package final class ChildProcess {
    /// What becomes of the child; all are called on the event loop.
    package struct Events {
        /// A piece of the child's standard output.
        package var onOutput: (ByteBuffer) -> Void
        /// The child closed its standard output: nothing more will be read, though it may still run.
        package var onOutputEnd: () -> Void
        /// The child is reaped; the last call.
        package var onExit: (ChildExit) -> Void

        package init(
            onOutput: @escaping (ByteBuffer) -> Void = { _ in },
            onOutputEnd: @escaping () -> Void = {},
            onExit: @escaping (ChildExit) -> Void = { _ in }
        ) {
            self.onOutput = onOutput
            self.onOutputEnd = onOutputEnd
            self.onExit = onExit
        }
    }

    /// How often the kernel is asked whether the child has ended.
    private enum Pace {
        static let running = TimeAmount.milliseconds(100)
        static let ending = TimeAmount.milliseconds(5)
        /// How long the output of a child that has left is waited for when somebody else holds its pipe open.
        static let draining = TimeAmount.milliseconds(50)
        /// How long a guard may take to end what is below it.
        static let guarding = TimeAmount.seconds(3)
    }

    private let group: ProcessGroup
    private let isGuarded: Bool
    private let loop: NIOIsolatedEventLoop
    private let pipes: ChildPipes
    private let log: Logger
    private var events: Events?
    private var standardError = LineTail()
    private var teardown: Teardown?
    private var exitStatus: ChildExit?
    private var nextLook: Scheduled<Void>?
    private var openOutputs = 2
    private var flushIsScheduled = false
    private var exitWaiters: [CheckedContinuation<ChildExit, Never>] = []

    /// Of the child, which leads a process group of its own.
    package var processIdentifier: Int32 { group.leader }
    /// Whether its end has not been seen yet.
    package var isRunning: Bool { exitStatus == nil }
    /// The last lines of the child's standard error, oldest first.
    package var stderrTail: [String] { standardError.lines }
    /// False while more than 16 MiB wait to be read by the child.
    package var isWritable: Bool { pipes.input.isWritable }

    init(group: ProcessGroup, isGuarded: Bool, pipes: ChildPipes, loop: any EventLoop, events: Events, log: Logger) {
        self.group = group
        self.isGuarded = isGuarded
        self.pipes = pipes
        self.loop = loop.assumeIsolated()
        self.events = events
        self.log = log
        listen()
        look()
    }

    /// Queues bytes for the child's standard input; all that is written in one tick of the loop leaves in one call.
    package func write(_ bytes: ByteBuffer) {
        pipes.input.write(bytes, promise: nil)
        if flushIsScheduled { return }
        flushIsScheduled = true
        loop.execute {
            self.flushIsScheduled = false
            self.pipes.input.flush()
        }
    }

    /// Writes what was queued, then ends the child's input; nothing more is written.
    package func closeInput() {
        pipes.input.flush()
        pipes.input.close(promise: nil)
    }

    /// Asks the child to leave: end of input, SIGTERM, SIGKILL. Asking again changes nothing.
    package func end(patience: Teardown.Patience) {
        guard teardown == nil, exitStatus == nil else { return }
        teardown = Teardown(patience: patience, startingAt: .now())
        look()
    }

    /// Waits for the end of the child; it has been told to `onExit` by then.
    package func exit(isolation: isolated (any Actor)? = #isolation) async -> ChildExit {
        if events == nil, let exitStatus { return exitStatus }
        return await withCheckedContinuation { exitWaiters.append($0) }
    }

    private func listen() {
        pipes.outputReader.onBytes = { self.events?.onOutput($0) }
        pipes.outputReader.onEnd = {
            self.events?.onOutputEnd()
            self.outputClosed()
        }
        pipes.errorReader.onBytes = { self.standardError.append($0) { self.log.debug("\($0)") } }
        pipes.errorReader.onEnd = { self.outputClosed() }
    }

    private func outputClosed() {
        openOutputs -= 1
        if exitStatus == nil {
            look()
        } else if openOutputs == 0 {
            finish()
        }
    }

    private func look() {
        nextLook?.cancel()
        guard exitStatus == nil else { return }
        if let status = group.reap() { return left(with: status) }
        if let step = teardown?.due(at: .now()) { take(step) }
        let pace = teardown == nil && openOutputs == 2 ? Pace.running : Pace.ending
        nextLook = loop.scheduleTask(in: pace) { self.look() }
    }

    private func take(_ step: Teardown.Step) {
        switch step {
        case .closeInput: closeInput()
        case .terminate: group.terminate()
        case .kill where isGuarded:
            group.order()
            loop.scheduleTask(in: Pace.guarding) { if self.exitStatus == nil { self.group.kill() } }
        case .kill: group.kill()
        }
    }

    private func left(with status: ChildExit) {
        exitStatus = status
        pipes.input.close(promise: nil)
        if openOutputs == 0 { return finish() }
        loop.scheduleTask(in: Pace.draining) { self.finish() }
    }

    private func finish() {
        guard let events, let exitStatus else { return }
        self.events = nil
        pipes.close()
        events.onExit(exitStatus)
        for waiter in exitWaiters { waiter.resume(returning: exitStatus) }
        exitWaiters = []
    }
}
