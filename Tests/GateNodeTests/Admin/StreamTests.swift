// Streamed answers on a socket: what a client sees of one that ends, that fails, and that it does not read.

@testable import GateNode
import GateTesting
@testable import GateValues
import HTTPTypes
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("Streamed answers")
struct StreamTests {
    private static let part = [UInt8](repeating: UInt8(ascii: "x"), count: 65_536)

    /// Two parts and an end.
    private static let whole = Endpoint(.get, "/whole", "Test.", for: .anyone, answer: .string, media: [MediaType.text]) { _ in
        EndpointResponse(streaming: MediaType.text) { write in
            try await write(Array("one,".utf8))
            try await write(Array("two".utf8))
        }
    }

    /// Something, and then a fault.
    private static let broken = Endpoint(.get, "/broken", "Test.", for: .anyone, answer: .string, media: [MediaType.text]) { _ in
        EndpointResponse(streaming: MediaType.text) { write in
            try await write(Array("half".utf8))
            throw KitFailure("the store is away")
        }
    }

    @Test("HTTP/1.1 gets chunks and an end, HTTP/1.0 bytes until the close; the connection of the former goes on")
    func complete() async throws {
        try await LiveBench.run([Self.whole]) { port in
            let modern = try await LiveClient(
                port: port, "GET /whole HTTP/1.1\r\nHost: x\r\n\r\nGET /whole HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            try await eventually("both are answered", within: .seconds(5)) { modern.isEnded }
            #expect(
                modern.text.components(of: "4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n") == 2 && !modern.isReset
                    && !modern.text.lowercased().contains("content-length"))
            let old = try await LiveClient(port: port, "GET /whole HTTP/1.0\r\n\r\n")
            try await eventually("it is answered", within: .seconds(5)) { old.isEnded }
            #expect(old.text.hasSuffix("\r\n\r\none,two") && !old.isReset && !old.text.lowercased().contains("transfer-encoding"))
            let head = try await LiveClient(port: port, "HEAD /whole HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            try await eventually("it is answered", within: .seconds(5)) { head.isEnded }
            #expect(
                head.text.hasPrefix("HTTP/1.1 200") && head.text.hasSuffix("\r\n\r\n") && !head.text.lowercased().contains("content-length")
            )
        }
    }

    @Test(
        "a failure half way resets the connection: neither HTTP/1.1 nor HTTP/1.0 can take the rest for the whole",
        arguments: ["1.1", "1.0"])
    func failure(_ version: String) async throws {
        try await LiveBench.run([Self.broken]) { port in
            let client = try await LiveClient(port: port, "GET /broken HTTP/\(version)\r\nHost: x\r\n\r\n")
            try await eventually("it ends", within: .seconds(5)) { client.isEnded }
            #expect(client.isReset && !client.text.contains("0\r\n\r\n"), "\(client.text)")
        }
    }

    @Test("a client that does not read stops the stream; when it goes away the stream ends")
    func backPressure() async throws {
        let made = Mutex(0), hasEnded = Mutex(false)
        let endless = Endpoint(.get, "/endless", "Test.", for: .anyone, answer: .string, media: [MediaType.text]) { _ in
            EndpointResponse(streaming: MediaType.text) { write in
                defer { hasEnded.withLock { $0 = true } }
                while true {
                    try await write(Self.part)
                    made.withLock { $0 += 1 }
                }
            }
        }
        try await LiveBench.run([endless]) { port in
            let client = try await LiveClient(port: port, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n", reads: false)
            var last = -1
            try await eventually("it stops", within: .seconds(10), every: .milliseconds(300)) {
                defer { last = made.withLock { $0 } }
                return last > 0 && last == made.withLock { $0 }
            }
            #expect(last * Self.part.count < 64 << 20 && !hasEnded.withLock { $0 })
            await client.close()
            try await eventually("it ends", within: .seconds(5)) { hasEnded.withLock { $0 } }
        }
    }

    @Test("a client that takes no bytes for as long as one part may wait is cut off")
    func stall() async throws {
        let isCut = Mutex(false)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await ServerBootstrap(group: group).childChannelInitializer { channel in
            channel.closeFuture.whenComplete { _ in isCut.withLock { $0 = true } }
            _ = StreamedConnection(channel: channel, patience: .milliseconds(50)).watch()
            return channel.eventLoop.makeSucceededVoidFuture()
        }.bind(host: "127.0.0.1", port: 0).get()
        let client = try await LiveClient(port: server.localAddress?.port ?? 0, "")
        try await eventually("it is reset", within: .seconds(5)) { client.isReset && isCut.withLock { $0 } }
        try await group.shutdownGracefully()
    }
}

extension String {
    fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}
