// Starting, losing, restarting and stopping the process.

import ChildProcesses
package import GateDomain
import Logging
import NIOCore
import Synchronization

extension StdioUpstream {
    package func start() async throws(StartupFailure) {
        precondition(supervisor == nil, "A stdio server is started once.")
        let failure = await withCheckedContinuation { waiter in
            startWaiter = waiter
            home.assumeIsolated().scheduleTask(in: settings.startLimit) {
                self.started(StartupFailure("The MCP server has not answered 'initialize' yet.", status: .backendUnavailable))
            }
            // Owned by this actor: `stop` cancels it and waits for it.
            supervisor = Task { await supervise() }
        }
        if let failure { throw failure }
    }

    package func stop() async {
        supervisor?.cancel()
        fail(state.drain())
        connected.store(false, ordering: .relaxed)
        let limit = NIODeadline.now() + settings.drainLimit
        while state.pendingCount > 0, .now() < limit { try? await Task.sleep(for: .milliseconds(5)) }
        child?.end(patience: settings.patience)
        await supervisor?.value
        supervisor = nil
        fail(state.die())
        timer?.task.cancel()
        timer = nil
    }

    func supervise() async {
        while !Task.isCancelled {
            await launch()
            _ = await child?.exit()
            child = nil
            guard let pause, !Task.isCancelled else { break }
            try? await Task.sleep(for: .nanoseconds(pause.nanoseconds))
        }
        started(StartupFailure("The MCP server was stopped before it was ready.", status: .backendUnavailable))
    }

    func launch() async {
        let number = nextNumber()
        guard state.launching(handshake: number, now: .now()) else { return }
        armTimer()
        counts.starts += 1
        framing = StdioFraming(cap: settings.maxResponseBytes)
        let events = ChildProcess.Events(
            onOutput: { self.received($0) },
            onOutputEnd: { self.endProcess() },
            onExit: { self.ended("The MCP server ended with \($0).") }
        )
        do {
            let child = try await ChildProcess.launch(settings.command, on: home, log: log, events: events)
            self.child = child
            if Task.isCancelled { return child.end(patience: settings.patience) }
            write(UpstreamMessage.initialize(number: number, settings.client?.capabilities ?? []))
        } catch {
            ended(error.sentence)
        }
    }

    /// The process is of no more use: its open requests fail now, and it is made to leave.
    func endProcess() {
        connected.store(false, ordering: .relaxed)
        fail(state.processLost())
        child?.end(patience: Teardown.Patience(afterEndOfInput: .milliseconds(200), afterTerminate: .milliseconds(500)))
    }

    func ended(_ reason: String) {
        connected.store(false, ordering: .relaxed)
        counts.deaths += 1
        let lastWords = stderrTail.suffix(5)
        complaint.withLock { $0 = reason }
        let (failed, pause) = state.processEnded(readySince: readySince, now: .now())
        self.pause = pause
        readySince = nil
        fail(failed)
        guard let pause else { return }
        log.error("\(reason)", metadata: ["stderr": "\(lastWords.joined(separator: " | "))", "pause": "\(pause)"])
        started(StartupFailure(([reason] + lastWords).joined(separator: " "), status: .backendUnavailable))
    }

    /// The first start has succeeded (nil) or failed; later ones concern nobody.
    func started(_ failure: StartupFailure?) {
        startWaiter?.resume(returning: failure)
        startWaiter = nil
    }
}
