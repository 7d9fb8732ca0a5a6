// Defects that the ledger once had, or might have, each as the rule that it would follow: an explorer that does not find them again explores nothing.

import LuaScripts
import Testing

/// An old rule: what the scripts said, or what the node did.
enum OldRule: String, CaseIterable, CustomTestStringConvertible {
    /// M1, F30: a node that was declared dead may go on opening holds.
    case noFence
    /// M1, M5: what became of a closed hold is forgotten with it.
    case noMarks
    /// M5: a release that finds its hold settled gives nothing back.
    case releaseAfterSettlement
    /// V21: a stored answer is given before anybody looks at the key.
    case replayFirst
    /// V21: nobody compares versions.
    case noVersions
    /// M12: a top-up that is sent twice counts twice.
    case topUpTwice
    /// D18: a batch of which anything was returned is made again.
    case partlyReturnedBatch
    /// D20, M5: a call that another node has kept is told as if nothing was charged.
    case keptIsLost
    /// D20: a call that was charged when its node died is made and charged again, as its record went with it.
    case keptIsMadeAgain
    /// M13: what a call was told is reckoned from its plan, whatever the ledger charged.
    case plannedReceipts
    /// F30: a heartbeat from the future counts until it has passed.
    case futureBeats
    /// M11, F-CONC-01: a call of a dead node stays counted as open.
    case openForEver
    /// M1: a release that came too late gives back in the team's shard what the key's own shard has kept.
    case followersGiveBack
    /// F40: a release leaves a mark however late it comes.
    case marksOfLateReleases
    /// R14: a window forgets its oldest admissions too early.
    case shortWindow
    /// R15: a window forgets too late.
    case longWindow
    /// F-QUOTA-01: what was refunded stays counted.
    case countedRefunds
    /// F-QUOTA-01: a step of the clock over midnight begins a period anew.
    case periodAnew
    /// M7: credits that have arrived from another shard arrive again with each copy.
    case arrivesTwice
    /// M8: a reservation that has ended ends again.
    case endsTwice
    /// M7: a transfer that was refused is not given back.
    case refusedAndGone

    /// M11: a surcharge passes every quota of credits.
    case surchargePastQuota
    /// R15: what stands in a window's future counts until then, and not as made now.
    case futureWindows
    /// R15: what has lost its time stays in its window for ever.
    case lostTimes
    /// M12: an operation of an admin is carried out by each copy that finds the record as it was expected.
    case forgottenOperations
    /// V23: a late copy of an order undoes what was ordered since.
    case lateOrders
    /// V24: a key that is to be read anew is found by whoever reads it already.
    case joinsOlderLoad
    /// V24: a refusal by what is remembered is spoken.
    case rememberedRefusal
    /// V21: nobody compares the version of the operator's rules.
    case anyRules
    /// M1: a call that could not be ended in the key's own shard is given back in its team's.
    case openIsGone
    /// F40: marks of closed holds stay until their node dies.
    case marksStay
    /// M13: a corrupt account ends the script, for all whose settlements it carries.
    case corruptEndsAll
    /// M1: the hold of a corrupt account is closed, and gives nothing back.
    case corruptGivesNothing

    var testDescription: String { rawValue }

    /// Whether only histories in which credits move can show it.
    var isOfCredits: Bool { [.arrivesTwice, .endsTwice, .refusedAndGone].contains(self) }

    /// Whether only histories can show it in which data is damaged.
    var isOfDamage: Bool { [.corruptEndsAll, .corruptGivesNothing, .openIsGone].contains(self) }

