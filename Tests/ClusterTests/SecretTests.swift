// What must not be found anywhere.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Secrets")
    struct SecretTests {
        @Test(
            "X38: no API key and no admin key is in logs, metrics, errors, listings or Redis, whatever was done with them",
            arguments: ["text", "json"])
        func nowhere(_ format: String) async throws {
            let imported = "pg_" + String(repeating: "5e", count: 24)
            let flags = ["--log-level", "debug", "--log-format", format, "--import-key", "\(imported):100"]
            try await GateCluster.run(nodes: 2, flags, durability: .everysec) { cluster in
                let gate = cluster[0]
                let key = try await gate.createKey(credits: 10)
                let unknown = "pg_" + String(repeating: "7f", count: 24)
                let secrets = [key, imported, unknown, GateClient.adminKey, "wrong-admin-key-1234"]
                var answers: [GateResponse] = []
                for secret in secrets {
                    answers.append(try await cluster[1].call("echo", ["text": "x"], key: secret))
                    answers.append(try await gate.call("echo", ["text": "x"], key: nil, headers: [("Authorization", "Bearer \(secret)")]))
                    answers.append(try await gate.get("/balance", headers: [("X-API-Key", secret)]))
                    answers.append(try await gate.get("/balance?key=\(secret)&apiKey=\(secret)"))
                    answers.append(try await gate.get("/keys?adminKey=\(secret)"))
                    answers.append(try await gate.admin("/topup", ["key": .string(secret), "credits": 5]))
                    answers.append(try await gate.admin("/keys/suspend", ["key": .string(secret)]))
                    answers.append(try await gate.admin("/keys/\(secret)", [:]))
                }
                answers.append(try await gate.get("/keys", headers: [("X-Admin-Key", "wrong-admin-key-1234")]))
                for path in ["/usage", "/keys", "/metrics", "/info", "/health", "/openapi.json"] {
                    answers.append(try await gate.admin(path))
                    answers.append(try await cluster[1].admin(path))
                }
                try await cluster.redis.command("BGREWRITEAOF")
                for (index, answer) in answers.enumerated() {
                    for secret in secrets { #expect(!answer.text.contains(secret), "answer \(index): \(answer.text.prefix(300))") }
                }
                for secret in secrets {
                    for node in cluster.nodes { #expect(!node.log.contains(secret), "\(node.name) logged a secret") }
                    for (file, bytes) in cluster.redis.directory.contents() {
                        #expect(!String(decoding: bytes, as: UTF8.self).contains(secret), "\(file) of Redis holds a secret")
                    }
                }
            }
        }
    }
}
