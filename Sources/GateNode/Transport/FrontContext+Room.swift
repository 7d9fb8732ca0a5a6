// Room for one more: which connection of an event loop gives way.

import NIOCore

extension FrontContext {
    /// Ends the connection that has been idle, for a new one; false if none is.
    func reclaimIdleConnection() -> Bool {
        let now = NIODeadline.now()
        // A flood of connections that are all busy is not searched through for each of them.
        guard now >= noIdleUntil else { return false }
        guard let idle = connections.first(where: { $0.isReclaimable(at: now) }) else {
            noIdleUntil = now + .milliseconds(100)
            return false
        }
        idle.reclaim()
        return true
    }

    /// Refuses requests that are not complete, the largest first, until those of this standing have room.
    func makeRoom(_ standing: MemoryAccount.Standing) {
        while memory.isOver(standing) {
            let largest = connections.lazy.filter { $0.room.standing == standing && $0.canGiveWay }.max { $0.room.bytes < $1.room.bytes }
            guard let largest, largest.room.bytes > 0 else { return }
            largest.giveWay()
        }
    }

    /// Bytes have been handed over to a connection that does not take them at once.
    func noteUnread(_ bytes: Int) {
        memory.unread += bytes
        guard memory.unread > memory.mostUnread else { return }
        memory.unread = connections.reduce(0) { $0 + $1.unreadBytes }
        while memory.unread > memory.mostUnread {
            guard let stillest = connections.lazy.filter({ $0.unreadBytes > 0 }).min(by: { $0.stillness.since < $1.stillness.since }) else {
                return
            }
            memory.unread -= stillest.unreadBytes
            stillest.reset()
        }
    }
}
