// The immutable record of a call; usage, request log and reports are views of these.

/// One event a call, whatever way the call left (F-LOG-01, F-LOG-02).
///
/// Its credits are not in here: the settling script decides them and writes both in one entry.
package struct CallEvent: Sendable, Equatable {
    package enum Outcome: String, Sendable {
        case ok
        /// The upstream answered with an error, or not at all; refunded where that is on.
        case failed
        /// The node died with the call open; nobody was answered.
        case unknown
        case denied
    }

    package var keyID: String
    package var keyName: String
    package var keyPrefix: String
    package var keyMasked: String
    package var namespace: String
    package var tool: String
    package var outcome: Outcome
    /// Empty unless denied, or `shadow:<reason>`.
    package var reason: String
    package var milliseconds: Int
    package var requestID: String

    package init(
        keyID: String, keyName: String, keyPrefix: String, keyMasked: String, namespace: String, tool: String, outcome: Outcome,
        reason: String = "", milliseconds: Int, requestID: String
    ) {
        self.keyID = keyID
        self.keyName = keyName
        self.keyPrefix = keyPrefix
        self.keyMasked = keyMasked
        self.namespace = namespace
        self.tool = tool
        self.outcome = outcome
        self.reason = reason
        self.milliseconds = milliseconds
        self.requestID = requestID
    }

    /// One short text for the log: fields between unit separators, which no field may hold.
    package var packed: [UInt8] {
        var fields = PackedFields()
        pack(into: &fields)
        return fields.bytes
    }

    /// Ten fields.
    package func pack(into fields: inout PackedFields) {
        fields.append(keyID)
        fields.append(keyName)
        fields.append(keyPrefix)
        fields.append(keyMasked)
        fields.append(namespace)
        fields.append(tool)
        fields.append(outcome.rawValue)
        fields.append(reason)
        fields.append(milliseconds)
        fields.append(requestID)
    }

    package init?(packed: String) {
        self.init(fields: PackedFields.split(packed))
    }

    package init?(fields: [String]) {
        guard fields.count == 10, let outcome = Outcome(rawValue: fields[6]), let milliseconds = Int(fields[8]) else { return nil }
        self.init(
            keyID: fields[0], keyName: fields[1], keyPrefix: fields[2], keyMasked: fields[3], namespace: fields[4],
            tool: fields[5], outcome: outcome, reason: fields[7], milliseconds: milliseconds, requestID: fields[9])
    }
}

/// Texts joined by the unit separator (U+001F); control characters in them become spaces, so a field never becomes two.
package struct PackedFields: Sendable {
    package private(set) var bytes: [UInt8] = []
    private var isEmpty = true

    package init() {
        bytes.reserveCapacity(224)
    }

    package init(_ fields: [String]) {
        self.init()
        for field in fields { append(field) }
    }

    package mutating func append(_ field: String) {
        separate()
        let start = bytes.count
        bytes.append(contentsOf: field.utf8)
        for index in start..<bytes.count where bytes[index] < 0x20 { bytes[index] = 0x20 }
    }

    package mutating func append(_ number: Int) {
        separate()
        bytes.append(contentsOf: String(number).utf8)
    }

    private mutating func separate() {
        if !isEmpty { bytes.append(0x1f) }
        isEmpty = false
    }

    package static func split(_ text: String) -> [String] {
        text.utf8.split(separator: 0x1f, omittingEmptySubsequences: false).map { String(Substring($0)) }
    }
}
