// What was found while a configuration was read.

import GateValues
import MCPWire

/// One thing that is wrong, or worth knowing, about a configuration.
package struct SettingsDiagnostic: Sendable, Equatable {
    /// How much an entry weighs.
    package enum Level: String, Sendable {
        /// The node does not start.
        case error
        /// The node starts all the same.
        case warning
    }

    /// How much it weighs.
    package let level: Level
    /// Path of the setting in the configuration file.
    package let field: String
    /// Whole sentences that never repeat a secret.
    package let message: String
}

extension SettingsDiagnostic: CustomStringConvertible {
    /// `ERROR [port] Invalid port 99999. Must be 0–65535.` (F-CLI-07)
    package var description: String {
        "\(level == .error ? "ERROR" : "WARN") [\(field)] \(message)"
    }
}

/// All that was found while a configuration was read; an error keeps the node from starting.
package struct SettingsDiagnostics: Sendable, Equatable {
    /// In the order in which they were found.
    package private(set) var entries: [SettingsDiagnostic] = []

    /// Nothing found.
    package init() {}

    /// The entries that keep the node from starting.
    package var errors: [SettingsDiagnostic] { entries.filter { $0.level == .error } }
    /// The entries that do not.
    package var warnings: [SettingsDiagnostic] { entries.filter { $0.level == .warning } }
    /// Whether there is no error.
    package var isValid: Bool { errors.isEmpty }

    mutating func error(_ field: String, _ message: String) {
        entries.append(SettingsDiagnostic(level: .error, field: field, message: message))
    }

    mutating func warn(_ field: String, _ message: String) {
        entries.append(SettingsDiagnostic(level: .warning, field: field, message: message))
    }

    /// Reports a value that breaks a rule, as "Invalid port 99999 from --port. Must be 0–65535.".
    mutating func refuse(_ place: SettingPlace, showing value: String? = nil, _ rule: String) {
        let shown = value.map { " " + $0 } ?? ""
        error(place.field, "Invalid \(place.field)\(shown)\(place.source.phrase). \(rule)")
    }
}

extension SettingsDiagnostics {
    /// Reads a value and reports what was found in it; nil after a refusal.
    mutating func value<Value>(of json: JSONValue, _ kind: ValueKind<Value>, _ place: SettingPlace) -> Value? {
        var findings = ValueFindings()
        let value = kind.read(json, &findings)
        for finding in findings.entries {
            switch finding {
            case .fault(let fault): refuse(place.inside(fault.path), showing: fault.shown, fault.rule)
            case .remark(let path, let sentence): warn(place.inside(path).field, sentence)
            }
        }
        return value
    }

    /// The report of `validate --json` as one line (F-CLI-07); errors and warnings are counts.
    package var jsonLine: String {
        let entries: [JSONValue] = entries.map { entry in
            ["level": .string(entry.level.rawValue), "field": .string(entry.field), "message": .string(entry.message)]
        }
        let report: JSONValue = [
            "valid": .bool(isValid), "diagnostics": .array(entries), "errors": .int(Int64(errors.count)),
            "warnings": .int(Int64(warnings.count)),
        ]
        return report.text
    }
}
