// Which calls are open in the cluster at this moment, on whatever node; a reading for people.

import GateDomain
import LuaScripts

/// The open calls of all nodes, counted.
package struct OpenCalls: Sendable, Equatable {
    /// Calls of one key with one tool.
    package struct Row: Sendable, Hashable {
        /// The key's id.
        package let key: String
        /// The tool, cut at `CallEvent.toolBytes`; `tools/call_batch` for all calls of a batch.
        package let tool: String
    }

    /// Calls by key and tool.
    package private(set) var rows: [Row: Int] = [:]
    /// Calls by tool, where tools have a cap; those of batches stand with their own tools.
    package private(set) var tools: [String: Int] = [:]
    /// Whether there are more than were read (`most`).
    package private(set) var isCut = false

    /// All that were read.
    package var total: Int { rows.values.reduce(0, +) }
    /// Open admissions that are read at most.
    package static let most = 20_000

    /// Reads every list of every node that is alive, in pages.
    /// - Throws: `store`.
    package init(reading store: any CommandStore) async throws(RecordRefusal) {
        let keys = store.keys
        var seen: Set<String> = []
        let nodes = try await store.ask(RedisCommand("HKEYS", keys.nodes)).array?.compactMap(\.string) ?? []
        var pages = nodes.flatMap { node in (0..<keys.shards).map { (list: keys.open(node, $0), cursor: "0") } }
        while !pages.isEmpty, !isCut {
            let replies = try await Self.read(pages, store)
            var next: [(list: String, cursor: String)] = []
            for (page, reply) in zip(pages, replies) {
                for entry in reply.dropFirst() { take(entry, of: page.list, &seen) }
                if let cursor = reply.first?.string, cursor != "0" { next.append((page.list, cursor)) }
            }
            pages = next
        }
        try await readTools(store)
    }

    private static func read(_ pages: [(list: String, cursor: String)], _ store: any CommandStore) async throws(RecordRefusal)
        -> [[RedisReply]]
    {
        let commands = pages.map { page in
            var command = RedisCommand(script: .openCalls, keys: 1)
            command.append(page.list)
            command.append(page.cursor)
            return command
        }
        do { return try await store.sendAll(commands).map { $0.array ?? [] } } catch { throw .store(error) }
    }

    private mutating func take(_ entry: RedisReply, of list: String, _ seen: inout Set<String>) {
        guard let parts = entry.array, parts.count > 2, let hold = parts[0].string, case .bytes(let bytes) = parts[2],
            let event = CallEvent(packed: bytes)
        else { return }
        guard seen.count < Self.most else {
            isCut = true
            return
        }
        guard seen.insert(list + " " + hold).inserted else { return }
        rows[Row(key: event.keyID, tool: event.tool), default: 0] += parts[1].integer ?? 1
    }

    private mutating func readTools(_ store: any CommandStore) async throws(RecordRefusal) {
        let prefix = "m:" + Policy.openCalls
        for (name, value) in try await store.ask(RedisCommand("HGETALL", store.keys.account(PolicyAccount.tools.id.text))).fields {
            if name.hasPrefix(prefix), let count = Int(value), count > 0 { tools[String(name.dropFirst(prefix.count))] = count }
        }
    }
}
