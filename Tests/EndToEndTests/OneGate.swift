// The cluster that most tests of single calls share.

import GateTesting
import Testing

extension EndToEndTests {
    /// Prices and limits of the tools in the tests of this suite: `add` costs 2 + 5 per KB in, `big` 1 + 3 per KB out,
    /// `slow` passes 3 times a minute and is given up after 700 ms, all tools together 100 times.
    @Suite(
        "One gate",
        .cluster(
            nodes: 2, ["--rate-limit", "100"],
            config: [
                "toolPricing": [
                    "add": ["creditsPerCall": 2, "creditsPerKbInput": 5], "big": ["creditsPerCall": 1, "creditsPerKbOutput": 3],
                    "slow": ["rateLimitPerMin": 3, "timeoutMs": 700], "free": ["creditsPerCall": 0],
                ],
                "customHeaders": ["X-Operator": "Acme, Inc.", "X-Frame-Options": "SAMEORIGIN", "X-Request-Id": "fixed"],
            ]))
    enum OneGate {}
}
