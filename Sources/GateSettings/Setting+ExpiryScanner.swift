// Who is told before a key runs out of its time, and when.

import GateValues
import MCPWire

/// The scanner of keys that expire (F-ALERT-04).
package struct ExpiryScannerSettings: Sendable, Equatable {
    /// Whether anybody is told.
    package var isEnabled = true
    /// Seconds between two looks, at least 60.
    package var intervalSeconds = 3600
    /// Seconds before an expiry at which it is told, the largest first; each once.
    package var thresholds = [604_800, 86_400, 3600]

    /// The defaults.
    package init() {}
}

extension Setting {
    static let expiryScanner: [Setting] = [
        Setting("expiryScanner.enabled", \.expiryScanner.isEnabled, .toggle, "Whether key.expiry_warning is told before a key expires."),
        Setting(
            "expiryScanner.intervalSeconds", \.expiryScanner.intervalSeconds, .number("s", 60...86_400),
            "Time between two looks for keys that expire soon."),
        Setting(
            "expiryScanner.thresholds", \.expiryScanner.thresholds, SettingKind(.thresholds, .list(placeholder: "s")),
            "Times before an expiry at which it is told, in seconds; each once, the largest first."),
    ]
}

extension ValueKind where Value == [Int] {
    /// 1 to 20 times in seconds of up to ten years, in any order.
    fileprivate static let thresholds = Self(.list(of: .integer(1...315_360_000))) { json throws(ValueFault) in
        let rule = "Must be a list of 1 to 20 numbers of seconds, 1–315360000."
        guard let entries = json.arrayValue, (1...20).contains(entries.count) else { throw ValueFault(rule, showing: json) }
        var seconds: Set<Int> = []
        for entry in entries {
            guard let value = entry.numberValue, (1...315_360_000).contains(value), value == value.rounded() else {
                throw ValueFault(rule, showing: entry)
            }
            seconds.insert(Int(value))
        }
        return seconds.sorted(by: >)
    }
}
