// Whether a key may go on with a call of its own: as with any request, and not without end.

import ClusterState
import GateDomain
import MCPWire
import NIOCore

extension CallRounds {
    /// Why the key may not go on with the request; what it costs was settled when it began. What is no call is of no tool.
    static func denial(_ caller: CallView.Caller, _ exchange: MCPExchange, on loop: LoopContext) -> Denial? {
        let isCall = exchange.envelope.method == .toolsCall
        guard !loop.rules.isShadow, isCall || !loop.snapshot.isFree(exchange.envelope, in: exchange.body) else { return nil }
        for phase in isCall ? [Phase.identity, .policy] : [.identity] {
            var view = CallView(
                caller: caller, tool: isCall ? exchange.envelope.call.toolName ?? "" : "", address: exchange.address,
                country: exchange.country(for: caller.policy),
                now: loop.now, headers: exchange.header)
            if case .denied(let denial) = loop.snapshot.pipeline.run(phase, &view) { return denial }
        }
        return nil
    }

    /// Rounds are requests of their key, in a window of their own that is as wide as that of its calls: no call is refused because of another
    /// one's rounds. All rounds of one call have room in it.
    static func admit(_ key: CachedKey, on loop: LoopContext, _ next: @escaping (Denial?) -> Void) {
        let cap = key.policy.rules.callsPerMinute
        guard cap > 0, !loop.rules.isShadow else { return next(nil) }
        loop.link.send(AddressLimiter.round(ofKey: key.id, cap: max(cap, mostRounds), keys: loop.parts.store.keys)) { result in
            next(AddressLimiter.wait(try? result.get()).map { .rateLimited(waitMicroseconds: $0 * 1_000_000) })
        }
    }

    static func deny(_ exchange: MCPExchange, _ denial: Denial, on loop: LoopContext) {
        loop.meter.count(denial, of: "none")
        exchange.fail(code: denial.code, denial.sentence, data: denial.data, retryAfter: denial.retryAfter)
    }
}
