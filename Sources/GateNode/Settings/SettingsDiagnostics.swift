/// One thing that is wrong, or worth knowing, about a configuration.
package struct SettingsDiagnostic: Sendable, Equatable {
    package enum Level: String, Sendable, Encodable {
        case error, warning
    }

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
    package private(set) var entries: [SettingsDiagnostic] = []

    package init() {}

    package var errors: [SettingsDiagnostic] { entries.filter { $0.level == .error } }
    package var warnings: [SettingsDiagnostic] { entries.filter { $0.level == .warning } }
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

extension SettingsDiagnostics: Encodable {
    private enum CodingKeys: String, CodingKey {
        case valid, diagnostics, errors, warnings
    }

    /// The report of `validate --json` (F-CLI-07); errors and warnings are counts.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(isValid, forKey: .valid)
        try container.encode(entries, forKey: .diagnostics)
        try container.encode(errors.count, forKey: .errors)
        try container.encode(warnings.count, forKey: .warnings)
    }
}

extension SettingsDiagnostic: Encodable {}
