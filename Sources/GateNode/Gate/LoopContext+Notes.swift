// What an event loop writes down without anybody waiting for it: calls that were refused, what rules have found, sessions, checks.

import ClusterState
import GateDomain
import GateSettings

extension LoopContext {
    /// Notes a call that was refused, or that shadow mode let pass; nobody waits for it.
    func note(_ event: CallEvent) {
        link.send(EventLog.note(event, keys: parts.store.keys)) { [self] result in
            if case .failure = result { meter.lostNotes += 1 }
        }
    }

    /// Notes what rules have found in a call of a known key; nobody waits for it. A key that makes more of it than anybody reads is passed
    /// over for the rest of the second, so that it does not push out what others have done.
    func note(_ violations: [RuleViolation], in tool: String, of key: String?, _ requestID: String) {
        let most = snapshot.settings.guardrails.maxViolations
        guard most > 0, let key else { return }
        for violation in violations {
            guard notedViolations[key, default: 0] < Self.violationsPerSecond else { return }
            notedViolations[key, default: 0] += 1
            let event = ViolationEvent(violation, tool: tool, keyID: key, requestID: requestID)
            link.send(ViolationLog.note(event, keys: parts.store.keys, most: most)) { [self] result in
                if case .failure = result { meter.lostNotes += 1 }
            }
        }
    }

    /// Violations of one key that are noted in one second.
    private static let violationsPerSecond = 50

    /// Notes that a key has opened a session, or ended it; nobody waits for it. One that is forgotten after its rest is not told.
    func note(_ event: SessionNotes.Event, _ session: String, of key: KeyRecord, _ requestID: String) {
        guard sessionNotes.takes(key.id) else { return }
        let entry = AuditEntry(
            type: event.rawValue, actor: key.masked, message: event == .created ? "Session opened" : "Session ended",
            metadata: [
                ("keyMasked", key.masked), ("name", key.name), ("keyId", key.id), ("sessionId", session.cut(toBytes: 17)),
                ("requestId", requestID),
            ])
        var command = RedisCommand(
            once: "XADD", parts.store.keys.audit(parts.store.keys.shard(of: key.id)), "MAXLEN", "~", String(AuditEntry.retained), "*", "e")
        command.append(entry.packed)
        link.send(command) { [self] result in
            if case .failure = result { meter.lostNotes += 1 }
        }
    }

    func noteSchemaChecks() {
        guard schemaChecks.all > 0 else { return }
        let counts = schemaChecks
        schemaChecks = SchemaTotals.Counts()
        for command in SchemaTotals.commands(adding: counts, keys: parts.store.keys) {
            link.send(command) { [self] result in
                if case .failure = result { meter.lostNotes += 1 }
            }
        }
    }
}
