// Members that take long to start, and those who wait for them.

import GateDomain
import GateTesting
import MCPWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPUpstream

@Suite struct UpstreamFamilyTests {
    /// A server that starts when the test says so, and answers nothing.
    private final class SlowServer: MCPUpstream.Upstream {
        private let gate = AsyncStream<Void>.makeStream()
        let sent = Mutex<[UInt64]>([])
        let prefix: String? = nil
        let isConnected = true
        let trouble: String? = nil
        let serverInfo: InitializeResult? = nil

        func release() { gate.continuation.finish() }
        func nextNumber() -> UInt64 { 0 }
        func send(_ request: UpstreamRequest, to receiver: NIOLoopBound<any UpstreamReceiver>, on loop: any EventLoop) {
            sent.withLock { $0.append(request.number) }
        }
        func cancel(_ number: UInt64, on loop: any EventLoop) {}
        func notify(_ message: ByteBuffer) {}
        func start() async throws(StartupFailure) { for await _ in gate.stream {} }
        func stop() async { release() }
    }

    @Test("A call that waits for its session's own server is given up at its own time limit, costs nothing, and is not sent later")
    func limits() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let own = SlowServer()
        let family = UpstreamFamily(shared: SlowServer(), most: 2, fallsBack: false) { _ in own }
        let client = UpstreamClient(session: "mcp_sess_1", key: "key_1", capabilities: [])
        let first = loop.makePromise(of: RecordingReceiver.Record.self)
        let second = loop.makePromise(of: RecordingReceiver.Record.self)
        for (number, promise) in [(UInt64(1), first), (2, second)] {
            loop.execute {
                let receiver = NIOLoopBound<any UpstreamReceiver>(RecordingReceiver(promise), eventLoop: loop)
                let request = UpstreamRequest(
                    number: number, bytes: ByteBuffer(string: "{}"), deadline: .now() + .milliseconds(20), client: client)
                family.send(request, to: receiver, on: loop)
            }
        }
        for promise in [first, second] {
            #expect(try await promise.futureResult.get().failure == .overdue)
        }
        own.release()
        let third = loop.makePromise(of: RecordingReceiver.Record.self)
        loop.execute {
            let receiver = NIOLoopBound<any UpstreamReceiver>(RecordingReceiver(third), eventLoop: loop)
            family.send(UpstreamRequest(number: 3, bytes: ByteBuffer(string: "{}"), client: client), to: receiver, on: loop)
        }
        try await eventually("the third is sent") { own.sent.withLock { $0 } == [3] }
        third.succeed(.init(outcome: .failed(.withdrawn)))
        await family.stop()
    }
}
