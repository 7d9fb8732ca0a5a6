// POST /keys/ip: from where a key may call (F-IP-01, F-IP-04).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let setKeyAddresses = Endpoint(
        .post, "/keys/ip", "Replace the addresses from which a key may call; an empty list means from everywhere.", for: .atLeast(.admin),
        body: [Field.key, Field.ips],
        answer: View<([String], String)>([.texts("ipAllowlist", \.0), .text("message", \.1)]),
        failures: [.notFound], audits: ["key.ip_updated"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        let addresses = try request[.ips]
        let audit = request.audit("Addresses changed", of: key, ["addresses": String(addresses.count)])
        try await keys.edit(key.id, in: [.active, .suspended], Operation(audit: audit)) { $0.addresses = addresses }
        return (addresses.map(\.text), "Addresses updated")
    }
}

extension Field where Value == [AddressRange] {
    fileprivate static let ips = Field("ips", .addresses, "From where it may call.")
}
