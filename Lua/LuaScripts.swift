// The one Swift file beside the scripts: it names each of them, and puts in the fragments that they include.

/// A script as it is sent to Redis. One file of `Lua/` each; its header states KEYS, ARGV, REPLY and EFFECT.
package enum LuaScript: String, CaseIterable, Sendable {
    case admit
    case beat
    case changeKey = "change_key"
    case createKey = "create_key"
    case credit
    case declare
    case occupy
    case session
    case settle
    case throttle
    case unlist

    /// The text with its fragments in place of their `--#include` lines.
    package var source: String { Self.sources[self, default: ""] }

    private static let sources: [LuaScript: String] = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0, $0.file.replacingIncludes()) }
    )

    private var file: String {
        let bytes: [UInt8] =
            switch self {
            case .admit: PackageResources.admit_lua
            case .beat: PackageResources.beat_lua
            case .changeKey: PackageResources.change_key_lua
            case .createKey: PackageResources.create_key_lua
            case .credit: PackageResources.credit_lua
            case .declare: PackageResources.declare_lua
            case .occupy: PackageResources.occupy_lua
            case .session: PackageResources.session_lua
            case .settle: PackageResources.settle_lua
            case .throttle: PackageResources.throttle_lua
            case .unlist: PackageResources.unlist_lua
            }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A piece of Lua that several scripts share; Redis has no modules.
private enum LuaFragment: String, CaseIterable {
    case ring
    case whole

    var source: String {
        switch self {
        case .ring: String(decoding: PackageResources.ring_lua, as: UTF8.self)
        case .whole: String(decoding: PackageResources.whole_lua, as: UTF8.self)
        }
    }
}

extension String {
    fileprivate func replacingIncludes() -> String {
        split(separator: "\n", omittingEmptySubsequences: false).map { line in
            LuaFragment.allCases.first { line == "--#include \($0.rawValue)" }?.source ?? String(line)
        }.joined(separator: "\n")
    }
}
