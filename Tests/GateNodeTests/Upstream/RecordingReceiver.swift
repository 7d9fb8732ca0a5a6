// A caller that remembers what it was told and lets a test wait for the end.

@testable import GateNode
@testable import MCPUpstream
import MCPWire
import NIOCore

final class RecordingReceiver: UpstreamReceiver {
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
    private var notifications: [String] = []
    private var isFinished = false

    init(_ promise: EventLoopPromise<Record>) {
        self.promise = promise
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {
        precondition(!isFinished, "A notification came after the end.")
        notifications.append(String(buffer: message))
    }

    func upstreamFinished(_ outcome: UpstreamOutcome) {
        precondition(!isFinished, "The end came twice.")
        isFinished = true
        promise.succeed(Record(notifications: notifications, outcome: outcome))
    }
}

extension StdioUpstream {
    var openRequests: Int { state.pendingCount }
    var isDraining: Bool { state.phase == .draining }

    /// Sends one message from a loop and waits for its end.
    nonisolated func exchange(
        _ text: String, number: UInt64, deadline: NIODeadline? = nil, on loop: any EventLoop
    ) async throws -> RecordingReceiver.Record {
        let promise = loop.makePromise(of: RecordingReceiver.Record.self)
        loop.execute {
            let receiver = NIOLoopBound<any UpstreamReceiver>(RecordingReceiver(promise), eventLoop: loop)
            let request = UpstreamRequest(number: number, bytes: ByteBuffer(string: text), deadline: deadline, owner: .key("key_1"))
            self.send(request, to: receiver, on: loop)
        }
        return try await promise.futureResult.get()
    }

    nonisolated func call(
        _ tool: String, arguments: String = "{}", number: UInt64? = nil, within limit: TimeAmount? = nil, on loop: any EventLoop
    ) async throws -> RecordingReceiver.Record {
        let number = number ?? nextNumber()
        let text = #"{"jsonrpc":"2.0","id":\#(number),"method":"tools/call","params":{"name":"\#(tool)","arguments":\#(arguments)}}"#
        return try await exchange(text, number: number, deadline: limit.map { .now() + $0 }, on: loop)
    }
}
