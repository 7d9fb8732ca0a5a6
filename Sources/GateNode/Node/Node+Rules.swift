// Small rules that follow from the settings.

import GateDomain
import MCPWire
import NIOCore

extension Node {
    /// How long a tool may take; `timeoutMs` of the tool, else of all tools, else the hard maximum (F-TMO-01).
    func timeout(of tool: String) -> TimeAmount {
        let own = settings.toolPricing[tool]?.timeoutMs ?? 0
        let milliseconds = own > 0 ? own : settings.toolTimeoutMs
        return milliseconds > 0 ? min(.milliseconds(Int64(milliseconds)), longestWait) : longestWait
    }

    /// Nothing is waited for longer than this, whatever is configured (MCP 2025-11-25 Lifecycle, Timeouts).
    var longestWait: TimeAmount { .minutes(5) }

    /// Whether a request needs no key (F-GATE-05); a tool call never is free of it.
    func isFree(_ envelope: Envelope, in body: ByteBuffer) -> Bool {
        guard !envelope.method.isGated, let name = envelope.methodName else { return false }
        return freeMethods.contains(body.text(name))
    }
}
