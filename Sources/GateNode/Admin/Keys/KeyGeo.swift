// GET, POST and DELETE /keys/geo: from which countries a key may call (F-GEO-01).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let readGeo = Endpoint(
        .get, "/keys/geo", "Show the countries that a key may and may not call from.", for: .atLeast(.viewer), query: [Field.key],
        answer: KeyRecord.geo.schema, failures: [.notFound], using: \.keys
    ) { request, keys in
        EndpointResponse(KeyRecord.geo, try await request.target(in: keys, revoked: true))
    }

    static let setGeo = Endpoint(
        .post, "/keys/geo",
        "Set the countries that a key may or may not call from, as trusted proxies say where its client is; a list that is left out stays.",
        for: .atLeast(.admin), body: [Field.key, Field.geoAllowed, Field.geoDenied], answer: KeyRecord.geo.schema,
        failures: [.notFound], audits: ["key.geo_set"], using: \.keys
    ) { request, keys in
        let (allowed, denied) = (try request[.geoAllowed], try request[.geoDenied])
        if allowed == nil, denied == nil { throw HTTPFailure.badRequest("Missing allowedCountries or deniedCountries") }
        let key = try await request.target(in: keys)
        let audit = request.audit(
            "Countries changed", of: key,
            ["allowed": allowed?.joined(separator: " ") ?? "", "denied": denied?.joined(separator: " ") ?? ""])
        return EndpointResponse(
            KeyRecord.geo,
            try await keys.setCountries(of: key.id, Operation(audit: audit)) { countries in
                if let allowed { countries.allowed = allowed }
                if let denied { countries.denied = denied }
            })
    }

    static let clearGeo = Endpoint(
        .delete, "/keys/geo", "Let a key call from every country.", for: .atLeast(.admin), query: [Field.key], answer: KeyRecord.geo.schema,
        failures: [.notFound], audits: ["key.geo_cleared"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        let operation = Operation(audit: request.audit("Countries cleared", of: key))
        return EndpointResponse(KeyRecord.geo, try await keys.setCountries(of: key.id, operation) { $0 = CountryAccess() })
    }
}

extension KeyRecord {
    fileprivate static let geo = View<KeyRecord>([
        .text("keyPrefix", \.prefix), .texts("allowedCountries", \.countries.allowed), .texts("deniedCountries", \.countries.denied),
    ])
}

extension KeyDirectory {
    /// - Returns: the key as it was written.
    fileprivate func setCountries(
        of id: String, _ operation: Operation, _ change: (inout CountryAccess) -> Void
    ) async throws(RecordRefusal) -> KeyRecord {
        try await records.edit(id, operation) { (key) throws(RecordRefusal) in
            guard key.state != .revoked else { throw .state(key.state.rawValue) }
            change(&key.countries)
        }
    }
}

extension ValueKind where Value == [String] {
    /// Codes of countries, in upper case, each once.
    fileprivate static let countries = Self(
        Schema.list(of: .string(pattern: "^[A-Za-z]{2}$")).with("maxItems", CountryAccess.capacity)
    ) { json throws(ValueFault) in
        let entries = json.arrayValue ?? []
        let codes = entries.compactMap { $0.stringValue.flatMap { $0.utf8.count == 2 ? CountryAccess.code($0) : nil } }
        guard json.arrayValue != nil, codes.count == entries.count, codes.count <= CountryAccess.capacity else {
            throw ValueFault("Must be a list of at most \(CountryAccess.capacity) two-letter codes of countries (ISO 3166-1).")
        }
        var seen: Set<String> = []
        return codes.filter { seen.insert($0).inserted }
    }
}

extension Field where Value == [String] {
    static let allowedCountries = Field("allowedCountries", .countries, "Countries that it may call from; empty for all.")
    static let deniedCountries = Field("deniedCountries", .countries, "Countries that it may not call from, whatever is allowed.")
}

extension Field where Value == [String]? {
    fileprivate static let geoAllowed = Field<[String]>.allowedCountries.optional
    fileprivate static let geoDenied = Field<[String]>.deniedCountries.optional
}
