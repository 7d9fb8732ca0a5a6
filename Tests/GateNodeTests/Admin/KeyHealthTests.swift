// The formula of GET /keys/health.

import GateDomain
@testable import GateNode
import Testing

@Suite("The health of a key")
struct KeyHealthTests {
    @Test(
        "the balance counts by the hours for which it lasts",
        arguments: [
            (0, nil, 0, "critical"), (5, nil, 100, "healthy"), (5, 1.0, 0, "critical"), (5, 1.01, 20, "critical"), (5, 6.0, 20, "critical"),
            (5, 24.0, 40, "warning"), (5, 72.0, 60, "caution"), (5, 168.0, 80, "good"), (5, 168.1, 100, "healthy"), (0, 0.0, 0, "critical"),
        ] as [(Int, Double?, Int, String)])
    func balance(_ credits: Int, _ hours: Double?, _ score: Int, _ risk: String) {
        let component = KeyHealth.balance(credits: credits, hoursLeft: hours)
        #expect(component.score == score && component.risk == risk)
        #expect((component.issue == nil) == (score == 100))
    }

    @Test(
        "limits count by their use, refusals by their share",
        arguments: [
            (0.0, 100, "healthy"), (0.49, 51, "healthy"), (0.5, 50, "good"), (0.75, 25, "caution"), (0.9, 10, "warning"),
            (1.0, 0, "critical"),
        ])
    func use(_ share: Double, _ score: Int, _ risk: String) {
        let component = KeyHealth.use("quota", of: share, weight: 25, called: "quota")
        #expect(component.score == score && component.risk == risk)
    }

    @Test(
        "refusals count by their share",
        arguments: [
            (0, 0, 100, "healthy"), (9, 0, 100, "healthy"), (99, 1, 99, "good"), (9, 1, 90, "caution"), (3, 1, 75, "warning"),
            (1, 1, 50, "critical"),
        ])
    func errors(_ allowed: Int, _ denied: Int, _ score: Int, _ risk: String) {
        let component = KeyHealth.errors(KeyCalls.Sum(allowed: allowed, denied: denied, credits: 0))
        #expect(component.score == score && component.risk == risk)
    }
}
