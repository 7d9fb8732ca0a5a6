// What the connections of one event loop share, and what they ask of the room above.

import GateDomain
import GateSettings
import MCPWire
import NIOCore

/// Who answers requests to `/mcp`: called on the event loop of the connection, and answers through the exchange, now or later.
protocol ExchangeHandler: AnyObject {
    func receive(_ exchange: MCPExchange)
    /// The id of the key that a secret proves or a token lends, where it is remembered; asks nobody.
    func owner(of secret: String) -> String?
}

/// What holds a connection after its request, until one side ends it.
protocol HeldConnection: AnyObject {
    /// Called about every second.
    func tick(at now: NIODeadline)
    /// The connection is gone.
    func ended()
    /// The client has taken what was written.
    func drained()
    /// The node ends the connection: the last that is said on it.
    func farewell()
}

extension HeldConnection {
    /// Nothing is said.
    func farewell() {}

    /// Nothing waits for it.
    func drained() {}
}

/// The connections of one event loop and what they share; confined to that loop.
final class FrontContext {
    let settings: Settings
    let switches: Switches
    let addresses: ClientAddressRule
    let headers: RenderedHeaders
    let allocator = ByteBufferAllocator()
    var random = FastRandom()
    var meter = RequestMeter()
    var connections: Set<FrontHandler> = []
    var memory: MemoryAccount
    /// Which server answers, as results of the revision 2026-07-28 say it: a member of their `_meta`.
    private(set) lazy var serverStamp: [UInt8] = {
        let info: JSONValue = ["name": .string(settings.name), "version": .string(ProductVersion.current)]
        return Array("\"\(StatelessMeta.serverInfo)\":".utf8) + info.bytes
    }()
    /// Keeps what the streams of calls have said, for clients that come back.
    weak var logs: (any AnswerLogs)?
    /// Connections that are only told that there is no room for them.
    var turnedAway = 0
    /// The Host field that `OriginRule` has last found to be this machine's: clients repeat theirs, and reading it costs more than all else
    /// that a head is asked.
    var ownHost = ""
    /// Until when there is certainly no idle connection.
    var noIdleUntil = NIODeadline.uptimeNanoseconds(0)

    /// - Parameter loops: event loops of the node.
    init(settings: Settings, switches: Switches, addresses: ClientAddressRule, headers: ResponseHeaders, loops: Int) {
        self.settings = settings
        self.switches = switches
        self.addresses = addresses
        self.headers = RenderedHeaders(headers)
        memory = MemoryAccount(loops: loops)
    }

    /// Called every second: ends what is too slow (F-SEC-16).
    func checkTime(at now: NIODeadline) {
        for connection in connections { connection.checkTime(at: now) }
    }

    /// Takes no further requests; what is under way is finished.
    func quiesce() {
        for connection in connections { connection.quiesce() }
    }
}
