// The query of a request, as forms, browsers and the libraries of clients write it.

import GateDomain

/// `name=value&…` (`application/x-www-form-urlencoded`): names and values are percent-encoded, and a plus is a space.
///
/// What nobody asks for is passed over, however it is written.
struct QueryText: Sendable {
    /// Values as they came.
    private let pairs: [(name: String, value: Substring)]

    init(_ query: String?) {
        pairs = (query ?? "").split(separator: "&").compactMap { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return PercentText.decode(parts[0].utf8, plusIsSpace: true).map { ($0, parts.count > 1 ? parts[1] : "") }
        }
    }

    /// The value of a name; nil where it is not there. One without a value is there and empty.
    /// - Throws: 400 if it is there twice, as nobody knows which of the two is meant, or no text.
    func value(of name: String) throws(HTTPFailure) -> String? {
        let found = pairs.filter { $0.name.hasSameBytes(as: name) }
        guard let value = found.first?.value else { return nil }
        guard found.count == 1 else { throw .badRequest("Invalid \(name). Must not be there twice.") }
        guard let text = PercentText.decode(value.utf8, plusIsSpace: true) else {
            throw .badRequest("Invalid \(name). Must be percent-encoded UTF-8.")
        }
        return text
    }
}
