// GET, POST and DELETE /keys/notes: what people write down about a key, in whatever state it is (F-KEY-11).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let listNotes = Endpoint(
        .get, "/keys/notes", "Read the notes of a key, the oldest first.", for: .atLeast(.viewer), query: [Field.key],
        answer: View<(String, [KeyNotes.Note], Int)>([.text("key", \.0), .list("notes", KeyNotes.Note.view, \.1), .integer("count", \.2)]),
        failures: [.notFound], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys, revoked: true)
        let notes = try await keys.notes.read(KeyNotes.id(of: key.id))?.notes ?? []
        return (key.masked, notes, notes.count)
    }

    static let addNote = Endpoint(
        .post, "/keys/notes", "Add a note to a key.", for: .atLeast(.admin), body: [Field.key, Field.noteText], success: .created,
        answer: View<(KeyNotes.Note, Int)>([.object("note", KeyNotes.Note.view, \.0), .integer("count", \.1)]), failures: [.notFound],
        audits: ["key.note_added"], using: \.keys
    ) { request, keys in
        let text = try request[.noteText]
        if text.isEmpty { throw HTTPFailure.badRequest("Invalid text. Must not be empty.") }
        let key = try await request.target(in: keys, revoked: true)
        let note = KeyNotes.Note(at: request.now, author: request.actor, text: text)
        do {
            let count = try await keys.add(note, to: key.id, Operation(audit: request.audit("Note added", of: key)))
            return (note, count)
        } catch RecordRefusal.state(KeyDirectory.notesAreFull) {
            throw HTTPFailure.badRequest("A key may have at most \(KeyNotes.capacity) notes; delete one first")
        }
    }

    static let deleteNote = Endpoint(
        .delete, "/keys/notes", "Delete a note of a key.", for: .atLeast(.admin), query: [Field.key, Field.noteIndex],
        answer: View<(KeyNotes.Note, Int)>([.object("deleted", KeyNotes.Note.view, \.0), .integer("remaining", \.1)]),
        failures: [.notFound], audits: ["key.note_deleted"],
        using: \.keys
    ) { request, keys in
        let index = try request[.noteIndex]
        let key = try await request.target(in: keys, revoked: true)
        let audit = request.audit("Note deleted", of: key, ["index": String(index)])
        do {
            let (note, remaining) = try await keys.deleteNote(index, of: key.id, Operation(audit: audit))
            return (note, remaining)
        } catch RecordRefusal.missing {
            throw HTTPFailure.notFound("Note not found")
        }
    }
}

extension KeyDirectory {
    /// What is said of a key that can have no more notes.
    fileprivate static let notesAreFull = "full of notes"

    /// - Returns: how many notes the key has then.
    /// - Throws: `state(notesAreFull)`, `contended` or `store`.
    fileprivate func add(_ note: KeyNotes.Note, to key: String, _ operation: Operation) async throws(RecordRefusal) -> Int {
        let id = KeyNotes.id(of: key)
        if try await notes.read(id) == nil {
            do {
                try await notes.create(KeyNotes(of: key, notes: [note]), operation)
                return 1
            } catch {
                // Somebody else has written the first one meanwhile.
                if error != .contended { throw error }
            }
        }
        return try await notes.edit(id, operation) { (all) throws(RecordRefusal) in
            guard all.notes.count < KeyNotes.capacity else { throw .state(Self.notesAreFull) }
            all.notes.append(note)
        }.notes.count
    }

    /// - Throws: `missing` where there is no such note, `contended` or `store`.
    fileprivate func deleteNote(
        _ index: Int, of key: String, _ operation: Operation
    ) async throws(RecordRefusal) -> (note: KeyNotes.Note, remaining: Int) {
        var deleted: KeyNotes.Note?
        let left = try await notes.edit(KeyNotes.id(of: key), operation) { (all) throws(RecordRefusal) in
            guard all.notes.indices.contains(index) else { throw .missing }
            deleted = all.notes.remove(at: index)
        }
        guard let deleted else { throw .missing }
        return (deleted, left.notes.count)
    }
}

extension KeyNotes.Note {
    static let view = View<KeyNotes.Note>([.time("timestamp", \.at), .text("author", \.author), .text("text", \.text)])
}

extension Field where Value == String {
    fileprivate static let noteText = Field("text", .text(upTo: 1000), "What to write down; 1 to 1,000 characters.")
}

extension Field where Value == Int {
    fileprivate static let noteIndex = Field("index", .integer(0...KeyNotes.capacity - 1), "Its place in the list, from 0 on.")
}
