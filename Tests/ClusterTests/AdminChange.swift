// The orders whose effect every node must obey from the moment that they are acknowledged.

import GateTesting
import Testing

/// One kind of change: how a key looks before it, the order itself, and what a call comes to afterwards.
enum AdminChange: String, CaseIterable, CustomTestStringConvertible {
    case create, topUp, revoke, suspend, resume, acl, expiry, address, country, limit

    var testDescription: String { rawValue }

    /// What calls come to before and after the change; nil where there is no key yet.
    var outcomes: (before: String?, after: String) {
        switch self {
        case .create: (nil, "served")
        case .topUp: ("insufficient_credits", "served")
        case .revoke: ("served", "invalid_api_key")
        case .suspend: ("served", "key_suspended")
        case .resume: ("key_suspended", "served")
        case .acl: ("served", "tool_denied")
        case .expiry: ("served", "api_key_expired")
        case .address: ("served", "ip_not_allowed")
        case .country: ("served", "country_not_allowed")
        case .limit: ("served", "spending_limit_exceeded")
        }
    }

    /// Makes a key in the state before the change, with at most one credit spent.
    func prepare(on gate: GateClient) async throws -> String {
        let key = try await gate.createKey(credits: self == .topUp ? 1 : 1000)
        switch self {
        case .topUp: _ = await gate.echo(key: key)
        case .resume: try await gate.order("/keys/suspend", ["key": .string(key)])
        default: break
        }
        return key
    }

    /// Gives the order and returns when it is acknowledged.
    func order(_ key: String, on gate: GateClient) async throws {
        let name: [String: JSON] = ["key": .string(key)]
        func order(_ path: String, _ more: [String: JSON] = [:]) async throws {
            try await gate.order(path, .object(name.merging(more) { $1 }))
        }
        switch self {
        case .create: break
        case .topUp: try await order("/topup", ["credits": 10])
        case .revoke: try await order("/keys/revoke")
        case .suspend: try await order("/keys/suspend")
        case .resume: try await order("/keys/resume")
        case .acl: try await order("/keys/acl", ["deniedTools": ["echo"]])
        case .expiry: try await order("/keys/expiry", ["expiresAt": "2020-01-01T00:00:00.000Z"])
        case .address: try await order("/keys/ip", ["ips": ["10.1.2.3", "10.2.0.0/16"]])
        case .country: try await order("/keys/geo", ["allowedCountries": ["DE"]])
        case .limit: try await order("/limits", ["spendingLimit": 1])
        }
    }
}
