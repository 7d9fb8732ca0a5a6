// POST /keys/import: keys that another gate has exported, or that somebody brings along with their secrets (F-KEY-10, F-KEY-17).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let importKeys = Endpoint(
        .post, "/keys/import",
        "Import up to \(ImportEntry.most) keys, as JSON or a table; each is made, or skipped, refused or given its configuration where it is there already.",
        for: .atLeast(.admin),
        query: [Field.tableMode], body: [Field.importedKeys, Field.importMode],
        reads: BodyRule(types: [MediaType.json, "text/csv"], limit: 8 << 20, isRaw: false, table: ImportEntry.table),
        answer: [
            "total": .integer, "imported": .integer, "overwritten": .integer, "skipped": .integer, "errors": .integer, "mode": .string,
            "results": .list(of: ["key": .string, "name": .string, "status": .string, "error": .string.maybe]),
        ],
        audits: ["keys.imported"], using: \.keys
    ) { request, keys in
        let (ofBody, ofTable) = (try request[.importMode], try request[.tableMode])
        if ofTable != nil, ofBody != nil { throw HTTPFailure.badRequest("Invalid csvMode. The body says its mode itself.") }
        let mode = ofTable ?? ofBody ?? .skip
        var (results, counts): ([JSONObject], [ImportOutcome: Int]) = ([], [:])
        var isAway = false
        for object in try request[.importedKeys] {
            var result = JSONObject([("key", ""), ("name", "")])
            let outcome: ImportOutcome
            do {
                // Nobody waits a thousand times for a store that is away.
                if isAway { throw HTTPFailure(.serviceUnavailable, "Not tried: the store did not answer before") }
                result["key"] = .string(ImportEntry.hint(of: object))
                let entry = try ImportEntry(object, now: request.now)
                result["key"] = .string(entry.record.masked)
                result["name"] = .string(entry.record.name)
                outcome = try await keys.take(entry, mode, request)
            } catch {
                guard let failure = (error as? any PublicFailure)?.failure else { throw error }
                isAway = isAway || failure.status == .serviceUnavailable
                outcome = .error
                result["error"] = .string(failure.sentence)
            }
            result["status"] = .string(outcome.rawValue)
            counts[outcome, default: 0] += 1
            results.append(result)
        }
        return [
            "total": results.count, "imported": counts[.imported] ?? 0, "overwritten": counts[.overwritten] ?? 0,
            "skipped": counts[.skipped] ?? 0, "errors": counts[.error] ?? 0, "mode": mode.rawValue, "results": results,
        ]
    }
}

/// What becomes of a key that is there already.
private enum ImportMode: String, CaseIterable, JSONRepresentable {
    case skip, overwrite, error
}

private enum ImportOutcome: String {
    case imported, overwritten, skipped, error
}

/// What proves a key that is brought along: its secret, or only the SHA-256 of it.
struct ImportedSecret: Sendable {
    /// Nil where only the digest is known.
    let secret: String?
    /// In hex digits.
    let digest: String

    /// What stands before a digest in the place of a secret.
    static let mark = "sha256:"
}

/// One key of an import: its record, what proves it, and what it holds.
private struct ImportEntry {
    static let most = 1000

    /// What is taken over; the secret is looked at apart.
    private static let fields: [any DeclaredField] = [
        Field.keyHash, Field.importedName, Field.importedCredits, Field.importedSpent, Field.importedCalls, Field.importedLimit,
        Field.importedActive, Field.importedSuspended, Field.importedExpiry, Field.importedCreatedAt, Field.importedAllowed,
        Field.importedDenied, Field.importedAddresses, Field.importedAllowedCountries, Field.importedDeniedCountries, Field.importedTags,
        Field.importedNamespace, Field.importedAlias, Field.importedQuota, Field.autoTopUp, Field.later("group"),
    ]

    /// Members of exported keys that say how a key stands, and are passed over.
    private static let shown = ExportedKey.view.members.filter { member in
        member.name != "key" && !fields.contains { $0.name == member.name }
    }

    private static let members = ["key"] + fields.map(\.name) + shown.map(\.name)

    static let schema = Schema(
        members: [("key", Field.importedSecret.schema.maybe)] + fields.map { ($0.name, $0.schema.maybe) }
            + shown.map { ($0.name, $0.schema.with("readOnly", true).maybe) }
    ).with("additionalProperties", false)

