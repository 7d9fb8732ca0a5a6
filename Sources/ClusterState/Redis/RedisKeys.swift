// The names of everything in Redis. Braces put all that one decision needs into one slot.

/// Names under one prefix (`design.md` 5); an account's keys carry its hash tag.
package struct RedisKeys: Sendable {
    package let prefix: String

    package init(prefix: String) {
        self.prefix = prefix
    }

    package func record(_ id: String) -> String { "\(prefix)key:{\(id)}" }
    package func balance(_ id: String) -> String { "\(prefix)balance:{\(id)}" }
    package func hold(_ id: String) -> String { "\(prefix)hold:{\(id)}" }
    package func rate(_ id: String, _ limit: String) -> String { "\(prefix)rate:{\(id)}:\(limit)" }
    package func call(_ id: String, _ idempotencyKey: String) -> String { "\(prefix)call:{\(id)}:\(idempotencyKey)" }
    package func operation(_ id: String, _ operation: String) -> String { "\(prefix)operation:{\(id)}:\(operation)" }
    package func credential(_ digest: String) -> String { "\(prefix)credential:\(digest)" }
    package func alias(_ alias: String) -> String { "\(prefix)alias:\(alias)" }
    package func visits(_ scope: String, _ address: String) -> String { "\(prefix)visits:\(scope):\(address)" }
    package func session(_ id: String) -> String { "\(prefix)session:\(id)" }
    package func streams(_ session: String) -> String { "\(prefix)streams:\(session)" }
    package var index: String { "\(prefix)keys" }
    package var holding: String { "\(prefix)holding" }
    package var usage: String { "\(prefix)usage" }
    package var denials: String { "\(prefix)denials" }
    package var audit: String { "\(prefix)audit" }
    package var channel: String { "\(prefix)events" }
    package var feed: String { "\(prefix)feed" }
    package var sessions: String { "\(prefix)sessions" }
    package var nodes: String { "\(prefix)nodes" }
    package var maintenance: String { "\(prefix)maintenance" }
    package var secrets: String { "\(prefix)secrets" }
}
