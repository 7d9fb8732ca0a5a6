// Data that is damaged while the cluster works, and mended again.

@testable import ClusterState

extension World {
    /// Loses the string of a window, or makes an account none and later one again.
    func damage(_ random: inout SeededRandom) {
        if random.chance(40), let ring = random.any(of: model.rings) {
            note("\(ring) is lost")
            _ = redis.ask("DEL", ring)
            model.lost(ring)
        } else if damaged.isEmpty {
            let account = keys.account(random.pick(keyIDs + [teamID]))
            damaged[account] = redis.ask("HGET", account, Self.damagedField).string ?? "0"
            note("\(account) is corrupt")
            _ = redis.ask("HSET", account, Self.damagedField, "corrupt")
        } else {
            mend()
        }
    }

    /// An operator puts right what was damaged.
    func mend() {
        for (account, value) in damaged.sorted(by: { $0.key < $1.key }) {
            note("\(account) is mended")
            _ = redis.ask("HSET", account, Self.damagedField, value)
        }
        damaged = [:]
    }

    /// Every script that looks at an account reads it, and none writes it that has not read it.
    private static let damagedField = "calls"
}
