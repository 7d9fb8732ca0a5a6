// Where a value stands and where it came from.

/// The part of a configuration that a sentence is about.
struct SettingPlace: Sendable {
    /// Path in the configuration file, for example `toolPricing.search.creditsPerCall` or `servers[0].prefix`.
    let field: String
    let source: SettingSource

    /// A part of it: `path` is `.name`, `[index]`, or several of them.
    func inside(_ path: String) -> SettingPlace {
        SettingPlace(field: field + path, source: source)
    }
}

/// Where the value of a setting came from; a later case is stronger (F-ENV-03).
package enum SettingSource: Sendable, Equatable {
    /// The configuration file.
    case file
    /// The variable's name.
    case variable(String)
    /// The flag's first name, with its dashes.
    case flag(String)

    /// Greater for the stronger one.
    var rank: Int {
        switch self {
        case .file: 0
        case .variable: 1
        case .flag: 2
        }
    }

    /// How a sentence names the source; the file goes without saying.
    var phrase: String {
        switch self {
        case .file: ""
        case .variable(let name), .flag(let name): " from \(name)"
        }
    }
}
