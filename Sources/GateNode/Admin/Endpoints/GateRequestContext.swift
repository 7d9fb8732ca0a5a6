// What is known of a request besides what it says: where it comes from, and what it is called.

import GateDomain
import Hummingbird
import NIOCore

/// Travels with a request through the router.
struct GateRequestContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The connection that it came on.
    let channel: any Channel
    /// The other end of the socket.
    let peer: IPAddress
    /// Set by the router (F-HDR-01).
    var requestID = ""

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
        peer = source.channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) } ?? IPAddress(v4: 0x7f00_0001)
    }
}
