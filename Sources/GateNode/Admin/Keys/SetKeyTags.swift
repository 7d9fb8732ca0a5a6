// POST /keys/tags and POST /keys/search: labels of keys, and the keys that have some (F-KEY-13).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let setKeyTags = Endpoint(
        .post, "/keys/tags", "Set the tags that are named, and remove those that are named as null; the others stay.",
        for: .atLeast(.admin),
        body: [Field.key, Field.tagChanges],
        answer: View<([String: String], String)>([.tags("tags", \.0), .text("message", \.1)]),
        failures: [.notFound], audits: ["key.tags_updated"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        let changes = try request[.tagChanges]
        let names = changes.keys.sorted().joined(separator: ",")
        let audit = request.audit("Tags changed", of: key, ["changes": names.cut(toBytes: 500)])
        do {
            return (try await keys.changeTags(of: key.id, changes, Operation(audit: audit)), "Tags updated")
        } catch RecordRefusal.state(KeyDirectory.tooManyTags) {
            throw HTTPFailure.badRequest("Invalid tags. A key may have at most \(KeyDirectory.mostTags).")
        }
    }

    static let searchKeys = Endpoint(
        .post, "/keys/search", "Find the keys that have all of some tags, the newest first.", for: .atLeast(.viewer),
        body: [Field.wantedTags, Field.wantedNamespace, Field.searchLimit, Field.searchOffset],
        answer: View<([KeySnapshot], Int)>([
            .list("keys", KeySnapshot.view, \.0),
            .integer("count", \.1).described(
                "Of all that match, whatever part is shown; where each of several tags is that of more than \(KeyPages.mostExamined) keys, of those that have the rarest."
            ),
        ]),
        using: \.keys
    ) { request, keys in
        let (tags, namespace) = (try request[.wantedTags], try request[.wantedNamespace]?.lowercased())
        if tags.isEmpty { throw HTTPFailure.badRequest("Invalid tags. Name at least one.") }
        var lists = tags.map { KeyRecord.list(ofTag: $0.key, $0.value) }.sorted()
        if let namespace { lists.append(KeyRecord.list(ofNamespace: namespace)) }
        let query = KeyQuery(lists: lists, limit: try request[.searchLimit], offset: try request[.searchOffset])
        let page = try await KeyPages(keys: keys, now: request.now).page(of: query)
        return (page.keys, page.total)
    }
}

extension KeyDirectory {
    static let mostTags = 50
    /// What is said of a key that would have more.
    fileprivate static let tooManyTags = "too many tags"

    /// - Throws: `state(tooManyTags)`, `missing`, `state`, `contended` or `store`.
    fileprivate func changeTags(
        of id: String, _ changes: [String: String?], _ operation: Operation
    ) async throws(RecordRefusal) -> [String: String] {
        try await records.edit(id, operation) { (key) throws(RecordRefusal) in
            guard key.state != .revoked else { throw .state(key.state.rawValue) }
            for (name, value) in changes {
                // A name that is there in another Unicode form would keep it.
                key.tags[name] = nil
                key.tags[name] = value
            }
            guard key.tags.count <= Self.mostTags else { throw .state(Self.tooManyTags) }
        }.tags
    }
}

extension Field where Value == [String: String?] {
    fileprivate static let tagChanges = Field("tags", .tagChanges, "Labels; null removes one.")
}

extension Field where Value == [String: String] {
    fileprivate static let wantedTags = Field("tags", .tags, "All of these a key has to have.")
}

extension Field where Value == String? {
    fileprivate static let wantedNamespace = Field<String>("namespace", .text(upTo: 50), "Keys of this namespace.").optional
}

extension Field where Value == Int {
    fileprivate static let searchLimit = Field("limit", .integer(1...KeyQuery.longest, excess: .clamped), "How many are shown.").default(
        KeyQuery.longest)
    fileprivate static let searchOffset = Field("offset", .integer(0...100_000, excess: .clamped), "How many are left out before them.")
        .default(0)
}
