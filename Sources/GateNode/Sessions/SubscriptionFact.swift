// What the store keeps of a subscription: all that another node needs to take it over.

import GateDomain
import MCPWire

/// A subscription of a session that a key has opened, as JSON; members that this version does not know are passed over.
struct SubscriptionFact {
    /// The prefix of the server; empty for the only one.
    let server: String
    /// As the server has it.
    let uri: String
    /// The digest of the credential, and the id of the key, that have asked.
    let credential: String
    let key: String

    init(server: String, uri: String, credential: String, key: String) {
        (self.server, self.uri, self.credential, self.key) = (server, uri, credential, key)
    }

    /// Nil for what is no such fact.
    init?(_ bytes: [UInt8]) {
        guard let value = try? JSONValue.parse(bytes), let uri = value["uri"]?.stringValue,
            let credential = value["credential"]?.stringValue, let key = value["key"]?.stringValue
        else { return nil }
        self.init(server: value["server"]?.stringValue ?? "", uri: uri, credential: credential, key: key)
    }

    var bytes: [UInt8] {
        let value: JSONValue = ["server": .string(server), "uri": .string(uri), "credential": .string(credential), "key": .string(key)]
        return value.bytes
    }
}
