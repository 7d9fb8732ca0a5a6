// The MCP servers behind the gate, and which of them has a tool.

package import GateDomain
package import MCPWire
package import NIOCore
import Synchronization

/// One server, or several under prefixes (F-MULTI-01, F-MULTI-02).
package final class UpstreamSet: Sendable {
    /// In the order of the configuration; at least one, but in tests.
    package let all: [any Upstream]
    /// `stdio`, `http` or `multi-server`.
    package let transport: String
    private let lists: Mutex<(revision: Int, of: [ToolNames?])>
    private let keepsLists: Bool
    private let labels = Mutex<Set<ExactText>>([])
    private let hasMissed = Mutex(false)
    /// What stands between a server's prefix and a tool's name.
    package let separator: String
    /// Which of several servers a resource is of.
    package let resources = ResourceOwners()
    /// From which level on the servers tell of logs.
    package let toldLevels = ToldLevels()
    /// Where the servers' news for every client are heard.
    package let notifications: UpstreamNotifications

    /// - Parameters:
    ///   - transport: `stdio`, `http` or `multi-server`.
    ///   - separator: what stands between a prefix and a name.
    ///   - keepsLists: whether `toolLists` is wanted.
    ///   - notifications: what the servers were made with.
    package init(
        _ upstreams: [any Upstream], transport: String, separator: String = ":", keepsLists: Bool = false,
        notifications: UpstreamNotifications = UpstreamNotifications()
    ) {
        self.separator = separator
        self.keepsLists = keepsLists
        self.notifications = notifications
        all = upstreams
        self.transport = transport
        lists = Mutex((0, upstreams.map { _ in nil }))
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
    package var tools: [String] { lists.withLock { $0.of.flatMap { $0?.names ?? [] } } }

    /// Rises when what a server has said of its tools is read again.
    package var toolRevision: Int { lists.withLock(\.revision) }

    /// The results of tools/list as the servers have answered it, page by page in their order, and their revision.
    package var toolLists: (revision: Int, lists: [(prefix: String?, result: [UInt8])]) {
        lists.withLock { lists in
            (lists.revision, zip(all, lists.of).flatMap { upstream, names in (names?.pages ?? []).map { (upstream.prefix, $0) } })
        }
    }

    /// What a call of a tool has to repeat in headers, as its server's list has it.
    package func mirroredArguments(of tool: String) -> [MirroredArgument] {
        lists.withLock { lists in
            for names in lists.of {
                if let names, !names.mirrored.isEmpty, let arguments = names.mirrored[ExactText(tool)] { return arguments }
            }
            return []
        }
    }

    /// Whether every server has said which tools it has.
    package var isDiscovered: Bool { lists.withLock { !$0.of.isEmpty && $0.of.allSatisfy { $0 != nil } } }

    /// A tool's name if it is a known one; anything else has one label, so that callers cannot make up metrics.
    package func label(of tool: String) -> String {
        labels.withLock { $0.contains(ExactText(tool)) } ? tool : "unknown"
    }

    /// Where a call of a tool goes, or why it goes nowhere.
    package enum Route {
        /// To a server, which knows the tool by `name` if that is not the name of the call.
        case to(any Upstream, name: String?)
        /// The same, of a server that has not listed the tool: to one that works for the client alone, if that one has, and else nowhere.
        case unlisted(Int, any Upstream, name: String?)
        /// A sentence for the client; nothing is charged.
        case refused(String)

        /// What is said of a tool that its server has not listed.
        package static let lacking = "Invalid params: the MCP server has no such tool"
    }

    /// Finds the server of a tool by its prefix.
    ///
    /// Once a server has told all of its tools, any other is refused: a lenient server might take the name for that of another tool, which
    /// this caller may not call, or not at this price. Whoever asks for such a one lets the lists be read again soon, because a server may
    /// have a new tool without saying so.
    package func route(_ tool: String) -> Route {
        guard isSeveral else { return route(tool, to: 0, name: nil) }
        if let (index, name) = server(of: tool) { return route(tool, to: index, name: name) }
        let isPrefixed = tool.utf8.indices.contains { tool.utf8[$0...].starts(with: separator.utf8) }
        return .refused(
            isPrefixed
                ? "Invalid params: Unknown server prefix"
                : "Invalid params: the tool name must be prefixed, as in prefix\(separator)tool")
    }

    /// Whether there are several servers under prefixes.
    package var isSeveral: Bool { first?.prefix != nil }

    /// The server whose prefix a name has, the longest one that fits, and what is left of the name; nil if there is none.
    package func server(of name: String) -> (index: Int, name: String)? { server(of: name, separator.utf8) }

    /// The server of a `prefix:uri`; nil for a URI as its server has named it.
    package func server(ofPrefixedURI uri: String) -> (index: Int, uri: String)? {
        guard let (index, own) = server(of: uri, ":".utf8), own.utf8.contains(UInt8(ascii: ":")) else { return nil }
        return (index, own)
    }

    private func server(of name: String, _ separator: String.UTF8View) -> (index: Int, name: String)? {
        var found: (index: Int, length: Int)?
        for (index, upstream) in all.enumerated() {
            guard let prefix = upstream.prefix?.utf8, prefix.count >= found?.length ?? 0, name.utf8.starts(with: prefix),
                name.utf8.dropFirst(prefix.count).starts(with: separator)
            else { continue }
            found = (index, prefix.count)
        }
        return found.map { ($0.index, String(Substring(name.utf8.dropFirst($0.length + separator.count)))) }
    }

    private func route(_ tool: String, to index: Int, name: String?) -> Route {
        guard lists.withLock({ $0.of.indices.contains(index) && $0.of[index]?.lacks(tool) ?? false }) else {
            guard all.indices.contains(index) else { return .refused("Invalid params: there is no MCP server") }
            return .to(all[index], name: name)
        }
        hasMissed.withLock { $0 = true }
        return .unlisted(index, all[index], name: name)
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
        // At once: none waits for one that says nothing.
        let failures = await withTaskGroup(of: (Int, StartupFailure?).self) { group in
            for (index, upstream) in all.enumerated() { group.addTask { (index, await Self.failure(starting: upstream)) } }
            return await group.reduce(into: [Int: StartupFailure]()) { failures, entry in failures[entry.0] = entry.1 }
        }
        if failures.count == all.count, let failure = failures.min(by: { $0.key < $1.key })?.value { throw failure }
    }

    private static func failure(starting upstream: any Upstream) async -> StartupFailure? {
        do throws(StartupFailure) {
            try await upstream.start()
            return nil
        } catch {
            return error
        }
    }

    /// Stops all of them at once, and returns when the last has ended.
    package func stop() async {
        await withDiscardingTaskGroup { group in
            for upstream in all { group.addTask { await upstream.stop() } }
        }
    }

    /// Asks every server for its tools (F-REG-02); one that does not answer keeps those that it had.
    package func discover(on loop: any EventLoop) async {
        // All at once: one that says nothing holds up nobody.
        await withDiscardingTaskGroup { group in
            for (index, upstream) in all.enumerated() {
                group.addTask { await self.discoverTools(of: upstream, at: index, on: loop) }
                guard isSeveral, upstream.mayHaveResources else { continue }
                for method in ["resources/list", "resources/templates/list"] {
                    group.addTask {
                        guard let found = await ToolDiscovery.uris(method, of: upstream, on: loop) else { return }
                        self.resources.learn(found.uris, of: index, in: method, isWhole: found.isWhole)
                    }
                }
            }
        }
        let names = tools
        labels.withLock { $0 = Set(names.prefix(ToolNames.most).map(ExactText.init)) }
    }

    private func discoverTools(of upstream: any Upstream, at index: Int, on loop: any EventLoop) async {
        guard let list = await ToolDiscovery.tools(of: upstream, separator, keepsPages: keepsLists, on: loop) else { return }
        lists.withLock { lists in
            lists.revision += 1
            lists.of[index] = list
        }
    }

    /// The tools that the server has which works for one client alone, by the names that calls have for them: a process, or session, of its
    /// own may have other tools than the one that all share.
    /// - Parameters:
    ///   - index: the place of the server.
    ///   - completion: is called on `loop`; with none where the server does not say.
    package func ownTools(
        at index: Int, of client: UpstreamClient, on loop: any EventLoop, _ completion: @escaping (Set<ExactText>) -> Void
    ) {
        let told = NIOLoopBound(completion, eventLoop: loop)
        // Owned by the calls that wait for it: it ends with the patience of what it asks.
        Task {
            let list = await ToolDiscovery.tools(of: all[index], separator, keepsPages: false, for: client, on: loop)
            let names = Set((list?.names ?? []).map(ExactText.init))
            loop.execute { told.value(names) }
        }
    }
}

extension Upstream {
    /// Whether it has not said that it has no resources.
    fileprivate var mayHaveResources: Bool {
        guard let info = serverInfo, let value = try? JSONValue.parse(Array(info.bytes.readableBytesView)) else { return false }
        return value["capabilities"]?["resources"] != nil
    }
}

/// The tools that one server has named, with its prefix.
private struct ToolNames {
    let names: [String]
    /// The results that they were read from, where those are wanted.
    let pages: [[UInt8]]
    /// The arguments that headers repeat, of the tools that have such.
    let mirrored: [ExactText: [MirroredArgument]]
    /// All of them; nil where the list has not come whole, or names none, so that it says nothing of what it does not name.
    private let whole: Set<ExactText>?

    /// Tools of a server whose names are kept.
    static let most = 10_000

    init(_ names: [String], pages: [[UInt8]] = [], mirrored: [ExactText: [MirroredArgument]] = [:], isWhole: Bool) {
        (self.names, self.pages, self.mirrored) = (names, pages, mirrored)
        whole = isWhole && !names.isEmpty && names.count <= Self.most ? Set(names.map(ExactText.init)) : nil
    }

    func lacks(_ tool: String) -> Bool { whole.map { !$0.contains(ExactText(tool)) } ?? false }
}

extension MirroredArgument {
    /// Those of the tools of a page of tools/list, by the tools' names behind a prefix.
    fileprivate static func declared(inList result: [UInt8], prefix: String) -> [ExactText: [MirroredArgument]] {
        result.withUnsafeBytes { bytes in
            guard bytes.holds("x-mcp-header"), let scan = ListScan(bytes, list: "tools", members: ["name", "inputSchema"]) else {
                return [:]
            }
            var all: [ExactText: [MirroredArgument]] = [:]
            for entry in scan.entries {
                guard let name = entry.values[0], let schema = entry.values[1],
                    let text = JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[name])),
                    let value = try? JSONValue.parse(UnsafeRawBufferPointer(rebasing: bytes[schema]))
                else { continue }
                let arguments = declared(by: value)
                if !arguments.isEmpty { all[ExactText(prefix + text)] = arguments }
            }
            return all
        }
    }
}