    let record: KeyRecord
    let proof: ImportedSecret
    let money: KeyDirectory.Holding
    /// Members that say something: what is not said does not change a key that is there.
    let given: Set<String>

    /// How a row is known again whose fields are not acceptable: never by its secret.
    static func hint(of object: JSONObject) -> String {
        guard let shown = object["key"]?.stringValue, (8...500).contains(shown.utf8.count) else { return "" }
        return shown.hasPrefix(ImportedSecret.mark)
            ? ImportedSecret.mark + shown.dropFirst(7).prefix(8) + "..." : Credential.longMask(shown)
    }

    /// - Throws: `HTTPFailure` where its fields are not acceptable.
    init(_ object: JSONObject, now: Int) throws(HTTPFailure) {
        func value<Value>(_ field: Field<Value>) throws(HTTPFailure) -> Value { try field.value(of: object[field.name]) }
        for field in Self.fields { try field.check(object[field.name]) }
        if let stranger = object.first(where: { member in !Self.members.contains { $0.hasSameBytes(as: member.name) } }) {
            throw .badRequest("Invalid \(stranger.name.cut(toBytes: 100)). Must not be there: it is no member of an exported key.")
        }
        given = Set(object.filter { $0.value != .null }.map(\.name))
        let shown = object["key"]?.stringValue ?? ""
        var known = try value(.keyHash)
        if known == nil { known = try Self.digest(in: shown) }
        if let digest = known {
            proof = ImportedSecret(secret: nil, digest: digest)
        } else {
            let secret = try value(.importedSecret)
            proof = ImportedSecret(secret: secret, digest: Credential.digest(of: secret))
        }
        money = KeyDirectory.Holding(
            credits: try value(.importedCredits), spent: try value(.importedSpent), calls: try value(.importedCalls))
        guard money.credits + money.spent <= Credits.balanceCeiling else {
            throw .badRequest("Invalid credits. \(Credits.ceilingRule).")
        }
        let (isActive, isSuspended) = (try value(.importedActive), try value(.importedSuspended))
        let name = try value(.importedName)
        let masks = Self.masks(of: proof, shown: shown, object["keyPrefix"]?.stringValue ?? "")
        let expiry = try value(.importedExpiry).map { max(1, $0) }
        record = KeyRecord(
            id: AccountID.make("key").text, name: name.isEmpty ? "imported" : name, prefix: masks.prefix, masked: masks.masked,
            createdAt: max(0, min(now, try value(.importedCreatedAt) ?? now)),
            state: !isActive ? .revoked : isSuspended ? .suspended : .active,
            expiresAt: expiry, spendingLimit: try value(.importedLimit),
            access: ToolAccess(
                allowed: try value(.importedAllowed), denied: try value(.importedDenied)),
            addresses: try value(.importedAddresses), countries: try Self.countries(object), tags: try value(.importedTags),
            namespace: try value(.importedNamespace), alias: try value(.importedAlias), quota: try value(.importedQuota),
            autoTopUp: try value(.autoTopUp),
            // One that was over when it came was told where it came from.
            toldExpiry: expiry.flatMap { $0 <= now ? $0 : nil })
    }

    /// Takes over what the entry says, and nothing that it is silent about: a table has no column for a list of denied tools, and must not
    /// lift it. Alias and team stay: they are claims of their own.
    func overwrite(_ key: inout KeyRecord) {
        func take<Value>(_ name: String, _ path: WritableKeyPath<KeyRecord, Value>) {
            if given.contains(name) { key[keyPath: path] = record[keyPath: path] }
        }
        take("name", \.name)
        if given.contains("active") || given.contains("suspended") { key.state = record.state }
        take("expiresAt", \.expiresAt)
        take("spendingLimit", \.spendingLimit)
        take("allowedTools", \.access.allowed)
        take("deniedTools", \.access.denied)
        take("ipAllowlist", \.addresses)
        take("allowedCountries", \.countries.allowed)
        take("deniedCountries", \.countries.denied)
        take("tags", \.tags)
        take("namespace", \.namespace)
        take("quota", \.quota)
        take("autoTopup", \.autoTopUp)
    }

