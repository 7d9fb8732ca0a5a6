// Whether a Redis Cluster can be the store of a gate: one look at the cluster, and the same look at each primary as at a single Redis.

import GateDomain
import NIOCore

/// What is found out about a cluster before a node uses it.
struct ClusterExamination {
    /// The way to the whole cluster.
    let connector: RedisConnector
    /// The servers that the URL names.
    let seeds: [SlotMap.Place]
    let keys: RedisKeys
    let loop: any EventLoop
    /// Whether the store is only read.
    var isRead = false

    /// Asks the first server of the URL that answers for the others, and then each primary.
    func verdict() async -> RedisExamination {
        var verdict = RedisExamination.away(nil)
        for seed in seeds {
            switch await members(from: seed) {
            case .success(let members): return await examine(members, from: seed)
            case .failure(let refusal):
                if case .unfit = refusal.verdict { return refusal.verdict }
                if case .away(nil) = verdict { verdict = refusal.verdict }
            }
        }
        return verdict
    }

    private struct Refusal: Error {
        let verdict: RedisExamination
    }

    private func members(from seed: SlotMap.Place) async -> Result<[ClusterMember], Refusal> {
        let pinned = connector.leading(to: seed)
        guard let conversation = try? await RedisConversation.open(pinned, on: loop) else { return .failure(Refusal(verdict: .away(nil))) }
        defer { conversation.close() }
        do {
            for case .error(let text) in try await conversation.ask(pinned.greeting, within: RedisExamination.patience) {
                return .failure(Refusal(verdict: RedisExamination.refusal(text, of: pinned, at: seed.text)))
            }
            let answers = try await conversation.ask(
                [RedisCommand("HELLO", "2"), RedisCommand("CLUSTER", "NODES")], within: RedisExamination.patience)
            // A replica can be asked too, so its own place does not matter yet.
            if let verdict = RedisExamination.judge(answers[0], of: connector, at: seed.text) { return .failure(Refusal(verdict: verdict)) }
            if case .error(let text) = answers[1], text.hasPrefix("NOPERM") {
                let user = connector.target.username ?? "default"
                let sentence = "The user '\(user)' of Redis at \(seed.text) may not use CLUSTER NODES; add +cluster|nodes to its ACL."
                return .failure(Refusal(verdict: .unfit(sentence)))
            }
            guard let text = answers[1].string else { return .failure(Refusal(verdict: .away("does not say which servers it has"))) }
            return .success(ClusterMember.all(in: text, asked: seed, prefersNames: connector.target.usesTLS))
        } catch {
            let sentence = "TLS with Redis at \(seed.text) cannot be agreed on; \(RedisTLS.advice)"
            return .failure(Refusal(verdict: error.isOfTLS ? .unfit(sentence) : .away(nil)))
        }
    }

    private func examine(_ members: [ClusterMember], from seed: SlotMap.Place) async -> RedisExamination {
        var election = SlotElection()
        _ = election.heard(members)
        let missing = election.map.missing
        if missing > 0 {
            return .away("has \(missing) of \(HashSlot.count) slots without a server; see CLUSTER NODES at \(seed.text)")
        }
        var remarks: [String] = []
        for place in election.map.places {
            switch await RedisExamination.of(connector.leading(to: place), keys: keys, on: loop, isRead: isRead) {
            case .fit(let found): remarks += found
            case .unfit(let sentence): return .unfit(sentence)
            case .away(let why): return .away("has a primary at \(place.text) that \(why ?? "does not answer")")
            }
        }
        return .fit(remarks: remarks)
    }

    /// What the gate loses by a setting of the cluster; nil where nothing, or where it may not be read.
    static func remark(_ conversation: RedisConversation, _ connector: RedisConnector, at place: String) async throws -> String? {
        guard connector.cluster != nil else { return nil }
        let setting = "cluster-require-full-coverage"
        let answer = try await conversation.ask([RedisCommand("CONFIG", "GET", setting)], within: RedisExamination.patience)[0]
        guard answer.fields[setting] == "yes" else { return nil }
        return
            "Redis at \(place) has \(setting) yes: while one primary is gone, calls of all shards are refused and not of its own alone; set no."
    }
}
