// Why credits do not move.

/// Why a reservation or a transfer was not carried out; nothing has changed.
package enum CreditRefusal: Error, Sendable, Equatable {
    /// The key has less that may be spent; `held` of it is reserved.
    case insufficient(available: Int, held: Int, requested: Int)
    /// What is reserved would pass the key's spending limit; so much of that is left.
    case spendingLimit(left: Int)
    /// As much is open as may be at once.
    case tooMany(Int)
    /// The key is suspended, revoked or expired.
    case state(String)
    /// There is no reservation of that name.
    case unknownReservation
    /// The reservation has ended before: it was committed, released, or its time was over.
    case ended(ReservationEnd)
    /// There is no such key to send credits to, or it takes none any more.
    case noReceiver
    /// The receiver would be given more than an account may be (`Credits.balanceCeiling`).
    case receiverIsFull
}

/// How a reservation ended.
package enum ReservationEnd: String, Sendable, CaseIterable {
    /// Its credits were charged.
    case committed = "c"
    /// They were given back because somebody said so.
    case released = "b"
    /// They were given back because its time was over.
    case expired = "x"
}
