// Webhooks without a network: what is signed, sent, reached and waited for.

@testable import ClusterState
import GateDomain
@testable import GateNode
@testable import GateSettings
import GateValues
import MCPWire
import Testing

@Suite("Webhooks")
struct WebhookTests {
    @Test("F-WH-04: the signature is the HMAC of the seconds, a dot and the body")
    func signature() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
        #expect(
            WebhookSender.signature(of: Array("{}".utf8), at: 1_700_000_000, secret: "secret")
                == "t=1700000000,v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163")
    }

    @Test("F-WH-05: waits 1, 2, 4, 8, 16 s and 16 from then on, each up to a quarter longer")
    func waits() {
        for (attempts, seconds) in [1, 2, 4, 8, 16, 16, 16].enumerated() {
            for _ in 0..<50 { #expect((seconds * 1000...seconds * 1250).contains(Webhooks.wait(after: attempts))) }
        }
    }

    @Test(
        "F-SEC-01: takes URLs that can be read in one way alone",
        arguments: [
            "ftp://a.example", "http://", "https:///path", "http://a b/", "http://a\\b/", "http://a.example:0/", "http://a.example:70000/",
            "http://a%2eexample/", "http://exämple/", "http://[::1%25eth0]/", "http://1.2.3.4%25x/", "http://a.example/\n", "//a.example",
            "http://a.example:99999999999999999999/", "http://u@a.example:x/", "http://***@a.example/",
            "javascript:alert(1)", "http://" + String(repeating: "a", count: 300), "http://a/" + String(repeating: "b", count: 2048), "",
        ])
    func refused(_ text: String) {
        #expect(WebhookURL(text) == nil)
    }

    @Test("F-WH-18: a URL is sent to by its parts, and shown without what is secret in it")
    func parts() throws {
        let url = try #require(WebhookURL("HTTPS://user:pa%20ss@Hooks.Example:8443/a/b?c=d#e"))
        #expect(url.host == "hooks.example" && url.request == "https://hooks.example:8443/a/b?c=d")
        #expect(url.withoutCredentials == "https://***@hooks.example:8443/a/b?c=d" && url.masked == "https://hooks.example:8443/***")
        #expect(url.authorization == "Basic dXNlcjpwYSBzcw==")
        #expect(WebhookURL("http://[::FFFF:7f00:1]")?.address?.isLoopback == true)
        #expect(WebhookURL("http://[2001:DB8::1]:1/")?.request == "http://[2001:db8:0:0:0:0:0:1]:1/")
    }

    @Test("F-WH-16: every address that is not of the internet is refused; the setting lets near ones through, and no others")
    func addresses() {
        let near = [
            "127.0.0.1", "127.255.0.9", "10.0.0.1", "172.31.255.255", "192.168.0.1", "100.127.0.1", "::1", "fc00::1", "::ffff:127.0.0.1",
        ]
        let never = [
            "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "::", "::7f00:1", "fe80::1", "ff02::1",
            "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1", "::ffff:169.254.169.254", "fec0::1",
            "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "::ffff:0:127.0.0.1",
        ]
        let good = ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "192.167.255.255"]
        let (strict, lenient) = (WebhookAddressRule(allowsPrivate: false), WebhookAddressRule(allowsPrivate: true))
        let allowed = { (rule: WebhookAddressRule, list: [String]) in list.compactMap { IPAddress($0) }.map(rule.allows) }
        #expect(allowed(strict, near) == near.map { _ in false } && allowed(lenient, near) == near.map { _ in true })
        #expect(allowed(strict, never) == never.map { _ in false } && allowed(lenient, never) == never.map { _ in false })
        #expect(allowed(strict, good) == good.map { _ in true } && allowed(lenient, good) == good.map { _ in true })
    }

    @Test("F-WH-09, F-WH-11: filters take types by either name, and keys by what is known of them")
    func filters() throws {
        func takes(_ events: [String], _ prefixes: [String], _ type: String, key: String? = "key_1", prefix: String = "pg_0123456") -> Bool
        {
            let filter = WebhookFilter(
                id: "wf_0123456789abcdef", events: events, url: "https://a.example", keyPrefixes: prefixes, createdAt: 0)
            var event = WebhookEvent(type: type, json: [:])
            event.keys = key.map { [.init(id: $0, prefix: prefix)] } ?? []
            return WebhookSink(filter)?.takes(event) ?? false
        }
        #expect(takes(["*"], [], "usage") && takes(["usage"], [], "usage") && !takes(["usage"], [], "key.created"))
        #expect(takes(["credit.transfer"], [], "key.credits_transferred") && takes(["credit.auto_topup"], [], "key.auto_topped_up"))
        #expect(takes(["*"], ["pg_01"], "usage") && takes(["*"], ["pg_0123456"], "usage") && !takes(["*"], ["pg_1"], "usage"))
        #expect(
            takes(["*"], ["pg_0123456789"], "usage") && !takes(["*"], ["pg_0123457789"], "usage")
                && !takes(["*"], ["pg_01"], "usage", prefix: "pg_0"))
        #expect(takes(["*"], ["x", "key_1"], "usage") && !takes(["*"], ["key_2"], "usage"))
        #expect(!takes(["*"], ["pg_01"], "team.created", key: nil, prefix: ""))
    }

    @Test("F-WH-10: filters of the configuration that differ in their secrets alone are two, and each keeps its id on every node")
    func configured() {
        let url = WebhookURL("https://a.example/")
        func settings(_ secret: String?, _ events: [String] = ["usage"], _ prefixes: [String] = []) -> WebhookFilterSettings {
            WebhookFilterSettings(events: events, url: url, secret: secret, keyPrefixes: prefixes)
        }
        let filters = WebhookFilter.filters([
            settings("one"), settings("two"), settings(nil), settings("one", ["usage", "x"]), settings("one", ["usage"], ["x"]),
        ])
        #expect(Set(filters.map(\.id)).count == 5 && filters.map(\.secret) == ["one", "two", nil, "one", "one"])
        #expect(WebhookFilter.filters([settings("three")]).first?.id == filters[0].id, "no id tells of a secret")
    }

    @Test("F-WH-02, F-WH-03: usage and admin events are apart, with the fields that are documented")
    func body() throws {
        let call = CallEvent(keyID: "key_1", tool: "echo", outcome: .ok, milliseconds: 5, requestID: "req_1")
        let change = AuditEntry(type: "key.topup", actor: "admin", message: "m", metadata: [("creditsAdded", "5"), ("name", "7")])
        var label = KeyLabel()
        (label.name, label.prefix, label.namespace) = ("n", "pg_0123456...", "default")
        let events = [
            WebhookEvent(WebhookOccurrence(id: "evt_1", time: 0, kind: .call(call, credits: 3)), labels: ["key_1": label]),
            WebhookEvent(
                WebhookOccurrence(id: "evt_2", time: 0, kind: .correction(call, credits: 3, of: "evt_1")), labels: ["key_1": label]),
            WebhookEvent(WebhookOccurrence(id: "evt_3", time: 0, kind: .change(change)), labels: [:]),
        ]
        let waiting = events.compactMap { WebhookEvent(packed: $0.packed) }
        let body = try JSONValue.parse(String(decoding: WebhookEvent.body(waiting, at: 0), as: UTF8.self))
        let usage = try #require(body["events"]?.arrayValue?.first)
        #expect(usage["apiKey"] == "pg_0123456" && usage["creditsCharged"] == 3 && usage["allowed"] == true && usage["denyReason"] == .null)
        #expect(body["events"]?.arrayValue?.last?["creditsCharged"] == -3 && body["events"]?.arrayValue?.last?["corrects"] == "evt_1")
        let admin = try #require(body["adminEvents"]?.arrayValue?.first)
        #expect(admin["metadata"]?["creditsAdded"] == 5 && admin["metadata"]?["name"] == "7" && admin["id"] == "evt_3")
        #expect(body["sentAt"] == "1970-01-01T00:00:00.000Z")
    }

    @Test("F-CFG-06: warns of a secret without a URL, of private URLs and of the switch that lets them through; refuses what is no URL")
    func settings() {
        func fields(_ file: String) -> [String] {
            resolve(file: #"{"serverCommand": "x", \#(file)}"#).diagnostics.entries.map { "\($0.level) \($0.field)" }
        }
        #expect(fields(#""webhookUrl": "https://a.example/x", "webhookSecret": "s", "webhookMaxRetries": 3"#) == [])
        #expect(fields(#""webhookSecret": "s""#).count == 1 && fields(#""webhookUrl": "http://127.0.0.1/x""#).count == 1)
        #expect(fields(#""webhookSsrfAtDelivery": false, "webhookUrl": "http://127.0.0.1/x""#).count == 1)
        #expect(!resolve(file: #"{"serverCommand": "x", "webhookUrl": "nonsense"}"#).diagnostics.isValid)
        let file = #"{"serverCommand": "x", "webhookFilters": [{"events": ["usage"], "url": "https://a.example"}, {"events": []}]}"#
        #expect(resolve(file: file).diagnostics.errors.map(\.field).allSatisfy { $0.hasPrefix("webhookFilters[1]") })
        #expect(resolve(file: file).settings.webhookFilters.first?.events == ["usage"])
        let strange =
            #"{"serverCommand": "x", "webhookFilters": [{"events": ["usage", "key.created", "*", "key.lost"], "url": "https://a.example"}]}"#
        #expect(
            resolve(file: strange).checkedByTheGate.diagnostics.errors.map(\.description) == [
                "ERROR [webhookFilters[0].events] Must be types of events that this gate tells, or *: key.lost is none."
            ])
        #expect(resolve(file: strange.replacing(", \"key.lost\"", with: "")).checkedByTheGate.diagnostics.entries.isEmpty)
        let running = resolve(file: #"{"serverCommand": "x"}"#).settings
        let again = resolve(
            file: #"{"webhookUrl": "https://a.example", "webhookSecret": "s", "webhookMaxRetries": 1, "webhookFlushMs": 1}"#)
        #expect(again.reloading(running).changed == ["webhookUrl", "webhookSecret", "webhookMaxRetries"])
        #expect(again.reloading(running).skipped == ["webhookFlushMs"])
    }
}
