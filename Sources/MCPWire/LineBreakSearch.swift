// Line ends in large messages, found in one pass.

/// Finds line feeds and carriage returns in order. Remembers the next of either kind, so that memory with many of one
/// kind and none of the other is still searched once.
struct LineBreakSearch {
    private let memory: UnsafeRawBufferPointer
    private var lineFeed = -1
    private var carriageReturn = -1

    init(_ memory: UnsafeRawBufferPointer) { self.memory = memory }

    /// The offset of the first break at or after `start`, which must not go backwards from call to call.
    mutating func next(from start: Int) -> Int? {
        if lineFeed < start { lineFeed = memory.firstOffset(of: .lineFeed, from: start) ?? memory.count }
        if carriageReturn < start {
            carriageReturn = memory.firstOffset(of: .carriageReturn, from: start) ?? memory.count
        }
        let nearest = min(lineFeed, carriageReturn)
        return nearest < memory.count ? nearest : nil
    }
}
