// What a request shows, and what requirements make of it.

import GateDomain
@testable import GateNode
@testable import GateValues
import HTTPTypes
import MCPWire
import Testing

@Suite("Proofs")
struct ProofTests {
    private static func proof(key: String? = nil, authorization: String? = nil) -> Proof {
        Proof.ofKey { header in
            switch header {
            case .apiKey: key
            case .adminKey: "never looked at"
            case .authorization: authorization
            }
        }
    }

    @Test("F-GATE-04: X-API-Key comes before Authorization, also when it is empty")
    func order() {
        #expect(Self.proof(key: "a", authorization: "Bearer b") == .apiKey("a"))
        #expect(Self.proof(authorization: "Bearer b") == .bearer("b"))
        #expect(Self.proof(key: "", authorization: "Bearer b") == .none && Self.proof() == .none)
    }

    @Test(
        "the scheme is read by its bytes, in any case",
        arguments: [
            ("bEARER x", "x"), ("Bearer  x", " x"), ("Bearer \u{301}x", "\u{301}x"), ("Bearer é", "é"),
        ])
    func schemes(_ field: String, _ secret: String) {
        guard case .bearer(let shown) = Self.proof(authorization: field) else { return #expect(Bool(false), "\(field)") }
        #expect(Array(shown.utf8) == Array(secret.utf8))
    }

    @Test(
        "what is no bearer token is no proof",
        arguments: ["Bearer", "Bearer ", "Basic abc", "Bearerx", "Bearer\u{a0}x", "\u{212a}earer x", "", "bear"])
    func strangers(_ field: String) {
        #expect(Self.proof(authorization: field) == .none)
    }

    @Test("a secret of more than 4,096 bytes is unknown and not kept")
    func bound() {
        let most = String(repeating: "é", count: 2048)
        #expect(Self.proof(key: most) == .apiKey(most) && Self.proof(key: most + "x") == .unknown)
        #expect(Self.proof(authorization: "Bearer " + most + "x") == .unknown && Proof.unknown.secret == "" && Proof.none.secret == nil)
        #expect(Proof.ofAdministrator { $0 == .adminKey ? most + "x" : nil } == .unknown)
    }

    @Test("an overlong secret is refused as one that is not known")
    func overlong() async throws {
        let secret = String(repeating: "k", count: 5000)
        try await AdminBench.run { bench in
            for (path, headers) in [
                ("/balance", ["X-API-Key": secret]), ("/balance", ["Authorization": "Bearer \(secret)"]),
                ("/keys", ["X-Admin-Key": secret]),
            ] {
                let answer = try await bench.send(.get, path, headers)
                #expect(answer.status == 401, "\(path)")
            }
        }
    }

    /// As it might look for webhooks of a payment service: the proof is over the body.
    private static let signed = Requirement(
        "signed", [.header("signature", .xAPIKey)], throttle: nil, refusals: [.unauthorized], readsBody: true
    ) { shown, _ in
        guard let signature = shown.header(.xAPIKey), signature == shown.body.map(String.init).joined(separator: "-") else {
            throw HTTPFailure.unauthorized("Bad signature")
        }
        return Caller(actor: "the service")
    }

    /// As it might look for a slash command: the key is in the query.
    private static let keyInQuery = Requirement(
        "key_in_query", [.query("queryKey", parameter: "key")], throttle: nil, refusals: [.unauthorized]
    ) { shown, _ in
        guard let key = shown.query("key"), key.hasPrefix("team-") else { throw HTTPFailure.unauthorized("Unknown key") }
        return Caller(actor: key, identity: key.count)
    }

    @Test("a new way to prove something is a declaration: a signature over the exact body, a key in the query")
    func declared() async throws {
        let endpoints = [
            Endpoint(.post, "/signed", "Test.", for: Self.signed, reads: .bytes(limit: 16), answer: ["bytes": .list(of: .integer)]) {
                request in
                ["bytes": try request.bytes.map { Int($0) }]
            },
            Endpoint(.get, "/query", "Test.", for: Self.keyInQuery, answer: ["actor": .string, "size": .integer]) { request in
                ["actor": request.actor, "size": request.caller.identity as? Int]
            },
        ]
        try await AdminBench.run(serving: endpoints) { bench in
            let bytes: [UInt8] = [0, 255, 13, 10]
            let right = try await bench.send(.post, "/signed", ["X-API-Key": "0-255-13-10"], bytes: bytes)
            #expect(right.status == 200 && right.json["bytes"] == [0, 255, 13, 10])
            #expect(try await bench.send(.post, "/signed", ["X-API-Key": "0"], bytes: bytes).status == 401)
            #expect(try await bench.send(.post, "/signed", ["X-API-Key": "0"], bytes: [UInt8](repeating: 1, count: 17)).status == 413)
            #expect(try await bench.send(.get, "/query?key=team-7").json == ["actor": "team-7", "size": 6])
            #expect(try await bench.send(.get, "/query?key=7").status == 401)
        }
    }
}
