// How time passes: the world's own never steps, Redis's does.

@testable import ClusterState

extension World {
    func pass(_ microseconds: Int) {
        let until = now + microseconds
        // Whoever runs hears its clock in time; whoever is stopped hears it when it wakes.
        while let next = nextAlarm, next <= until {
            now = max(now, next)
            redis.clock.microseconds = now + clockOffset
            ring()
            // When all faults are over, what is sent meanwhile is answered at once.
            if isHealing { flush() }
        }
        now = until
        redis.clock.microseconds = now + clockOffset
        ring()
    }

    var nextAlarm: Int? {
        let timed = timers.filter { !isHeld($0.owner) }.map(\.due)
        let waits = running.compactMap { $0.link.waitsSince.map { $0 + SimulatedLink.timeout } }
        return (timed + waits).min()
    }

    func isHeld(_ owner: AnyObject?) -> Bool {
        nodes.contains { ($0 === owner || $0.store === owner) && $0.condition != .running }
    }

    func ring() {
        for node in running { node.link.checkTime() }
        let due = timers.filter { $0.due <= now && !isHeld($0.owner) }
        timers.removeAll { $0.due <= now && !isHeld($0.owner) }
        for timer in due { timer.work() }
        for node in nodes { node.settleDown() }
    }

    func beat(_ node: SimulatedNode) {
        let membership = node.membership
        node.start { await membership.beat() }
    }

    func step(_ seconds: Int) {
        note("Redis's clock steps \(seconds) s")
        if seconds < 0 { model.stepsBack(from: now + clockOffset) }
        clockOffset += seconds * 1_000_000
        leaps += max(0, seconds) * 1_000_000
        if seconds < 0 { hasSteppedBack = true }
        redis.clock.microseconds = now + clockOffset
    }
}
