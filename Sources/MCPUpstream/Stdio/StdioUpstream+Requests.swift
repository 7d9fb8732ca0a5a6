// Requests of all event loops on their way to the one process.

import ChildProcesses
package import NIOCore

import Logging

extension StdioUpstream {
    package nonisolated func send(
        _ request: UpstreamRequest, to receiver: NIOLoopBound<any UpstreamReceiver>, on loop: any EventLoop
    ) {
        let caller = StdioCaller(receiver: receiver, loop: loop)
        atHome { $0.accept(request, from: caller) }
    }

    package nonisolated func cancel(_ number: UInt64, on loop: any EventLoop) {
        atHome { upstream in
            if let failed = upstream.state.cancel(number) { upstream.fail([failed]) }
        }
    }

    package nonisolated func notify(_ message: ByteBuffer) {
        // A server that does not read is told no more: what is not read yet lies in our memory.
        atHome { if $0.state.isReady, !$0.isStateless, $0.child?.isWritable ?? false { $0.write(message) } }
    }

    /// Runs the body on the home loop: at once if this is it.
    nonisolated func atHome(_ body: @escaping @Sendable (isolated StdioUpstream) -> Void) {
        if home.inEventLoop { return assumeIsolated(body) }
        home.execute { self.assumeIsolated(body) }
    }

    func accept(_ request: consuming UpstreamRequest, from caller: StdioCaller) {
        // One that was made for a server of the other era.
        if state.isReady, (request.fields != nil) != isStateless { return caller.finishLater(.failed(.unavailable)) }
        let isWritable = child?.isWritable ?? false
        switch state.admit(request, from: caller, isWritable: isWritable, now: .now()) {
        case .write: write(request.bytes)
        case .wait: break
        case .refuse: return caller.finishLater(.failed(.unavailable))
        }
        armTimer()
    }

    func write(_ message: consuming ByteBuffer) {
        guard let child else { return }
        message.becomeLine()
        child.write(message)
    }

    /// Tells callers that their requests have failed, and the server which of them nobody waits for any more.
    func fail(_ failed: [StdioUpstreamState<StdioCaller>.Failed]) {
        for entry in failed {
            if entry.wasSent, entry.failure != .died { write(UpstreamMessage.cancelled(entry.number)) }
            entry.caller.finishLater(.failed(entry.failure))
        }
    }

    func armTimer() {
        guard let next = state.nextDeadline, timer.map({ next < $0.deadline }) ?? true else { return }
        timer?.task.cancel()
        timer = (next, home.assumeIsolated().scheduleTask(deadline: next) { self.expire() })
    }

    func expire() {
        timer = nil
        let expiry = state.expire(now: .now())
        fail(expiry.failed)
        if expiry.endsProcess {
            log.error("The MCP server has not answered 'initialize' in time and is ended.")
            endProcess()
        }
        armTimer()
    }
}

extension StdioUpstream {
    package nonisolated func watch(_ uri: String, _ isWanted: Bool, on loop: any EventLoop, _ completion: @escaping (Bool) -> Void) {
        let told = NIOLoopBound(completion, eventLoop: loop)
        home.execute {
            self.assumeIsolated { upstream in
                upstream.subscriptions.watch(uri, isWanted) { isAgreed in loop.execute { told.value(isAgreed) } }
            }
        }
    }
}

/// The way of a listening request to a process.
struct StdioTransport: UpstreamListeningTransport {
    /// It owns what uses this.
    weak var upstream: StdioUpstream?

    func nextNumber() -> UInt64 { upstream?.nextNumber() ?? 0 }

    func listen(_ request: UpstreamRequest, to receiver: any UpstreamReceiver) {
        guard let upstream else { return }
        let caller = StdioCaller(receiver: NIOLoopBound(receiver, eventLoop: upstream.home), loop: upstream.home)
        upstream.assumeIsolated {
            $0.state.listening.insert(request.number)
            $0.accept(request, from: caller)
        }
    }

    func giveUp(_ number: UInt64) {
        if let upstream { upstream.cancel(number, on: upstream.home) }
    }
}
