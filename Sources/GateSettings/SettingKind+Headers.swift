// Headers of every response: what one is, and how they are given.

import GateValues
import HTTPWire
import MCPWire

/// A header of every response, checked at the start (F-HDR-14, F-HDR-15).
package struct CustomHeader: Sendable, Equatable {
    /// An RFC 9110 token.
    package var name: String
    /// At most 8 KB, without control characters.
    package var value: String

    /// A header that was checked already.
    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

extension SettingKind where Value == [CustomHeader] {
    /// `Name: value`, repeated or in a comma list; in the file an object of texts (F-HDR-15).
    static var headers: Self {
        Self(
            .headers, .list(placeholder: "name:value"),
            parse: { texts, place, diagnostics in
                var headers: [(String, JSONValue)] = []
                for line in texts.flatMap(headerLines) {
                    let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                    guard parts.count == 2 else {
                        diagnostics.refuse(place, showing: "\"\(line)\"", "Expected \"Name: value\".")
                        return nil
                    }
                    headers.append((String(trimmed(parts[0])), .string(String(trimmed(parts[1])))))
                }
                return JSONValue(members: headers)
            })
    }
}

extension ValueKind where Value == [CustomHeader] {
    fileprivate static let headers = members(.map(of: .string)) { members, findings in
        let headers = members.compactMap { member in
            findings.within(".\(member.name)") { CustomHeader(member.name, member.value, &$0) }
        }
        if Set(headers.map { $0.name.lowercased() }).count < headers.count {
            findings.refuse("A header is given twice with different capitals.")
            return nil
        }
        return headers
    }
}

extension CustomHeader {
    /// Headers that frame a message: a fixed value would break every response.
    private static let framing: Set<String> = [
        "connection", "content-length", "content-type", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    ]

    /// Largest value in bytes.
    private static let largestValue = 8192

    fileprivate init?(_ name: String, _ json: JSONValue, _ findings: inout ValueFindings) {
        guard HTTP1Writer.isFieldName(name) else {
            findings.refuse("A header's name is made of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110).")
            return nil
        }
        guard !Self.framing.contains(name.lowercased()) else {
            findings.refuse("This header belongs to the message itself and cannot be set.")
            return nil
        }
        guard case .string(let text) = json else {
            findings.refuse("Must be text.", showing: json)
            return nil
        }
        let printable = text.unicodeScalars.filter { ($0.value >= 0x20 && $0.value != 0x7F) || $0.value == 0x09 }
        let value = String(trimmed(Substring(String(String.UnicodeScalarView(printable)))))
        guard value.utf8.count <= Self.largestValue else {
            findings.refuse("Its value is longer than \(Self.largestValue) bytes.")
            return nil
        }
        if printable.count < text.unicodeScalars.count {
            findings.remark("Control characters are removed from the value.")
        }
        self.init(name: name, value: value)
    }
}

/// Separates a comma list of headers. A part that does not begin with `name:` continues the value before it, so that
/// `Cache-Control: no-store, max-age=0` stays one header.
private func headerLines(_ text: String) -> [String] {
    text.split(separator: ",", omittingEmptySubsequences: false).reduce(into: []) { lines, part in
        let name = trimmed(part).prefix { $0 != ":" }
        let startsHeader = part.contains(":") && HTTP1Writer.isFieldName(name)
        if startsHeader || lines.isEmpty {
            lines.append(String(trimmed(part)))
        } else {
            lines[lines.count - 1] += "," + part
        }
    }
}

private func trimmed(_ text: Substring) -> Substring {
    let start = text.drop { $0 == " " || $0 == "\t" }
    let trailing = start.reversed().prefix { $0 == " " || $0 == "\t" }.count
    return start.dropLast(trailing)
}
