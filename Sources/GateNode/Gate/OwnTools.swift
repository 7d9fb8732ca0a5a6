// The tools of servers that work for one client alone, where the servers that all share have others.

import GateDomain
import MCPUpstream
import NIOCore

/// What the processes, or sessions, of single clients have listed; of one event loop.
///
/// A tool that the shared server lacks is looked for here before it is called: a lenient server might take the name for that of another tool,
/// which the key may not call, or not at this price.
final class OwnTools {
    private struct ListedName: Hashable {
        let session: String
        let server: Int
    }

    private struct Entry {
        var tools: Set<ExactText> = []
        var readAt = NIODeadline.uptimeNanoseconds(0)
        var waiters: [(Set<ExactText>) -> Void] = []
    }

    private var entries: [ListedName: Entry] = [:]

    /// How long a tool that was listed is called without asking again, and how long one that was not is not asked for again.
    private static let (kept, pause) = (TimeAmount.seconds(60), TimeAmount.milliseconds(250))
    /// Lists that are kept.
    private static let most = 256

    /// Says whether the client's own server has the tool.
    func look(
        for tool: String, of client: UpstreamClient, at server: Int, in set: UpstreamSet, on loop: any EventLoop,
        _ completion: @escaping (Bool) -> Void
    ) {
        guard !set.all[server].isStateless else { return completion(false) }
        let (tool, name, now) = (ExactText(tool), ListedName(session: client.session, server: server), NIODeadline.now())
        let entry = entries[name] ?? Entry()
        if now - entry.readAt < (entry.tools.contains(tool) ? Self.kept : Self.pause) { return completion(entry.tools.contains(tool)) }
        if entries[name] == nil { makeRoom() }
        entries[name, default: Entry()].waiters.append { completion($0.contains(tool)) }
        guard entry.waiters.isEmpty else { return }
        set.ownTools(at: server, of: client, on: loop) { [self] tools in
            let waiters = entries[name]?.waiters ?? []
            entries[name] = Entry(tools: tools, readAt: .now())
            for waiter in waiters { waiter(tools) }
        }
    }

    private func makeRoom() {
        guard entries.count >= Self.most else { return }
        entries = entries.filter { !$0.value.waiters.isEmpty }
    }
}
