// What gives way in the store to further events of a stream: never a question that is open, as long as there is anything else.

@testable import GateNode
import Testing

@Suite("Stored events of a stream")
struct StoredEventsTests {
    @Test("The oldest give way; a question that is open does not, and does when it has been answered")
    func questions() {
        var stored = StoredEvents()
        for number in 1...StoredEvents.most { stored.add(number, pieces: 1, isOpen: number <= 2) }
        #expect(stored.victims(for: 1).map(\.number) == [3])
        #expect(stored.victims(for: 3).map(\.number) == [3, 4, 5])
        stored.settle(2)
        let victims = stored.victims(for: 2)
        #expect(victims.map(\.number) == [2, 3])
        stored.remove(victims)
        #expect(stored.victims(for: 2).isEmpty && stored.victims(for: 3).map(\.number) == [4])
        // However many follow.
        for number in 300..<1000 {
            stored.remove(stored.victims(for: 1))
            stored.add(number, pieces: 1, isOpen: false)
        }
        #expect(stored.victims(for: StoredEvents.most).map(\.number).last == 1, "the question goes last")
        #expect(stored.victims(for: StoredEvents.most).count == StoredEvents.most)
    }

    @Test("An event goes with all of its pieces, and room is made for all of another one's; nothing but questions is bounded, too")
    func pieces() {
        var stored = StoredEvents()
        stored.add(1, pieces: 3, isOpen: false)
        stored.add(2, pieces: StoredEvents.most - 3, isOpen: true)
        #expect(stored.victims(for: 2).map { "\($0.number)-\($0.piece)" } == ["1-0", "1-1", "1-2"])
        #expect(stored.victims(for: 4).count == StoredEvents.most)
        stored.remove(stored.victims(for: 4))
        #expect(stored.victims(for: StoredEvents.most).isEmpty)
    }
}
