/// What reading the configuration again changes on a running node (F-CFG-03, F-CFG-04).
package struct SettingsReload: Sendable, Equatable {
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
