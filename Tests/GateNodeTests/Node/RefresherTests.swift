// What the node keeps fresh: nothing waits for anything else, and nothing that is asked for is lost.

@testable import GateNode
import GateTesting
import ServiceLifecycle
import Synchronization
import Testing

@Suite("The refresher")
struct RefresherTests {
    private final class Readings: Sendable {
        private let counts = Mutex<[Refresher.Refresh: Int]>([:])
        let tools = AsyncStream.makeStream(of: Void.self)

        func begin(_ refresh: Refresher.Refresh) { counts.withLock { $0[refresh, default: 0] += 1 } }
        func count(_ refresh: Refresher.Refresh) -> Int { counts.withLock { $0[refresh] ?? 0 } }
    }

    @Test("A server that takes its time over its tools, and announces new ones all the while, delays no other reading, and costs one more")
    func slowServer() async throws {
        let readings = Readings()
        let refresher = Refresher(isDue: { _ in false }) { refresh in
            readings.begin(refresh)
            if refresh == .tools { for await _ in readings.tools.stream { break } }
        }
        let running = Task { try await refresher.run() }
        refresher.request(.tools)
        try await eventually("the server is asked") { readings.count(.tools) == 1 }
        for refresh in [Refresher.Refresh.rules, .maintenance, .secret] {
            refresher.request(refresh)
            for _ in 0..<50 { refresher.request(.tools) }
        }
        for refresh in [Refresher.Refresh.rules, .maintenance, .secret] {
            try await eventually("\(refresh) is read while the server is silent", within: .seconds(2)) { readings.count(refresh) == 1 }
        }
        #expect(readings.count(.tools) == 1)
        readings.tools.continuation.yield()
        try await eventually("what was announced meanwhile is asked for once") { readings.count(.tools) == 2 }
        readings.tools.continuation.yield()
        refresher.request(.rules)
        try await eventually("a later request is served") { readings.count(.rules) == 2 }
        #expect(readings.count(.tools) == 2)
        running.cancel()
        readings.tools.continuation.finish()
        try await running.value
    }
}
