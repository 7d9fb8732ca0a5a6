// Listening to a server of 2026-07-28 that ends its streams, or never agrees to them.

import MCPWire
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import MCPUpstream

@Suite("Listening to a server") struct UpstreamListeningTests {
    @Test("A server that ends each stream after it has agreed to it is asked ever more seldom, and soon again once a stream has lived")
    func endings() {
        let (loop, server) = (EmbeddedEventLoop(), Server())
        let gaps = Counter()
        let listening = UpstreamListening(on: loop, over: server, onNotification: { _, _ in }, onGap: { gaps.count.withLock { $0 += 1 } })
        listening.begin()
        var ended = 0
        for _ in 0..<600 {
            loop.advanceTime(by: .milliseconds(100))
            while ended < server.streams.count {
                server.agree(to: ended)
                server.end(ended, .failed(.unavailable))
                ended += 1
            }
        }
        #expect((2...10).contains(ended) && gaps.count.withLock { $0 } < 10, "\(ended) streams in a minute")
        loop.advanceTime(by: .seconds(15))
        #expect(server.streams.count == ended + 1)
        server.agree(to: ended)
        loop.advanceTime(by: .seconds(20))
        server.end(ended, .failed(.unavailable))
        loop.advanceTime(by: .seconds(1))
        #expect(server.streams.count == ended + 2, "a stream that has lived is opened anew at once")
        listening.end()
    }

    @Test(
        "A server that never agrees to a stream is given up after ten seconds: what waits for it is told no, and what comes later is heard")
    func silence() {
        let (loop, server) = (EmbeddedEventLoop(), Server())
        let listening = UpstreamListening(on: loop, over: server, onNotification: { _, _ in }, onGap: {})
        listening.begin()
        loop.advanceTime(by: .milliseconds(10))
        var verdicts: [Bool] = []
        listening.watch("test://a", true) { verdicts.append($0) }
        loop.advanceTime(by: .seconds(9))
        #expect(verdicts.isEmpty && server.givenUp.isEmpty)
        loop.advanceTime(by: .seconds(2))
        #expect(verdicts == [false] && server.givenUp == [1])
        #expect(server.streams.count == 2, "it is asked again")
        server.agree(to: 1)
        listening.watch("test://b", true) { verdicts.append($0) }
        loop.advanceTime(by: .seconds(1))
        server.agree(to: 2, uris: ["test://b"])
        #expect(verdicts == [false, true])
        loop.advanceTime(by: .seconds(60))
        #expect(server.streams.count == 3 && server.givenUp == [1, 2], "one that is agreed to stays open")
        listening.watch("test://c", true) { verdicts.append($0) }
        loop.advanceTime(by: .seconds(60))
        #expect(verdicts == [false, true, false])
        #expect(server.streams.count == 4 && server.givenUp == [1, 2, 4], "the one before stays")
        listening.end()
    }

    @Test("A server is soon asked for no more than somebody wants to hear of, in one new stream however much is given up at once")
    func givingUp() {
        let (loop, server) = (EmbeddedEventLoop(), Server())
        let listening = UpstreamListening(on: loop, over: server, onNotification: { _, _ in }, onGap: {})
        listening.begin()
        loop.advanceTime(by: .milliseconds(10))
        server.agree(to: 0)
        for uri in ["test://a", "test://b", "test://c"] { listening.watch(uri, true) { _ in } }
        loop.advanceTime(by: .milliseconds(10))
        server.agree(to: 1, uris: ["test://a", "test://b", "test://c"])
        listening.watch("test://x", false) { _ in }
        loop.advanceTime(by: .seconds(5))
        #expect(server.streams.count == 2, "nobody had wanted it")
        for uri in ["test://a", "test://b"] { listening.watch(uri, false) { _ in } }
        loop.advanceTime(by: .seconds(2))
        #expect(server.streams.count == 3)
        server.agree(to: 2, uris: ["test://c"])
        #expect(server.givenUp.count == 2)
        listening.watch("test://c", false) { _ in }
        listening.watch("test://c", true) { _ in }
        loop.advanceTime(by: .seconds(5))
        #expect(server.streams.count == 3, "it is wanted again")
        listening.end()
    }

    @Test("What waits for streams that fail one after another is told no")
    func failures() {
        let (loop, server) = (EmbeddedEventLoop(), Server())
        let listening = UpstreamListening(on: loop, over: server, onNotification: { _, _ in }, onGap: {})
        listening.begin()
        var verdicts: [Bool] = []
        listening.watch("test://a", true) { verdicts.append($0) }
        for turn in 0..<4 {
            loop.advanceTime(by: .seconds(5))
            #expect(server.streams.count == turn + 1 && verdicts.isEmpty)
            server.end(turn, .failed(.refused(status: 503)))
        }
        #expect(verdicts == [false])
        listening.end()
    }

    private final class Counter: Sendable {
        let count = Mutex(0)
    }

    /// What was asked of a server, and what it says.
    private final class Server: UpstreamListeningTransport {
        private(set) var streams: [(number: UInt64, receiver: any UpstreamReceiver)] = []
        private(set) var givenUp: [UInt64] = []
        private var number: UInt64 = 0

        func nextNumber() -> UInt64 {
            number += 1
            return number
        }

        func listen(_ request: UpstreamRequest, to receiver: any UpstreamReceiver) { streams.append((request.number, receiver)) }

        func giveUp(_ number: UInt64) { givenUp.append(number) }

        func end(_ index: Int, _ outcome: UpstreamOutcome) {
            if streams.indices.contains(index) { streams[index].receiver.upstreamFinished(outcome) }
        }

        func agree(to index: Int, uris: [String] = []) {
            let message: JSONValue = [
                "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                "params": ["notifications": ["resourceSubscriptions": .array(uris.map { .string($0) })]],
            ]
            let bytes = ByteBuffer(bytes: message.bytes)
            guard streams.indices.contains(index), let reply = bytes.withUnsafeReadableBytes({ Reply.scan($0) }) else { return }
            streams[index].receiver.upstreamNotified(bytes, reply)
        }
    }
}
