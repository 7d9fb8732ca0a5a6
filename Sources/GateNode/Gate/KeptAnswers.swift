// What arrays of messages keep of their answers until the last one is there, and whose share that is.

/// The account of one event loop. No key has more than three times as much as is left, and all who have none together not more than is left.
struct KeptAnswers {
    private let most: Int
    private var all = 0
    /// By the owner of the session; empty for nobody's.
    private var shares: [String: Int] = [:]

    /// Bytes of an answer that is kept for a client that is not there: by Redis for repetitions, by a call between two rounds.
    static let longest = 1_048_576
    /// Bytes of a node.
    private static let ofNode = 64 << 20

    /// - Parameter loops: event loops of the node, which share alike.
    init(loops: Int) { most = max(8 << 20, Self.ofNode / max(1, loops)) }

    /// Whether another request of an array may be begun.
    func hasRoom(for holder: String) -> Bool {
        shares[holder, default: 0] < (holder.isEmpty ? 1 : 3) * max(0, most - all)
    }

    mutating func add(_ bytes: Int, of holder: String) {
        guard bytes != 0 else { return }
        all += bytes
        let share = shares[holder, default: 0] + bytes
        shares[holder] = share > 0 ? share : nil
    }
}
