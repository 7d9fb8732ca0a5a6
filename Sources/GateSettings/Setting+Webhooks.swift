// The settings of webhooks, and filters as the configuration has them (F-CFG-01, F-CFG-02).

package import GateDomain
package import GateValues
import MCPWire

/// A filter of the configuration: it cannot be changed while the gate runs.
package struct WebhookFilterSettings: Sendable, Equatable {
    /// Empty for none.
    package var name = ""
    /// Types of events, or `*`.
    package var events: [String] = []
    /// Nil after a refusal.
    package var url: WebhookURL?
    /// Nil for no signature.
    package var secret: String?
    /// Empty for events of all keys.
    package var keyPrefixes: [String] = []
    /// Whether events go there.
    package var isActive = true
}

extension Setting {
    private static let webhookSecret = Setting(
        "webhookSecret", \.webhookSecret, SettingKind<String>(.webhookSecret, .value(placeholder: "secret")).optional,
        flags: ["webhook-secret"], variables: ["PAYGATE_WEBHOOK_SECRET"], reloadable: true,
        "What events are signed with (HMAC-SHA256).")

    static let webhooks: [Setting] = [
        Setting(
            "webhookUrl", \.webhookUrl, SettingKind<WebhookURL>(.webhookURL, .value(placeholder: "url")).optional,
            flags: ["webhook-url"], variables: ["PAYGATE_WEBHOOK_URL"], reloadable: true,
            "Where events of calls and of admins are sent."),
        webhookSecret, inFile(webhookSecret),
        Setting(
            "webhookMaxRetries", \.webhookMaxRetries, .number("n", 0...100),
            flags: ["webhook-retries"], variables: ["PAYGATE_WEBHOOK_RETRIES"], reloadable: true,
            "Attempts after the first one, before events become a dead letter."),
        Setting("webhookFilters", \.webhookFilters, .webhookFilters, "Sinks of their own for some events; the same on every node."),
        Setting(
            "webhookSsrfAtDelivery", \.webhookSsrfAtDelivery, .toggle,
            "false lets webhooks reach loopback and private addresses."),
        Setting(
            "webhookFlushMs", \.webhookFlushMs, .number("ms", 0...60_000),
            "How long fewer than ten events wait for more of them."),
    ]
}

extension Settings {
    /// To which addresses events may be sent.
    package var webhookAddressRule: WebhookAddressRule { WebhookAddressRule(allowsPrivate: !webhookSsrfAtDelivery) }

    func checkWebhooks(_ diagnostics: inout SettingsDiagnostics) {
        if webhookSecret != nil, webhookUrl == nil { diagnostics.warn("webhookSecret", "It has no effect without webhookUrl.") }
        if !webhookSsrfAtDelivery {
            diagnostics.warn("webhookSsrfAtDelivery", "Webhooks may reach loopback and private addresses.")
        }
        for (field, url) in [("webhookUrl", webhookUrl)] + webhookFilters.enumerated().map({ ("webhookFilters[\($0)].url", $1.url) }) {
            guard let url, url.address.map(webhookAddressRule.allows) == false || url.host == "localhost" && webhookSsrfAtDelivery
            else { continue }
            diagnostics.warn(
                field, "It is a private or local address: nothing is delivered to it unless webhookSsrfAtDelivery is false.")
        }
    }
}

extension SettingsResolution {
    /// Refuses filters of events that nobody tells.
    /// - Parameter events: all that a filter may name.
    package mutating func check(events: Set<String>) {
        for (place, filter) in settings.webhookFilters.enumerated() {
            guard let stranger = filter.events.first(where: { !events.contains($0) }) else { continue }
            diagnostics.error(
                "webhookFilters[\(place)].events", "Must be types of events that this gate tells, or *: \(stranger) is none.")
        }
    }
}

extension SettingKind where Value == [WebhookFilterSettings] {
    static var webhookFilters: Self { Self(.webhookFilters, .list(placeholder: "filter")) }
}

extension ValueKind where Value == [WebhookFilterSettings] {
    /// `[{name, events, url, secret, keyPrefixes, active}]`.
    fileprivate static let webhookFilters = Self(
        .list(of: .object),
        reading: { json, findings in
            guard case .array(let entries) = json, entries.count <= 50 else {
                findings.refuse("Must be a list of at most 50 filters.")
                return nil
            }
            return entries.enumerated().compactMap { index, entry in
                findings.within("[\(index)]") { ValueKind<WebhookFilterSettings>.webhookFilter.read(entry, &$0) }
            }
        })
}

extension ValueKind where Value == WebhookFilterSettings {
    fileprivate static let webhookFilter = members { members, findings in
        var filter = WebhookFilterSettings()
        for member in members where !member.value.isNull {
            findings.within(".\(member.name)") { findings in
                switch member.name {
                case "name": filter.name = ValueKind<String>.text(upTo: 500).read(member.value, &findings) ?? ""
                case "events": filter.events = ValueKind<[String]>.eventTypes.read(member.value, &findings) ?? []
                case "url": filter.url = ValueKind<WebhookURL>.webhookURL.read(member.value, &findings)
                case "secret": filter.secret = ValueKind<String>.webhookSecret.read(member.value, &findings)
                case "keyPrefixes": filter.keyPrefixes = ValueKind<[String]>.keyPrefixes.read(member.value, &findings) ?? []
                case "active": filter.isActive = ValueKind<Bool>.flag.read(member.value, &findings) ?? true
                default: findings.remark(Setting.unknown)
                }
            }
        }
        for name in ["events", "url"] where !members.contains(where: { $0.name == name && !$0.value.isNull }) {
            findings.refuse("It needs \(name).")
        }
        return filter
    }
}
