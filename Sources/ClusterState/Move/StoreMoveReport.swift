// What comes of a move of a store: what was done, or why nothing was.

/// What a move has done.
package struct StoreMoveReport: Sendable, Equatable {
    /// Names that were copied; one that changed meanwhile counts each time.
    package internal(set) var copied = 0
    /// Times that an account was compared after it was copied; each was at least once.
    package internal(set) var compared = 0
    /// For how long the store was closed.
    package internal(set) var closed = Duration.zero
    /// Whether an earlier run had moved it.
    package internal(set) var wasMoved = false
}

/// Why a store is not moved.
package struct StoreMoveRefusal: Error, Equatable {
    /// A sentence without its beginning and its end.
    package let words: String

    init(_ words: String) { self.words = words }
}
