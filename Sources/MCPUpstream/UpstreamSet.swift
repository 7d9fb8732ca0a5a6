// The MCP servers behind the gate, and which of them has a tool.

package import GateDomain
import MCPWire
package import NIOCore
import Synchronization

/// One server, or several under prefixes (F-MULTI-01, F-MULTI-02).
package final class UpstreamSet: Sendable {
    /// In the order of the configuration; at least one, but in tests.
    package let all: [any Upstream]
    /// `stdio`, `http` or `multi-server`.
    package let transport: String
    private let lists: Mutex<[ToolNames?]>
    private let labels = Mutex<Set<String>>([])
    private let hasMissed = Mutex(false)
    /// Where the servers' news for every client are heard.
    package let notifications: UpstreamNotifications

    /// - Parameters:
    ///   - transport: `stdio`, `http` or `multi-server`.
    ///   - notifications: what the servers were made with.
    package init(_ upstreams: [any Upstream], transport: String, notifications: UpstreamNotifications = UpstreamNotifications()) {
        self.notifications = notifications
        all = upstreams
        self.transport = transport
        lists = Mutex(upstreams.map { _ in nil })
    }

    /// The server that requests go to which name no tool.
    package var first: (any Upstream)? { all.first }

    /// Whether one of them at least takes requests, for `/ready`.
    package var isConnected: Bool { all.contains { $0.isConnected } }

    /// Why no server is there; nil if one is.
    package var trouble: String? {
        if isConnected { return nil }
        return all.compactMap(\.trouble).first ?? "The MCP server has not answered yet."
    }

    /// The names of all tools that were found, with their prefixes.
    package var tools: [String] { lists.withLock { $0.flatMap { $0?.names ?? [] } } }

    /// Whether every server has said which tools it has.
    package var isDiscovered: Bool { lists.withLock { !$0.isEmpty && $0.allSatisfy { $0 != nil } } }

    /// A tool's name if it is a known one; anything else has one label, so that callers cannot make up metrics.
    package func label(of tool: String) -> String {
        labels.withLock { $0.contains(tool) } ? tool : "unknown"
    }

    /// The server of a tool.
    package struct Route {
        /// The one that has the tool.
        package let upstream: any Upstream
        /// The name that the server knows the tool by, if it differs.
        package let name: String?
        /// Its place among the servers.
        fileprivate let index: Int
    }

    /// Where calls of a tool go; nil where the prefix is missing or unknown.
    package func route(_ tool: String) -> Route? {
        if let only = first, only.prefix == nil { return Route(upstream: only, name: nil, index: 0) }
        guard let colon = tool.firstIndex(of: ":"), let index = all.firstIndex(where: { $0.prefix == String(tool[..<colon]) }) else {
            return nil
        }
        return Route(upstream: all[index], name: String(tool[tool.index(after: colon)...]), index: index)
    }

    /// Why a tool cannot be routed; said before anything is charged.
    package func routingFault(of tool: String) -> String? {
        guard let only = first, only.prefix != nil else { return nil }
        guard let colon = tool.firstIndex(of: ":") else { return "Invalid params: the tool name must be prefixed, as in prefix:tool" }
        return all.contains { $0.prefix == String(tool[..<colon]) } ? nil : "Invalid params: Unknown server prefix"
    }

    /// Whether the server that the tool belongs to has told all of its tools, and this is none of them: a lenient server might take the name
    /// for that of another tool, which this caller may not call, or not at this price. Whoever asks for such a one lets the lists be read
    /// again soon, because a server may have a new tool without saying so.
    package func isUndiscovered(_ tool: String) -> Bool {
        guard let index = route(tool)?.index else { return false }
        guard lists.withLock({ $0[index]?.lacks(tool) ?? false }) else { return false }
        hasMissed.withLock { $0 = true }
        return true
    }

    /// Whether a tool was asked for that no list has, since this was asked last.
    package func takeMiss() -> Bool {
        hasMissed.withLock { missed in
            defer { missed = false }
            return missed
        }
    }

    /// Starts every server; tries go on in the background where one does not come up.
    /// - Throws: the first failure, if none of them could be started.
    package func start() async throws(StartupFailure) {
        var failure: StartupFailure?
        var started = 0
        for upstream in all {
            do {
                try await upstream.start()
                started += 1
            } catch {
                failure = failure ?? error
            }
        }
        if started == 0, let failure { throw failure }
    }

    /// Stops all of them at once, and returns when the last has ended.
    package func stop() async {
        await withDiscardingTaskGroup { group in
            for upstream in all { group.addTask { await upstream.stop() } }
        }
    }

    /// Tools of a server whose names are kept.
    private static let mostListed = 10_000

    /// Asks every server for its tools (F-REG-02); one that does not answer keeps those that it had.
    package func discover(on loop: any EventLoop) async {
        for (index, upstream) in all.enumerated() {
            guard let list = await ToolDiscovery.tools(of: upstream, on: loop) else { continue }
            lists.withLock { $0[index] = list }
        }
        let names = tools
        labels.withLock { $0 = Set(names.prefix(ToolNames.most)) }
    }
}

