// What admins do meanwhile.

@testable import ClusterState
import GateDomain

/// What an admin orders.
private enum Order {
    case key(Set<KeyState>, String, @Sendable (inout KeyRecord) -> Void)
    case budget(Int)
    case reload
}

extension World {
    func change(_ move: Move, _ random: inout SeededRandom) {
        guard !running.isEmpty else { return }
        let (node, id) = (random.pick(running), random.pick(keyIDs))
        let order = order(move, &random)
        let operation = operation(&random)
        let (directory, teams, teamID, world) = (node.directory, node.teams, teamID, Reference(self))
        switch order {
        case .key(let states, let name, let change):
            note("admin on \(node.name): \(name) \(id.suffix(4)) by \(operation.id)")
            node.start {
                do throws(RecordRefusal) {
                    try await directory.edit(id, in: states, operation) { (key) throws(RecordRefusal) in change(&key) }
                    world.value.acknowledge(operation, of: id)
                } catch {}
            }
        case .reload:
            note("admin on \(node.name): reloads the rules by \(operation.id)")
            let (version, milliseconds) = (RulesVersion(store: node.store, origin: node.name), node.clock.milliseconds)
            node.start {
                do throws(RecordRefusal) {
                    let state = try await version.raise(changed: [], at: milliseconds, operation)
                    world.value.toldRules = max(world.value.toldRules, state.version)
                } catch {}
            }
        case .budget(let budget):
            note("admin on \(node.name): the team may spend \(budget) by \(operation.id)")
            node.start {
                do throws(RecordRefusal) {
                    _ = try await teams.edit(teamID, operation) { (team) throws(RecordRefusal) in team.budget = budget }
                    world.value.acknowledge(operation, of: teamID)
                } catch {}
            }
        }
    }

    private func operation(_ random: inout SeededRandom, _ fingerprint: String = "") -> Operation {
        let id = "op\(random.next())"
        return Operation(id: id, fingerprint: fingerprint, audit: AuditEntry(type: "t", actor: "a", message: id, metadata: []))
    }

    private func order(_ move: Move, _ random: inout SeededRandom) -> Order {
        let (living, teamID) = (Set([KeyState.active, .suspended]), teamID)
        switch move {
        case .suspend: return .key([.active], "suspend") { $0.state = .suspended }
        case .resume: return .key([.suspended], "resume") { $0.state = .active }
        default: break
        }
        let tools = random.pick([[], ["plain"], ["sized"]])
        if plan.reloads, random.chance(50) { return .reload }
        switch random.below(14) {
        case 0...2:
            let limit = random.pick([0, plan.credits / 2, plan.credits])
            return .key(living, "limit \(limit)") { $0.spendingLimit = limit }
        case 3, 4: return .key(living, "allow \(tools)") { $0.access.allowed = tools }
        case 5: return .key(living, "deny \(tools)") { $0.access.denied = tools }
        case 6: return .key(living, "any tool") { $0.access = ToolAccess() }
        case 7, 8: return .key(living, "join") { $0.teamID = teamID }
        case 9, 10: return .key(living, "leave") { $0.teamID = nil }
        case 11, 12: return .budget(random.pick([0, 20, 60]))
        default: return .key(living, "revoke") { $0.state = .revoked }
        }
    }

    func topUp(_ random: inout SeededRandom) {
        guard !running.isEmpty else { return }
        let (node, id, amount) = (random.pick(running), random.pick(keyIDs), 1 + random.below(20))
        let operation = operation(&random, "\(amount)")
        doubtful[id, default: 0] += amount
        let (directory, world) = (node.directory, Reference(self))
        note("admin on \(node.name): \(amount) credits for \(id.suffix(4)) by \(operation.id)")
        node.start {
            // Sent twice under one operation: it counts once.
            let first = try? await directory.topUp(id, credits: amount, operation)
            let again = try? await directory.topUp(id, credits: amount, operation)
            guard first != nil || again != nil else { return }
            world.value.told.insert(operation.id)
            world.value.doubtful[id, default: 0] -= amount
            world.value.granted[id, default: 0] += amount
        }
    }
}
