/// How a setting is written on the command line.
package enum SettingForm: Sendable, Equatable {
    /// `--flag` and `--no-flag`.
    case toggle
    /// One value; the words that it may be, if they are few, and whether it names a file.
    case value(placeholder: String, choices: [String] = [], isPath: Bool = false)
    /// A comma list, and the flag may be repeated.
    case list(placeholder: String)
}
