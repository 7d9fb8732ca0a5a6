// Which tools a key may call.

/// An allow list and a deny list of tool names; the deny list is applied after the allow list and always wins (F-GATE-09, F-ACL-01).
package struct ToolAccess: Sendable, Equatable {
    /// Empty means every tool.
    package var allowed: [String]
    /// Empty means none.
    package var denied: [String]

    /// The most entries that either list may have (F-KEY-15).
    package static let capacity = 1000

    package init(allowed: [String] = [], denied: [String] = []) {
        self.allowed = allowed
        self.denied = denied
    }
}
