// Text of a client as the name of something: compared and hashed by its bytes.

import Glibc

/// A text whose bytes are what it is. `String` compares and hashes its canonical form, which costs the square of a text's length where
/// somebody has made it for that, and takes texts for the same that are not.
package struct ExactText: Hashable, Sendable {
    /// As it came.
    package let text: String

    package init(_ text: String) {
        self.text = text
    }

    package static func == (left: ExactText, right: ExactText) -> Bool { left.text.hasSameBytes(as: right.text) }

    package func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

extension StringProtocol {
    // Inlined, since a generic function of another module is not specialised: that cost a charged call 6 % of its time.
    /// Whether the other text has the same bytes; canonical equivalence does not count.
    @inlinable
    package func hasSameBytes(as other: some StringProtocol) -> Bool {
        let equal = utf8.withContiguousStorageIfAvailable { mine in
            other.utf8.withContiguousStorageIfAvailable { theirs in areSame(mine, theirs) }
        }
        return (equal ?? nil) ?? (utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8))
    }
}

/// `elementsEqual` takes one byte after the other.
@usableFromInline
func areSame(_ mine: UnsafeBufferPointer<UInt8>, _ theirs: UnsafeBufferPointer<UInt8>) -> Bool {
    guard mine.count == theirs.count, let one = mine.baseAddress, let other = theirs.baseAddress else { return mine.count == theirs.count }
    return memcmp(one, other, mine.count) == 0
}

/// How many bytes a client's own words may have before they are hashed, compared, kept, logged or published. Whatever is longer is refused,
/// or cut where it is only shown. Ids of JSON-RPC and names of methods have theirs in `Envelope`, fields of a head in `HTTP1Limits`.
package enum ClientText {
    /// A tool's name.
    package static let toolName = 256
    /// A secret that is looked up.
    package static let credential = 4096
    /// An id that the client gives a request (F-HDR-02).
    package static let requestID = 128
    /// The id of a call that a client gives up.
    package static let cancelledID = 128
    /// The revision of MCP that a header names.
    package static let revision = 64
    /// A name for an idempotent call.
    package static let idempotencyKey = 255
    /// The origin of a page, as a browser sends it.
    package static let origin = 2048
}
