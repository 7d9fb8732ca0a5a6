// What operators keep of webhooks: filters with a sink of their own, and the sinks of single keys.

import GateDomain

/// Events that go to a sink of their own (F-WH-10).
package struct WebhookFilter: StoredRecord {
    package static let kind = "webhook-filters"
    package static let topic = Topic.aside
    /// Filters that there may be.
    package static let capacity = 50
    /// What every id begins with.
    package static let prefix = "wf_"

    /// `wf_` and 16 hex digits.
    package let id: String
    /// What people call it.
    package var name: String
    /// Types of events; `*` is all of them.
    package var events: [String]
    /// Where they go, http or https.
    package var url: String
    /// What they are signed with; nil for no signature.
    package var secret: String?
    /// The first characters of keys, of which 10 count, or their ids; empty for events of all keys and of none.
    package var keyPrefixes: [String]
    /// Whether events go there.
    package var isActive: Bool
    package let createdAt: Int
    package let version: Int

    package init(
        id: String, name: String = "", events: [String] = [], url: String = "", secret: String? = nil, keyPrefixes: [String] = [],
        isActive: Bool = true, createdAt: Int, version: Int = 0
    ) {
        self.id = id
        self.name = name
        self.events = events
        self.url = url
        self.secret = secret
        self.keyPrefixes = keyPrefixes
        self.isActive = isActive
        self.createdAt = createdAt
        self.version = version
    }

    /// Nil if the fields are none of a filter.
    package init?(id: String, fields: [String: String]) {
        guard id.hasPrefix(Self.prefix), let url = fields["url"], let version = fields["version"].flatMap({ Int($0) }) else { return nil }
        self.init(
            id: id, name: fields["name"] ?? "", events: (fields["events"] ?? "").asLines, url: url, secret: fields["secret"],
            keyPrefixes: (fields["prefixes"] ?? "").asLines, isActive: fields["active"] != "0",
            createdAt: fields["created"].flatMap { Int($0) } ?? 0, version: version)
    }

    package var fields: [String: String] {
        var fields = [
            "name": name, "events": events.lines, "url": url, "prefixes": keyPrefixes.lines, "active": isActive ? "1" : "0",
            "created": String(createdAt),
        ]
        fields["secret"] = secret
        return fields
    }
}

/// Where the events of one key go besides (F-WH-15).
package struct KeyWebhook: StoredRecord {
    package static let kind = "key-webhooks"
    package static let topic = Topic.aside
    /// What every id begins with.
    package static let prefix = "hook_"

    /// `hook_` and the digits of the key's id, so that it lies where the key does.
    package let id: String
    /// http or https.
    package var url: String
    /// What events are signed with; nil for no signature.
    package var secret: String?
    package let createdAt: Int
    package let version: Int

    /// - Parameter key: the key's id.
    package init(of key: String, url: String, secret: String?, createdAt: Int) {
        id = Self.id(of: key)
        (self.url, self.secret, self.createdAt) = (url, secret, createdAt)
        version = 0
    }

    /// Nil if the fields are none of a key's webhook.
    package init?(id: String, fields: [String: String]) {
        guard id.hasPrefix(Self.prefix), let url = fields["url"], let version = fields["version"].flatMap({ Int($0) }) else { return nil }
        self.id = id
        self.version = version
        (self.url, secret, createdAt) = (url, fields["secret"], fields["created"].flatMap { Int($0) } ?? 0)
    }

    /// The id of the webhook of a key.
    package static func id(of key: String) -> String { prefix + key.drop { $0 != "_" }.dropFirst() }

    package var fields: [String: String] {
        var fields = ["url": url, "created": String(createdAt)]
        fields["secret"] = secret
        return fields
    }
}

extension AuditEntry {
    /// Reads what `packed` has written; nil for anything else. Unknown fields are passed over.
    package init?(packed: [UInt8]) {
        let parts = packed.split(separator: 0x1f, omittingEmptySubsequences: false)
        guard let format = parts.first, !format.isEmpty, format.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        var (type, actor, message, metadata) = ("", "", "", [(String, String)]())
        for part in parts.dropFirst() {
            guard let separator = part.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let name = String(decoding: part[..<separator], as: UTF8.self)
            let value = String(decoding: part[part.index(after: separator)...], as: UTF8.self)
            switch name {
            case "t": type = value
            case "a": actor = value
            case "m": message = value
            default: if name.hasPrefix(".") { metadata.append((String(name.dropFirst()), value)) }
            }
        }
        guard !type.isEmpty else { return nil }
        self.init(type: type, actor: actor, message: message, metadata: metadata)
    }
}
