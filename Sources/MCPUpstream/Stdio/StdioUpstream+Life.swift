// Starting, losing, restarting and stopping the process.

import ChildProcesses
package import GateDomain
import Logging
import MCPWire
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
        subscriptions.end()
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
            meet(number)
        } catch {
            ended(error.sentence)
        }
    }

    /// Asks a new process of which era it is, or offers it a handshake at once.
    func meet(_ number: UInt64) {
        guard settings.probes, settings.client == nil, !skipsProbe else { return shakeHands(number) }
        let probe = nextNumber()
        self.probe = probe
        write(StatelessRequest("server/discover", [:], number: probe).bytes)
        // One that is silent may be of the other era, or not awake yet. The first request decides of which era it is for us, so that what it
        // says to a second one can do no harm.
        home.assumeIsolated().scheduleTask(in: settings.probeLimit) { [weak self] in
            self?.assumeIsolated { if $0.probe == probe { $0.shakeHands(number) } }
        }
    }

    func shakeHands(_ number: UInt64) {
        guard handshake != number, state.isHandshake(number) else { return }
        handshake = number
        write(UpstreamMessage.initialize(number: number, settings.client?.capabilities ?? []))
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
        subscriptions.end()
        // Some end at the first word that they do not know.
        if probe != nil, handshake == nil { skipsProbe = true }
        (probe, handshake) = (nil, nil)
        questions.withdrawAll()
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
