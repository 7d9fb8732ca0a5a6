// One receiver of events: where, signed with what, and which events it is meant for.

import ClusterState
import GateDomain
import GateValues

/// A sink has a queue of its own, under its name.
struct WebhookSink: Sendable {
    /// The configured one, which gets everything.
    static let usual = "default"

    /// `default`, the id of a filter, or that of a key's webhook.
    let name: String
    let url: WebhookURL
    /// Nil for no signature.
    let secret: String?
    /// Nil for one that gets every event that is routed to it.
    let filter: WebhookFilter?

    var kind: WebhookSinkKind { WebhookSinkKind(of: name) }

    /// - Parameter secret: an empty one is none.
    init(name: String, url: WebhookURL, secret: String?, filter: WebhookFilter? = nil) {
        (self.name, self.url, self.filter) = (name, url, filter)
        self.secret = secret.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Nil where the stored URL is none.
    init?(_ filter: WebhookFilter) {
        guard let url = WebhookURL(filter.url) else { return nil }
        self.init(name: filter.id, url: url, secret: filter.secret, filter: filter)
    }

    /// Nil where the stored URL is none.
    init?(_ hook: KeyWebhook) {
        guard let url = WebhookURL(hook.url) else { return nil }
        self.init(name: hook.id, url: url, secret: hook.secret)
    }

    /// Whether the sink gets events of a type, of a key or of none.
    func takes(_ event: WebhookEvent) -> Bool {
        guard let filter else { return true }
        guard filter.events.contains(where: { $0 == "*" || WebhookEvent.usualType($0).hasSameBytes(as: event.type) }) else { return false }
        return filter.keyPrefixes.isEmpty
            || event.keys.contains { key in
                filter.keyPrefixes.contains { entry in
                    entry.hasSameBytes(as: key.id) || key.prefix.utf8.starts(with: entry.utf8.prefix(WebhookFilter.longestPrefix))
                }
            }
    }
}

extension WebhookFilter {
    /// Characters of a key that are kept, and that a prefix of a filter is compared with; what is longer counts as far as that.
    static let longestPrefix = 10
}
