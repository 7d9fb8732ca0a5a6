// Money and meters against a naive model, with raw script calls that are repeated and come in another order than they were sent.

@testable import ClusterState
import GateDomain
import Testing

@Suite("The scripts against a model")
struct ModelTests {
    /// What becomes of one hold, told without Redis.
    private enum Life: Equatable {
        case unborn
        case open
        /// Closed, with what was charged and how many calls were given back; nil until it was charged.
        case closed(charged: Int, returned: Int)
    }

    private struct Model {
        var credits: Int
        var spent = 0
        var calls = 0
        var day = 0
        var open = 0
        let limit: Int
        let dayCap: Int
        let openCap: Int

        mutating func admit(_ price: Int, _ count: Int) -> Bool {
            guard open + 1 <= openCap, price <= credits, limit == 0 || spent + price <= limit, day + count <= dayCap else { return false }
            move(price, count)
            open += 1
            return true
        }

        mutating func move(_ amount: Int, _ count: Int) {
            credits -= amount
            spent += amount
            calls += count
            day += count
        }

        /// What may be charged beyond what is held.
        var room: Int { limit == 0 ? credits : min(credits, limit - spent) }
    }

    @Test(
        "Hundreds of admissions, settlements, releases and acknowledgements, repeated and reordered, move what a naive model moves (M1 to M6)",
        arguments: 0..<6)
    func random(seed: Int) async throws {
        let node = try await TestNode()
        let limit = seed % 2 == 0 ? 0 : 400
        let caller = try await node.makeKey(credits: 300, spendingLimit: limit)
        let (day, open) = (
            Limit(name: "day", window: .calendar(.day), cap: 60), Limit(name: "open", measure: .inFlight, window: .lifetime, cap: 6)
        )
        var model = Model(credits: 300, limit: limit, dayCap: 60, openCap: 6)
        var lives: [Life] = []
        var calls: [TestCall] = []
        var settlements: [Int: (charges: [(base: Int, surcharge: Int)], returned: Int)] = [:]
        for step in 0..<250 {
            if calls.isEmpty || Int.random(in: 0..<4) == 0 {
                let count = Int.random(in: 1...3)
                calls.append(
                    TestCall(caller: caller, price: count * Int.random(in: 0...9), calls: count, limits: [(day, count), (open, 1)]))
                lives.append(.unborn)
            }
            let index = Int.random(in: max(0, calls.count - 6)..<calls.count)
            let call = calls[index]
            switch Int.random(in: 0..<7) {
            case 0...2:
                let status = try await node.store.send(node.command(admitting: [call])).firstAnswer?.status
                switch lives[index] {
                case .unborn:
                    let fits = model.admit(call.price, call.calls)
                    #expect((status == 0) == fits, "step \(step): \(status ?? -1)")
                    if fits { lives[index] = .open }
                case .open: #expect(status == 0)
                case .closed: #expect(status == 11)
                }
            case 3...4:
                let each = call.price / call.calls
                let back = Int.random(in: 0..<3) == 0 ? Int.random(in: 1...call.calls) : 0
                let plan =
                    settlements[index] ?? (
                        charges: (0..<call.calls).map {
                            (base: $0 < back ? 0 : each, surcharge: $0 < back ? 0 : Int.random(in: 0..<4) == 0 ? 7 : 0)
                        },
                        returned: back
                    )
                settlements[index] = plan
                let reply = try await node.store.send(
                    node.command(settling: [node.settlement(call, plan.charges, returned: plan.returned)]))
                let answer = reply.firstAnswer
                switch lives[index] {
                case .unborn: #expect(answer?.status == 0)
                case .open:
                    let base = plan.charges.reduce(0) { $0 + $1.base }
                    let wanted = plan.charges.reduce(0) { $0 + $1.surcharge }
                    let charged = base + min(wanted, max(0, model.room + call.price - base))
                    model.move(charged - call.price, -plan.returned)
                    model.open -= 1
                    lives[index] = .closed(charged: charged, returned: plan.returned)
                    #expect(answer?.integers(from: 3).reduce(0, +) == charged)
                case .closed(let charged, _): #expect(answer?.integers(from: 3).reduce(0, +) == charged)
                }
            case 5:
                let plan = settlements[index]
                _ = try await node.store.send(
                    node.command(settling: [
                        node.settlement(call, plan?.charges ?? [(call.price, 0)], returned: plan?.returned ?? 0).released
                    ]))
                switch lives[index] {
                case .unborn: lives[index] = .closed(charged: 0, returned: call.calls)
                case .open:
                    model.move(-call.price, -call.calls)
                    model.open -= 1
                    lives[index] = .closed(charged: 0, returned: call.calls)
                case .closed(let charged, let returned):
                    model.move(-charged, returned - call.calls)
                    lives[index] = .closed(charged: 0, returned: call.calls)
                }
            default:
                // A node acknowledges once no copy is under way any more; here the hold is not heard of again.
                guard case .closed = lives[index], index < calls.count - 6 else { break }
                _ = try await node.store.send(node.command(settling: [], acknowledging: [call.hold]))
            }
            guard step % 5 == 0 else { continue }
            let account = try await node.account(caller)
            try #require(account.credits == model.credits && account.spent == model.spent && account.calls == model.calls, "step \(step)")
            let meters = try await [node.meter("day", caller), node.meter("open", caller)]
            try #require(meters.map { Int($0?.split(separator: ":").last ?? "0") } == [model.day, model.open], "step \(step)")
        }
        #expect(try await node.openHolds() == lives.count { $0 == .open })
        let held = zip(calls, lives).reduce(0) { $0 + ($1.1 == .open ? $1.0.price : 0) }
        #expect(try await node.events().reduce(0) { $0 + $1.credits } == model.spent - held, "metering equals the ledger (M13)")
        #expect(model.credits + model.spent == 300)
    }
}
