// A client's message as far as the gate has to understand it.

/// One JSON-RPC message from a client, read as far as the gate needs it: arguments stay bytes.
///
/// Ranges are byte offsets into the memory that was scanned. A raw token is the text of a JSON value as it stands,
/// strings with their quotes, so that it can be put back byte for byte with its type.
@usableFromInline
package struct Envelope: Sendable {
    /// What a message is in the terms of JSON-RPC.
    @usableFromInline
    package enum Kind: Sendable {
        /// Has a method and an id.
        case request
        /// Has a method and no id.
        case notification
        /// Has a result or an error and no method.
        case response
    }

    /// A request unless it says something else.
    package internal(set) var kind = Kind.request
    /// `other` where the gate knows no such method.
    package internal(set) var method = Method.other
    /// The bytes between the quotes of the method, undecoded; nil for a response.
    package internal(set) var methodName: Range<Int>?
    /// The raw token of the id: a string, a number or null.
    package internal(set) var id: Range<Int>?
    /// The raw value of params, of whatever type.
    package internal(set) var params: Range<Int>?

    /// What params says of a name and of arguments, whatever the method: the one call of `tools/call`, as those of a batch are described.
    package internal(set) var call = BatchedCall()

    /// The calls of `tools/call_batch`; empty if params.calls is missing, no array, or empty: answer -32602
    /// (F-BATCH-06). An entry that is no object has neither name nor arguments.
    package internal(set) var batch: [BatchedCall] = []
    /// Whether params.calls has more than `batchCap` entries; those beyond are checked but not kept.
    package internal(set) var batchIsTooLong = false
    /// How many calls one batch may have (F-BATCH-06).
    package static let batchCap = 100

    /// Bytes of an id or a progress token as it stands: it is kept, and repeated in answers and in each notification.
    package static let longestID = 1024
    /// Bytes of a tool's name as it stands: 256 of the name (`ClientText.toolName`), each written as an escape of six, and the quotes.
    package static let longestToolToken = 256 * 6 + 2
    /// Bytes of the name of a method, or of a revision, that is compared with anything.
    package static let longestName = 128

    package init() {}

    /// The raw value of params._meta.
    package internal(set) var meta: Range<Int>?
    /// The raw token of params._meta.progressToken; only set if it is a string or a number.
    package internal(set) var progressToken: Range<Int>?
    /// Whether params._meta has "io.modelcontextprotocol/protocolVersion", with which a stateless request declares its revision.
    package internal(set) var declaresVersion = false
    /// That revision; nil if it is no string, or longer than any.
    package internal(set) var declaredVersion: String?
    /// The raw value of params._meta["io.modelcontextprotocol/clientCapabilities"].
    package internal(set) var declaredCapabilities: Range<Int>?

    /// The decoded params.protocolVersion of `initialize`.
    package internal(set) var protocolVersion: String?
    /// The raw value of params.capabilities (`initialize`).
    package internal(set) var capabilities: Range<Int>?
    /// The raw token of params.requestId of `notifications/cancelled`; only set if it is a string or a number.
    package internal(set) var requestIdToCancel: Range<Int>?
    /// The raw token of params.uri (`resources/read` and its kin); only set if it is a string.
    package internal(set) var uri: Range<Int>?
    /// The raw token of params.taskId (`tasks/get` and its kin); only set if it is a string.
    package internal(set) var taskId: Range<Int>?
    /// The raw token of params.cursor (`tools/list` and its kin); only set if it is a string.
    package internal(set) var cursor: Range<Int>?
    /// Whether params.cursor is there and is neither a string nor null.
    package internal(set) var hasUnusableCursor = false
}
