// What webhooks read of the streams: calls that were charged, what was taken back of them, and what admins have changed.

package import GateDomain

/// Something that happened, as a sink may hear of it.
package struct WebhookOccurrence: Sendable {
    /// What it was.
    package enum Kind: Sendable {
        /// A call that was let in, and what it was charged.
        case call(CallEvent, credits: Int)
        /// A charge that was taken back after it may have been told; `credits` of it, `of` the id of the event that told it.
        case correction(CallEvent, credits: Int, of: String)
        /// A change by an admin, or by the gate itself.
        case change(AuditEntry)
    }

    /// The same each time that it is told, and no other's: `evt_`, the stream, and the place in it.
    package let id: String
    /// Milliseconds since 1970 of Redis TIME.
    package let time: Int
    /// With all that is told of it.
    package let kind: Kind

    /// The ids of the keys that it is about: one, of a transfer those of sender and receiver, or none.
    package var keyIDs: [String] {
        switch kind {
        case .call(let event, _), .correction(let event, _, _): event.keyID.isEmpty ? [] : [event.keyID]
        case .change(let entry):
            ["keyId", "fromId", "toId"].compactMap { name in entry.metadata.first { $0.0 == name }?.1 }.reduce(into: []) { ids, id in
                if !ids.contains(where: { $0.hasSameBytes(as: id) }) { ids.append(id) }
            }
        }
    }
}

/// What is new in both streams of one shard.
package struct WebhookPage: Sendable {
    /// One stream as far as it was read.
    struct Reading: Sendable {
        /// Names the stream among the cursors.
        let field: String
        /// As it stands in the store.
        let cursor: String
        let next: String
        /// Of what occurred in it, in its order.
        var places: [String] = []
    }

    let readings: [Reading]
    /// In the order of each stream.
    package let occurrences: [WebhookOccurrence]
    /// Whether there may be more.
    package let isFull: Bool
    /// Whether nothing is new.
    package var isEmpty: Bool { readings.allSatisfy { $0.cursor == $0.next } }
}

extension WebhookPage {
    /// What sinks may hear of it.
    package init(_ pages: ShardPages) {
        var (readings, occurrences): ([Reading], [WebhookOccurrence]) = ([], [])
        for (name, page) in zip(WebhookQueue.cursors(of: pages.shard), pages.streams) {
            var places: [String] = []
            for entry in page.entries {
                guard let occurrence = WebhookOccurrence(entry, of: name, after: page.cursor), let place = entry.array?.first?.string
                else { continue }
                occurrences.append(occurrence)
                places.append(place)
            }
            readings.append(Reading(field: name, cursor: page.cursor, next: page.next, places: places))
        }
        self.init(readings: readings, occurrences: occurrences, isFull: pages.isFull)
    }
}

/// Something that occurred, as it is sent, and who gets it.
package struct WebhookParcel: Sendable {
    /// As it lies in a queue.
    package let event: [UInt8]
    /// By their places in the list of sinks that it goes with.
    package let sinks: [Int]

    package init(event: [UInt8] = [], sinks: [Int] = []) {
        (self.event, self.sinks) = (event, sinks)
    }
}

/// A part of a page that is put into the queues at once.
struct WebhookStep: Sendable {
    /// How far each stream is read with it; of a stream that has nothing in it nothing.
    let readings: [WebhookPage.Reading]
    /// Places of its occurrences in the page.
    let occurrences: Range<Int>

    /// Entries that one step writes into queues at most; with them a script takes a millisecond or two. One occurrence is always taken whole.
    static let entries = 400
    /// Bytes that it writes at most, likewise.
    static let bytes = 1 << 19
}

extension WebhookPage {
    /// The page in steps, none of which keeps Redis for long, however many sinks there are; in the order of the streams.
    /// - Parameter parcels: of each occurrence.
    func steps(_ parcels: [WebhookParcel]) -> [WebhookStep] {
        var (steps, moves): ([WebhookStep], [Reading]) = ([], [])
        var (first, index, entries, bytes) = (0, 0, 0, 0)
        for reading in readings {
            var (from, last) = (reading.cursor, reading.cursor)
            for place in reading.places {
                let own = index < parcels.count ? parcels[index].sinks.count : 0
                let size = own == 0 ? 0 : own * parcels[index].event.count
                if index > first, entries + own > WebhookStep.entries || bytes + size > WebhookStep.bytes {
                    if from != last { moves.append(Reading(field: reading.field, cursor: from, next: last)) }
                    steps.append(WebhookStep(readings: moves, occurrences: first..<index))
                    (from, moves, first, entries, bytes) = (last, [], index, 0, 0)
                }
                (entries, bytes, last, index) = (entries + own, bytes + size, place, index + 1)
            }
            if from != reading.next { moves.append(Reading(field: reading.field, cursor: from, next: reading.next)) }
        }
        if !moves.isEmpty { steps.append(WebhookStep(readings: moves, occurrences: first..<index)) }
        return steps
    }
}

extension WebhookOccurrence {
    /// Reads an entry of a stream; nil for one that no sink hears of.
    /// - Parameters:
    ///   - stream: as `u0`.
    ///   - cursor: where the page begins; what lies before it was told.
    init?(_ entry: RedisReply, of stream: String, after cursor: String) {
        guard let parts = entry.array, parts.count == 2, let place = parts[0].string, let fields = parts[1].array, fields.count >= 2,
            let time = StreamPlace(place)?.milliseconds
        else { return nil }
        self.time = time
        id = Self.id(stream, place)
        if let call = LoggedCall(entry) {
            kind = .call(call.event, credits: call.credits)
        } else if fields.count == 6, ["x", "n"].contains(fields[0].string), let told = fields[1].string, let old = StreamPlace(told),
            let read = StreamPlace(cursor), let credits = fields[3].integer, case .bytes(let bytes) = fields[5],
            let event = CallEvent(packed: bytes)
        {
            // One that lies behind the cursor was gone before anybody has read it.
            guard old <= read else { return nil }
            kind = .correction(event, credits: credits, of: Self.id(stream, told))
        } else if fields[0].string == "e", case .bytes(let bytes) = fields[1], let change = AuditEntry(packed: bytes) {
            kind = .change(change)
        } else {
            return nil
        }
    }

    private static func id(_ stream: String, _ place: String) -> String { "evt_\(stream)-\(place)" }
}
