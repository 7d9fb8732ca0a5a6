// GET /keys/export: all that is known of keys, as JSON or CSV, written part by part, so that there may be as many as there are.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let exportKeys = Endpoint(
        .get, "/keys/export", "Export keys, the oldest first. Of secrets their SHA-256 is told, by which another gate can import them.",
        for: .atLeast(.admin),
        query: [Field.exportFormat, Field.exportNamespace, Field.activeOnly, Field.exportLimit, Field.exportOffset],
        answer: [
            "version": .string, "exportedAt": .time, "total": .integer.described("Of the keys that are chosen, on all pages."),
            "limit": .integer.described("The total where none was given."), "offset": .integer, "keys": .list(of: ExportedKey.view.schema),
            "count": .integer,
        ],
        media: [MediaType.json, MediaType.csv], audits: ["keys.exported"], using: \.keys
    ) { request, keys in
        let export = try await KeyExport(request, keys)
        let format = try request[.exportFormat]
        var answer = export.answer(as: format)
        let date = Timestamp.text(milliseconds: request.now).prefix(10)
        answer.headers[.contentDisposition] = "attachment; filename=\"paygate-keys-\(date).\(format.rawValue)\""
        return answer
    }
}

/// The keys that were asked for.
private struct KeyExport: Sendable {
    private let keys: KeyDirectory
    private let now: Int
    private let total: Int
    private let limit: Int?
    private let offset: Int
    private let lists: [String]

    /// Notes that somebody takes all keys along before the first of them is told.
    init(_ request: EndpointRequest, _ keys: KeyDirectory) async throws {
        self.keys = keys
        now = request.now
        (limit, offset) = (try request[.exportLimit], try request[.exportOffset])
        let namespace = try request[.exportNamespace]?.lowercased()
        lists = (namespace.map { [KeyRecord.list(ofNamespace: $0)] } ?? []) + (try request[.activeOnly] ? [KeyRecord.living] : [])
        total = try await keys.page(in: lists, .ascending, offset: 0, count: 0).total
        try await keys.store.note(
            request.audit("Keys exported", ["namespace": namespace ?? "", "limit": limit.map(String.init) ?? "all"]))
    }

    func answer(as format: UsageFormat) -> EndpointResponse {
        switch format {
        case .json:
            let head = JSONObject.of([
                "version": "1.0", "exportedAt": Timestamp.text(milliseconds: now), "total": total, "limit": limit ?? total,
                "offset": offset,
            ])
            return EndpointResponse(streaming: ExportedKey.view, as: "keys", behind: head, parts: forEachPart)
        case .csv:
            return EndpointResponse(streaming: ExportedKey.table, parts: forEachPart)
        }
    }

    private struct Enough: Error {}

    private func forEachPart(_ body: ([ExportedKey]) async throws -> Void) async throws -> JSONObject {
        var (met, left) = (0, limit ?? .max)
        do {
            try await keys.walk(in: lists) { ids in
                let wanted = Array(ids.dropFirst(max(0, offset - met)).prefix(left))
                met += ids.count
                left -= wanted.count
                let snapshots = try await keys.wholeSnapshots(wanted, at: now)
                let digests = try await keys.credentials.digests(of: snapshots.map(\.record))
                try await body(zip(snapshots, digests).map(ExportedKey.init))
                if left == 0 { throw Enough() }
            }
        } catch is Enough {}
        return [:]
    }
}

/// A key as it is taken along.
struct ExportedKey: Sendable {
    let key: KeySnapshot
    let digest: String?

    static let view = View<ExportedKey>([
        .text("key", \.key.record.masked), .text("keyHash", \.digest).described("SHA-256 of the secret; null where it is not known."),
    ]).including(KeySnapshot.view, \.key)

    /// Where the secret would stand, stands what an import knows it by.
    private static let told = View<ExportedKey>([
        .text("key") { key in key.digest.map { ImportedSecret.mark + $0 } ?? key.key.record.masked }
    ]).including(KeySnapshot.view, \.key)

    static let table = told.table([
        "key", "name", "credits", "totalSpent", "totalCalls", "createdAt", "lastUsedAt", "active", "namespace", "expiresAt",
        "spendingLimit",
    ])
}

extension Field where Value == UsageFormat {
    fileprivate static let exportFormat = Field("format", .choice, "How the keys are written.").default(.json)
}

extension Field where Value == String? {
    fileprivate static let exportNamespace = Field<String>("namespace", .text(upTo: 50), "Keys of this namespace.").optional
}

extension Field where Value == Bool {
    fileprivate static let activeOnly = Field("activeOnly", .flag, "Leaves revoked keys out.").default(false)
}

extension Field where Value == Int? {
    fileprivate static let exportLimit = Field<Int>("limit", .integer(1...5000, excess: .clamped), "How many; all of them by default.")
        .optional
}

extension Field where Value == Int {
    fileprivate static let exportOffset = Field("offset", .integer(0...100_000, excess: .clamped), "How many are left out before them.")
        .default(0)
}
