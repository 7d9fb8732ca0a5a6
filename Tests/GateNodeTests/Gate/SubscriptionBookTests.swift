// Subscriptions of many: who is forgotten when there are too many, and who is told of what.

import GateDomain
import MCPUpstream
import Testing

@testable import GateNode

@Suite struct SubscriptionBookTests {
    private typealias Book = SubscriptionBook

    private func subscription(_ uri: String, _ credential: String, _ session: String = "s", key: String = "") -> Book.Subscription {
        .init(subscriber: .init(session: session, credential: credential, isOwned: true, key: key), name: ExactText(uri))
    }

    private func source(_ uri: String, of server: Int = 0, _ client: UpstreamClient? = nil) -> Book.NewsSource {
        .init(server: server, uri: ExactText(uri), client: client)
    }

    @discardableResult
    private func add(_ uri: String, _ credential: String, _ session: String = "s", key: String = "", to book: Book) -> [Book.Removal] {
        book.add(subscription(uri, credential, session, key: key), from: source(uri))
    }

    @Test("One credential with more subscriptions than there is room for loses its own oldest, and nobody else's")
    func shares() {
        let book = Book()
        for number in 0..<10 { add("test://\(number)", "quiet", to: book) }
        var left: [Book.Removal] = []
        for number in 0..<Book.capacity + 50 { left += add("test://\(number)", "greedy", to: book) }
        func holds(_ number: Int, _ credential: String) -> Bool {
            book.holds(subscription("test://\(number)", credential), from: source("test://\(number)"))
        }
        for number in 0..<10 { #expect(holds(number, "quiet")) }
        #expect(!holds(0, "greedy") && !holds(59, "greedy") && holds(60, "greedy") && holds(Book.capacity + 49, "greedy"))
        #expect(left.map(\.source.uri.text) == (0..<60).map { "test://\($0)" })
        #expect(left.map(\.isLast) == (0..<60).map { $0 >= 10 })
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
        let book = Book()
        for _ in 0..<1000 { add("test://1", "one", to: book) }
        add("test://1", "two", to: book)
        #expect(book.remove(subscription("test://1", "one"))?.isLast == false && book.remove(subscription("test://1", "one")) == nil)
        #expect(book.remove(subscription("test://1", "two"))?.isLast == true)
        add("test://2", "one", "a", to: book)
        add("test://2", "one", "b", to: book)
        #expect(Set(book.subscriptions(to: source("test://2")).map(\.subscriber.session)) == ["a", "b"])
        #expect(book.forget(session: "a").map(\.isLast) == [false])
        #expect(book.subscriptions(to: source("test://2")).map(\.subscriber.session) == ["b"])
        // One that was made anew is not what was found before.
        let old = book.subscriptions(of: "b")[0]
        add("test://2", "one", "b", to: book)
        #expect(book.remove(old.subscription, number: old.number) == nil && book.holds(session: "b"))
    }

    @Test("Whatever takes subscriptions away says which resources nobody asks for any more")
    func orphans() {
        let book = Book()
        #expect(add("test://a", "c1", "one", key: "key_1", to: book).isEmpty)
        add("test://b", "c1", "one", key: "key_1", to: book)
        add("test://b", "c2", "two", key: "key_2", to: book)
        add("test://c", "c2", "three", key: "key_2", to: book)
        func last(_ removals: [Book.Removal]) -> Set<String> { Set(removals.filter(\.isLast).map(\.source.uri.text)) }
        #expect(last(book.forget(session: "one")) == ["test://a"])
        #expect(book.isWanted(source("test://b")) && !book.isWanted(source("test://a")))
        #expect(!book.holds(key: "key_1") && book.holds(key: "key_2"))
        #expect(book.subscribed.sessions == ["two", "three"] && book.subscribed.keys == ["key_2"])
        #expect(last(book.forget(key: "key_2")) == ["test://b", "test://c"] && !book.holds(key: "key_2"))
        #expect(book.forget(key: "key_2").isEmpty && book.forget(session: "one").isEmpty)
    }

    @Test("One URI of two servers, and of a client's own process, is three resources, each with those who asked for it")
    func sources() {
        let book = Book()
        let client = UpstreamClient(session: "own", key: "key_1", capabilities: [])
        let places = [source("test://x"), source("test://x", of: 1), source("test://x", of: 1, client)]
        for (number, place) in places.enumerated() { book.add(subscription("\(number):test://x", "c", "\(number)"), from: place) }
        for (number, place) in places.enumerated() {
            #expect(book.subscriptions(to: place).map(\.name.text) == ["\(number):test://x"])
        }
        #expect(book.sources(of: 1, nil) == [places[1]] && book.sources(of: 1, client) == [places[2]])
        #expect(book.clients == [client] && book.clients(of: places[0]).isEmpty && book.clients(of: places[1]) == [client])
        // What is another server's now is given up at the first.
        let moved = book.add(subscription("0:test://x", "c", "0"), from: places[1])
        #expect(moved.map(\.source) == [places[0]] && moved.allSatisfy(\.isLast))
        #expect(book.remove(subscription("1:test://x", "c", "1"))?.isLast == false)
        #expect(book.remove(subscription("0:test://x", "c", "0"))?.isLast == true)
        #expect(book.forget(session: "2").map(\.isLast) == [true] && book.clients.isEmpty)
    }
}
