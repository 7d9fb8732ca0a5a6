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

    /// A server that is there at once, and answers when the test says so.
    private final class HeldServer: MCPUpstream.Upstream {
        let open = Mutex<[UInt64: NIOLoopBound<any UpstreamReceiver>]>([:])
        let prefix: String? = nil
        let isConnected = true
        let trouble: String? = nil
        let serverInfo: InitializeResult? = nil

        var numbers: Set<UInt64> { open.withLock { Set($0.keys) } }
        func nextNumber() -> UInt64 { 0 }
        func send(_ request: UpstreamRequest, to receiver: NIOLoopBound<any UpstreamReceiver>, on loop: any EventLoop) {
            open.withLock { $0[request.number] = receiver }
        }
        func finish(_ number: UInt64, _ failure: UpstreamFailure, on loop: any EventLoop) async throws {
            let receiver = open.withLock { $0.removeValue(forKey: number) }
            try await loop.submit { receiver?.value.upstreamFinished(.failed(failure)) }.get()
        }
        func cancel(_ number: UInt64, on loop: any EventLoop) {}
        func notify(_ message: ByteBuffer) {}
        func start() async throws(StartupFailure) {}
        func stop() async {}
    }

    /// What a family has made.
    private final class Made: Sendable {
        let all = Mutex<[(key: String, server: HeldServer)]>([])

        func make(_ client: UpstreamClient) -> HeldServer {
            let server = HeldServer()
            all.withLock { $0.append((client.key, server)) }
            return server
        }
        func count(of key: String) -> Int { all.withLock { $0.count { $0.key == key } } }
        var first: HeldServer? { all.withLock { $0.first?.server } }
        var numbers: [Set<UInt64>] { all.withLock { $0.map(\.server) }.map(\.numbers) }
    }

    private final class Sink: UpstreamReceiver {
        func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {}
        func upstreamFinished(_ outcome: UpstreamOutcome) {}
    }

    private func send(
        _ number: UInt64, of client: UpstreamClient, isOfGate: Bool = false, to family: UpstreamFamily, on loop: any EventLoop
    )
        async throws
    {
        try await loop.submit {
            let request = UpstreamRequest(number: number, bytes: ByteBuffer(string: "{}"), client: client, isOfGate: isOfGate)
            family.send(request, to: NIOLoopBound<any UpstreamReceiver>(Sink(), eventLoop: loop), on: loop)
        }.get()
    }

    @Test("One key has half of the members while half of them are free; four others have an eighth each after it, and then all are taken")
    func shares() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let made = Made()
        let family = UpstreamFamily(shared: HeldServer(), most: 32, fallsBack: true) { made.make($0) }
        for (key, most) in [("a", 16), ("b", 4), ("c", 4), ("d", 4), ("e", 4), ("f", 0)] {
            for number in 0..<40 {
                let client = UpstreamClient(session: "\(key)-\(number)", key: key, capabilities: .elicitation)
                try await send(UInt64(number), of: client, to: family, on: loop)
            }
            #expect(made.count(of: key) == most, "\(key)")
        }
        await family.stop()
    }

    @Test(
        "Of the requests of several clients under one name each that is under way has a member of its own; one whose request was given up gets no other; a session, and what the gate asks, have the first"
    )
    func parallel() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let made = Made()
        let family = UpstreamFamily(shared: HeldServer(), most: 32, fallsBack: true, namesRequests: false) { made.make($0) }
        let key = UpstreamClient(session: "stateless:key_1:2", key: "key_1", capabilities: .elicitation, isShared: true)
        for number: UInt64 in 1...2 { try await send(number, of: key, to: family, on: loop) }
        try await send(3, of: key, isOfGate: true, to: family, on: loop)
        try await eventually("each has its own") { made.numbers == [[1, 3], [2]] }
        let first = try #require(made.first)
        try await first.finish(1, .died, on: loop)
        try await send(4, of: key, to: family, on: loop)
        try await eventually("what is free is used again") { made.numbers == [[3, 4], [2]] }
        try await first.finish(4, .cancelled, on: loop)
        try await send(5, of: key, to: family, on: loop)
        try await eventually("the server may still ask because of the fourth") { made.numbers == [[3], [2], [5]] }
        let session = UpstreamClient(session: "mcp_sess_1", key: "key_1", capabilities: .elicitation)
        for number: UInt64 in 6...7 { try await send(number, of: session, to: family, on: loop) }
        try await eventually("a session is one client") { made.numbers == [[3], [2], [5], [6, 7]] }
        #expect(Set(family.sessions) == ["stateless:key_1:2", "mcp_sess_1"])
        await family.stop()
    }
}
