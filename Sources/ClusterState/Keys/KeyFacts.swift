// A key as a node caches it: its record, and the names that its scripts need, made once.

package import GateDomain

/// An immutable snapshot of one key; shared by all calls that were judged by it.
package final class KeyFacts: Sendable {
    package let record: KeyRecord
    package let balance: String
    package let hold: String
    private let ratePrefix: String

    package init(_ record: KeyRecord, keys: RedisKeys) {
        self.record = record
        balance = keys.balance(record.id)
        hold = keys.hold(record.id)
        ratePrefix = keys.rate(record.id, "")
    }

    package func window(of limit: Limit) -> String { ratePrefix + limit.name }
}
