// GET, POST and DELETE /keys/schedule: what shall be done with a key at a time (F-KEY-12).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let readSchedules = Endpoint(
        .get, "/keys/schedule", "Show the actions that wait for their time, the soonest first: of a key, or of all.",
        for: .atLeast(.viewer),
        query: [Field.scheduledKey],
        answer: View<([ScheduledAction], Int, Bool)>([
            .list("schedules", ScheduledAction.view, \.0), .integer("count", \.1),
            .flag("hasMore", \.2).described("Whether there are actions of more than \(Schedules.most) keys."),
        ]),
        failures: [.notFound], using: \.keys
    ) { request, keys in
        var (found, hasMore): ([ScheduledAction], Bool) = ([], false)
        if let reference = try request[.scheduledKey] {
            guard let key = try await keys.find(reference) else { throw HTTPFailure.unknownKey }
            found = try await Schedules(keys).pending(of: key.id).map { ScheduledAction(entry: $0, masked: key.masked) }
        } else {
            let all: [KeySchedules]
            (all, hasMore) = try await Schedules(keys).pending()
            let masks = Dictionary(
                try await keys.records.read(all.map(\.keyID)).map { ($0.id, $0.masked) }, uniquingKeysWith: { first, _ in first })
            found = all.flatMap { schedules in
                schedules.entries.map { ScheduledAction(entry: $0, masked: masks[schedules.keyID] ?? "") }
            }
        }
        found.sort { ($0.entry.executeAt, $0.entry.id) < ($1.entry.executeAt, $1.entry.id) }
        return (found, found.count, hasMore)
    }

    static let createSchedule = Endpoint(
        .post, "/keys/schedule", "Have a key revoked, suspended or topped up at a time.", for: .atLeast(.admin),
        body: [Field.key, Field.scheduledAction, Field.executeAt, Field.scheduleParameters], success: .created,
        answer: ScheduledAction.view.schema, failures: [.notFound], audits: ["schedule.created", "schedule.executed"], using: \.keys
    ) { request, keys in
        let (action, time, now) = (try request[.scheduledAction], try request[.executeAt], request.now)
        let credits = try request[.scheduleParameters]
        guard time > now else { throw HTTPFailure.badRequest("Invalid executeAt. Must be a time in the future.") }
        guard action != .topup || credits != nil else { throw HTTPFailure.badRequest("Missing params.credits, which a topup adds") }
        let key = try await request.target(in: keys)
        let entry = KeySchedules.Entry(
            id: KeySchedules.makeEntryID(of: key.id), action: action, credits: action == .topup ? credits ?? 0 : 0, executeAt: time,
            createdAt: now)
        let audit = request.audit(
            "Action scheduled", of: key,
            ["action": action.rawValue, "executeAt": Timestamp.text(milliseconds: time), "scheduleId": entry.id])
        do {
            try await Schedules(keys).add(entry, to: key.id, Operation(audit: audit))
        } catch RecordRefusal.state(Schedules.isFull) {
            throw HTTPFailure.badRequest("A key may have at most \(KeySchedules.capacity) pending schedules; cancel one first")
        }
        return EndpointResponse(ScheduledAction.view, ScheduledAction(entry: entry, masked: key.masked))
    }

    static let cancelSchedule = Endpoint(
        .delete, "/keys/schedule", "Cancel an action before its time.", for: .atLeast(.admin), query: [Field.scheduleID],
        answer: View<ScheduledAction>([.object("cancelled", ScheduledAction.view, \.self)]), failures: [.notFound, .conflict],
        audits: ["schedule.cancelled"], using: \.keys
    ) { request, keys in
        let id = try request[.scheduleID]
        guard let keyID = KeySchedules.key(ofEntry: id), let key = try await keys.records.read(keyID) else {
            throw HTTPFailure.notFound("Schedule not found")
        }
        let audit = request.audit("Scheduled action cancelled", of: key, ["scheduleId": id])
        do {
            let entry = try await Schedules(keys).cancel(id, of: keyID, Operation(audit: audit))
            return ScheduledAction(entry: entry, masked: key.masked)
        } catch RecordRefusal.missing {
            throw HTTPFailure.notFound("Schedule not found")
        } catch RecordRefusal.state(Schedules.isUnderWay) {
            throw HTTPFailure.conflict("The action is being carried out; it cannot be cancelled any more")
        }
    }
}

/// An action as it is shown.
private struct ScheduledAction: Sendable {
    let entry: KeySchedules.Entry
    let masked: String

    static let view = View<ScheduledAction>([
        .text("id", \.entry.id), .text("key", \.masked), .choice("action", \.entry.action), .time("executeAt", \.entry.executeAt),
        .time("createdAt", \.entry.createdAt),
        .object(
            "params", View<Int>([.credits("credits") { $0 }]), { $0.entry.action == .topup ? $0.entry.credits : nil }
        ).maybe,
    ])
}

extension KeySchedules.Action: JSONRepresentable {}

extension Field where Value == String? {
    fileprivate static let scheduledKey = Field<String>("key", .keyReference, "Of this key alone: the key, its id or its alias.").optional
}

extension Field where Value == KeySchedules.Action {
    fileprivate static let scheduledAction = Field("action", .choice, "What is done.")
}

extension Field where Value == Int {
    fileprivate static let executeAt = Field("executeAt", .time, "When; a time in the future, by Redis TIME.")
}

extension Field where Value == Int? {
    fileprivate static let scheduleParameters = Field<Int>(
        "params",
        ValueKind<Int>(Schema(members: [("credits", ValueKind<Int>.credits.schema)])) { json throws(ValueFault) in
            guard let credits = json.objectValue?["credits"] else { throw ValueFault("Must be an object with credits.") }
            do throws(ValueFault) {
                return try ValueKind<Int>.credits.value(of: credits)
            } catch {
                throw ValueFault("credits: \(error.rule)")
            }
        }, "What a topup adds."
    ).optional
}

extension Field where Value == String {
    fileprivate static let scheduleID = Field(
        "id",
        .word(.string(pattern: "^sched_[0-9a-f]{24}$"), rule: "Must be the id of a schedule, as sched_….") { text in
            KeySchedules.key(ofEntry: text) != nil
                && text.utf8.dropFirst(6).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        }, "The id that POST /keys/schedule answered with.")
}
