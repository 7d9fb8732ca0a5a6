// Clients that do not take what waits for them.

import NIOCore

/// Since when no byte was taken of what waits to be sent, and how much that was.
struct Stillness {
    var since = NIODeadline.now()
    private var waiting = 0

    /// Bytes that may wait for a client before what may be left out is left out.
    static let mostAhead = 1 << 20
    /// How long a client may take to read its last answer, and how long it may go on sending after it; milliseconds.
    static let longest: Int64 = 30_000
    static let longestOfDraining: Int64 = 5000
    static let lingering: Int64 = 2000

    /// So many bytes wait now.
    mutating func note(_ bytes: Int, at now: NIODeadline) {
        if bytes < waiting { since = now }
        waiting = bytes
    }

    func milliseconds(at now: NIODeadline) -> Int64 { (now - since).nanoseconds / 1_000_000 }
}

extension FrontHandler {
    /// Bytes that wait to be sent.
    var unreadBytes: Int {
        guard !isRead, let channel = context?.channel else { return 0 }
        return (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    /// Whether the client reads so well that what may be left out need not be.
    var takesMore: Bool { isRead || unreadBytes < Stillness.mostAhead }

    /// Ends the connection if the answer to a request has been written and not all of it has left.
    func cut(answer number: Int) { if !isTaken(answer: number) { reset(isAbrupt: false) } }

    /// Whether all of the answer to a request that was written has left.
    func isTaken(answer number: Int) -> Bool { served != number || unreadBytes == 0 }

    /// Whether the client is not reading; it has so long for it until it is cut off.
    func isStill(at now: NIODeadline) -> Bool {
        let waiting = unreadBytes
        stillness.note(waiting, at: now)
        if case .closing = occupant { return false }
        guard waiting > 0 else { return false }
        if stillness.milliseconds(at: now) > Stillness.longest { reset() }
        return true
    }
}
