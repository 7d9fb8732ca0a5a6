// Where records of one type are kept, as the routes of a resource need it.

import ClusterState

/// Records by their ids. Every change is one step: the record, what follows from it and its audit entry, on every node or not at all.
protocol ResourceStore<Record>: Sendable {
    associatedtype Record: Sendable

    /// A part of the records in the store's own order, and how many there are in all.
    /// - Parameters:
    ///   - offset: records before the part, 0 or more.
    ///   - count: records of the part at most, 1 to `ResourceLimits.page`.
    /// - Throws: `StoreFailure`.
    func list(offset: Int, count: Int) async throws -> (records: [Record], total: Int)

    /// - Throws: `StoreFailure`.
    func record(_ id: String) async throws -> Record?

    /// - Parameter capacity: records that there may be.
    /// - Throws: `ResourceRefusal`, `StoreFailure`.
    func create(_ record: Record, capacity: Int, audit: AuditEntry) async throws

    /// Changes a record as it is at that moment; `change` may be called again if somebody else has changed it meanwhile.
    /// - Parameter audit: the entry, made of the record after the change.
    /// - Returns: The record after it, nil if there is none of that id.
    /// - Throws: `ResourceRefusal`, `StoreFailure`, and what `change` throws; nothing has changed then.
    func update(
        _ id: String, audit: @Sendable (Record) -> AuditEntry, _ change: @Sendable (inout Record) throws -> Void
    ) async throws -> Record?

    /// - Returns: The record that was there, nil if there was none.
    /// - Throws: `StoreFailure`.
    func delete(_ id: String, audit: @Sendable (Record) -> AuditEntry) async throws -> Record?
}

/// Why a record was not made or changed.
enum ResourceRefusal: Error, Sendable, Equatable {
    /// Its id, or a value that has to be unique, belongs to another: the name of that value.
    case taken(String)
    /// There may be no more of them.
    case full(capacity: Int)
}

extension ResourceRefusal: PublicFailure {
    var failure: HTTPFailure {
        switch self {
        case .taken(let name): .conflict("\(name.prefix(1).uppercased() + name.dropFirst()) is already in use")
        case .full(let capacity): .badRequest("There may be at most \(capacity)")
        }
    }
}

enum ResourceLimits {
    /// Records that one list shows.
    static let page = 500
}
