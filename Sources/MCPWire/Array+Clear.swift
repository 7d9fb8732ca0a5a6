// How the framings reuse their buffers, so that one large message does not keep its memory for good.

extension [UInt8] {
    /// Empties the array, and gives its memory back if one large message made it grow.
    mutating func clear() {
        removeAll(keepingCapacity: capacity <= 64 << 10)
    }
}
