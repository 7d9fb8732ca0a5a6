// `gate-node store`: what is done with a store from outside of the nodes that use it.

import ArgumentParser
import Foundation
import GateDomain
import GateNode
import GateSettings

/// Looks after the Redis that gates share.
struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Look after the Redis that gates share.",
        discussion: """
            EXAMPLES
              gate-node store check redis://db
              gate-node store move redis://db redis+cluster://10.0.0.1,10.0.0.2
            """,
        subcommands: [StoreCheckCommand.self, StoreMoveCommand.self]
    )
}

/// Reads all of a store and tells what does not add up.
struct StoreCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Read all of a store and tell what does not add up.",
        discussion: """
            Nothing is changed, and nodes may serve meanwhile; a right to read is enough. Of each key funded = balance + held + spent, \
            of each team spent = the shares of its keys; charges on record are not more than what was spent, held is what reservations \
            are of, open calls belong to a node, and secrets, aliases and indexes lead to records and these stand in them.

            EXAMPLES
              gate-node store check redis://db
              gate-node store check --redis-url-file /etc/paygate/redis-url --json
              gate-node store check redis+cluster://10.0.0.1,10.0.0.2 --redis-user audit --redis-password-file audit.pw
              gate-node store check --config paygate.json

            EXIT STATUS
              0   all adds up
              65  something does not: a line of standard output for each
              69  the store cannot be read
            """
    )

    @Argument(help: ArgumentHelp("The store, as wrap takes it; a password in it stands in process lists.", valueName: "url"))
    var url: String?

    @Flag(help: "Print {clean, findings, …}, and how far it is as lines of JSON on standard error.")
    var json = false

    @OptionGroup(title: "The store") var store: SettingOptions<Store>

    mutating func validate() throws {
        if url != nil, store.given["redisUrl"] != nil { throw ValidationError("Give the store's URL alone or with --redis-url, not both.") }
    }

    func run() async throws {
        var flags = store.given
        if let url { flags["redisUrl"] = [url] }
        let settings = try StoreSettings.resolve(flags, of: Store.settings, help: "gate-node store check --help")
        let ticker = StoreTicker(json: json)
        let found: StoreVerdictText
        do throws(StartupFailure) {
            found = try await StoreAudit.check(settings) { ticker.tell($0) }
        } catch {
            ticker.end()
            throw error.reported
        }
        ticker.end()
        print(json ? found.jsonLine : found.lines)
        if !found.isClean { throw ExitCode(ExitStatus.storeDoesNotAddUp.rawValue) }
    }

    /// What says where the store is and how one is let in.
    enum Store: SettingChapter {
        static let section = SettingSection.state
        static var settings: [Setting] { StoreSettings.all.filter { !$0.name.hasPrefix("redisTo") } }
    }
}

/// Moves a store into an empty one, while nodes serve.
struct StoreMoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move",
        abstract: "Move a store into an empty one while nodes serve.",
        discussion: """
            Any kind into any kind: one Redis, Sentinels, a Redis Cluster; the number of shards stays. First give every node the new URL \
            as --redis-to and start it again, one after the other; then run this. Everything is copied while the nodes serve; at the end \
            the old store is closed for less than a second, each account has been compared, and the nodes go over by themselves. The \
            old store takes no writes from then on. It may be interrupted at any time, and run again.

            EXAMPLES
              gate-node store move redis://db redis+cluster://10.0.0.1,10.0.0.2
              gate-node store move --redis-url-file old-url --redis-to-file new-url

            EXIT STATUS
              0   the store is the new one
              69  it was not moved; nodes go on with the old one, unless it says that this is closed: run it again then
            """
    )

    @Argument(help: ArgumentHelp("The store, as wrap takes it; a password in it stands in process lists.", valueName: "from"))
    var from: String?

    @Argument(help: ArgumentHelp("Where to; its user and password are those of the other where it names none.", valueName: "to"))
    var to: String?

    @Flag(help: "Print {moved, before, copied, compared, closedMs}, and how far it is as lines of JSON on standard error.")
    var json = false

    @OptionGroup(title: "The stores") var stores: SettingOptions<Stores>

    mutating func validate() throws {
        if from != nil, stores.given["redisUrl"] != nil || stores.given["redisTo"] != nil {
            throw ValidationError("Give the URLs alone or with --redis-url and --redis-to, not both.")
        }
        if from != nil, to == nil { throw ValidationError("Say where to move the store, as a second URL.") }
    }

    func run() async throws {
        var flags = stores.given
        if let from, let to { (flags["redisUrl"], flags["redisTo"]) = ([from], [to]) }
        let settings = try StoreSettings.resolve(flags, of: StoreSettings.all, help: "gate-node store move --help")
        let ticker = StoreTicker(json: json)
        do throws(StartupFailure) {
            let done = try await StoreMover.move(settings) { ticker.tell($0) }
            ticker.end()
            print(json ? done.json : done.line)
        } catch {
            ticker.end()
            throw error.reported
        }
    }

    /// What says where both stores are and how one is let in.
    enum Stores: SettingChapter {
        static let section = SettingSection.state
        static var settings: [Setting] { StoreSettings.all }
    }
}

/// The settings that lead to a store, and what they say.
private enum StoreSettings {
    static let all: [Setting] =
        SettingSection.process.settings.filter { $0.name == "config" }
        + SettingSection.state.settings.filter { setting in
            let leading = ["redisUrl", "redisTo", "redisUser", "redisPassword", "redisKeyPrefix", "redisC", "redisPrivateKey", "sentinel"]
            return leading.contains { setting.name.hasPrefix($0) }
        }

    /// What a file says of anything but the store is not asked for.
    static func resolve(_ flags: [String: [String]], of settings: [Setting], help: String) throws -> Settings {
        let resolution = SettingsResolution(flags: flags, environment: ProcessInfo.processInfo.environment)
        let fields = Set(settings.map(\.name))
        let faults = resolution.diagnostics.errors.filter { fields.contains($0.field) }
        for fault in faults { StandardError.print("\(fault)") }
        guard faults.isEmpty else {
            throw StartupFailure("The store cannot be found; see \(help).", status: .invalidConfiguration).reported
        }
        return resolution.settings
    }
}
