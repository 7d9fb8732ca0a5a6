// The way back from the server's event loop to the loop of the one who asked.

import MCPWire
import NIOCore
import Synchronization

struct StdioCaller: Sendable {
    /// How many notices are on their way to the other loop.
    private final class Backlog: Sendable {
        let count = Atomic<Int>(0)
    }

    let receiver: NIOLoopBound<any UpstreamReceiver>
    let loop: any EventLoop
    private let backlog = Backlog()

    /// Notices of one call that wait for the other loop. A server may say more than that one can pass on, and would keep it from all else: what
    /// is beyond them is left out, as notices may be.
    private static let most = 256

    init(receiver: NIOLoopBound<any UpstreamReceiver>, loop: any EventLoop) {
        self.receiver = receiver
        self.loop = loop
    }

    func notify(_ message: ByteBuffer, _ reply: Reply) {
        if loop.inEventLoop { return receiver.value.upstreamNotified(message, reply) }
        guard backlog.count.load(ordering: .relaxed) < Self.most else { return }
        backlog.count.add(1, ordering: .relaxed)
        loop.execute {
            backlog.count.subtract(1, ordering: .relaxed)
            receiver.value.upstreamNotified(message, reply)
        }
    }

    func ask(_ question: UpstreamQuestion) {
        if loop.inEventLoop { return receiver.value.upstreamAsked(question) }
        loop.execute { receiver.value.upstreamAsked(question) }
    }

    func finish(_ outcome: UpstreamOutcome) {
        if loop.inEventLoop { return receiver.value.upstreamFinished(outcome) }
        finishLater(outcome)
    }

    /// For outcomes that are known while the caller is still asking: it is never called back from within its call.
    func finishLater(_ outcome: UpstreamOutcome) {
        loop.execute { receiver.value.upstreamFinished(outcome) }
    }
}