    private static func countries(_ object: JSONObject) throws(HTTPFailure) -> CountryAccess {
        let (allowed, denied) = (Field.importedAllowedCountries, Field.importedDeniedCountries)
        return CountryAccess(
            allowed: try allowed.value(of: object[allowed.name]), denied: try denied.value(of: object[denied.name]))
    }

    /// The digest that stands where a secret would.
    private static func digest(in text: String) throws(HTTPFailure) -> String? {
        guard text.utf8.starts(with: ImportedSecret.mark.utf8) else { return nil }
        return try Field.keyHash.value(of: .string(String(text.utf8.dropFirst(ImportedSecret.mark.utf8.count)) ?? ""))
    }

    /// How the key is shown: as its secret says, else as the other gate has shown it, else by its digest.
    private static func masks(of proof: ImportedSecret, shown: String, _ prefix: String) -> (prefix: String, masked: String) {
        if let secret = proof.secret { return (Credential.shortMask(secret), Credential.longMask(secret)) }
        func isMask(_ text: String) -> Bool {
            (4...20).contains(text.utf8.count) && text.contains("...") && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
        }
        let digest = ImportedSecret.mark + proof.digest.prefix(8) + "..."
        return (isMask(prefix) ? prefix : digest, isMask(shown) ? shown : digest)
    }

    /// The keys of a table that has the columns of an export.
    static let table: BodyRule.Table = { bytes throws(HTTPFailure) in
        let rows: [[String: String]]
        do throws(CSVText.Fault) {
            rows = try CSVText.rows(in: bytes, upTo: most)
        } catch {
            throw .badRequest("Invalid CSV body. \(error.sentence)")
        }
        return ["keys": .array(rows.map { row in .object(JSONObject(row.sorted { $0.key < $1.key }.compactMap(cell))) })]
    }

    /// A value of a table as the JSON that it stands for; nil for nothing.
    private static func cell(_ name: String, _ text: String) -> (String, JSONValue)? {
        guard !text.isEmpty else { return nil }
        let field: (any DeclaredField)? =
            switch name {
            case "credits": Field.importedCredits
            case "totalSpent": Field.importedSpent
            case "totalCalls": Field.importedCalls
            case "spendingLimit": Field.importedLimit
            case "active": Field.importedActive
            case "suspended": Field.importedSuspended
            default: nil
            }
        return (name, field?.given(text) ?? .string(text))
    }
}

extension KeyDirectory {
    /// Money is brought along by a key that is made. One that is there has what the ledger says: no import undoes a charge.
    fileprivate func take(_ entry: ImportEntry, _ mode: ImportMode, _ request: EndpointRequest) async throws -> ImportOutcome {
        func operation(of key: KeyRecord) -> Operation {
            Operation(audit: request.audit("Key imported", of: key, ["mode": mode.rawValue, "credits": String(entry.money.credits)]))
        }
        let owner = try await credentials.owner(ofDigest: entry.proof.digest)
        guard let owner, let key = try await records.read(owner) else {
            // Whoever was cut short before has claimed the secret for a key that is made now.
            var record = entry.record
            if let owner { record.id = owner }
            do throws(RecordRefusal) {
                try await restore(
                    record, digest: entry.proof.digest, entry.money, operation(of: record))
                return .imported
            } catch {
                // Somebody else has made it meanwhile.
                guard error == .contended || error == .credentialExists else { throw error }
                if mode == .skip { return .skipped }
                guard let owner = try await credentials.owner(ofDigest: entry.proof.digest), let key = try await records.read(owner) else {
                    throw error
                }
                return try await take(entry, mode, over: key, operation(of: key))
            }
        }
        return try await take(entry, mode, over: key, operation(of: key))
    }

    private func take(
        _ entry: ImportEntry, _ mode: ImportMode, over key: KeyRecord, _ operation: Operation
    ) async throws -> ImportOutcome {
        switch mode {
        case .skip: return .skipped
        case .error: throw HTTPFailure.conflict("Key already exists")
        case .overwrite: break
        }
        guard key.state != .revoked, key.isProved(by: entry.proof.digest) else {
            throw HTTPFailure.conflict("Key was revoked or rotated; that is for good")
        }
        try await edit(key.id, in: [.active, .suspended], operation) { (key) throws(RecordRefusal) in entry.overwrite(&key) }
        return .overwritten
    }
}

