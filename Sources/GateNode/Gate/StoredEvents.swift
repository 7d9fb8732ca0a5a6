// What of the stream of a call lies in the store, and what gives way there to what follows.

/// The events of one stream that have been left in the store; it decides, and sends nothing.
///
/// So many pieces of a stream are kept. The oldest give way first, but questions that are still open only where there is nothing else: a client
/// that comes back late must find what it is asked.
struct StoredEvents {
    private struct Entry {
        let number: Int
        let pieces: Int
        var isOpen: Bool
    }

    private var entries: [Entry] = []
    private var pieces = 0

    /// Pieces of one stream.
    static let most = SessionMail.mostOfStream

    /// Notes an event that lies there.
    /// - Parameters:
    ///   - number: later than those before.
    ///   - isOpen: whether it is a question that waits for its answer.
    mutating func add(_ number: Int, pieces: Int, isOpen: Bool) {
        entries.append(Entry(number: number, pieces: pieces, isOpen: isOpen))
        self.pieces += pieces
    }

    /// A question is not asked any more.
    mutating func settle(_ number: Int) {
        guard let index = entries.firstIndex(where: { $0.number == number }) else { return }
        entries[index].isOpen = false
    }

    /// The pieces of events that give way to an event of so many.
    func victims(for more: Int) -> [(number: Int, piece: Int)] {
        var excess = pieces + more - Self.most
        var victims: [(number: Int, piece: Int)] = []
        for entry in entries.filter({ !$0.isOpen }) + entries.filter(\.isOpen) {
            guard excess > 0 else { break }
            excess -= entry.pieces
            victims += (0..<entry.pieces).map { (number: entry.number, piece: $0) }
        }
        return victims
    }

    /// They lie there no more.
    mutating func remove(_ victims: [(number: Int, piece: Int)]) {
        let numbers = Set(victims.map(\.number))
        guard !numbers.isEmpty else { return }
        entries.removeAll { numbers.contains($0.number) }
        pieces = entries.reduce(0) { $0 + $1.pieces }
    }
}
