// How the tests speak to an HTTP server through the gate's upstream.

@testable import GateNode
import Logging
@testable import MCPUpstream
import MCPWire
import NIOCore
import NIOPosix

/// A caller that remembers what it was told, and when the calls that led to it had returned.
final class HTTPRecordingReceiver: UpstreamReceiver {
    struct Record: Sendable {
        var notifications: [String] = []
        var outcome: UpstreamOutcome

        var answer: String? {
            if case .answered(let message, _) = outcome { String(buffer: message) } else { nil }
        }
        var failure: UpstreamFailure? {
            if case .failed(let failure) = outcome { failure } else { nil }
        }
    }

    private let promise: EventLoopPromise<Record>
    private let onNotification: () -> Void
    private var notifications: [String] = []
    private var isFinished = false
    var isWithinCall = false

    init(_ promise: EventLoopPromise<Record>, onNotification: @escaping () -> Void = {}) {
        self.promise = promise
        self.onNotification = onNotification
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {
        precondition(!isFinished && !isWithinCall, "A notification came after the end, or within the call.")
        notifications.append(String(buffer: message))
        onNotification()
    }

    func upstreamFinished(_ outcome: UpstreamOutcome) {
        precondition(!isFinished && !isWithinCall, "The end came twice, or within the call.")
        isFinished = true
        promise.succeed(Record(notifications: notifications, outcome: outcome))
    }
}

enum HTTPLoops {
    static let home: any EventLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()
    static let away: any EventLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()
}

extension HTTPUpstream {
    static func make(
        _ url: String, change: (inout HTTPUpstreamSettings) -> Void = { _ in },
        onNotification: @escaping @Sendable (String) -> Void = { _ in }
    ) throws -> HTTPUpstream {
        var settings = try HTTPUpstreamSettings(url: url)
        settings.drainLimit = .milliseconds(100)
        settings.probeInterval = .milliseconds(100)
        change(&settings)
        return try HTTPUpstream(
            settings: settings, loops: [HTTPLoops.home, HTTPLoops.away],
            logger: Logger(label: "http", factory: { _ in SwiftLogNoOpLogHandler() }),
            onNotification: { message, _ in onNotification(String(buffer: message)) })
    }

    /// Calls a tool from a loop and waits for the end.
    /// - Parameter cancelling: on the first notification the call is cancelled.
    func call(
        _ tool: String, arguments: String = "{}", isCall: Bool = true, within limit: TimeAmount? = nil, number: UInt64? = nil,
        on loop: any EventLoop = HTTPLoops.home, cancelling: Bool = false
    ) async throws -> HTTPRecordingReceiver.Record {
        let number = number ?? nextNumber()
        let text = #"{"jsonrpc":"2.0","id":\#(number),"method":"tools/call","params":{"name":"\#(tool)","arguments":\#(arguments)}}"#
        let promise = loop.makePromise(of: HTTPRecordingReceiver.Record.self)
        loop.execute {
            let receiver = HTTPRecordingReceiver(promise) { if cancelling { self.cancel(number, on: loop) } }
            let request = UpstreamRequest(
                number: number, bytes: ByteBuffer(string: text), deadline: limit.map { .now() + $0 }, isCall: isCall)
            receiver.isWithinCall = true
            self.send(request, to: NIOLoopBound(receiver, eventLoop: loop), on: loop)
            receiver.isWithinCall = false
        }
        return try await promise.futureResult.get()
    }

    /// Connections of a loop: all, and the free ones.
    func connections(on loop: any EventLoop = HTTPLoops.home) async throws -> (open: Int, idle: Int, waiting: Int) {
        try await loop.submit { self.pool(on: loop).map { ($0.connections.count, $0.idleCount, $0.waiting.count) } ?? (0, 0, 0) }.get()
    }
}
