// Subscriptions of many: who is forgotten when there are too many.

import Testing

@testable import GateNode

@Suite struct SubscriptionBookTests {
    private func subscriber(_ credential: String, _ session: String = "s") -> SubscriptionBook.Subscriber {
        .init(session: session, credential: credential, isOwned: true)
    }

    @Test("One credential with more subscriptions than there is room for loses its own oldest, and nobody else's")
    func shares() {
        let book = SubscriptionBook()
        for number in 0..<10 { book.add("test://\(number)", for: subscriber("quiet")) }
        for number in 0..<SubscriptionBook.capacity + 50 { book.add("test://\(number)", for: subscriber("greedy")) }
        for number in 0..<10 { #expect(book.holds("test://\(number)", for: subscriber("quiet"))) }
        #expect(!book.holds("test://0", for: subscriber("greedy")) && !book.holds("test://59", for: subscriber("greedy")))
        #expect(book.holds("test://60", for: subscriber("greedy")))
        #expect(book.holds("test://\(SubscriptionBook.capacity + 49)", for: subscriber("greedy")))
    }

    @Test(
        "No key has more than half of the resources that a server can be asked to tell of, by number and by bytes; what is given up is free again"
    )
    func wishes() {
        let wishes = ResourceWishes()
        for number in 0..<500 { #expect(wishes.take("test://\(number)", of: 0, for: "greedy")) }
        #expect(!wishes.take("test://500", of: 0, for: "greedy"))
        #expect(wishes.take("test://499", of: 0, for: "greedy") && wishes.take("test://499", of: 0, for: "quiet"))
        #expect(wishes.take("test://500", of: 0, for: "quiet") && wishes.take("test://501", of: 1, for: "greedy"))
        wishes.leave("test://7", of: 0)
        wishes.leave("test://7", of: 0)
        #expect(wishes.take("test://502", of: 0, for: "greedy") && !wishes.take("test://503", of: 0, for: "greedy"))
        let long = String(repeating: "x", count: 2_040)
        let taken = (0..<100).filter { wishes.take("\(long)\($0)", of: 2, for: "greedy") }
        #expect(taken == Array(0..<64))
    }

    @Test("What is subscribed to again and again, or given up, takes no room; the last who gives a resource up is told so")
    func again() {
        let book = SubscriptionBook()
        for _ in 0..<1000 { book.add("test://1", for: subscriber("one")) }
        book.add("test://1", for: subscriber("two"))
        #expect(!book.remove("test://1", for: subscriber("one")) && !book.remove("test://1", for: subscriber("one")))
        #expect(book.remove("test://1", for: subscriber("two")))
        book.add("test://2", for: subscriber("one", "a"))
        book.add("test://2", for: subscriber("one", "b"))
        #expect(book.owned(of: "test://2") == ["a", "b"])
        #expect(book.forget(session: "a").isEmpty)
        #expect(book.owned(of: "test://2") == ["b"])
    }

    @Test("Whatever takes subscriptions away says which resources nobody asks for any more")
    func orphans() {
        let book = SubscriptionBook()
        func subscriber(_ session: String, key: String) -> SubscriptionBook.Subscriber {
            .init(session: session, credential: key, isOwned: true, key: key)
        }
        #expect(book.add("test://a", for: subscriber("one", key: "key_1")).isEmpty)
        book.add("test://b", for: subscriber("one", key: "key_1"))
        book.add("test://b", for: subscriber("two", key: "key_2"))
        book.add("test://c", for: subscriber("three", key: "key_2"))
        #expect(book.forget(session: "one") == ["test://a"] && book.isWanted("test://b") && !book.isWanted("test://a"))
        #expect(!book.holds(key: "key_1") && book.holds(key: "key_2"))
        #expect(book.subscribed.sessions == ["two", "three"] && book.subscribed.keys == ["key_2"])
        #expect(Set(book.forget(key: "key_2")) == ["test://b", "test://c"] && !book.holds(key: "key_2"))
        #expect(book.forget(key: "key_2").isEmpty && book.forget(session: "one").isEmpty)
        var left: [String] = []
        for number in 0..<SubscriptionBook.capacity + 2 { left += book.add("test://\(number)", for: subscriber("one", key: "key_1")) }
        #expect(left == ["test://0", "test://1"])
    }
}
