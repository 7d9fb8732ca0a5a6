// How what belongs to keys lies in Redis: their notes, what is to be done with them, and the templates that they are made from.

package import GateDomain

extension KeyNotes: StoredRecord {
    package static let kind = "notes"
    package static let topic = Topic.aside
    package static let isListed = false
    package var createdAt: Int { 0 }

    package var fields: [String: String] {
        Dictionary(
            uniqueKeysWithValues: notes.enumerated().map { index, note in
                (index < 10 ? "n0\(index)" : "n\(index)", "\(note.at)\t\(note.author)\t\(note.text)")
            })
    }

    /// Nil if the fields are none of notes.
    package init?(id: String, fields: [String: String]) {
        guard let version = fields["version"].flatMap({ Int($0) }), id.hasPrefix("notes_") else { return nil }
        let notes = fields.filter { $0.key != "version" }.sorted { $0.key < $1.key }.compactMap { Note(line: $0.value) }
        self.init(of: String(id.dropFirst("notes_".count)), notes: notes, version: version)
    }
}

extension KeyNotes.Note {
    fileprivate init?(line: String) {
        let parts = line.split(separator: "\t", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let at = Int(parts[0]) else { return nil }
        self.init(at: at, author: String(parts[1]), text: String(parts[2]))
    }
}

extension KeySchedules: StoredRecord {
    package static let kind = "schedules"
    package static let topic = Topic.aside
    package static let isListed = false
    package var createdAt: Int { 0 }

    /// Keys' schedules by the time at which the first of each is due.
    package static let due = "schedules.due"

    package var fields: [String: String] {
        Dictionary(
            uniqueKeysWithValues: entries.map { entry in
                (
                    entry.id,
                    "\(entry.executeAt)\t\(entry.createdAt)\t\(entry.action.rawValue)\t\(entry.credits)\t\(entry.isUnderWay ? "1" : "0")"
                )
            })
    }

    package var listings: [String: Int] { entries.map(\.executeAt).min().map { [Self.due: $0] } ?? [:] }

    /// Nil if the fields are none of schedules.
    package init?(id: String, fields: [String: String]) {
        guard let version = fields["version"].flatMap({ Int($0) }), id.hasPrefix(Self.prefix) else { return nil }
        let entries = fields.filter { $0.key != "version" }.compactMap { Entry(id: $0.key, line: $0.value) }
        self.init(
            of: "key_" + id.dropFirst(Self.prefix.count), entries: entries.sorted { ($0.executeAt, $0.id) < ($1.executeAt, $1.id) },
            version: version)
    }
}

extension KeySchedules.Entry {
    fileprivate init?(id: String, line: String) {
        let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
        guard parts.count >= 5, let executeAt = Int(parts[0]), let createdAt = Int(parts[1]),
            let action = KeySchedules.Action(rawValue: String(parts[2])), let credits = Int(parts[3])
        else { return nil }
        self.init(
            id: id, action: action, credits: credits, executeAt: executeAt, createdAt: createdAt, isUnderWay: parts[4] == "1")
    }
}

extension KeyTemplate: StoredRecord {
    package static let kind = "templates"
    package static let topic = Topic.aside

    package var id: String { Self.id(of: name) }

    /// The id of the template of a name.
    package static func id(of name: String) -> String { "template:" + name }

    package var fields: [String: String] {
        var fields = [
            "name": name, "description": description, "credits": String(credits), "allowed": access.allowed.lines,
            "denied": access.denied.lines, "addresses": addresses.map(\.text).lines, "limit": String(spendingLimit), "tags": tags.lines,
            "namespace": namespace, "life": String(life), "created": String(createdAt), "updated": String(updatedAt),
        ]
        if let quota { fields["quota"] = quota.text }
        if let autoTopUp { fields["auto_top_up"] = autoTopUp.text }
        return fields
    }

    /// Nil if the hash is not there or not a template.
    package init?(id: String, fields: [String: String]) {
        func number(_ name: String) -> Int? { fields[name].flatMap { Int($0) } }
        guard let name = fields["name"], id == Self.id(of: name), let version = number("version") else { return nil }
        self.init(
            name: name, description: fields["description"] ?? "", credits: number("credits") ?? 100,
            access: ToolAccess(allowed: (fields["allowed"] ?? "").asLines, denied: (fields["denied"] ?? "").asLines),
            quota: fields["quota"].flatMap { Quota(text: $0) },
            addresses: (fields["addresses"] ?? "").asLines.compactMap(AddressRange.init), spendingLimit: number("limit") ?? 0,
            tags: [String: String](lines: fields["tags"] ?? ""), namespace: fields["namespace"] ?? "default", life: number("life") ?? 0,
            autoTopUp: fields["auto_top_up"].flatMap { AutoTopUp(text: $0) },
            createdAt: number("created") ?? 0, updatedAt: number("updated") ?? 0, version: version)
    }
}
