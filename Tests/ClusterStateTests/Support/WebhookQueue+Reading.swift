// Pages of webhooks as the consumer reads them.

@testable import ClusterState

extension WebhookQueue {
    /// What is new in the streams of a shard.
    func read(_ shard: Int) async throws -> WebhookPage {
        WebhookPage(try await consumer.pages(of: shard..<shard + 1)[0].get())
    }
}
