// What operators ask and order.

extension GateClient {
    package func admin(_ path: String, _ body: JSON, headers: Headers = []) async throws -> GateResponse {
        try await admin(path, text: body.text, headers: headers)
    }

    /// An order whose body need not be JSON.
    package func admin(_ path: String, text: String, headers: Headers = []) async throws -> GateResponse {
        let own: Headers = [("X-Admin-Key", Self.adminKey), ("Content-Type", "application/json")]
        return try await send("POST", path, headers: own + headers, body: Array(text.utf8))
    }

    package func admin(_ path: String) async throws -> GateResponse {
        try await get(path, headers: [("X-Admin-Key", Self.adminKey)])
    }

    /// An order that must be obeyed.
    @discardableResult
    package func order(_ path: String, _ body: JSON, headers: Headers = []) async throws -> JSON {
        let response = try await admin(path, body, headers: headers)
        guard (200..<300).contains(response.status) else {
            throw KitFailure("POST \(path) \(body.text): \(response.status) \(response.text)")
        }
        return response.json
    }

    /// Makes a key and returns its secret.
    package func createKey(credits: Int = 1_000_000, _ more: [String: JSON] = [:]) async throws -> String {
        let body = more.merging(["name": "test", "credits": .int(credits)]) { given, _ in given }
        guard let key = try await order("/keys", .object(body))["key"]?.string else {
            throw KitFailure("POST /keys answered without a key")
        }
        return key
    }

    @discardableResult
    package func topUp(_ key: String, _ credits: Int, operation: String? = nil) async throws -> JSON {
        try await order(
            "/topup", ["key": .string(key), "credits": .int(credits)], headers: operation.map { [("Idempotency-Key", $0)] } ?? [])
    }

    package func balance(_ key: String) async throws -> Balance {
        let response = try await get("/balance", headers: [("X-API-Key", key)])
        guard response.status == 200, let balance = Balance(response.json) else {
            throw KitFailure("GET /balance: \(response.status) \(response.text)")
        }
        return balance
    }

    /// All events of `/usage`, or those of one key.
    package func usage(of key: String? = nil) async throws -> [UsageEvent] {
        let response = try await admin("/usage")
        guard let events = response.json["events"]?.array else { throw KitFailure("GET /usage: \(response.status) \(response.text)") }
        let mask = key.map { $0.prefix(10) + "..." }
        return events.map(UsageEvent.init).filter { event in mask.map { event.json["apiKey"] == .string(String($0)) } ?? true }
    }

    package func metrics() async throws -> Metrics {
        Metrics(try await get("/metrics").text)
    }

    package func isReady() async -> Bool {
        (try? await get("/ready").status) == 200
    }
}

/// What `/balance` says.
package struct Balance: Sendable, Equatable {
    package let credits: Int
    package let spent: Int
    package let calls: Int

    init?(_ json: JSON) {
        guard let credits = json["credits"]?.int, let spent = json["totalSpent"]?.int, let calls = json["totalCalls"]?.int else {
            return nil
        }
        (self.credits, self.spent, self.calls) = (credits, spent, calls)
    }
}

/// One line of `/usage`.
package struct UsageEvent: Sendable {
    package let json: JSON

    package var tool: String? { json["tool"]?.string }
    package var credits: Int { json["creditsCharged"]?.int ?? 0 }
    package var isAllowed: Bool { json["allowed"] == true }
    package var isUnknown: Bool { json["outcome"] == "unknown" }
}

extension Sequence<UsageEvent> {
    package var credits: Int { reduce(0) { $0 + $1.credits } }
}
