// A sink of webhooks that answers as a test wishes and remembers what it was sent.

import Crypto
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Listens on the loopback in this process; told apart by their paths, it is as many sinks as a test needs.
package final class WebhookReceiver: Sendable {
    /// What a sink does with a delivery.
    package enum Reply: Sendable {
        /// An answer with this status.
        case status(Int)
        /// 302 to another path.
        case redirect(String)
        /// Nothing, for ever.
        case silence
        /// Nothing, and the connection is closed.
        case hangUp
    }

    /// One request.
    package struct Delivery: Sendable {
        package let path: String
        package let headers: [String: String]
        package let body: [UInt8]
        /// Whether it was answered with 2xx.
        package let isTaken: Bool

        package var json: JSON { JSON(body) ?? .null }
        package var usage: [JSON] { json["events"]?.array ?? [] }
        package var changes: [JSON] { json["adminEvents"]?.array ?? [] }

        /// Whether the signature is `t=<seconds>,v1=<hex>` over the seconds, a dot and the body.
        package func isSigned(with secret: String) -> Bool {
            guard let text = headers["x-paygate-signature"], let match = text.wholeMatch(of: /t=(\d+),v1=([0-9a-f]{64})/) else {
                return false
            }
            let code = HMAC<SHA256>.authenticationCode(
                for: Array("\(match.1).".utf8) + body, using: SymmetricKey(data: Array(secret.utf8)))
            return code.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined() == match.2
        }
    }

    package let port: Int
    private let channel: any Channel
    private let shared: Shared

    private struct State {
        var deliveries: [Delivery] = []
        var reply: @Sendable (String, Int) -> Reply = { _, _ in .status(200) }
        var counts: [String: Int] = [:]
        var connections = 0
    }

    /// - Parameters:
    ///   - host: an address of the loopback.
    ///   - port: 0 for any.
    package init(host: String = "127.0.0.1", port given: Int = 0) async throws {
        let state = Shared()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                state.state.withLock { $0.connections += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(ReceiverHandler { state.receive($0, $1, $2) })
                }
            }
            .bind(host: host, port: given).get()
        port = channel.localAddress?.port ?? 0
        shared = state
    }

    /// Decides by the path and how many deliveries came to it before.
    package func reply(_ reply: @escaping @Sendable (_ path: String, _ before: Int) -> Reply) {
        shared.state.withLock { $0.reply = reply }
    }

    /// Connections that were made to it.
    package var connections: Int { shared.state.withLock { $0.connections } }

    package func url(_ path: String = "/all") -> String { "http://127.0.0.1:\(port)\(path)" }

    /// What came to a path, in its order.
    package func deliveries(_ path: String = "/all") -> [Delivery] {
        shared.state.withLock { state in state.deliveries.filter { $0.path == path } }
    }

    /// The ids of the events of calls that a sink has taken; one that came twice is there twice.
    package func taken(_ path: String = "/all") -> [JSON] { deliveries(path).filter(\.isTaken).flatMap(\.usage) }

    package func end() async throws { try await channel.close() }

    private final class Shared: Sendable {
        let state = Mutex(State())

        func receive(_ head: HTTPRequestHead, _ body: [UInt8], _ answer: (Reply) -> Void) {
            let reply = state.withLock { state in
                let before = state.counts[head.uri, default: 0]
                state.counts[head.uri] = before + 1
                let reply = state.reply(head.uri, before)
                var isTaken = false
                if case .status(let status) = reply { isTaken = (200..<300).contains(status) }
                let headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { first, _ in first })
                state.deliveries.append(Delivery(path: head.uri, headers: headers, body: body, isTaken: isTaken))
                return reply
            }
            answer(reply)
        }
    }
}

private final class ReceiverHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    typealias Receive = (HTTPRequestHead, [UInt8], (WebhookReceiver.Reply) -> Void) -> Void

    private let receive: Receive
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(_ receive: @escaping Receive) {
        self.receive = receive
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): (self.head, body) = (head, [])
        case .body(let part): body += part.readableBytesView
        case .end:
            guard let head else { return }
            receive(head, body) { reply in self.answer(reply, context) }
        }
    }

    private func answer(_ reply: WebhookReceiver.Reply, _ context: ChannelHandlerContext) {
        var headers: HTTPHeaders = ["Content-Length": "0"]
        let status: Int
        switch reply {
        case .silence: return
        case .hangUp: return context.close(promise: nil)
        case .status(let value): status = value
        case .redirect(let path):
            status = 302
            headers.add(name: "Location", value: path)
        }
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
