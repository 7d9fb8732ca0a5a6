// Changes by admins that are no edits of records, sent twice, over another node, and late.

import Foundation
import GateTesting
import Testing

extension ClusterTests {
    @Suite("Operations")
    struct OperationTests {
        enum Order: String, CaseIterable, CustomTestStringConvertible {
            case clearLetters, replay, clearViolations

            var testDescription: String { rawValue }
            var request: (method: String, path: String) {
                switch self {
                case .clearLetters: ("DELETE", "/webhooks/dead-letter")
                case .replay: ("POST", "/webhooks/replay")
                case .clearViolations: ("DELETE", "/admin/guardrails/violations")
                }
            }
            var audit: String {
                switch self {
                case .clearLetters: "webhook.dead_letter_cleared"
                case .replay: "webhook.replayed"
                case .clearViolations: "guardrail.violations_cleared"
                }
            }
            private var list: String { self == .clearViolations ? "pg:{0}:violations" : "pg:{0}:webhooks:dead" }

            func left(in redis: RedisServer) async throws -> Int? {
                Int(try await redis.command(self == .clearViolations ? "XLEN" : "LLEN", list))
            }

            /// Puts something there that the order takes away.
            func fill(_ redis: RedisServer, _ turns: ClosedRange<Int>) async throws {
                for turn in turns {
                    let letter =
                        #"{"sink":"default","url":"","attempts":1,"error":"","first":1,"last":1,"events":["{\"number\":\#(turn)}"],"turn":\#(turn)}"#
                    try await redis.command(self == .clearViolations ? ["XADD", list, "*", "e", "\(turn)"] : ["RPUSH", list, letter])
                }
            }

            func send(to gate: GateClient, _ body: String = "{}") async throws -> GateResponse {
                let headers: GateClient.Headers = [
                    ("X-Admin-Key", GateClient.adminKey), ("Idempotency-Key", "order-1"), ("Content-Type", "application/json"),
                ]
                return try await gate.send(
                    request.method, request.path, headers: headers, body: request.method == "POST" ? Array(body.utf8) : nil)
            }
        }

        @Test(
            "M12, F-AUDIT-06: an order that takes away what has gathered does nothing more when it is sent again over the other node, or a copy of it arrives late; it answers the same, and the audit log has it once",
            arguments: Order.allCases)
        func once(_ order: Order) async throws {
            try await GateCluster.run(nodes: 2, ["--threads", "1", "--webhook-url", "http://127.0.0.1:9/"], proxied: [0]) { cluster in
                try await cluster[1].order("/webhooks/pause", [:])
                try await order.fill(cluster.redis, 1...45)
                let proxy = try cluster.proxy(0)
                try await proxy.set(.requests, .heldFrom(order.audit))
                async let first = order.send(to: cluster[0])
                try await eventually("the order is on its way", within: .milliseconds(900), every: .milliseconds(2)) {
                    try await proxy.holds(order.audit)
                }
                try await proxy.strand()
                let answer = try await first
                #expect(answer.status == 200, "\(answer.text)")
                #expect(answer.json[order == .replay ? "replayed" : "cleared"] == 45, "\(answer.text)")
                #expect(try await order.left(in: cluster.redis) == 0)

                try await order.fill(cluster.redis, 46...48)
                let again = try await order.send(to: cluster[1])
                #expect(again.status == 200 && again.json == answer.json, "\(again.text)")
                try await proxy.deliverStranded()
                #expect(try await order.left(in: cluster.redis) == 3, "what came later stays, whichever copy arrives")
                if order == .replay {
                    #expect(try await order.send(to: cluster[1], #"{"indices":[0]}"#).status == 422, "and is no other order")
                    let queued = try await cluster.redis.command("LRANGE", "pg:{0}:webhooks:queue:default", "0", "-1")
                    for turn in 1...48 {
                        #expect(queued.components(separatedBy: "{\"number\":\(turn)}").count == (turn > 45 ? 1 : 2), "\(turn)")
                    }
                }
                let told = try await cluster[1].admin("/audit?types=\(order.audit)").json
                #expect(told["total"] == 1, "\(told.text)")
                #expect(told.text.contains(order == .replay ? #""letters":"45""# : #""entries":"45""#), "\(told.text)")
            }
        }
    }
}