/// Reads the pages of one server's tools/list. A server can name as many tools as it likes, as long as it likes: no more than `ToolNames.most`
/// are kept, and none that nobody could call because its name is too long.
private enum ToolDiscovery {
    private static let pages = 100
    /// Bytes of the pages of one server that are kept.
    private static let mostBytes = 8 << 20

    /// Nil if the server does not say.
    /// - Parameter client: whose own server is asked; nil for the one that all share.
    static func tools(
        of upstream: any Upstream, _ separator: String, keepsPages: Bool, for client: UpstreamClient? = nil, on loop: any EventLoop
    ) async -> ToolNames? {
        var (names, kept, bytes) = ([String](), [[UInt8]](), 0)
        var mirrored: [ExactText: [MirroredArgument]] = [:]
        var cursor: String?
        for number in 0..<pages {
            guard let result = await page(of: upstream, "tools/list", "tools", "name", cursor: cursor, for: client, on: loop) else {
                if number == 0 { return nil }
                break
            }
            names += result.names.map { name in upstream.prefix.map { $0 + separator + name } ?? name }
                .filter { $0.utf8.count <= ClientText.toolName }
            bytes += result.bytes.count
            if keepsPages && bytes <= mostBytes { kept.append(result.bytes) }
            if bytes <= mostBytes {
                mirrored.merge(MirroredArgument.declared(inList: result.bytes, prefix: upstream.prefix.map { $0 + separator } ?? "")) { $1 }
            }
            guard names.count <= ToolNames.most else {
                return ToolNames(Array(names.prefix(ToolNames.most)), pages: kept, mirrored: mirrored, isWhole: false)
            }
            cursor = result.nextCursor
            if cursor == nil { return ToolNames(names, pages: kept, mirrored: mirrored, isWhole: true) }
        }
        return ToolNames(names, pages: kept, mirrored: mirrored, isWhole: false)
    }

