// Connections to sinks: kept open, bound to the address that was checked, and ended.

import GateDomain
@testable import GateNode
import GateTesting
import GateValues
import Synchronization
import Testing

@Suite("Connections of webhooks")
struct WebhookConnectionTests {
    private static let lenient = WebhookAddressRule(allowsPrivate: true)

    @Test("F-WH-16: a client is bound to the address that was checked, for as long as the look-up holds; an address that is gone is left")
    func pinned() {
        let connections = WebhookConnections()
        let start = ContinuousClock.now
        #expect(connections.client(of: .at("a.example"), now: start) == nil, "nothing was looked up")
        let first = connections.client(of: .at("a.example"), checked: ["192.0.2.1", "192.0.2.2"], now: start)
        connections.release(first)
        let again = connections.client(of: .at("a.example"), now: start + .seconds(29))
        #expect(again === first && first.address == "192.0.2.1" && first.hasServed)
        if let again { connections.release(again) }
        #expect(connections.client(of: .at("a.example"), now: start + .seconds(30)) == nil, "it is looked up again")
        let turned = connections.client(of: .at("a.example"), checked: ["192.0.2.2", "192.0.2.1"], now: start + .seconds(30))
        #expect(turned === first, "what is still among its addresses stays")
        connections.release(turned)
        let moved = connections.client(of: .at("a.example"), checked: ["192.0.2.9"], now: start + .seconds(61))
        #expect(moved !== first && moved.address == "192.0.2.9" && connections.count == 1)
        connections.drop(moved)
        #expect(connections.client(of: .at("a.example")) == nil && connections.count == 0, "after a failure it is looked up again")
        let last = connections.client(of: .at("b.example"), checked: ["192.0.2.3"])
        connections.forget("b.example")
        #expect(connections.client(of: .at("b.example")) == nil, "what is forbidden now is not reached over what is open")
        connections.release(last)
        connections.end()
    }

    @Test("So many hosts keep their connections and no more: the one that was used least lately goes, never one that is in use")
    func bounded() {
        let connections = WebhookConnections()
        let start = ContinuousClock.now
        let used = connections.client(of: .at("used.example"), checked: ["192.0.2.1"], now: start)
        for number in 1..<WebhookConnections.capacity + 10 {
            let at = start + .milliseconds(number)
            connections.release(connections.client(of: .at("\(number).example"), checked: ["192.0.2.1"], now: at))
        }
        #expect(connections.count == WebhookConnections.capacity)
        #expect(connections.client(of: .at("1.example"), now: start) == nil)
        let found = connections.client(of: .at("used.example"), now: start)
        #expect(found === used)
        connections.release(used)
        if let found { connections.release(found) }
        connections.end()
        connections.release(connections.client(of: .at("late.example"), checked: ["192.0.2.1"]))
        #expect(connections.count == 0, "after the end none is kept")
    }

    @Test("F-WH-17: attempts share a connection; one that the sink has closed meanwhile is no failed attempt, one that it breaks is")
    func shared() async throws {
        let sink = try await WebhookReceiver()
        let sender = WebhookSender(rule: Self.lenient)
        let url = try #require(WebhookURL(sink.url()))
        for _ in 0..<20 { #expect(await sender.post([65], to: url, secret: nil, at: 0).status == 200) }
        #expect(sink.connections == 1)
        sink.reply { _, before in before == 20 ? .hangUp : .status(200) }
        #expect(await sender.post([66], to: url, secret: nil, at: 0).status == 200, "it is sent again over another one")
        #expect(sink.connections == 2 && sink.deliveries().suffix(2).allSatisfy { $0.body == [66] })
        #expect(sink.deliveries().map { $0.headers["x-paygate-retry"] }.suffix(2) == [nil, "1"], "a sink may see it twice, and is told")
        sink.reply { _, _ in .hangUp }
        let answer = await sender.post([67], to: url, secret: nil, at: 0)
        #expect(answer.status == 0 && answer.error != nil && !answer.isSuccess)
        #expect(sink.deliveries().filter { $0.body == [67] }.count == 2, "once more and no more often")
        sender.connections.end()
        try await sink.end()
    }

    @Test(
        "F-WH-10: a sink that breaks its connections breaks no other's of its host, and is asked once an attempt as long as none was kept")
    func apart() async throws {
        let (good, bad) = (try await WebhookReceiver(), try await WebhookReceiver())
        bad.reply { _, _ in .hangUp }
        let sender = WebhookSender(rule: Self.lenient)
        let urls = try [good, bad].map { try #require(WebhookURL($0.url())) }
        for number in 1...5 {
            #expect(await sender.post([65], to: urls[0], secret: nil, at: 0).status == 200)
            #expect(await sender.post([66], to: urls[1], secret: nil, at: 0).status == 0)
            #expect(bad.deliveries().count == number, "nothing was kept, so nothing may be old")
        }
        #expect(good.connections == 1 && good.deliveries().allSatisfy { $0.headers["x-paygate-retry"] == nil })
        let (plain, secure) = (WebhookURL.Place.at("a.example"), WebhookURL.Place(host: "a.example", port: 80, isSecure: true))
        let one = sender.connections.client(of: plain, checked: ["192.0.2.1"])
        let other = sender.connections.client(of: secure, checked: ["192.0.2.1"])
        #expect(one !== other && one.address == other.address)
        sender.connections.release(one)
        sender.connections.release(other)
        sender.connections.forget("a.example")
        #expect(sender.connections.client(of: plain) == nil && sender.connections.client(of: secure) == nil)
        sender.connections.end()
        try await good.end()
        try await bad.end()
    }

    @Test("F-WH-16: a sender that may reach no near address does so over no open connection either")
    func forbidden() async throws {
        let sink = try await WebhookReceiver()
        let sender = WebhookSender(rule: WebhookAddressRule(allowsPrivate: false))
        let url = try #require(WebhookURL(sink.url()))
        for _ in 0..<2 { #expect(await sender.post([65], to: url, secret: nil, at: 0).error?.contains("private") == true) }
        #expect(sink.connections == 0 && sender.connections.count == 0)
        try await sink.end()
    }
}

extension WebhookURL.Place {
    fileprivate static func at(_ host: String) -> Self { Self(host: host, port: 80, isSecure: false) }
}
