// Every metric of the node (F-MET-01, F-MET-02). A new one is a row here.

import ClusterState
import GateDomain

extension Metric {
    static let all: [Metric] = calls + money + http + cluster + store + process

    private static let calls: [Metric] = [
        .counter("tool_calls_total", "Tool calls by what became of them") { figures in
            figures.gate.calls.sorted { ($0.key.tool, $0.key.status.rawValue) < ($1.key.tool, $1.key.status.rawValue) }
                .map { Sample($0.value, ["tool": $0.key.tool, "status": $0.key.status.rawValue]) }
        },
        .counter("denials_total", "Refused calls by reason") { figures in
            Dictionary(uniqueKeysWithValues: figures.gate.denials.map { ($0.key.rawValue, $0.value) }).samples(by: "reason")
        },
        .counter("rate_limit_hits_total", "Calls refused by a rate limit") { $0.gate.rateLimitHits.samples(by: "tool") },
        .histogram("gate_seconds", "Time that a call spends in the gate, without the upstream") { $0.gate.gateLatency },
        .histogram("upstream_seconds", "Time until an upstream has answered a call") { $0.gate.upstreamLatency },
        .count("replays_total", "Answers given again for an idempotency key") { $0.gate.replays },
        .count("stale_judgements_total", "Calls judged once more because their key had changed") { $0.gate.staleJudgements },
        .level("inflight_requests", "Requests to /mcp that have not been answered") { $0.inFlight },
    ]

    private static let money: [Metric] = [
        .counter("credits_charged_total", "Credits charged") { $0.gate.credits.samples(by: "tool") },
        .counter("refunds_total", "Calls whose credits were given back") { $0.gate.refunds.samples(by: "tool") },
        .level("holds_open", "Calls whose credits are held and not settled yet") { $0.gate.openHolds },
        .count("reaped_calls_total", "Calls of dead nodes that this node has resolved") { $0.reapedCalls },
        .count("settlements_refused_total", "Times that Redis refused to end a hold that nobody waits for") { $0.gate.settlementRefusals },
        .count("settlements_dropped_total", "Holds that were given up, as Redis refused to end too many") { $0.gate.droppedSettlements },
        .count("events_lost_total", "Refusals that could not be written to the log") { $0.gate.lostNotes },
        .gauge("active_keys_total", "Keys that are not revoked") { $0.keys.map { [Sample($0.active)] } ?? [] },
        .gauge("total_credits_available", "Credits of all keys that are not revoked") { $0.keys.map { [Sample($0.credits)] } ?? [] },
        .gauge("templates_total", "Key templates") { $0.keys.map { [Sample($0.templates)] } ?? [] },
    ]

    private static let http: [Metric] = [
        .counter("http_requests_total", "HTTP requests") { figures in
            figures.gate.requests.sorted { ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status) }
                .map { Sample($0.value, ["method": $0.key.method, "path": $0.key.route, "status": String($0.key.status)]) }
        },
        .level("connections", "Open client connections") { $0.gate.connections },
        .level("streams", "Live event streams") { $0.gate.streams },
        .level("active_sessions_total", "MCP sessions that this node knows") { $0.sessions },
    ]

    private static let cluster: [Metric] = [
        .level("nodes", "Nodes of the cluster that are alive") { $0.nodes },
        .count("feed_gaps_total", "Times that messages of the change feed may have been missed") { $0.feedGaps },
        .level("feed_connected", "Whether the change feed is subscribed") { $0.isFeedConnected ? 1 : 0 },
        .level("cache_entries", "Keys in the caches") { $0.gate.cachedKeys },
        .count("cache_hits_total", "Keys found in a cache") { $0.gate.cacheHits },
        .count("cache_misses_total", "Keys that had to be read") { $0.gate.cacheMisses },
        .counter("webhook_events_total", "Events of webhooks by what became of them on this node") { figures in
            figures.webhookEvents.samples(by: "outcome")
        },
        .gauge("webhook_waiting", "Events of the whole gate that wait for sinks, of the gate's own and of those of keys") { figures in
            figures.webhookBacklog.map { Sample($0.waiting, ["sinks": $0.sinks]) }
        },
        .gauge("webhook_oldest_seconds", "Age of the oldest of them") { figures in
            figures.webhookBacklog.map { Sample($0.oldestSeconds, ["sinks": $0.sinks]) }
        },
    ]

    private static let store: [Metric] = [
        .count("redis_commands_total", "Commands that Redis has answered") { $0.redis.commands },
        .count("redis_writes_total", "Writes to Redis; one carries all commands of a tick") { $0.redis.writes },
        .count("redis_stalls_total", "Times that Redis did not answer in time") { $0.redis.stalls },
        .gauge("redis_server_up", "Whether this node reaches a server of its store") { figures in
            figures.storeServers.map { Sample($0.isReachable ? 1 : 0, ["server": $0.place, "role": $0.role.rawValue]) }
        },
        .gauge("redis_server_shards", "Shards of the store that lie on a primary") { figures in
            figures.storeServers.filter { $0.role == .primary }.map { Sample($0.shards, ["server": $0.place]) }
        },
        .level("redis_shards", "Shards of the store") { $0.reach.shards },
        .level("redis_shards_served", "Shards that take writes of every event loop of this node") { $0.reach.served },
        .gauge("redis_replica_linked", "Whether its primary feeds a replica") { $0.replicas { $0.isLinked ? 1 : 0 } },
        .gauge("redis_replica_lag_seconds", "Time since a replica and its primary have heard of each other") { $0.replicas(\.seconds) },
        .gauge("redis_replica_lag_bytes", "Changes that a replica has not taken") { $0.replicas(\.bytes) },
        .histograms("redis_seconds", "Time until a server has answered a command", by: "server") { $0.redis.timesByServer },
        .count("redis_failovers_total", "Times that another Redis has become the primary") { $0.failovers },
        .summary("redis_script_seconds", "Time until Redis has answered a script") { figures in
            figures.redis.latenciesByName.sorted { $0.key < $1.key }.flatMap { name, latency in
                [
                    Sample(Double(latency.nanoseconds) / 1e9, ["script": name], suffix: "_sum"),
                    Sample(latency.count, ["script": name], suffix: "_count"),
                ]
            }
        },
        .gauge("queue_depth", "Things that wait, by the queue that they wait in") { $0.queueDepths.samples(by: "queue") },
    ]

    private static let process: [Metric] = [
        .gauge("event_loop_lag_seconds", "Delay of tasks that were due, of the slowest event loop") { figures in
            [
                Sample(Double(figures.gate.lag.last) / 1e9, ["reading": "last"]),
                Sample(Double(figures.gate.lag.worst) / 1e9, ["reading": "worst"]),
            ]
        },
        .level("ready", "Whether /ready says yes") { $0.isReady ? 1 : 0 },
        .level("uptime_seconds", "Time since the start") { $0.uptimeSeconds },
        .gauge("build_info", "The version that runs") { _ in [Sample(1, ["version": ProductVersion.current])] },
    ]
}

extension NodeFigures {
    /// A sample of each replica of which somebody says how it follows.
    fileprivate func replicas(_ value: (Following) -> Int) -> [Sample] {
        storeServers.compactMap { server in server.following.map { Sample(value($0), ["server": server.place]) } }
    }
}