extension Field where Value == [JSONObject] {
    fileprivate static let importedKeys = Field(
        "keys",
        ValueKind<[JSONObject]>(.list(of: ImportEntry.schema).with("minItems", 1).with("maxItems", ImportEntry.most)) {
            json throws(ValueFault) in
            let entries = json.arrayValue?.compactMap(\.objectValue) ?? []
            guard (1...ImportEntry.most).contains(entries.count), entries.count == json.arrayValue?.count else {
                throw ValueFault("Must be a list of 1 to \(ImportEntry.most) objects.")
            }
            return entries
        },
        "As they are exported, each with its keyHash; or with its secret as key, which begins with \(Credential.prefix). A table has the columns of an export."
    )
}

extension Field where Value == ImportMode? {
    fileprivate static let importMode = Field<ImportMode>("mode", .choice, "What becomes of a key that is there already; skip by default.")
        .optional
    fileprivate static let tableMode = Field<ImportMode>("csvMode", .choice, "What a table, which has no mode, is imported with.").optional
}

extension Field where Value == String {
    fileprivate static let importedSecret = Field(
        "key",
        .word(
            .string(Credential.lengths), isSecret: true,
            rule: "Must begin with \(Credential.prefix) and have 8 to 200 visible ASCII characters; or give a keyHash."
        ) { text in
            Credential.lengths.contains(text.utf8.count) && text.hasPrefix(Credential.prefix)
                && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
        }, "The secret.")
    fileprivate static let importedName = Field("name", .text(upTo: 200, rest: .cut), "").default("imported")
    fileprivate static let importedNamespace = Field("namespace", .namespace, "").default("default")
}

extension Field where Value == String? {
    fileprivate static let keyHash = Field<String>(
        "keyHash",
        .word(.string(pattern: "^[0-9a-f]{64}$"), rule: "Must be 64 hex digits in lower case.") { text in
            text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        }, ""
    ).optional
    fileprivate static let importedAlias = Field<String>("alias", .alias, "").optional
}

extension Field where Value == Int {
    /// Credits that a key had elsewhere; a fraction is floored, also to 0, which is no more than 0 here (F-PRICE-02).
    private static let holding = ValueKind<Int>(
        .integer(0...Credits.balanceCeiling).described("Fractions are rounded down, also to 0."), given: ValueKind<Int>.credits.given
    ) { json throws(ValueFault) in
        guard let number = json.numberValue?.rounded(.down), (0...Double(Credits.balanceCeiling)).contains(number) else {
            throw ValueFault("Must be a whole number of 0 to \(Credits.balanceCeiling).", showing: json)
        }
        return Int(number)
    }
    fileprivate static let importedCredits = Field("credits", holding, "").default(0)
    fileprivate static let importedSpent = Field("totalSpent", holding, "").default(0)
    fileprivate static let importedCalls = Field("totalCalls", .integer(0...Credits.balanceCeiling), "").default(0)
    fileprivate static let importedLimit = Field.spendingLimit.default(0)
}

extension Field where Value == Int? {
    fileprivate static let importedExpiry = Field<Int>("expiresAt", .time, "").optional
    fileprivate static let importedCreatedAt = Field<Int>("createdAt", .time, "").optional
}

extension Field where Value == Bool {
    fileprivate static let importedActive = Field("active", .flag, "").default(true)
    fileprivate static let importedSuspended = Field("suspended", .flag, "").default(false)
}

extension Field where Value == [String] {
    fileprivate static let importedAllowed = Field.allowedTools.default([])
    fileprivate static let importedDenied = Field.deniedTools.default([])
    fileprivate static let importedAllowedCountries = Field.allowedCountries.default([])
    fileprivate static let importedDeniedCountries = Field.deniedCountries.default([])
}

extension Field where Value == [AddressRange] {
    fileprivate static let importedAddresses = Field("ipAllowlist", .addresses, "").default([])
}

extension Field where Value == [String: String] {
    fileprivate static let importedTags = Field("tags", .tags, "").default([:])
}

extension Field where Value == Quota? {
    fileprivate static let importedQuota = Field<Quota>("quota", .quota, "").optional
}
