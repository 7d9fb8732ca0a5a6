// What the rules of access and of limits say no with.

extension ToolAccess {
    /// Whether a key with these lists may call the tool.
    package func permits(_ tool: String) -> Bool { refusal(of: tool) == nil }

    /// Which of the lists forbids the tool; nil if neither does.
    package func refusal(of tool: String) -> Denial? {
        // By their bytes: names that only look alike are different tools, and a server may list one that is costly to compare as text.
        if !allowed.isEmpty && !allowed.contains(where: { $0.hasSameBytes(as: tool) }) { return .toolNotAllowed(tool) }
        if denied.contains(where: { $0.hasSameBytes(as: tool) }) { return .toolDenied(tool) }
        return nil
    }
}

extension CountryAccess {
    /// Which of the lists forbids a country; nil if neither does.
    /// - Parameter country: its code in upper case; nil where nobody who may be believed has said it, which an allow list does not let pass
    ///   (F-GEO-03).
    package func refusal(from country: String?) -> Denial? {
        if let country, denied.contains(country) { return .countryDenied(country) }
        if !allowed.isEmpty, !(country.map(allowed.contains) ?? false) { return .countryNotAllowed(country) }
        return nil
    }
}

extension Limit {
    /// What a caller is told when it is reached. - Parameter wait: microseconds until it may have room, 0 where nobody knows.
    package func denial(wait: Int) -> Denial {
        switch (measure, window, subject) {
        case (.inFlight, _, .tool(let tool)): .tooManyInFlight(tool: tool)
        case (.inFlight, _, _): .tooManyInFlight(tool: nil)
        case (_, .rolling, .tool(let tool)): .toolRateLimited(tool, waitMicroseconds: wait)
        case (_, .rolling, _): .rateLimited(waitMicroseconds: wait)
        default: .quotaExceeded(QuotaName(self))
        }
    }
}