/// The tools that one server has named, with its prefix.
private struct ToolNames {
    let names: [String]
    /// All of them; nil where the list has not come whole, or names none, so that it says nothing of what it does not name.
    private let whole: Set<ExactText>?

    static let most = 10_000

    init(_ names: [String], isWhole: Bool) {
        self.names = names
        whole = isWhole && !names.isEmpty && names.count <= Self.most ? Set(names.map(ExactText.init)) : nil
    }

    func lacks(_ tool: String) -> Bool { whole.map { !$0.contains(ExactText(tool)) } ?? false }
}

/// Reads the pages of one server's tools/list.
private enum ToolDiscovery {
    private static let pages = 100

    /// Nil if the server does not say.
    static func tools(of upstream: any Upstream, on loop: any EventLoop) async -> ToolNames? {
        var names: [String] = []
        var cursor: String?
        for number in 0..<pages {
            guard let result = await page(of: upstream, cursor: cursor, on: loop) else {
                if number == 0 { return nil }
                break
            }
            names += result.names.map { name in upstream.prefix.map { "\($0):\(name)" } ?? name }
            cursor = result.nextCursor
            if cursor == nil { return ToolNames(names, isWhole: true) }
        }
        return ToolNames(names, isWhole: false)
    }

    private static func page(of upstream: any Upstream, cursor: String?, on loop: any EventLoop) async -> (
        names: [String], nextCursor: String?
    )? {
        let number = upstream.nextNumber()
        let params: JSONValue = cursor.map { ["cursor": .string($0)] } ?? [:]
        let message: JSONValue = ["jsonrpc": "2.0", "id": .int(Int64(number)), "method": "tools/list", "params": params]
        let bytes = ByteBuffer(bytes: message.bytes)
        let answer = try? await loop.flatSubmit {
            let promise = loop.makePromise(of: [UInt8]?.self)
            let receiver = OneAnswer(promise)
            upstream.send(
                UpstreamRequest(number: number, bytes: bytes, deadline: .now() + .seconds(15), isCall: false, owner: .gate),
                to: NIOLoopBound(receiver, eventLoop: loop), on: loop)
            return promise.futureResult
        }.get()
        return answer.flatMap { $0 }?.withUnsafeBytes { result in
            func text(_ range: Range<Int>) -> String? { JSONText.string(UnsafeRawBufferPointer(rebasing: result[range])) }
            guard let list = ListScan(result, list: "tools", members: ["name"]) else { return nil }
            return (list.entries.compactMap { $0.values[0].flatMap(text) }, list.nextCursor.flatMap(text))
        }
    }

    private final class OneAnswer: UpstreamReceiver {
        private let promise: EventLoopPromise<[UInt8]?>
        /// Keeps itself until it has been told.
        private var selfRetain: OneAnswer?

        init(_ promise: EventLoopPromise<[UInt8]?>) {
            self.promise = promise
            selfRetain = self
        }

        func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {}

        func upstreamFinished(_ outcome: UpstreamOutcome) {
            selfRetain = nil
            guard case .answered(let message, let reply) = outcome, let result = reply.result else { return promise.succeed(nil) }
            promise.succeed(message.token(result))
        }
    }
}
