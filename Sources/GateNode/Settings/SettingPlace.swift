/// The part of a configuration that a sentence is about.
struct SettingPlace: Sendable {
    /// Path in the configuration file, for example `toolPricing.search.creditsPerCall` or `servers[0].prefix`.
    let field: String
    let source: SettingSource

    func member(_ name: String) -> SettingPlace {
        SettingPlace(field: "\(field).\(name)", source: source)
    }

    func element(_ index: Int) -> SettingPlace {
        SettingPlace(field: "\(field)[\(index)]", source: source)
    }
}
