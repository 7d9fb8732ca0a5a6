// What the texts, lists and maps of the configuration may be.

import Foundation
import GateDomain
import GateValues
import MCPWire

extension ValueKind where Value == String {
    /// A path; a leading `~/` is the home directory.
    static let path = Self(.string) { json throws(ValueFault) in
        guard let path = json.stringValue, !path.isEmpty else { throw ValueFault("Must be a path.", showing: json) }
        let home = FileManager.default.homeDirectoryForCurrentUser.path
        return path.hasPrefix("~/") ? home + path.dropFirst(1) : path
    }

    /// A URL of one of the schemes. It may carry a password, so that sentences repeat its scheme alone.
    static func url(_ schemes: [String]) -> Self {
        Self(.string.with("format", "uri")) { json throws(ValueFault) in
            guard let text = json.stringValue else { throw ValueFault("Must be a URL.", showing: json) }
            let components = URLComponents(string: text)
            guard let scheme = components?.scheme?.lowercased(), schemes.contains(scheme) else {
                let expected = schemes.map { "\"\($0)://\"" }
                let rule = "Expected \(expected.dropLast().joined(separator: ", ")) or \(expected[expected.count - 1])."
                throw components?.scheme.map { ValueFault(rule, quoting: "protocol \"\($0):\"") } ?? ValueFault(rule)
            }
            let names = scheme == "unix" ? components?.path : components?.host
            guard let names, !names.isEmpty, (components?.port ?? 1) <= 65_535 else {
                throw ValueFault(scheme == "unix" ? "Must name a socket, as unix:///run/redis.sock." : "Must name a host.")
            }
            return text
        }
    }
}

extension ValueKind where Value == String {
    /// A Redis URL of any topology. It may carry a password, so that sentences repeat its scheme alone.
    static let redisURL = Self(.string.with("format", "uri")) { json throws(ValueFault) in
        guard let text = json.stringValue else { throw ValueFault("Must be a URL.", showing: json) }
        let url: RedisURL
        do throws(RedisURLFault) { url = try RedisURL(text) } catch {
            guard error == .unknownScheme, let scheme = URLComponents(string: text)?.scheme else { throw ValueFault(error.rule) }
            throw ValueFault(error.rule, quoting: "protocol \"\(scheme):\"")
        }
        guard url.namesHost else { throw ValueFault("Must name a host.") }
        return text
    }
}

extension ValueKind where Value == [String] {
    /// Texts that keep a rule: an array, or one text with commas.
    static func words(rule: String = "Must be a list of texts.", _ isValid: @escaping @Sendable (String) -> Bool = { _ in true }) -> Self {
        list(of: .word(.string, rule: rule, isValid), upTo: 1000, takesCommas: true, rule: rule)
    }
}

extension ValueKind where Value == [String: Int] {
    /// Credits by the secrets of keys (F-KEY-09); no sentence repeats one.
    static let importedKeys = members(.map(of: ValueKind<Int>.amount().schema)) { members, findings in
        members.reduce(into: [:]) { keys, member in
            guard Credential.lengths.contains(member.name.utf8.count) else {
                let lengths = Credential.lengths
                return findings.refuse(
                    "A key must have \(lengths.lowerBound) to \(lengths.upperBound) characters: a shorter one is soon guessed.")
            }
            keys[member.name] = ValueKind<Int>.amount().read(member.value, &findings)
        }
    }
}

extension ValueKind where Value == CORSSettings.Origins {
    /// `*`, or origins.
    static var origins: Self {
        let listed = ValueKind<[String]>.words(rule: "Must be * or a list of origins such as https://app.example.com, without a path.") {
            $0 == "*" || isOrigin($0)
        }
        return Self(
            listed.schema, reading: { json, findings in listed.read(json, &findings).map { $0.contains("*") ? .any : .listed($0) } })
    }
}

/// Whether a text is `scheme://host[:port]` and nothing more (RFC 6454, section 6.1).
private func isOrigin(_ text: String) -> Bool {
    guard let parts = URLComponents(string: text), parts.scheme != nil, let host = parts.host, !host.isEmpty else {
        return false
    }
    return parts.path.isEmpty && parts.query == nil && parts.fragment == nil && parts.user == nil
}

extension ValueKind where Value == ToolPrice {
    /// One tool's entry of the file; zeros stay zeros.
    static let toolPrice = members { members, findings in
        var price = ToolPrice()
        for member in members where !member.value.isNull {
            findings.within(".\(member.name)") { findings in
                let amount = { (findings: inout ValueFindings) in ValueKind<Int>.amount().read(member.value, &findings) }
                switch member.name {
                case "creditsPerCall": price.creditsPerCall = amount(&findings)
                case "creditsPerKbInput": price.creditsPerKbInput = amount(&findings) ?? 0
                case "creditsPerKbOutput": price.creditsPerKbOutput = amount(&findings) ?? 0
                case "rateLimitPerMin": price.rateLimitPerMin = amount(&findings)
                case "timeoutMs": price.timeoutMs = amount(&findings)
                case "cacheTtlSeconds": findings.remark(Setting.notServed)
                default: findings.remark(Setting.unknown)
                }
            }
        }
        return price
    }
}
