// What admins do meanwhile.

@testable import ClusterState
import GateDomain

extension World {
    func change(_ move: Move, _ random: inout SeededRandom) {
        guard !running.isEmpty else { return }
        let (node, id) = (random.pick(running), random.pick(keyIDs))
        let name = "\(move) \(calls.count)"
        let operation = Operation(id: "op\(random.next())", audit: AuditEntry(type: "t", actor: "a", message: name, metadata: []))
        let directory = node.directory
        let limit = random.pick([0, plan.credits / 2, plan.credits])
        note("admin on \(node.name): \(move) \(id.suffix(4))")
        let world = Reference(self)
        if move == .resume { barred.remove(id) }
        resuming[id, default: 0] += move == .resume ? 1 : 0
        node.start {
            do throws(RecordRefusal) {
                switch move {
                case .suspend: try await directory.edit(id, in: [.active], operation) { $0.state = .suspended }
                case .resume: try await directory.edit(id, in: [.suspended], operation) { $0.state = .active }
                default: try await directory.edit(id, in: [.active, .suspended], operation) { $0.spendingLimit = limit }
                }
                if move == .suspend, world.value.resuming[id, default: 0] == 0 { world.value.barred.insert(id) }
            } catch {}
            if move == .resume { world.value.resuming[id, default: 0] -= 1 }
        }
    }

    func topUp(_ random: inout SeededRandom) {
        guard !running.isEmpty else { return }
        let (node, id, amount) = (random.pick(running), random.pick(keyIDs), 1 + random.below(20))
        let operation = Operation(
            id: "top\(random.next())", fingerprint: "\(amount)", audit: AuditEntry(type: "t", actor: "a", message: "top-up", metadata: []))
        doubtful[id, default: 0] += amount
        let (directory, world) = (node.directory, Reference(self))
        note("admin on \(node.name): \(amount) credits for \(id.suffix(4))")
        node.start {
            // Sent twice under one operation: it counts once.
            let first = try? await directory.topUp(id, credits: amount, operation)
            let again = try? await directory.topUp(id, credits: amount, operation)
            guard first != nil || again != nil else { return }
            world.value.doubtful[id, default: 0] -= amount
            world.value.granted[id, default: 0] += amount
        }
    }
}
