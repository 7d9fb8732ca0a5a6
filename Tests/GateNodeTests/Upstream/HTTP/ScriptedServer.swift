// A small HTTP server within the test, which says exactly what its script tells it to say, and when.

import Glibc
import MCPWire
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Listens on a loopback port of its own; each request is shown to the script, whose steps are then done in order.
final class ScriptedServer: Sendable {
    struct Request: Sendable {
        let verb: String
        let target: String
        /// By name in lower case.
        let fields: [String: String]
        let body: String
        /// Which connection, and which request of it, counted from 0.
        let connection: Int
        let index: Int

        var message: JSONValue? { try? JSONValue.parse(body) }
        var method: String? { message?["method"]?.stringValue }
        var id: Int64 { message?["id"]?.intValue ?? 0 }
        var tool: String? { message?["params"]?["name"]?.stringValue }
    }

    enum Step: Sendable {
        case say(String)
        case wait(TimeAmount)
        case close
        /// Closes so that the other end sees a reset.
        case reset
    }

    typealias Script = @Sendable (Request) -> [Step]

    private struct State {
        var listener: (any Channel)?
        var port = 0
        var requests: [Request] = []
        var accepted = 0
        var open: [Int: any Channel] = [:]
        var mostOpen = 0
    }

    private let state = Mutex(State())
    private let script: Script
    private let tls: NIOSSLContext?

    init(tls: NIOSSLContext? = nil, script: @escaping Script) async throws {
        self.script = script
        self.tls = tls
        try await listen()
    }

    /// Stays the same when the server is stopped and listens again.
    var port: Int { state.withLock { $0.port } }
    var url: String { "http://127.0.0.1:\(port)/mcp" }
    var requests: [Request] { state.withLock { $0.requests } }
    var accepted: Int { state.withLock { $0.accepted } }
    var openConnections: Int { state.withLock { $0.open.count } }
    var mostOpen: Int { state.withLock { $0.mostOpen } }
    /// The methods of all requests in order; the verb where there is no message.
    var methods: [String] { requests.map { $0.method ?? $0.verb } }

    func listen() async throws {
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.backlog, value: 512)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
                    try pipeline.addHandler(ScriptedConnection(self, number: opened(channel)))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        state.withLock { state in
            state.listener = channel
            state.port = channel.localAddress?.port ?? 0
        }
    }

    func hangUp() {
        for channel in state.withLock({ Array($0.open.values) }) { channel.close(promise: nil) }
    }

    func stop() async {
        try? await state.withLock { $0.listener }?.close()
        hangUp()
    }

    private func opened(_ channel: any Channel) -> Int {
        state.withLock { state in
            let number = state.accepted
            state.accepted += 1
            state.open[number] = channel
            state.mostOpen = max(state.mostOpen, state.open.count)
            return number
        }
    }

    fileprivate func closed(_ number: Int) {
        state.withLock { $0.open[number] = nil }
    }

    fileprivate func steps(for request: Request) -> [Step] {
        state.withLock { $0.requests.append(request) }
        return script(request)
    }
}

private final class ScriptedConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let server: ScriptedServer
    private let number: Int
    private var received = ByteBuffer()
    private var count = 0

    init(_ server: ScriptedServer, number: Int) {
        self.server = server
        self.number = number
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        received.writeBuffer(&buffer)
        while let request = nextRequest() { perform(server.steps(for: request)[...], context) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        server.closed(number)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func nextRequest() -> ScriptedServer.Request? {
        let text = String(buffer: received)
        guard let end = text.utf8.firstRange(of: "\r\n\r\n".utf8) else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        let first = lines[0].split(separator: " ")
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            fields[parts[0].lowercased()] = parts[1].drop { $0 == " " }.description
        }
        let length = fields["content-length"].flatMap(Int.init) ?? 0
        let headLength = text.utf8.distance(from: text.utf8.startIndex, to: end.upperBound)
        guard received.readableBytes >= headLength + length else { return nil }
        received.moveReaderIndex(forwardBy: headLength)
        let body = received.readString(length: length) ?? ""
        received.discardReadBytes()
        defer { count += 1 }
        return .init(
            verb: String(first[0]), target: String(first[1]), fields: fields, body: body, connection: number, index: count)
    }

    private func perform(_ steps: ArraySlice<ScriptedServer.Step>, _ context: ChannelHandlerContext) {
        guard let step = steps.first else { return }
        let rest = steps.dropFirst()
        switch step {
        case .say(let text): context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        case .close: return context.close(promise: nil)
        case .reset:
            _ = (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
            return context.close(promise: nil)
        case .wait(let time):
            let box = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: time) { box.value.0.perform(rest, box.value.1) }
            return
        }
        perform(rest, context)
    }
}

// MARK: What servers say

extension ScriptedServer.Step {
    static func json(_ body: String, status: Int = 200, fields: String = "") -> Self {
        .say("HTTP/1.1 \(status) X\r\ncontent-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\(fields)\r\n\(body)")
    }

    static let accepted = Self.say("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
    static let streamHead = Self.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    static let streamEnd = Self.say("0\r\n\r\n")

    static func chunk(_ text: String) -> Self {
        .say(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n")
    }
}

extension ScriptedServer.Request {
    /// A result for this request, with what the test wants in it.
    func result(_ content: String = "{}") -> String { #"{"jsonrpc":"2.0","id":\#(id),"result":\#(content)}"# }

    /// What a good server with sessions says to everything; nil for what the test wants to answer itself.
    func usual(session: String? = "s1", version: String = "2025-11-25") -> [ScriptedServer.Step]? {
        switch method {
        case "initialize":
            let info = #"{"protocolVersion":"\#(version)","capabilities":{"tools":{}},"serverInfo":{"name":"scripted","version":"1"}}"#
            return [.json(result(info), fields: session.map { "Mcp-Session-Id: \($0)\r\n" } ?? "")]
        case let name? where name.hasPrefix("notifications/"): return [.accepted]
        case nil: return [.accepted]
        default: return nil
        }
    }
}
