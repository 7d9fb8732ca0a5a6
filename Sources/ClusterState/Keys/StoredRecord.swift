// What an operator keeps: a hash of named fields with a version.

/// Something that an operator keeps: a hash of named fields with a version, changed only by `edit.lua`.
package protocol StoredRecord: Sendable, Equatable {
    /// What the index of all of them is called.
    static var kind: String { get }
    /// What the change feed calls a change of one.
    static var topic: Topic { get }
    /// Unlike that of any other record of its kind.
    var id: String { get }
    /// Grows by one with each change; a decision made by an older one is not carried out.
    var version: Int { get }
    /// Milliseconds since 1970; orders the index.
    var createdAt: Int { get }
    /// Every field of the record but the version.
    var fields: [String: String] { get }
    /// What the account of the same id has to know of it besides the version; empty where it has none.
    var accountFields: [String: String] { get }
    /// Further lists that it stands in, and its place in each: what is asked for by them reads them, and never all records. They change in
    /// the step in which the record does.
    var listings: [String: Int] { get }
    /// Lists that are ordered by words, byte by byte, and its word in each: one that no other record has, with the id behind `wordEnd`.
    var words: [String: String] { get }
    /// A list of those that were made or changed, for whoever follows that and takes them out; nil where nobody does.
    static var changes: String? { get }
    /// Milliseconds since 1970 of Redis TIME at which Redis forgets it; nil for never.
    var end: Int? { get }
    /// Whether there is a list of all of its kind.
    static var isListed: Bool { get }
    /// Nil if the hash is not there or not such a record.
    init?(id: String, fields: [String: String])
}

extension StoredRecord {
    /// It has no account.
    package var accountFields: [String: String] { [:] }
    /// It stands in no other list.
    package var listings: [String: Int] { [:] }
    /// It stands in no list of words.
    package var words: [String: String] { [:] }
    /// Nobody follows it.
    package static var changes: String? { nil }
    /// It stays.
    package var end: Int? { nil }
    /// There is one.
    package static var isListed: Bool { true }
}
