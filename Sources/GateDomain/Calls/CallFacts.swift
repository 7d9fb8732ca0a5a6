// One immutable snapshot of all that a decision may look at.

/// What is known of a call before anything is taken for it.
package struct CallFacts: Sendable {
    package var caller: Caller
    package var tool: String
    /// Compact size of the arguments in bytes (F-PRICE-04).
    package var argumentBytes: Int
    package var address: IPAddress
    /// Milliseconds since 1970 of Redis TIME, as this node last heard it; the script asks the real one again.
    package var now: Int

    /// Who calls.
    package enum Caller: Sendable {
        case nobody
        case unknown
        case key(KeyRecord)
    }

    package init(caller: Caller, tool: String, argumentBytes: Int, address: IPAddress, now: Int) {
        self.caller = caller
        self.tool = tool
        self.argumentBytes = argumentBytes
        self.address = address
        self.now = now
    }
}
