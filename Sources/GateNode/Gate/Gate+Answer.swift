// The message that the client gets for a call, or for a batch.

import ClusterState
import GateDomain
import MCPWire
import NIOCore

extension Gate {
    /// - Parameter credits: what the key has left, for the summary of a batch.
    func answer(credits: Int) -> [UInt8] {
        guard exchange.envelope.method == .toolsCallBatch else { return items[0].answer }
        let results = items.map { item -> JSONValue in
            var entry: JSONObject = ["tool": .string(item.tool)]
            switch item.value {
            case .result(let result): entry["result"] = result
            case .error(let error): entry["error"] = error
            }
            entry["creditsCharged"] = .int(Int64(item.isRefunded || shadowed != nil ? 0 : item.plan?.price ?? 0))
            return .object(entry)
        }
        let total = hold == nil && shadowed != nil ? 0 : items.reduce(0) { $0 + ($1.isRefunded ? 0 : $1.plan?.price ?? 0) }
        let summary: JSONValue = [
            "results": .array(results), "totalCreditsCharged": .int(Int64(total)), "remainingCredits": .int(Int64(credits)),
        ]
        var message = Array(#"{"jsonrpc":"2.0","id":"#.utf8)
        message += exchange.idToken
        message += #","result":"#.utf8
        summary.append(to: &message)
        message.append(UInt8(ascii: "}"))
        return message
    }
}
