// What Redis answers, as Swift values.

/// A reply, copied out of hiredis's tree.
package enum RedisReply: Sendable, Equatable {
    /// Nothing there.
    case null
    /// A whole number.
    case integer(Int)
    /// A simple or bulk string; any bytes.
    case bytes([UInt8])
    /// Several, of any kinds.
    case array([RedisReply])
    /// Redis refuses the command; the text begins with a word in capitals.
    case error(String)

    /// The whole number, also where it is written as text; nil for anything else.
    package var integer: Int? {
        switch self {
        case .integer(let value): value
        case .bytes(let bytes): Int(String(decoding: bytes, as: UTF8.self))
        default: nil
        }
    }

    /// The text of bytes, what is no UTF-8 replaced; nil for anything else.
    package var string: String? {
        if case .bytes(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
    }

    /// The elements; nil for anything else.
    package var array: [RedisReply]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The integer at a place of an array reply; 0 where there is none.
    package func integer(at index: Int) -> Int {
        guard case .array(let elements) = self, index < elements.count else { return 0 }
        return elements[index].integer ?? 0
    }

    /// The number that opens the answer of a script; -1 if the reply is no such answer.
    package var status: Int {
        if case .array(let elements) = self { elements.first?.integer ?? -1 } else { -1 }
    }

    /// The pairs of an HGETALL.
    package var fields: [String: String] {
        guard case .array(let elements) = self else { return [:] }
        var fields: [String: String] = [:]
        for index in stride(from: 0, to: elements.count - 1, by: 2) {
            if let name = elements[index].string, let value = elements[index + 1].string { fields[name] = value }
        }
        return fields
    }
}

/// Why Redis did not do as asked.
package enum StoreFailure: Error, Sendable, Equatable {
    /// Certainly not carried out: the command was never written, or Redis refused it as a whole.
    case unavailable(String)
    /// Written, but no answer came in time; it may have been carried out.
    case unknown
    /// Written, but its connection broke before an answer came; it may have been carried out, or still will be. Only for commands that are
    /// not simply written again.
    case lost
    /// A fault of ours: the command or the script is wrong.
    case fault(String)

    /// Whether the command may have had its effect all the same.
    package var mayHaveBeenCarriedOut: Bool {
        if case .unavailable = self { false } else { true }
    }

    /// Reads an error reply, or the text of an error that a script has caught.
    ///
    /// What an operator or another server can heal is *unavailable*: the command had no effect. The words may stand behind a prefix: Redis 6
    /// puts `ERR Error running script (…): @user_script:1: -` before those of a command that a script has called.
    package init(errorText text: String) {
        self =
            Self.temporary.contains { text.hasPrefix($0) || text.contains("-" + $0 + " ") || text.contains(": " + $0 + " ") }
            ? .unavailable(text) : .fault(text)
    }

    private static let temporary = [
        "LOADING", "BUSY", "MASTERDOWN", "READONLY", "OOM", "NOREPLICAS", "MISCONF", "TRYAGAIN", "CLUSTERDOWN", "MOVED", "ASK", "ERR max",
        "UNBLOCKED", "NOAUTH", "NOPERM",
    ]

    /// Whether the connection has to be made anew: another server has taken this one's place, or it does not know us any more.
    package static func isMoved(errorText text: String) -> Bool {
        ["READONLY", "MASTERDOWN", "MOVED", "ASK", "CLUSTERDOWN", "NOAUTH"].contains { text.hasPrefix($0) || text.contains("-" + $0 + " ") }
    }

    /// A few words for logs and operators, never for clients.
    package var sentence: String {
        switch self {
        case .unavailable(let why): "the store is unavailable: \(why)"
        case .unknown: "the store did not answer in time"
        case .lost: "the connection to the store broke"
        case .fault(let why): "the store refused the command: \(why)"
        }
    }
}
