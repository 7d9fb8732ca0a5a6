// What must be true of an account once all is quiet.

import GateTesting
import Testing

extension GateCluster {
    /// M1, M3: all nodes and a cold one report the same balance; nothing was lost or made, and each success was paid for.
    ///
    /// - Parameters:
    ///   - price: Of every call.
    ///   - limit: For the nodes to agree.
    /// - Returns: The balance that all agree on.
    @discardableResult
    func expectConservation(
        of key: String, granted: Int, price: Int, _ tally: Tally, within limit: Duration = .seconds(3),
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Balance {
        let paid = tally.served * price...(tally.served + tally.unknown) * price
        let cold = try await coldNode()
        let clients = clients + [cold.client]
        var balances: [Balance] = []
        try await eventually("all nodes report one balance that fits the answers", within: limit, sourceLocation: sourceLocation) {
            balances = try await concurrently(clients.count) { try await clients[$0].balance(key) }
            return balances.allSatisfy { $0 == balances[0] && $0.credits + $0.spent == granted && paid.contains($0.spent) }
        }
        let balance = balances[0]
        #expect(balances == Array(repeating: balance, count: balances.count), "all nodes agree", sourceLocation: sourceLocation)
        #expect(balance.credits + balance.spent == granted, "nothing is lost or made; \(tally)", sourceLocation: sourceLocation)
        #expect(paid.contains(balance.spent), "\(balance.spent) spent for \(tally)", sourceLocation: sourceLocation)
        #expect(balance.credits >= 0, sourceLocation: sourceLocation)
        try await cold.kill9()
        return balance
    }
}
