// All sources of settings, laid over one another; at the start and at a reload.

import GateValues
package import MCPWire

/// The settings that flags, variables and the file make together, where each came from, and what was wrong (F-ENV-03).
package struct SettingsResolution: Sendable {
    /// What the node runs with, if the diagnostics are valid.
    package private(set) var settings = Settings()
    /// The strongest source of each setting that is not at its default, by the setting's name.
    package private(set) var sources: [String: SettingSource] = [:]
    /// All that was wrong or worth knowing.
    package internal(set) var diagnostics = SettingsDiagnostics()

    /// Resolves all settings: flags over variables over the file over the defaults, field by field; objects merge by member.
    ///
    /// - Parameters:
    ///   - flags: What each flag said, by the setting's name; "true" and "false" for a toggle.
    ///   - environment: The process's variables; an empty one counts as not set.
    ///   - readFile: Reads the file that `config` names.
    package init(
        flags: [String: [String]],
        environment: [String: String] = [:],
        readFile: (String) throws(ConfigFile.Fault) -> JSONValue = ConfigFile.read
    ) {
        var given = JSONValue.object([:])
        for setting in Setting.all {
            if let (name, value) = setting.variable(in: environment) {
                take([value], of: setting, from: .variable(name), into: &given)
            }
            if let texts = flags[setting.name], let flag = setting.flags.first {
                take(texts, of: setting, from: .flag("--" + flag), into: &given)
            }
        }
        apply(fileDocument(at: given[path: "config"], readFile).overlaid(by: given))
        // A file that could not be read would only lead to more sentences about what it may hold.
        guard !diagnostics.errors.contains(where: { $0.field == "config" }) else { return }
        settings.check(sources, &diagnostics)
    }

    /// Reads one text source of a setting; called for the weaker source first.
    private mutating func take(
        _ texts: [String], of setting: Setting, from source: SettingSource, into given: inout JSONValue
    ) {
        guard isMeant(setting, from: source) else { return }
        sources[setting.name] = source
        let place = SettingPlace(field: setting.name, source: source)
        guard let document = setting.parse(texts, place, &diagnostics) else { return }
        given = given.overlaid(by: document)
        for touched in Setting.all where document[path: touched.name] != nil {
            sources[touched.name] = source
        }
    }

    /// Whether a file of a secret counts beside the secret itself: the stronger source does, and of two that are as strong neither is guessed.
    private mutating func isMeant(_ setting: Setting, from source: SettingSource) -> Bool {
        guard let target = setting.target, let other = sources[target] else { return true }
        if other.rank == source.rank {
            diagnostics.error(
                target, "\(target)\(other.phrase) and a file of it\(source.phrase) are given together; leave one of them out.")
        }
        return other.rank < source.rank
    }

    /// The file's known fields, null being as good as absent.
    private mutating func fileDocument(
        at path: JSONValue?, _ readFile: (String) throws(ConfigFile.Fault) -> JSONValue
    ) -> JSONValue {
        guard case .string = path, let path else { return .object([:]) }
        var named = Settings()
        Setting.config.apply(path, SettingPlace(field: "config", source: .file), &named, &diagnostics)
        do throws(ConfigFile.Fault) {
            let document = try named.configPath.map(readFile) ?? .object([:])
            return known(document, under: "")
        } catch {
            diagnostics.error("config", error.sentence)
            return .object([:])
        }
    }

    /// Keeps the fields that the table knows and warns about the rest.
    private mutating func known(_ document: JSONValue, under prefix: String) -> JSONValue {
        guard case .object(let members) = document else {
            diagnostics.error(String(prefix.dropLast()), "Invalid \(prefix.dropLast()) \(document.shown). Must be an object.")
            return .null
        }
        var kept: [(String, JSONValue)] = []
        for member in members.sorted(by: { $0.name < $1.name }) where !member.value.isNull {
            let field = prefix + member.name
            if Setting.all.contains(where: { $0.isInFile && $0.name == field }) {
                kept.append((member.name, member.value))
                sources[field] = sources[field] ?? .file
            } else if Setting.all.contains(where: { $0.name.hasPrefix(field + ".") }) {
                kept.append((member.name, known(member.value, under: field + ".")))
            } else {
                diagnostics.warn(field, Setting.unknown)
            }
        }
        return JSONValue(members: kept)
    }

    private mutating func apply(_ document: JSONValue) {
        for setting in Setting.all {
            guard let value = document[path: setting.name], let source = sources[setting.name] else { continue }
            setting.apply(value, SettingPlace(field: setting.name, source: source), &settings, &diagnostics)
        }
    }
}

extension Setting {
    /// The first variable of the row that is set to something.
    fileprivate func variable(in environment: [String: String]) -> (name: String, value: String)? {
        for name in variables {
            if let value = environment[name], !value.isEmpty { return (name, value) }
        }
        return nil
    }
}

/// What reading the configuration again changes on a running node (F-CFG-03, F-CFG-04).
package struct SettingsReload: Sendable, Equatable {
    /// The running settings with the changes that take effect now.
    package var settings: Settings
    /// Names of the settings that take effect now.
    package var changed: [String] = []
    /// Names of the settings that differ, but need a restart.
    package var skipped: [String] = []
}

extension SettingsResolution {
    /// Lays this resolution over running settings. What it does not mention keeps its value (F-CFG-07); the caller applies
    /// nothing when the diagnostics have an error (F-CFG-05).
    package func reloading(_ running: Settings) -> SettingsReload {
        var reload = SettingsReload(settings: running)
        for setting in Setting.all where setting.isInFile && sources[setting.name] != nil {
            var copy = reload.settings
            guard setting.copy(&copy, settings) else { continue }
            if setting.isReloadable {
                reload.settings = copy
                reload.changed.append(setting.name)
            } else {
                reload.skipped.append(setting.name)
            }
        }
        return reload
    }
}
