// The one Swift file beside the scripts: it names each of them, and puts in the fragments that they include.

/// A script as it is sent to Redis. One file of `Lua/` each; its header states KEYS, ARGV, REPLY and EFFECT.
package enum LuaScript: String, CaseIterable, Sendable {
    case acquireSlot = "acquire_slot"
    case admit
    case advance
    case heartbeat
    case claim
    case claimNews = "claim_news"
    case claimStream = "claim_stream"
    case deliver
    case topUp = "top_up"
    case edit
    case endReservation = "end_reservation"
    case fence
    case limitAddress = "limit_address"
    case listKey = "list_key"
    case openCalls = "open_calls"
    case orderKeys = "order_keys"
    case outcome
    case perform
    case postMail = "post_mail"
    case postNews = "post_news"
    case raise
    case rank
    case reserve
    case session
    case settle
    case subscription
    case takeMail = "take_mail"
    case transfer
    case windows
    case webhookSpool = "webhook_spool"
    case webhookTake = "webhook_take"
    case webhookEnd = "webhook_end"
    case webhookReplay = "webhook_replay"
    case webhookDrop = "webhook_drop"

    /// Whether it changes nothing: its EFFECT is none.
    package var isReading: Bool { [.openCalls, .outcome, .rank, .windows].contains(self) }

    /// The text with its fragments in place of their `--#include` lines.
    package var source: String { Self.sources[self, default: ""] }

    private static let sources: [LuaScript: String] = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0, $0.file.replacingIncludes()) }
    )

    private var file: String {
        let bytes: [UInt8] =
            switch self {
            case .acquireSlot: PackageResources.acquire_slot_lua
            case .admit: PackageResources.admit_lua
            case .advance: PackageResources.advance_lua
            case .heartbeat: PackageResources.heartbeat_lua
            case .claim: PackageResources.claim_lua
            case .claimNews: PackageResources.claim_news_lua
            case .claimStream: PackageResources.claim_stream_lua
            case .deliver: PackageResources.deliver_lua
            case .topUp: PackageResources.top_up_lua
            case .edit: PackageResources.edit_lua
            case .endReservation: PackageResources.end_reservation_lua
            case .fence: PackageResources.fence_lua
            case .limitAddress: PackageResources.limit_address_lua
            case .listKey: PackageResources.list_key_lua
            case .openCalls: PackageResources.open_calls_lua
            case .orderKeys: PackageResources.order_keys_lua
            case .outcome: PackageResources.outcome_lua
            case .perform: PackageResources.perform_lua
            case .postMail: PackageResources.post_mail_lua
            case .postNews: PackageResources.post_news_lua
            case .raise: PackageResources.raise_lua
            case .rank: PackageResources.rank_lua
            case .reserve: PackageResources.reserve_lua
            case .session: PackageResources.session_lua
            case .settle: PackageResources.settle_lua
            case .subscription: PackageResources.subscription_lua
            case .takeMail: PackageResources.take_mail_lua
            case .transfer: PackageResources.transfer_lua
            case .windows: PackageResources.windows_lua
            case .webhookSpool: PackageResources.webhook_spool_lua
            case .webhookTake: PackageResources.webhook_take_lua
            case .webhookEnd: PackageResources.webhook_end_lua
            case .webhookReplay: PackageResources.webhook_replay_lua
            case .webhookDrop: PackageResources.webhook_drop_lua
            }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A piece of Lua that several scripts share; Redis has no modules.
private enum LuaFragment: String, CaseIterable {
    case account
    case barred
    case hold
    case holdFields = "hold_fields"
    case meter
    case reservation
    case ring
    case integer
    case touch

    var source: String {
        switch self {
        case .account: String(decoding: PackageResources.account_lua, as: UTF8.self)
        case .barred: String(decoding: PackageResources.barred_lua, as: UTF8.self)
        case .hold: String(decoding: PackageResources.hold_lua, as: UTF8.self)
        case .holdFields: String(decoding: PackageResources.hold_fields_lua, as: UTF8.self)
        case .meter: String(decoding: PackageResources.meter_lua, as: UTF8.self)
        case .reservation: String(decoding: PackageResources.reservation_lua, as: UTF8.self)
        case .ring: String(decoding: PackageResources.ring_lua, as: UTF8.self)
        case .integer: String(decoding: PackageResources.integer_lua, as: UTF8.self)
        case .touch: String(decoding: PackageResources.touch_lua, as: UTF8.self)
        }
    }
}

extension String {
    fileprivate func replacingIncludes() -> String {
        split(separator: "\n", omittingEmptySubsequences: false).map { line in
            LuaFragment.allCases.first { line == "--#include \($0.rawValue)" }?.source ?? String(line)
        }.joined(separator: "\n")
    }
}
