// Sessions that every node knows: made, used, ended, and forgotten in order.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Session script")
struct SessionScriptTests {
    private static func owner(
        _ node: TestNode, _ verb: SessionCommands.Verb, _ id: String, lifetime: Int = 60_000, capacity: Int = 100, isOwned: Bool = false,
        owner: String = "", key: String = ""
    ) async throws -> String? {
        let commands = SessionCommands(keys: node.keys, lifetime: lifetime, capacity: capacity)
        return SessionCommands.owner(try await node.store.send(commands.command(verb, id, isOwned: isOwned, owner: owner, key: key)))
    }

    @Test("A session lives from its making to its end, on every node, and is not made again after it", arguments: [false, true])
    func life(isOwned: Bool) async throws {
        let node = try await TestNode()
        #expect(try await Self.owner(node, .touch, "s", isOwned: isOwned) == nil)
        #expect(try await Self.owner(node, .create, "s", isOwned: isOwned, owner: "me") == "me")
        #expect(try await Self.owner(node, .touch, "s", isOwned: isOwned) == "me")
        #expect(try await Self.owner(node, .adopt, "minted") == "")
        #expect(try await Self.owner(node, .end, "s", isOwned: isOwned) == "")
        for verb in [SessionCommands.Verb.touch, .adopt, .end] { #expect(try await Self.owner(node, verb, "s", isOwned: isOwned) == nil) }
        #expect(try await node.send("ZCARD", node.keys.guestSessions(0)).integer == 1)
        #expect(try await node.send("HLEN", node.keys.sessionOwners(0)).integer == 0, "nothing is kept of what has ended")
    }

    @Test("A session that a key opened is not crowded out by those without one; a tenth of the places is theirs all the same")
    func kinds() async throws {
        let node = try await TestNode()
        for turn in 0..<40 { _ = try await Self.owner(node, .create, "mine\(turn)", capacity: 20, isOwned: true, owner: "me") }
        for turn in 0..<40 { _ = try await Self.owner(node, .create, "guest\(turn)", capacity: 20, owner: "somebody") }
        let kept = try await (22..<40).asyncCount { try await Self.owner(node, .touch, "mine\($0)", isOwned: true) == "me" }
        #expect(kept == 18)
        #expect(try await node.send("ZCARD", node.keys.sessions(0)).integer == 18)
        #expect(try await node.send("ZCARD", node.keys.guestSessions(0)).integer == 2)
        #expect(try await node.send("HLEN", node.keys.sessionOwners(0)).integer == 20)
    }

    @Test("F-MCP-03: a key that opens all sessions it can crowds out none but its own")
    func oneKeyWithAll() async throws {
        let node = try await TestNode()
        for turn in 0..<3 { _ = try await Self.owner(node, .create, "yours\(turn)", capacity: 20, isOwned: true, owner: "you") }
        for turn in 0..<40 { _ = try await Self.owner(node, .create, "mine\(turn)", capacity: 20, isOwned: true, owner: "me") }
        _ = try await Self.owner(node, .create, "theirs", capacity: 20, isOwned: true, owner: "they")
        for name in ["yours0", "yours1", "yours2", "theirs"] {
            #expect(try await Self.owner(node, .touch, name, isOwned: true) != nil, "\(name)")
        }
        let kept = try await (0..<40).asyncCount { try await Self.owner(node, .touch, "mine\($0)", isOwned: true) == "me" }
        #expect(kept == 14)
    }

    @Test("F-MCP-03: a key that opens sessions with many credentials crowds out none but its own; its id goes with the session")
    func oneKeyWithManyCredentials() async throws {
        let node = try await TestNode()
        let commands = SessionCommands(keys: node.keys, lifetime: 60_000, capacity: 20)
        for turn in 0..<3 {
            _ = try await Self.owner(node, .create, "yours\(turn)", capacity: 20, isOwned: true, owner: "you", key: "key_you")
        }
        for turn in 0..<40 {
            _ = try await Self.owner(node, .create, "mine\(turn)", capacity: 20, isOwned: true, owner: "token \(turn)", key: "key_me")
        }
        for turn in 0..<3 { #expect(try await Self.owner(node, .touch, "yours\(turn)", isOwned: true) == "you") }
        let reply = try await node.store.send(commands.command(.touch, "yours0", isOwned: true))
        #expect(SessionCommands.key(reply) == "key_you")
        for turn in 0..<3 { _ = try await Self.owner(node, .end, "yours\(turn)", isOwned: true) }
        for turn in 0..<40 { _ = try await Self.owner(node, .end, "mine\(turn)", isOwned: true) }
        #expect(try await node.send("HLEN", node.keys.sessionOwners(0)).integer == 0)
    }

    @Test(
        "F-MCP-19: a numbered message is kept once, however often it comes, and one that comes after its time is not; what follows a number is given"
    )
    func numberedMail() async throws {
        let node = try await TestNode()
        let mail = MailCommands(keys: node.keys)
        for number in [1, 2, 2, 1, 4, 3] {
            let reply = try await node.store.send(
                mail.post([UInt8(number)], to: "post_s", number: number, most: 9, lifetime: 10_000, origin: "a"))
            #expect(reply.integer(at: 0) == 0)
        }
        for piece in [1, 1, 2] {
            _ = try await node.store.send(
                mail.post([UInt8(40 + piece)], to: "post_s", number: 4, piece: piece, most: 9, lifetime: 10_000, origin: "a"))
        }
        for (after, piece, left) in [
            (0, nil, [1, 2, 4, 41, 42]), (1, nil, [2, 4, 41, 42]), (3, nil, [4, 41, 42]), (4, 0, [41, 42]), (4, nil, []), (9, nil, []),
        ] as [(Int, Int?, [UInt8])] {
            let entries = try await node.store.send(mail.read("post_s", after: after, piece, most: 9)).array ?? []
            #expect(entries.map { $0.array?[1].array?[1] } == left.map { .bytes([$0]) })
        }
    }

    @Test("Beyond the cap the sessions that were used least lately are forgotten; one that is not used ends with its lifetime")
    func bounds() async throws {
        let node = try await TestNode()
        for name in ["a", "b", "c"] {
            _ = try await Self.owner(node, .create, name, capacity: 2)
            try await Task.sleep(for: .milliseconds(3))
        }
        #expect(try await Self.owner(node, .touch, "a") == nil)
        #expect(try await Self.owner(node, .touch, "b") != nil)
        _ = try await Self.owner(node, .create, "short", lifetime: 40)
        // Asking renews it, so it is asked once, after its time.
        try await Task.sleep(for: .milliseconds(60))
        #expect(try await Self.owner(node, .touch, "short", lifetime: 40) == nil)
    }
}

extension Sequence {
    /// How many elements hold, asked one after another.
    fileprivate func asyncCount(_ holds: (Element) async throws -> Bool) async rethrows -> Int {
        var count = 0
        for element in self where try await holds(element) { count += 1 }
        return count
    }
}
