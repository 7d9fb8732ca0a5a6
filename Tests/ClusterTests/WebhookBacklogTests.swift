// What waits for the sinks of webhooks, as the metrics of every node tell it.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Webhooks that wait")
    struct WebhookBacklogTests {
        @Test(
            "F-MET-02: every node tells how many events wait for sinks of the gate and of keys, and since when the oldest does; nothing waits when they are delivered"
        )
        func backlog() async throws {
            let (sink, own) = (try await WebhookReceiver(), try await WebhookReceiver())
            for receiver in [sink, own] { receiver.reply { _, _ in .status(500) } }
            let config: JSON = ["webhookSsrfAtDelivery": false, "webhookFlushMs": 100]
            let flags = ["--webhook-url", sink.url(), "--webhook-retries", "10"]
            try await GateCluster.run(nodes: 2, flags, config: config) { cluster in
                let key = try await cluster[0].createKey()
                try await cluster[0].order("/keys/webhook", ["key": .string(key), "webhookUrl": .string(own.url())])
                for turn in 0..<3 { #expect(await cluster[turn].echo(key: key).isServed) }
                for node in 0...1 {
                    try await eventually("node \(node) tells what waits", within: .seconds(30), every: .milliseconds(200)) {
                        let metrics = try await cluster[node].metrics()
                        return ["gate", "keys"].allSatisfy { sinks in
                            metrics.sum("paygate_webhook_waiting", "sinks=\"\(sinks)\"") >= 3
                                && metrics.sum("paygate_webhook_oldest_seconds", "sinks=\"\(sinks)\"") >= 1
                        }
                    }
                }
                for receiver in [sink, own] { receiver.reply { _, _ in .status(200) } }
                try await eventually("nothing waits in the end", within: .seconds(60), every: .milliseconds(500)) {
                    let metrics = try await cluster[1].metrics()
                    return metrics.sum("paygate_webhook_waiting") == 0 && metrics.sum("paygate_webhook_oldest_seconds") == 0
                }
            }
            for receiver in [sink, own] { try await receiver.end() }
        }
    }
}
