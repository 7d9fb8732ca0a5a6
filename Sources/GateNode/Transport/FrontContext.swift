// What the connections of one event loop share, and what they ask of the room above.

import GateDomain
import GateSettings
import NIOCore

/// Who answers requests to `/mcp`: called on the event loop of the connection, and answers through the exchange, now or later.
protocol ExchangeHandler: AnyObject {
    func receive(_ exchange: MCPExchange)
}

/// What holds a connection after its request, until one side ends it.
protocol HeldConnection: AnyObject {
    /// Called about every second.
    func tick(at now: NIODeadline)
    /// The connection is gone.
    func ended()
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

    init(settings: Settings, switches: Switches, addresses: ClientAddressRule, headers: ResponseHeaders) {
        self.settings = settings
        self.switches = switches
        self.addresses = addresses
        self.headers = RenderedHeaders(headers)
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
