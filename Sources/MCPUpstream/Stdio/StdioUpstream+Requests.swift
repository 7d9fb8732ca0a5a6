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
        atHome { if $0.state.isReady, $0.child?.isWritable ?? false { $0.write(message) } }
    }

    /// Runs the body on the home loop: at once if this is it.
    nonisolated func atHome(_ body: @escaping @Sendable (isolated StdioUpstream) -> Void) {
        if home.inEventLoop { return assumeIsolated(body) }
        home.execute { self.assumeIsolated(body) }
    }

    func accept(_ request: consuming UpstreamRequest, from caller: StdioCaller) {
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
