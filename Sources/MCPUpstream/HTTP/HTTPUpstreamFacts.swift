// What every thread may ask about an HTTP server without waiting.

import Synchronization

final class HTTPUpstreamFacts: Sendable {
    private let numbers: RequestNumbers
    private let connected = Atomic<Bool>(false)
    private let stateless = Atomic<Bool>(false)
    private let complaint = Mutex<String?>(nil)
    private let info = Mutex<InitializeResult?>(nil)

    init(_ numbers: RequestNumbers) { self.numbers = numbers }

    func nextNumber() -> UInt64 { numbers.take() }

    /// Whether the last connection attempt, or handshake, worked.
    var isConnected: Bool {
        get { connected.load(ordering: .relaxed) }
        set { connected.store(newValue, ordering: .relaxed) }
    }

    /// Whether it was of the revision 2026-07-28 when it was met last.
    var isStateless: Bool {
        get { stateless.load(ordering: .relaxed) }
        set { stateless.store(newValue, ordering: .relaxed) }
    }

    /// Why the last handshake did not work.
    var trouble: String? {
        get { complaint.withLock { $0 } }
        set { complaint.withLock { $0 = newValue } }
    }

    var serverInfo: InitializeResult? {
        get { info.withLock { $0 } }
        set { info.withLock { $0 = newValue } }
    }
}
