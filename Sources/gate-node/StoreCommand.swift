// `gate-node store`: what is done with a store from outside of the nodes that use it.

import ArgumentParser
import Foundation
import GateDomain
import GateNode
import GateSettings
import Synchronization

/// Looks after the Redis that gates share.
struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Look after the Redis that gates share.",
        discussion: """
            EXAMPLES
              gate-node store check redis://db
            """,
        subcommands: [StoreCheckCommand.self]
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

    @Flag(help: "Print {clean, findings, …}.")
    var json = false

    @OptionGroup(title: "The store") var store: SettingOptions<Store>

    mutating func validate() throws {
        if url != nil, store.given["redisUrl"] != nil { throw ValidationError("Give the store's URL alone or with --redis-url, not both.") }
    }

    func run() async throws {
        var flags = store.given
        if let url { flags["redisUrl"] = [url] }
        let resolution = SettingsResolution(flags: flags, environment: ProcessInfo.processInfo.environment)
        // What a file says of anything but the store is not asked for.
        let fields = Set(Store.settings.map(\.name))
        let faults = resolution.diagnostics.errors.filter { fields.contains($0.field) }
        for fault in faults { StandardError.print("\(fault)") }
        guard faults.isEmpty else {
            throw StartupFailure("The store cannot be found; see gate-node store check --help.", status: .invalidConfiguration).reported
        }
        let ticker = ProgressTicker()
        let found: StoreVerdictText
        do throws(StartupFailure) {
            found = try await StoreAudit.check(resolution.settings) { names, total in ticker.tell(names, of: total) }
        } catch {
            throw error.reported
        }
        print(json ? found.jsonLine : found.lines)
        if !found.isClean { throw ExitCode(ExitStatus.storeDoesNotAddUp.rawValue) }
    }

    /// What says where the store is and how one is let in.
    enum Store: SettingChapter {
        static let section = SettingSection.state
        static var settings: [Setting] {
            SettingSection.process.settings.filter { $0.name == "config" }
                + section.settings.filter { setting in
                    [
                        "redisUrl", "redisUser", "redisPassword", "redisKeyPrefix", "redisCa", "redisCertificate", "redisPrivateKey",
                        "sentinel",
                    ]
                    .contains { setting.name.hasPrefix($0) }
                }
        }
    }
}

/// Says on standard error how far a long work has come, every two seconds.
private final class ProgressTicker: Sendable {
    private let next = Mutex(ContinuousClock.now + .seconds(2))

    func tell(_ names: Int, of total: Int) {
        let isDue = next.withLock { next in
            guard ContinuousClock.now >= next else { return false }
            next = .now + .seconds(2)
            return true
        }
        if isDue { StandardError.print("gate-node: \(names)\(total > 0 ? " of about \(total)" : "") names read") }
    }
}
