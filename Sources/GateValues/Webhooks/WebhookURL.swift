// Where events are sent to: a URL that two readers cannot read in two ways.

import Foundation
package import GateDomain
import MCPWire

/// An http or https URL, taken apart once; what is connected to is made of its parts and never of the text.
package struct WebhookURL: Sendable, Equatable {
    /// As it was given.
    package let text: String
    /// In lower case: a name, or an address without brackets.
    package let host: String
    private let scheme: String
    private let port: Int?
    /// Path and query, percent-encoded.
    private let path: String
    private let user: String?
    private let password: String?

    /// Bytes of a URL.
    package static let longest = 2048
    /// What it has to be, a whole sentence.
    package static let rule = "Must be an http or https URL of at most 2048 bytes with a host."

    /// Nil for anything else.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.longest, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "\\") }),
            let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(), ["http", "https"].contains(scheme),
            var host = parts.percentEncodedHost?.lowercased(), !host.isEmpty, (1...65_535).contains(parts.port ?? 1),
            // A port that is no number of a port is not there to Foundation; `***` is what we show in place of a user.
            parts.port != nil || !Self.namesPort(text), parts.user != "***"
        else { return nil }
        if host.hasPrefix("["), let address = IPAddress(host) {
            guard host.utf8.allSatisfy({ $0 != UInt8(ascii: "%") }) else { return nil }
            host = address.description
        }
        guard host.utf8.count <= 255, host.contains(":") && host.hasPrefix("[") == false || host.utf8.allSatisfy(Self.isOfName) else {
            return nil
        }
        self.text = text
        (self.scheme, self.host, port) = (scheme, host, parts.port)
        (user, password) = (parts.user, parts.password)
        let query = parts.percentEncodedQuery.map { "?" + $0 } ?? ""
        path = (parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath) + query
    }

    /// Where requests to it go; those to one place may share connections.
    package struct Place: Hashable, Sendable {
        /// As `host` of the URL.
        package let host: String
        /// 1 to 65535.
        package let port: Int
        /// Whether it is https.
        package let isSecure: Bool

        package init(host: String, port: Int, isSecure: Bool) {
            (self.host, self.port, self.isSecure) = (host, port, isSecure)
        }
    }

    /// Where it lies.
    package var place: Place { Place(host: host, port: port ?? (scheme == "https" ? 443 : 80), isSecure: scheme == "https") }

    private static func namesPort(_ text: String) -> Bool {
        let authority = text.utf8.drop { $0 != UInt8(ascii: "/") }.dropFirst(2).prefix { !"/?#".utf8.contains($0) }
        let place = authority.lastIndex(of: UInt8(ascii: "@")).map { authority[authority.index(after: $0)...] } ?? authority
        let end = place.lastIndex(of: UInt8(ascii: "]")).map { place[place.index(after: $0)...] } ?? place
        return end.contains(UInt8(ascii: ":"))
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// The address that the host is, if it is none that has to be looked up.
    package var address: IPAddress? { IPAddress(host) }

    private var authority: String { (host.contains(":") ? "[\(host)]" : host) + (port.map { ":\($0)" } ?? "") }
    /// What is asked for: without credentials and fragment.
    package var request: String { "\(scheme)://\(authority)\(path)" }
    /// For logs: as `request`, with `***` in place of credentials.
    package var withoutCredentials: String { user == nil ? request : "\(scheme)://***@\(authority)\(path)" }
    /// For status pages: the host alone.
    package var masked: String { "\(scheme)://\(authority)/***" }
    /// What `Authorization` says; nil without credentials.
    package var authorization: String? {
        user.map { "Basic " + Data("\($0):\(password ?? "")".utf8).base64EncodedString() }
    }
}

extension ValueKind where Value == WebhookURL {
    /// Where events are sent to; sentences never repeat it, for it may hold a password.
    package static let webhookURL = Self(.string(1...WebhookURL.longest).with("format", "uri")) { json throws(ValueFault) in
        guard let url = json.stringValue.flatMap({ WebhookURL($0) }) else { throw ValueFault(WebhookURL.rule) }
        return url
    }
}

extension ValueKind where Value == String {
    /// What events are signed with.
    package static let webhookSecret = word(
        .string(0...500), isSecret: true, rule: "Must be text of at most 500 bytes, and not ***, which stands for one that is not shown."
    ) {
        $0.utf8.count <= 500 && $0 != "***"
    }
    fileprivate static let eventType = word(.string(1...64), rule: "") { text in
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || "._*".utf8.contains($0) }
    }
    fileprivate static let keyPrefix = word(.string(1...200), rule: "") { text in
        // A whole key may stand there, too.
        (1...200).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }
}

extension ValueKind where Value == [String] {
    /// Types of events, or `*`.
    package static let eventTypes = bounded(
        list(of: .eventType, upTo: 50, rule: eventRule), 1...50, eventRule)
    /// What the keys of events begin with, or their ids.
    package static let keyPrefixes = bounded(list(of: .keyPrefix, upTo: 50, rule: prefixRule), 0...50, prefixRule)

    private static let eventRule = "Must be 1 to 50 types of events, as key.created, or *."
    private static let prefixRule = "Must be at most 50 texts of 1 to 200 visible ASCII characters without spaces."
}
