// Numbers for requests, each given once.

import Synchronization

/// Shared by everything that speaks to the same server, so that a number names one request wherever it is under way.
package final class RequestNumbers: Sendable {
    private let next = Atomic<UInt64>(1)

    package init() {}

    func take() -> UInt64 { next.wrappingAdd(1, ordering: .relaxed).oldValue }
}
