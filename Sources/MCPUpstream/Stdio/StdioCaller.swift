// The way back from the server's event loop to the loop of the one who asked.

import MCPWire
import NIOCore

struct StdioCaller: Sendable {
    let receiver: NIOLoopBound<any UpstreamReceiver>
    let loop: any EventLoop

    func notify(_ message: ByteBuffer, _ reply: Reply) {
        if loop.inEventLoop { return receiver.value.upstreamNotified(message, reply) }
        loop.execute { receiver.value.upstreamNotified(message, reply) }
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
