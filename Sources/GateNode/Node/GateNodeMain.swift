// `gate-node wrap`: builds a node from its settings, runs it, and takes it down in order.

import ChildProcesses
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
        // The node's environment and memory hold the admin key and every client's.
        ProcessControl.hideFromOthers()
        raiseDescriptorLimit()
        keepLargeMemoryApart()
        let logger = NodeLog.logger(settings)
        let threads = settings.threads > 0 ? settings.threads : ProcessorShare.count
        let (group, background) = (MultiThreadedEventLoopGroup(numberOfThreads: threads), MultiThreadedEventLoopGroup(numberOfThreads: 1))
        var construction = NodeConstruction(
            settings: settings, resolve: resolve, group: group, background: background.next(), logger: logger)
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
        for group in [group, background] { try? await group.shutdownGracefully() }
        if let failure { throw failure }
    }

    /// Keeps watch over one server process; see `ChildGuard`. - Returns: the exit status.
    package static func guardChild(of owner: Int32, path: String, _ arguments: [String]) -> Int32 {
        ChildGuard.run(owner: owner, path: path, arguments)
    }

    /// Has large pieces of memory mapped by themselves: they grow where they are mapped, without a copy, and go back to the system at once.
    /// Left alone, glibc takes those up to the size of the last one that was freed from its heaps, where they are copied to grow.
    private static func keepLargeMemoryApart() {
        #if canImport(Glibc)
        typealias Setter = @convention(c) (CInt, CInt) -> CInt
        // The module of glibc leaves malloc.h out.
        guard let symbol = dlsym(nil, "mallopt") else { return }
        let set = unsafeBitCast(symbol, to: Setter.self)
        // M_MMAP_THRESHOLD; and M_TRIM_THRESHOLD, which would follow it otherwise.
        _ = set(-3, 256 << 10)
        _ = set(-1, 4 << 20)
        #endif
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

extension SettingsResolution {
    /// With what only the gate itself can say of them: which events it tells.
    package var checkedByTheGate: SettingsResolution {
        var checked = self
        checked.check(events: WebhookEvent.ofTheGate.union(EndpointTable.standard.all.flatMap(\.audits)))
        return checked
    }
}
