// What a server has asked and waits for; meanwhile the clocks of its requests stand still, as a person thinks as long as it takes.

import NIOCore

/// The rule for one request; whoever keeps its deadline tells it of questions and answers.
///
/// Invariant: no deadline passes the limit, however often and however long is asked.
struct Standstill: Sendable {
    /// The last moment of the request; nil for one whose clock never stops.
    let limit: NIODeadline?
    private var open = 0
    private var remaining = TimeAmount.zero

    init(limit: NIODeadline?) {
        self.limit = limit
    }

    /// A question has gone to the client.
    mutating func begin(_ deadline: inout NIODeadline?, at now: NIODeadline) {
        guard let limit, let due = deadline else { return }
        open += 1
        guard open == 1 else { return }
        remaining = due - now
        deadline = limit
    }

    /// One of them has been answered, or nobody will answer it.
    mutating func end(_ deadline: inout NIODeadline?, at now: NIODeadline) {
        guard let limit, open > 0 else { return }
        open -= 1
        if open == 0 { deadline = min(limit, now + remaining) }
    }
}

/// What a server has asked and still waits for, by its own ids; confined to whoever hears the server.
///
/// Invariant: each entry ends once, answered, refused or withdrawn, and its end is told once.
struct OpenQuestions {
    /// Requests whose clocks stand still because of a question.
    typealias Stopped = [UInt64]

    private var open: [[UInt8]: (withdrawal: QuestionWithdrawal, stopped: Stopped)] = [:]

    /// Beyond that questions are asked, and nothing is remembered of them.
    private static let most = 64

    /// Whether a question is to be remembered: it has an id that no other has.
    func takes(_ question: UpstreamQuestion) -> Bool { open.count < Self.most && open[question.asker.idToken] == nil }

    mutating func add(_ question: UpstreamQuestion, stopping stopped: Stopped = []) {
        open[question.asker.idToken] = (question.withdrawal, stopped)
    }

    /// The client has answered, or nobody will; nil if that is over already.
    mutating func close(_ id: [UInt8]) -> Stopped? { open.removeValue(forKey: id)?.stopped }

    /// The server wants no answer any more; nil if it waits for none.
    mutating func withdraw(_ id: [UInt8]) -> Stopped? {
        guard let entry = open.removeValue(forKey: id) else { return nil }
        entry.withdrawal.withdraw()
        return entry.stopped
    }

    /// Nobody is there any more who wants answers.
    mutating func withdrawAll() {
        guard !open.isEmpty else { return }
        for entry in open.values { entry.withdrawal.withdraw() }
        open = [:]
    }
}

extension UpstreamQuestion {
    /// The same, for whose answer somebody else waits as well.
    /// - Parameter onAnswer: is called with each answer or refusal before it goes to the server, on any thread.
    func answering(_ onAnswer: @escaping @Sendable () -> Void) -> UpstreamQuestion {
        let send = asker.send
        var question = UpstreamQuestion(message, reply, name: name) { answer in
            onAnswer()
            send(answer)
        }
        question.withdrawal = withdrawal
        return question
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes of a range that a scan has named.
    func token(_ range: Range<Int>) -> [UInt8] { Array(self[range]) }
}
