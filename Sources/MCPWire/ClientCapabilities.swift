// What a client has said that it can be asked: of a client's capabilities the part that a server acts upon.

/// The capabilities of a client that servers may ask for (MCP 2025-11-25, Lifecycle, Capability Negotiation), small enough for a session's id
/// to carry them to every node.
package struct ClientCapabilities: OptionSet, Hashable, Sendable {
    /// Six bits are used.
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue & 63 }

    // A literal would make it by way of a sequence, at run time, where this module cannot be seen through.
    /// None of them.
    package static let none = Self(rawValue: 0)
    /// `sampling`.
    package static let sampling = Self(rawValue: 1)
    /// `sampling.tools`.
    package static let samplingTools = Self(rawValue: 2)
    /// `elicitation`, with or without `form`.
    package static let elicitation = Self(rawValue: 4)
    /// `elicitation.url`.
    package static let elicitationURL = Self(rawValue: 8)
    /// `roots`.
    package static let roots = Self(rawValue: 16)
    /// `roots.listChanged`.
    package static let rootsListChanged = Self(rawValue: 32)

    /// Reads the value of `capabilities`; whatever is not known is left out.
    package init(_ value: JSONValue?) {
        var found: ClientCapabilities = []
        if let sampling = value?["sampling"]?.objectValue {
            found.insert(.sampling)
            if sampling["tools"]?.objectValue != nil { found.insert(.samplingTools) }
        }
        if let elicitation = value?["elicitation"]?.objectValue {
            let hasURL = elicitation["url"]?.objectValue != nil
            if hasURL { found.insert(.elicitationURL) }
            // Before 2025-11-25 there were forms alone, and no word for them.
            if !hasURL || elicitation["form"]?.objectValue != nil { found.insert(.elicitation) }
        }
        if let roots = value?["roots"]?.objectValue {
            found.insert(.roots)
            if roots["listChanged"] == .bool(true) { found.insert(.rootsListChanged) }
        }
        self = found
    }

    /// The value of `capabilities` for a server.
    package var json: JSONValue {
        var all: JSONObject = [:]
        if contains(.sampling) { all["sampling"] = contains(.samplingTools) ? ["tools": [:]] : [:] }
        switch (contains(.elicitation), contains(.elicitationURL)) {
        case (true, true): all["elicitation"] = ["form": [:], "url": [:]]
        case (true, false): all["elicitation"] = [:]
        case (false, true): all["elicitation"] = ["url": [:]]
        case (false, false): break
        }
        if contains(.roots) { all["roots"] = contains(.rootsListChanged) ? ["listChanged": true] : [:] }
        return .object(all)
    }
}
