/// Why bytes are not the JSON that was asked for.
/// Small and without references, because the hot path throws it by value.
package struct JSONFault: Error, Equatable {
    package enum Reason: UInt8, Sendable {
        /// The bytes break the grammar of RFC 8259, or end before the value does.
        case syntax
        /// A string is not valid UTF-8, or holds a raw control character.
        case text
        /// Arrays and objects are nested deeper than the cap.
        case depth
        /// A number is too large for a double.
        case magnitude
        /// An object names a member twice (F-SEC-02).
        case duplicateMember
        /// An object has a member that pollutes prototypes elsewhere (F-SEC-02).
        case forbiddenMember
    }

    package let reason: Reason
    /// Where the fault was noticed, in bytes from the start.
    package let offset: Int

    /// A sentence that may be shown to whoever sent the bytes.
    package var sentence: String {
        let fault =
            switch reason {
            case .syntax: "invalid JSON"
            case .text: "invalid text in a JSON string"
            case .depth: "JSON is nested too deeply"
            case .magnitude: "number out of range"
            case .duplicateMember: "duplicate member in a JSON object"
            case .forbiddenMember: "forbidden member in a JSON object"
            }
        return "\(fault) at byte \(offset)"
    }
}
