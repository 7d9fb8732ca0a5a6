// `gate-node wrap`: builds a node from its settings, runs it, and takes it down in order.

import ClusterState
package import GateDomain
package import GateSettings
import Logging
import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Runs a node until it is told to stop.
package enum GateNodeMain {
    /// - Parameter resolve: reads flags, variables and file again, for a reload.
    /// - Throws: what keeps the node from starting, as one sentence and an exit code.
    package static func run(_ settings: Settings, resolve: @escaping @Sendable () -> SettingsResolution) async throws(StartupFailure) {
        // A peer that has gone must be an error of the write and not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        raiseDescriptorLimit()
        let logger = NodeLog.logger(settings)
        let threads = settings.threads > 0 ? settings.threads : ProcessorShare.count
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        var construction = NodeConstruction(settings: settings, resolve: resolve, group: group, logger: logger)
        var failure: StartupFailure?
        do throws(StartupFailure) {
            let node = try await construction.build()
            if settings.dryRun {
                DryRun.print(node)
            } else {
                try await NodeLife(node, construction: construction).run()
            }
        } catch {
            failure = error
        }
        await construction.takeDown()
        try? await group.shutdownGracefully()
        if let failure { throw failure }
    }

    /// Sockets are descriptors: asks for as many as the system lets this process have.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        #if canImport(Glibc)
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #else
        guard getrlimit(RLIMIT_NOFILE, &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        setrlimit(RLIMIT_NOFILE, &limit)
        #endif
    }
}
