// Fields and shared readings of the endpoints that make and change keys.

import GateDomain
import GateValues
import MCPWire

extension Field where Value == [String] {
    static let allowedTools = Field("allowedTools", .toolNames, "Tools that it may call; empty means every tool.")
    static let deniedTools = Field("deniedTools", .toolNames, "Tools that it may not call, whatever is allowed.")
}

extension Field where Value == Int {
    static let spendingLimit = Field(
        "spendingLimit", .credits(0...Credits.operationCeiling), "Credits that it may spend in its life; 0 for no limit.")
}

extension Field where Value == Edit<Int> {
    static let expiresIn = Field<Int>(
        "expiresIn", .integer(1...Credits.operationCeiling), "Seconds until it expires; comes before expiresAt."
    ).clearable
    static let expiresAt = Field<Int>("expiresAt", .time, "When it expires; null for never.").clearable
}

extension Field where Value == Never? {
    /// A documented field that this version does not serve.
    static func later(_ name: String) -> Self { Field<Never>(name, .later, "").optional }
}

extension EndpointRequest {
    /// When the key shall expire, in milliseconds since 1970 of Redis TIME (F-KEY-08, R16). However long ago that is, it is never 0, which
    /// would mean never.
    func expiry(now: Int) throws(HTTPFailure) -> Edit<Int> {
        switch (try self[.expiresIn], try self[.expiresAt]) {
        case (.set(let seconds), _): .set(now + seconds * 1000)
        case (.cleared, _), (.unchanged, .cleared): .cleared
        case (.unchanged, .set(let time)): .set(max(1, time))
        case (.unchanged, .unchanged): .unchanged
        }
    }
}

extension Edit {
    /// What is set, nil if nothing is.
    var value: Value? {
        if case .set(let value) = self { value } else { nil }
    }
}

extension AddressRange: JSONRepresentable {
    var json: JSONValue { .string(text) }
}
