// What an exchange knows of whoever keeps the events of its stream for a client that comes back (MCP 2025-11-25 Transports, Resumability).

/// What an event of an answer's stream is for: of notices only so many are kept.
enum AnswerEvent: Equatable {
    case notice
    /// What a client is asked under this id, and answers in another request.
    case question(String)
    /// One of several answers, and not the last one.
    case part
    case answer
}

/// The events of one answer's stream, as they are kept; confined to the event loop of the exchange.
protocol AnswerLog: AnyObject {
    /// Notes an event. - Returns: its id for the client.
    func add(_ body: AnswerBody, _ event: AnswerEvent) -> String
    /// The id of what stands before the first event.
    var openingID: String { get }
    /// The whole answer has been given to a connection, as that to its current request; the client may not have had it yet.
    func answered(on connection: FrontHandler)
    /// A question waits for no answer any more.
    func settled(question id: String)
    /// The client has gone, or may have.
    func clientLeft()
    /// Whether nobody can ask for it any more: its session is over, or there was no room for it.
    var isForgotten: Bool { get }
}

/// Whoever keeps such logs.
protocol AnswerLogs: AnyObject {
    /// Begins to keep what a request's stream says; nil if nobody could ask for it.
    func openLog(for exchange: MCPExchange) -> (any AnswerLog)?
}
