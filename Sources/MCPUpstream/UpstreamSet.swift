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
    /// What each server has, in their order; nil for one that has not said.
    private let found: Mutex<[[String]?]>
    private let known = Mutex<[String]>([])
    private let labels = Mutex<Set<String>>([])
    private let listed = Mutex<[String: Set<ExactText>]>([:])
    /// Where the servers' news for every client are heard.
    package let notifications: UpstreamNotifications

    /// - Parameters:
    ///   - transport: `stdio`, `http` or `multi-server`.
    ///   - notifications: what the servers were made with.
    package init(_ upstreams: [any Upstream], transport: String, notifications: UpstreamNotifications = UpstreamNotifications()) {
        self.notifications = notifications
        found = Mutex(upstreams.map { _ in nil })
        all = upstreams
        self.transport = transport
    }

    /// The server that requests go to which name no tool.
    package var first: (any Upstream)? { all.first }

    /// Whether one of them at least takes requests, for `/ready`.
    package var isConnected: Bool { all.contains { $0.isConnected } }

    /// The names of all tools that were found, with their prefixes.
    package var tools: [String] { known.withLock { $0 } }

    /// Whether every server has said which tools it has.
    package var isDiscovered: Bool { found.withLock { !$0.isEmpty && $0.allSatisfy { $0 != nil } } }

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
    }

    /// Where calls of a tool go; nil where the prefix is missing or unknown.
    package func route(_ tool: String) -> Route? {
        if let only = first, only.prefix == nil { return Route(upstream: only, name: nil) }
        guard let colon = tool.firstIndex(of: ":"), let upstream = all.first(where: { $0.prefix == String(tool[..<colon]) }) else {
            return nil
        }
        return Route(upstream: upstream, name: String(tool[tool.index(after: colon)...]))
    }

    /// Why a tool cannot be routed; said before anything is charged.
    package func routingFault(of tool: String) -> String? {
        guard let only = first, only.prefix != nil else { return nil }
        guard let colon = tool.firstIndex(of: ":") else { return "Invalid params: the tool name must be prefixed, as in prefix:tool" }
        return all.contains { $0.prefix == String(tool[..<colon]) } ? nil : "Invalid params: Unknown server prefix"
    }

    /// Whether the server that the tool belongs to has told all of its tools, and this is none of them: a lenient server might take the name
    /// for that of another tool, which this caller may not call, or not at this price.
    package func isUndiscovered(_ tool: String) -> Bool {
        guard let upstream = route(tool)?.upstream else { return false }
        return listed.withLock { listed in
            guard let names = listed[upstream.prefix ?? ""] else { return false }
            return !names.contains(ExactText(tool))
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
            let told = await ToolDiscovery.names(of: upstream, on: loop)
            let own = told?.names.map { name in upstream.prefix.map { "\($0):\(name)" } ?? name } ?? []
            // A list that has not come whole says nothing of what it does not name; nor does that of a server which names none.
            let isComplete = told?.isWhole == true && !own.isEmpty && own.count <= Self.mostListed
            listed.withLock { $0[upstream.prefix ?? ""] = isComplete ? Set(own.map(ExactText.init)) : nil }
            if told != nil { found.withLock { $0[index] = own } }
        }
        let names = found.withLock { $0.flatMap { $0 ?? [] } }
        guard !names.isEmpty else { return }
        known.withLock { $0 = names }
        labels.withLock { $0 = Set(names.prefix(10_000)) }
    }
}

/// Reads the pages of one server's tools/list.
enum ToolDiscovery {
    private static let pages = 100

    /// The names of all tools, and whether the last page was among those that came; nil if the server does not say.
    static func names(of upstream: any Upstream, on loop: any EventLoop) async -> (names: [String], isWhole: Bool)? {
        var names: [String] = []
        var cursor: String?
        for _ in 0..<pages {
            guard let result = await page(of: upstream, cursor: cursor, on: loop) else {
                if cursor == nil { return nil }
                break
            }
            names += result["tools"]?.arrayValue?.compactMap { $0["name"]?.stringValue } ?? []
            cursor = result["nextCursor"]?.stringValue
            if cursor == nil { return (names, true) }
        }
        return (names, false)
    }

    private static func page(of upstream: any Upstream, cursor: String?, on loop: any EventLoop) async -> JSONValue? {
        let number = upstream.nextNumber()
        let params: JSONValue = cursor.map { ["cursor": .string($0)] } ?? [:]
        let message: JSONValue = ["jsonrpc": "2.0", "id": .int(Int64(number)), "method": "tools/list", "params": params]
        let bytes = ByteBuffer(bytes: message.bytes)
        let answer = try? await loop.flatSubmit {
            let promise = loop.makePromise(of: [UInt8]?.self)
            let receiver = OneAnswer(promise)
            upstream.send(
                UpstreamRequest(number: number, bytes: bytes, deadline: .now() + .seconds(15), isCall: false),
                to: NIOLoopBound(receiver, eventLoop: loop), on: loop)
            return promise.futureResult
        }.get()
        return answer.flatMap { $0 }.flatMap { try? JSONValue.parse($0) }
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
