// The methods of MCP that the gate knows.

/// The methods that the gate treats in a way of their own; everything else passes through as `other`.
@usableFromInline
package enum Method: UInt8, Sendable, CaseIterable {
    /// `initialize`, the first request of a session.
    case initialize
    /// Both `notifications/initialized` and the bare `initialized` of early clients.
    case initialized
    /// `ping`, which the gate answers itself.
    case ping
    /// `tools/list`.
    case toolsList
    /// `tools/call`.
    case toolsCall
    /// `tools/call_batch`, several calls that are admitted together (F-BATCH).
    case toolsCallBatch
    /// `resources/list`.
    case resourcesList
    /// `prompts/list`.
    case promptsList
    /// `notifications/cancelled`.
    case notificationsCancelled
    /// `notifications/progress`.
    case notificationsProgress
    /// `server/discover`, with which a stateless client begins (2026-07-28).
    case serverDiscover
    /// `subscriptions/listen`, the stream of a stateless client (2026-07-28).
    case subscriptionsListen
    /// Any other method; its name is in the message.
    case other

    /// Needs no key and costs nothing.
    @inlinable package var isFree: Bool {
        switch self {
        case .initialize, .initialized, .ping, .toolsList, .resourcesList, .promptsList: true
        case .toolsCall, .toolsCallBatch, .notificationsCancelled, .notificationsProgress, .serverDiscover, .subscriptionsListen, .other:
            false
        }
    }

    /// Has to be admitted and is charged.
    @inlinable package var isGated: Bool { self == .toolsCall || self == .toolsCallBatch }

    /// The method of a string token, whatever escapes it is written with (`tools\/call` is common from PHP).
    init(_ token: StringToken, in bytes: UnsafeRawBufferPointer) {
        guard token.isPlain else {
            var decoded: [UInt8] = []
            JSONText.unescape(bytes.piece(token.content), into: &decoded)
            self = decoded.withUnsafeBytes { Method($0) }
            return
        }
        self.init(bytes.piece(token.content))
    }

    private init(_ name: UnsafeRawBufferPointer) {
        let (candidate, spelling): (Method, StaticString) =
            switch name.count {
            case 4: (.ping, "ping")
            case 10 where name.last == UInt8(ascii: "e"): (.initialize, "initialize")
            case 10 where name.last == UInt8(ascii: "t"): (.toolsList, "tools/list")
            case 10: (.toolsCall, "tools/call")
            case 11: (.initialized, "initialized")
            case 12: (.promptsList, "prompts/list")
            case 14: (.resourcesList, "resources/list")
            case 15: (.serverDiscover, "server/discover")
            case 16: (.toolsCallBatch, "tools/call_batch")
            case 20: (.subscriptionsListen, "subscriptions/listen")
            case 22: (.notificationsProgress, "notifications/progress")
            case 23: (.notificationsCancelled, "notifications/cancelled")
            case 25: (.initialized, "notifications/initialized")
            default: (.other, "")
            }
        self = name.spells(spelling) ? candidate : .other
    }
}
