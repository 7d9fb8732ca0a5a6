// How a history ends: all faults are over, and everything that is owed is done.

@testable import ClusterState
import GateDomain

extension World {
    /// Ends all faults and lets everything that is owed be done. - Returns: whether the cluster came to rest.
    func heal() -> Bool {
        note("--- heal")
        isHealing = true
        mend()
        for node in nodes where node.condition == .stopped { wake(node) }
        loseOldStrays()
        // Half of them when everything has been forgotten that may be.
        var late = hasSteppedBack ? [] : strays.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        for stray in strays where !late.contains(where: { $0 === stray }) { arrive(stray: stray) }
        strays = []
        if running.isEmpty { beat(addNode()) }
        for round in 0..<60 {
            for call in calls where !call.waiting.isEmpty && call.node.condition == .running && !call.isOver {
                for part in call.waiting.sorted() { call.serverAnswers(part, .result(isError: false, bytes: 10)) }
            }
            flush()
            for node in running {
                beat(node)
                node.ledger.sweep()
            }
            flush()
            if plan.movesCredits, round % 4 == 3, let node = running.first { seeToDue(node, at: 1 << 50) }
            flush()
            // Once for longer than any command is under way.
            pass(round == 10 ? 61_000_000 : 1_000_000)
            flush()
            if round == 14 {
                for stray in late { arrive(stray: stray) }
                late = []
            }
            if round > 20, isAtRest { return true }
        }
        note("nodes: \(redis.ask("HGETALL", keys.nodes).fields)")
        for node in running {
            let ledger = node.ledger
            note(
                "\(node.name): \(ledger.openHolds) open, \(ledger.backlog) owed, \(ledger.marks) marks, renamed \(node.identity.needsNewName), idle \(node.executor.isIdle)"
            )
        }
        for call in calls where !call.isOver { note("\(call.requestID) on \(call.node.name) is not over, waits for \(call.waiting)") }
        return false
    }

    /// What a dead node has sent comes after all. Where others have followed up on its name by then, nobody does so again.
    private func arrive(stray: Flight) {
        let listed = redis.ask("HGETALL", keys.nodes).fields
        for word in stray.command.words {
            let parts = String(decoding: word, as: UTF8.self).split(separator: ":")
            guard parts.count >= 2, parts[parts.count - 2] == "open", let name = parts.last.map(String.init) else { continue }
            if listed[name] == nil { forgotten.insert(name) }
        }
        arrive(stray)
    }

    func flush() {
        for _ in 0..<10_000 {
            var moved = false
            let nodes = running
            for node in nodes {
                if !node.executor.isIdle {
                    node.settleDown()
                    moved = true
                }
                if node.link.hasTicks {
                    node.link.runTicks()
                    moved = true
                }
            }
            arrive(nodes.flatMap(\.link.allUndelivered))
            for node in nodes {
                while node.link.canHear {
                    node.link.hear()
                    moved = true
                }
            }
            if !moved { return }
        }
        violate("the cluster talks without end")
    }

    private var isAtRest: Bool {
        calls.allSatisfy(\.isOver)
            && running.allSatisfy {
                $0.ledger.backlog == 0 && $0.ledger.marks == 0 && $0.ledger.openHolds == 0 && !$0.identity.needsNewName
            }
            && redis.ask("HLEN", keys.nodes).integer ?? 0 <= running.count + 1
            && (!plan.movesCredits || keyIDs.allSatisfy { setAside(of: $0).transfers == 0 })
    }
}
