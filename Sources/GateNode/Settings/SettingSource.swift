/// Where the value of a setting came from; a later case is stronger (F-ENV-03).
package enum SettingSource: Sendable, Equatable {
    case file
    /// The variable's name.
    case variable(String)
    /// The flag's first name, with its dashes.
    case flag(String)

    /// How a sentence names the source; the file goes without saying.
    var phrase: String {
        switch self {
        case .file: ""
        case .variable(let name), .flag(let name): " from \(name)"
        }
    }
}
