// What is wrong with a client's message, and what it is told.

/// Why the bytes of a client are no JSON-RPC message that may pass. Travels on HTTP 400 (F-RPC-08).
package enum EnvelopeFault: Error, Equatable, Sendable {
    /// The bytes are no JSON.
    case parseError
    /// JSON, and no object: arrays of messages are no part of MCP but for 2025-03-26, where each of their elements is a message.
    case notAnObject
    /// `jsonrpc` is missing, or not "2.0".
    case badVersion
    /// `method` is no string.
    case badMethod
    /// `id` is neither a string, a number nor null.
    case badID
    /// A request under the id `null`, which every revision of MCP forbids (Base Protocol, Requests).
    case nullID
    /// An id or a progress token of more bytes than `Envelope.longestID`.
    case longID
    /// A member that the gate reads stands there twice, so gate and upstream might read different ones.
    case duplicateMember(String)
    /// A member differs from one that the gate reads by letter case alone; some servers take it for the same.
    case misspelledMember(String)
    /// Request and response in one object; the upstream might take it for the answer to a request of its own.
    case methodWithResult

    /// The JSON-RPC error code.
    package var code: Int { self == .parseError ? -32700 : -32600 }

    /// The public sentence, which clients of the reference rely on.
    package var sentence: String {
        switch self {
        case .parseError: "Parse error"
        case .notAnObject: "expected JSON object"
        case .badVersion: "jsonrpc must be \"2.0\""
        case .badMethod: "method must be a string"
        case .badID: "id must be string, number, or null"
        case .nullID: "the id of a request must be a string or a number, and not null"
        case .longID: "ids and progress tokens have at most \(Envelope.longestID) bytes"
        case .duplicateMember(let name): "duplicate member \"\(name)\""
        case .misspelledMember(let name): "member \"\(name)\" must be spelled in that letter case"
        case .methodWithResult: "a message has either a method or a result"
        }
    }
}