    /// The first pages of a list of resources, or of their templates, and whether there are no more; nil if the server does not say.
    static func uris(_ method: String, of upstream: any Upstream, on loop: any EventLoop) async -> (uris: [String], isWhole: Bool)? {
        let (list, name): (StaticString, StaticString) =
            method == "resources/list" ? ("resources", "uri") : ("resourceTemplates", "uriTemplate")
        var uris: [String] = []
        var cursor: String?
        for number in 0..<pages {
            guard let result = await page(of: upstream, method, list, name, cursor: cursor, on: loop) else {
                if number == 0 { return nil }
                break
            }
            uris += result.names
            cursor = result.nextCursor
            if cursor == nil { return (Array(uris.prefix(ToolNames.most)), true) }
            guard uris.count < ToolNames.most else { break }
        }
        return (Array(uris.prefix(ToolNames.most)), false)
    }

    private static func page(
        of upstream: any Upstream, _ method: String, _ list: StaticString, _ name: StaticString, cursor: String?,
        for client: UpstreamClient? = nil, on loop: any EventLoop
    ) async -> (names: [String], nextCursor: String?, bytes: [UInt8])? {
        let params: JSONValue = cursor.map { ["cursor": .string($0)] } ?? [:]
        let answer = try? await loop.flatSubmit {
            let promise = loop.makePromise(of: [UInt8]?.self)
            upstream.ask(method, params, within: .seconds(15), of: client, on: loop) { outcome in
                guard case .answered(let message, let reply) = outcome, let result = reply.result else { return promise.succeed(nil) }
                promise.succeed(message.token(result))
            }
            return promise.futureResult
        }.get()
        guard let bytes = answer.flatMap({ $0 }) else { return nil }
        return bytes.withUnsafeBytes { result in
            func text(_ range: Range<Int>) -> String? { JSONText.string(UnsafeRawBufferPointer(rebasing: result[range])) }
            guard let list = ListScan(result, list: list, members: [name]) else { return nil }
            return (list.entries.compactMap { $0.values[0].flatMap(text) }, list.nextCursor.flatMap(text), bytes)
        }
    }
}
