// The table of settings as options of the command line.

import ArgumentParser
import GateSettings

/// One chapter of the table of settings as options of a command.
///
/// The options are made from the table, never written out: `ArgumentParser` finds a type's options by reflecting on an
/// instance and reads their values through `Decodable`, and both are answered here from `SettingChapter.settings`.
struct SettingOptions<Chapter: SettingChapter>: ParsableArguments, CustomReflectable {
    /// What each given flag said, by the setting's name.
    private(set) var given: [String: [String]] = [:]

    init() {}

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: SettingKey.self)
        for setting in Self.settings {
            given[setting.name] = try setting.text(in: values)
        }
    }

    var customMirror: Mirror {
        Mirror(self, children: Self.settings.map { (label: $0.name, value: $0.option) })
    }

    private static var settings: [Setting] {
        Chapter.settings.filter { !$0.flags.isEmpty }
    }
}

/// Names a chapter at compile time, since option groups are told apart by their types.
protocol SettingChapter: Sendable {
    static var section: SettingSection { get }
    static var settings: [Setting] { get }
}

extension SettingChapter {
    /// All of the section.
    static var settings: [Setting] { section.settings }
}

private struct SettingKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension Setting {
    /// The option's definition.
    fileprivate var option: any Decodable {
        let names = NameSpecification(flags.map { NameSpecification.Element.customLong($0) })
        switch form {
        case .toggle:
            return Flag<Bool?>(name: names, inversion: .prefixedNo, help: ArgumentHelp(described))
        case .value(let placeholder, let choices, let isPath):
            let completion: CompletionKind = isPath ? .file() : choices.isEmpty ? .default : .list(choices)
            return Option<String?>(
                name: names, help: ArgumentHelp(described, valueName: placeholder), completion: completion)
        case .list(let placeholder):
            return Option<[String]>(wrappedValue: [], name: names, help: ArgumentHelp(described, valueName: placeholder))
        }
    }

    /// What the parsed option said; nil when it was not given.
    fileprivate func text(in values: KeyedDecodingContainer<SettingKey>) throws -> [String]? {
        let key = SettingKey(stringValue: name)
        switch form {
        case .toggle:
            return try values.decode(Flag<Bool?>.self, forKey: key).wrappedValue.map { ["\($0)"] }
        case .value:
            return try values.decode(Option<String?>.self, forKey: key).wrappedValue.map { [$0] }
        case .list:
            let texts = try values.decode(Option<[String]>.self, forKey: key).wrappedValue
            return texts.isEmpty ? nil : texts
        }
    }

    private var described: String {
        let notes = variables + (defaultText.map { ["default: \($0)"] } ?? [])
        return notes.isEmpty ? help : "\(help) (\(notes.joined(separator: "; ")))"
    }
}
