// What a script says of each of the requests that it carries: one flat reply, as each list inside it would cost Redis as much as a command's look-up.

/// The values of one answer, which stand behind their number in the reply.
struct ScriptAnswer {
    private let values: ArraySlice<RedisReply>

    fileprivate init(_ values: ArraySlice<RedisReply>) { self.values = values }

    /// The number that opens it; -1 if there is none.
    var status: Int { values.first?.integer ?? -1 }

    /// The integer at a place, counted from the status on; 0 where there is none.
    func integer(at place: Int) -> Int { place < values.count ? values[values.startIndex + place].integer ?? 0 : 0 }

    /// The bytes at a place, counted from the status on; nil where there are none.
    func bytes(at place: Int) -> [UInt8]? {
        guard place < values.count, case .bytes(let bytes) = values[values.startIndex + place] else { return nil }
        return bytes
    }

    /// The integers from a place on, counted from the status on.
    func integers(from place: Int) -> [Int] { values.dropFirst(place).map { $0.integer ?? 0 } }

    /// Why a request failed, in the script's words: what stands at its end.
    var why: String { values.last?.string ?? "" }
}

/// The answers in a reply, one after another.
struct ScriptAnswers: Sequence, IteratorProtocol {
    private var rest: ArraySlice<RedisReply>

    init(_ reply: RedisReply) { rest = (reply.array ?? [])[...] }

    /// The next one; nil at the end, and where a number counts more values than there are.
    mutating func next() -> ScriptAnswer? {
        guard let count = rest.first?.integer, (0..<rest.count).contains(count) else { return nil }
        let start = rest.startIndex + 1
        defer { rest = rest[(start + count)...] }
        return ScriptAnswer(rest[start..<(start + count)])
    }

    /// The next one; one without values where there is none.
    mutating func take() -> ScriptAnswer { next() ?? ScriptAnswer([]) }
}
