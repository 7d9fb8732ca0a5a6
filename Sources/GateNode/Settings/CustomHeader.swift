/// A header of every response, checked at the start (F-HDR-14, F-HDR-15).
package struct CustomHeader: Sendable, Equatable {
    /// An RFC 9110 token.
    package var name: String
    /// At most 8 KB, without control characters.
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}
