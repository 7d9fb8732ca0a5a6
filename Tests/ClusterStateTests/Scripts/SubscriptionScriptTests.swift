// What sessions have subscribed to, and which node holds it: one at a time, however it comes to that.

@testable import ClusterState
import GateDomain
import GateTesting
import Testing

@Suite("Subscription script")
struct SubscriptionScriptTests {
    private let node: TestNode
    private let a: SubscriptionCommands
    private let b: SubscriptionCommands

    init() async throws {
        node = try await TestNode()
        a = SubscriptionCommands(keys: node.keys, node: "a")
        b = SubscriptionCommands(keys: node.keys, node: "b")
    }

    private func hold(_ resource: String, _ by: SubscriptionCommands) async throws -> Int {
        try await node.store.send(by.hold(resource, of: "s", value: Array("of \(resource)".utf8))).status
    }

    private func kept(_ by: SubscriptionCommands) async throws -> Set<String> {
        Set(try #require(SubscriptionCommands.kept(try await node.store.send(by.keep("s")))))
    }

    @Test(
        "A resource is held by the node that was asked last; whoever ends it ends it for all, and a node that leaves it ends its own alone")
    func holders() async throws {
        for (name, node) in [("r", a), ("r", b), ("t", a)] { #expect(try await hold(name, node) == 0) }
        #expect(try await kept(a) == ["t"])
        #expect(try await kept(b) == ["r"])
        _ = try await node.store.send(a.leave("r", of: "s"))
        #expect(try await kept(b) == ["r"])
        #expect(try await node.store.send(a.drop("r", of: "s")).array?[1].string == "b")
        #expect(try await node.store.send(a.drop("r", of: "s")).array?[1].string == "")
        #expect(try await kept(b) == [])
        #expect(try await kept(a) == ["t"])
        _ = try await node.store.send(a.leave("t", of: "s"))
        #expect(try await node.send("EXISTS", node.keys.subscriptions(of: "s")).integer == 0)
    }

    @Test("What a node held that is gone is another one's, once; asked again, as where an answer was lost, that one is told the same")
    func inheritance() async throws {
        let c = SubscriptionCommands(keys: node.keys, node: "c")
        for resource in ["r", "a b", "\u{0}\n"] { _ = try await hold(resource, a) }
        _ = try await hold("t", c)
        for _ in 0..<2 {
            let taken = try #require(SubscriptionCommands.inherited(try await node.store.send(b.inherit("s", from: "a"))))
            #expect(Set(taken.map(\.resource)) == ["r", "a b", "\u{0}\n"])
            #expect(taken.allSatisfy { String(decoding: $0.value, as: UTF8.self) == "of \($0.resource)" })
        }
        #expect(try await node.store.send(c.inherit("s", from: "a")).array?.count == 3, "its own, and nothing of those")
        #expect(try await kept(a) == [])
        #expect(try await kept(c) == ["t"])
    }

    @Test("A session has so many subscriptions, and so many bytes of their names; one that it has already is no further one")
    func bounds() async throws {
        for number in 0..<SubscriptionCommands.most { #expect(try await hold("r\(number)", a) == 0) }
        #expect(try await hold("one more", a) == 1)
        #expect(try await hold("r7", b) == 0)
        _ = try await node.store.send(a.drop("r7", of: "s"))
        #expect(try await hold("one more", a) == 0)
        for number in 0..<17 {
            let name = String(repeating: "x", count: 2_000) + String(number)
            let status = try await node.store.send(a.hold(name, of: "long", value: [])).status
            #expect(status == (number < 16 ? 0 : 1))
        }
        let left = try await node.send("PTTL", node.keys.subscriptions(of: "s")).integer ?? 0
        #expect(left > 1_700_000 && left <= 1_800_000)
    }
}
