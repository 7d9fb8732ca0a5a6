// What is wrong with JSON, and how it is said.

/// Why bytes are not the JSON that was asked for.
/// Small and without references, because the hot path throws it by value.
package struct JSONFault: Error, Equatable {
    /// What is wrong.
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

    /// What is wrong with the bytes.
    package let reason: Reason
    /// Where the fault was noticed, in bytes from the start.
    package let offset: Int

    /// A sentence that may be shown to whoever sent the bytes.
    package var sentence: String { "\(reason.phrase) at byte \(offset)" }

    /// A sentence for whoever edits the text that was parsed: lines and columns count from 1, columns in bytes.
    /// - Parameter text: the bytes in which the fault was found.
    package func sentence(in text: [UInt8]) -> String {
        let before = text.prefix(offset)
        let line = before.count { $0 == .lineFeed } + 1
        let column = before.reversed().prefix { $0 != .lineFeed }.count + 1
        return "\(reason.phrase) in line \(line), column \(column)"
    }

    /// The member of the outermost object that the fault was noticed in; nil where it is in none.
    /// - Parameter text: the bytes in which the fault was found.
    package func member(in text: [UInt8]) -> String? {
        text.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            guard (try? scanner.openObject()) != nil else { return nil }
            while let name = try? scanner.nextMember() {
                let start = scanner.position
                guard (try? scanner.skipValue()) != nil, !(start...scanner.position).contains(offset) else { return name.text(in: bytes) }
            }
            return nil
        }
    }
}

extension JSONFault.Reason {
    /// The fault without its place, repeating nothing of the input.
    fileprivate var phrase: String {
        switch self {
        case .syntax: "invalid JSON"
        case .text: "invalid text in a JSON string"
        case .depth: "JSON is nested too deeply"
        case .magnitude: "number out of range"
        case .duplicateMember: "duplicate member in a JSON object"
        case .forbiddenMember: "forbidden member in a JSON object"
        }
    }
}