    /// What the scripts say instead.
    var edits: [LuaScript: [(String, String)]] {
        switch self {
        case .noFence: [.admit: [("if not is_open then return {3} end", "")]]
        case .noMarks:
            [
                .settle: [
                    (
                        "changed[hold] = hold_done(text, rest, charges, entries, returned, orphan)",
                        "redis.call('HDEL', KEYS[fields[1]], hold)"
                    )
                ]
            ]
        case .releaseAfterSettlement: [.settle: [("if not back or charged", "if true or charged")]]
        case .replayFirst: [.admit: [(Self.guardRule, replay)]]
        case .noVersions: [.admit: [("if not held and account.version ~= fields[at + 2] then return {1} end", "")]]
        case .topUpTwice: [.topUp: [("if done[1] then", "if false then")]]
        case .futureBeats: [.heartbeat: [("if value > now then", "if false then"), ("if grace > now + lifetime then", "if false then")]]
        case .openForEver:
            [
                .settle: [
                    (
                        "if mode == 'refund' then returned = n else",
                        "for i = 3, m and #m or 0, 5 do if m[i] == 'o' then m[i + 2] = 0 end end\n    if mode == 'refund' then returned = n else"
                    )
                ]
            ]
        case .followersGiveBack: [.settle: [("return {4, r, unpack(c)}", "return {1, -1, r, unpack(c)}")]]
        case .marksOfLateReleases: [.settle: [("if milliseconds > fields[9] then return {5, milliseconds} end", "")]]
        case .shortWindow: [.admit: [("local start = now - ring.window", "local start = now - ring.window / 2")]]
        case .longWindow: [.admit: [("local start = now - ring.window", "local start = now - ring.window * 2")]]
        case .keptIsMadeAgain:
            [.settle: [("redis.call('HSET', key, 'lost', '1')", "redis.call('DEL', key)")]]
        case .countedRefunds:
            [
                .settle: [
                    (
                        "if m then uncount(legs, n, m, closes, before, returned, unused)",
                        "if m then uncount(legs, n, m, closes, before, closes and 0 or returned, closes and 0 or unused)"
                    )
                ]
            ]
        case .periodAnew: [.admit: [("if of < period then", "if of ~= period then")]]
        case .arrivesTwice: [.deliver: [("if done[1] then return {0, tonumber(done[1])} end", "")]]
        case .endsTwice: [.endReservation: [("elseif entry.state ~= 'o' then", "elseif false then")]]
        case .refusedAndGone:
            [
                .deliver: [("elseif state == 'revoked' then", "elseif credits % 3 == 0 then")],
                .endReservation: [("(verb == 'commit' or verb == 'delivered')", "verb ~= 'release'")],
            ]
        case .surchargePastQuota: [.settle: [("room = math.min(room, used and of == period and cap - used or 0)", "")]]
        case .futureWindows: [.admit: [("if ring.first < ring.last and ring.newest > now then", "if false then")]]
        case .lostTimes: [.admit: [("return time > 0 and time or ring.newest", "return time > 0 and time or 9007199254740991")]]
        case .forgottenOperations: [.edit: [("if done[1] then", "if false then")]]
        case .lateOrders:
            [
                .edit: [
                    ("if done[1] then", "if false then"), ("(expected ~= '' and tonumber(expected) ~= version)", "false"),
                ]
            ]
        case .anyRules: [.admit: [(Self.guardRule, "")]]
        case .openIsGone: [.outcome: [("if hold_is_open(text) then return {1} end", "if hold_is_open(text) then return {0} end")]]
        case .marksStay: [.settle: [("if acknowledged[1] then redis.call('HDEL', list, unpack(acknowledged)) end", "")]]
        case .corruptEndsAll:
            [
                .settle: [
                    (
                        "local fine, reply, credits, returned = pcall(end_hold, changed[open], charges, entries, fields, text, cuts)",
                        "local fine, reply, credits, returned = true, end_hold(changed[open], charges, entries, fields, text, cuts)"
                    )
                ]
            ]
        case .corruptGivesNothing:
            [
                .settle: [
                    (
                        "if not fine then reply = {3,",
                        "if not fine then changed[open][fields[2]] = hold_done(text, (select(2, hold_read(text))), {0}, {}, 1, false) end\n    if not fine then reply = {3,"
                    )
                ]
            ]
        case .partlyReturnedBatch, .keptIsLost, .plannedReceipts, .joinsOlderLoad, .rememberedRefusal: [:]
        }
    }

    private static let guardRule = "if guarded[i] ~= fields[i] and tonumber(guarded[i] or 0) > tonumber(fields[i]) then return {1} end"

    private var replay: String {
        """
        local early = record > 0 and redis.call('HMGET', KEYS[record], 'fingerprint', 'answer')
            if early and early[2] and early[1] == fingerprint then return {9, early[2]} end
            \(Self.guardRule)
        """
    }
}
