// A limit as the scripts of the ledger read it.

/// The values of one limit in a pack for admit.lua: `head`, the amount that is asked for, of a rolling window the place of its ring, of a
/// calendar period its number, start and end, then `tail`.
package struct LimitRow: Sendable {
    /// Its meter, the letter of what is counted, its cap, and whether it only warns.
    package let head: ScriptPack
    /// A rolling window's length; what a lifetime has in place of a period.
    package let tail: ScriptPack
    /// Whether a hold says what it has counted, as some of it may go back: all but rolling windows.
    package let isCountedInHold: Bool
    /// Credits that no surcharge passes; 0 where there is no such cap.
    package let creditCap: Int

    init(name: String, measure: Limit.Measure, window: Limit.Window, cap: Int, action: Limit.Action) {
        var (head, tail) = (ScriptPack(), ScriptPack())
        head.append("m:" + name)
        head.append(Self.kind(measure, window))
        head.append(cap)
        head.append(action == .warn ? 1 : 0)
        switch window {
        case .rolling(let microseconds):
            tail.append(microseconds)
            tail.append(0)
        case .calendar: break
        case .lifetime: for _ in 0..<3 { tail.append(0) }
        }
        (self.head, self.tail) = (head, tail)
        isCountedInHold = if measure != .inFlight, case .rolling = window { false } else { true }
        creditCap = measure == .credits && action == .deny && cap < Limit.counted ? cap : 0
    }

    /// The letter by which admit.lua and settle.lua know what is counted.
    private static func kind(_ measure: Limit.Measure, _ window: Limit.Window) -> String {
        switch (measure, window) {
        case (.inFlight, _): "o"
        case (_, .rolling): "r"
        case (.calls, _): "n"
        case (.credits, _): "c"
        }
    }
}
