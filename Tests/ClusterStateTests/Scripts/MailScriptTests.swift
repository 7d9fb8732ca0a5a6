// Who gets what a session is told: each message one stream, and again that stream alone.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Mail scripts")
struct MailScriptTests {
    private struct Session {
        let node: TestNode
        let mail: MailCommands
        var lifetime = 60_000

        init(_ node: TestNode) { (self.node, mail) = (node, MailCommands(keys: node.keys)) }

        func post(_ texts: String...) async throws {
            for text in texts {
                _ = try await node.store.send(mail.post(Array(text.utf8), to: "s", most: 5, lifetime: lifetime, origin: "a"))
            }
        }

        func take(_ stream: String, after: String = "", most: Int = 9) async throws -> (seen: String, texts: [String], ids: [String]) {
            let words =
                try await node.store.send(mail.take("s", for: stream, after: after, most: most, kept: 5, lifetime: lifetime)).array ?? []
            let values = words.dropFirst(2).compactMap(\.string)
            let (ids, texts) = (stride(from: 0, to: values.count, by: 2), stride(from: 1, to: values.count, by: 2))
            return (words.first?.string ?? "", texts.map { values[$0] }, ids.map { values[$0] })
        }

        func claim(_ stream: String, _ news: (String, Int)...) async throws -> [Int] {
            try await node.store.send(mail.claim(news.map { (list: $0.0, number: $0.1) }, of: "s", for: stream, lifetime: lifetime)).array?
                .compactMap(\.integer) ?? []
        }

        func news(_ list: String, _ text: String, by origin: String, echo: Int = 60_000, most: Int = 3) async throws -> Int {
            try await node.store.send(mail.post(Array(text.utf8), of: list, by: origin, lifetime: lifetime, echo: echo, most: most))
                .integer(at: 0)
        }
    }

    @Test("F-MCP-21: a message is one stream's, which gets it again from wherever it stood; a new stream gets what nobody has")
    func ownership() async throws {
        let session = Session(try await TestNode())
        #expect(try await session.take("a").texts == [])
        try await session.post("1", "2")
        let first = try await session.take("a")
        #expect(first.texts == ["1", "2"] && first.seen == first.ids.last)
        #expect(try await session.take("b", after: "0-0").texts == [])
        try await session.post("3")
        let third = try await session.take("b")
        #expect(third.texts == ["3"])
        try await session.post("4")
        #expect(try await session.take("a", after: first.seen).texts == ["4"])
        #expect(try await session.take("a", after: "0-0").texts == ["1", "2", "4"])
        #expect(try await session.take("a", after: first.ids[0]).texts == ["2", "4"])
        #expect(try await session.take("b", after: "0-0").texts == ["3"])
        #expect(try await session.take("c", after: "0-0").texts == [])
        // A new stream whose first answer was lost asks once more.
        try await session.post("5")
        for _ in 0..<2 { #expect(try await session.take("d").texts == ["5"]) }
        // Of six the last five are kept.
        try await session.post("6")
        #expect(try await session.take("a", after: "0-0").texts == ["2", "4", "6"])
        #expect(try await session.node.send("LLEN", session.node.keys.mailRuns("s")).integer == 5)
    }

    @Test("F-MCP-21: mail is looked through in pages, also where another stream has taken all of a page")
    func pages() async throws {
        let session = Session(try await TestNode())
        try await session.post("1", "2", "3")
        #expect(try await session.take("a").texts == ["1", "2", "3"])
        try await session.post("4", "5")
        let page = try await session.take("b", after: "0-0", most: 2)
        #expect(page.texts == [] && page.seen != "0-0")
        let next = try await session.take("b", after: page.seen, most: 2)
        #expect(next.texts == ["4"])
        #expect(try await session.take("b", after: next.seen, most: 2).texts == ["5"])
    }

    @Test("F-MCP-21: what is waiting for long is not taken twice: marks live as long as the mail")
    func marks() async throws {
        var session = Session(try await TestNode())
        session.lifetime = 400
        try await session.post("1")
        #expect(try await session.take("a").texts == ["1"])
        for text in ["2", "3", "4"] {
            try await Task.sleep(for: .milliseconds(200))
            try await session.post(text)
        }
        #expect(try await session.take("b").texts == ["2", "3", "4"])
    }

    @Test("A message that a node of an earlier version has taken, which wrote no runs, is anybody's who comes back")
    func earlier() async throws {
        let session = Session(try await TestNode())
        try await session.post("1", "2")
        let ids = try await session.take("old").ids
        try await session.node.send("DEL", session.node.keys.mailRuns("s"))
        try await session.post("3")
        #expect(try await session.take("a", after: ids[0]).texts == ["2", "3"])
        #expect(try await session.take("b", after: ids[0]).texts == ["2"])
    }

    @Test("F-MCP-21: news of a list are one stream's; older ones nobody's")
    func claims() async throws {
        let session = Session(try await TestNode())
        #expect(try await session.claim("a", ("tools", 5), ("prompts", 6)) == [1, 1])
        #expect(try await session.claim("b", ("tools", 5), ("prompts", 7)) == [0, 1])
        #expect(try await session.claim("a", ("tools", 5), ("prompts", 6), ("prompts", 7)) == [1, 0, 0])
        #expect(try await session.claim("b", ("tools", 4)) == [0])
    }

    @Test("F-MCP-21: news of two nodes in the same words are the same for a while; numbers grow, and so many lists are kept")
    func numbers() async throws {
        let session = Session(try await TestNode())
        let first = try await session.news("tools", "changed\nonce", by: "a")
        #expect(try await session.news("tools", "changed\nonce", by: "b") == first)
        // Whoever has said it, first or as an echo, says something new when it says it again; the others' next is the echo of that.
        let again = try await session.news("tools", "changed\nonce", by: "b")
        #expect(again > first)
        #expect(try await session.news("tools", "changed\nonce", by: "a") == again)
        let second = try await session.news("tools", "changed\nonce", by: "a")
        #expect(second > again)
        let third = try await session.news("tools", "otherwise", by: "b")
        #expect(third > second)
        #expect(try await session.news("tools", "otherwise", by: "c", echo: 0) > third)
        let prompts = try await session.news("prompts", "x", by: "a"), resources = try await session.news("resources", "x", by: "a")
        #expect(third < prompts && prompts < resources)
        #expect(try await session.news("made up", "x", by: "a") == 0)
        #expect(try await session.node.store.send(session.mail.news).array?.count == 6)
    }

    @Test("F-MCP-19: a stream is one reader's: of two at the same moment the first's, later the next one's")
    func readers() async throws {
        let session = Session(try await TestNode())
        func claim(_ ticket: String, after: Int, moment: Int = 60_000, leaving: Bool = false) async throws -> String? {
            let command = session.mail.claim("post_s", for: ticket, after: after, moment: moment, lifetime: 60_000, leaving: leaving)
            let reply = try await session.node.store.send(command)
            return reply.integer(at: 0) == 0 ? reply.array?[1].string : nil
        }
        func reader() async throws -> String? { MailCommands.ticket(try await session.node.store.send(session.mail.reader(of: "post_s"))) }
        #expect(try await reader() == nil)
        #expect(try await claim("a", after: 5) == "")
        #expect(try await claim("b", after: 5) == nil)
        #expect(try await claim("b", after: 4) == nil)
        #expect(try await claim("a", after: 5) == "", "a copy of the first command")
        #expect(try await reader() == "a")
        #expect(try await claim("b", after: 6) == "a")
        #expect(try await claim("a", after: 0, leaving: true) == "", "what is another's is not given back")
        #expect(try await reader() == "b")
        #expect(try await claim("c d", after: 1, moment: 0) == "b")
        #expect(try await reader() == "c d")
        #expect(try await claim("c d", after: 0, leaving: true) == "")
        #expect(try await reader() == nil)
        #expect(try await claim("e", after: 1) == "")
        #expect(try await session.node.send("PTTL", session.node.keys.mailReader("post_s")).integer ?? 0 > 50_000)
    }

    @Test("F-MCP-19: a message makes room for itself, once, and the end of a message is known before it is read")
    func room() async throws {
        let session = Session(try await TestNode())
        func post(_ number: Int, _ piece: Int = 0, dropping: [(number: Int, piece: Int)] = []) async throws {
            _ = try await session.node.store.send(
                session.mail.post(
                    Array("\(number)-\(piece)".utf8), to: "post_s", number: number, piece: piece, most: 9, lifetime: 60_000,
                    dropping: dropping,
                    isTold: false, origin: "a"))
        }
        for number in 1...3 { try await post(number) }
        for piece in 1...2 { try await post(3, piece) }
        for _ in 0..<2 { try await post(4, dropping: [(2, 0), (7, 7)]) }
        let entries = try await session.node.store.send(session.mail.read("post_s", after: 0, nil, most: 9)).array ?? []
        #expect(entries.compactMap { $0.array?[0].string } == ["1-0", "3-0", "3-1", "3-2", "4-0"])
        for (number, end) in [(1, "1-0"), (2, nil), (3, "3-2"), (4, "4-0"), (5, nil)] as [(Int, String?)] {
            let found = try await session.node.store.send(session.mail.end(of: number, in: "post_s")).array ?? []
            #expect(found.compactMap { $0.array?[0].string } == (end.map { [$0] } ?? []))
        }
    }
}
