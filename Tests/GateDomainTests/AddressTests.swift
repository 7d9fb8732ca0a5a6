import GateDomain
import Testing

@Suite("Addresses")
struct AddressTests {
    @Test(
        "IPv4, IPv6 and their mixture are read",
        arguments: [
            ("1.2.3.4", "1.2.3.4"), ("::ffff:1.2.3.4", "1.2.3.4"), ("[::1]", "0:0:0:0:0:0:0:1"), ("fe80::1%eth0", "fe80:0:0:0:0:0:0:1"),
            ("2001:db8::ff00:42:8329", "2001:db8:0:0:0:ff00:42:8329"),
        ])
    func reads(text: String, shown: String) throws {
        #expect(try #require(IPAddress(text)).description == shown)
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.-4", "01.2.3.0x4", "::1::", "1:2:3:4:5:6:7", "g::1", "1.2.3.4 ", "*",
            "0001.2.3.4", "010.0.0.1", "::+1", "::-0", "1.2.3.4::", "1.2.3.4::1",
        ])
    func refuses(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test("a 127.0.0.1 range takes IPv4 clients that are seen as ::ffff:127.0.0.1")
    func mapped() throws {
        let range = try #require(AddressRange("127.0.0.1"))
        #expect(range.contains(try #require(IPAddress("::ffff:127.0.0.1"))))
    }

    @Test(
        "F-IP-01: CIDR blocks take their addresses and no others",
        arguments: [
            ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.1", false), ("192.168.1.0/24", "192.168.1.255", true),
            ("192.168.1.0/24", "192.168.2.0", false), ("0.0.0.0/0", "8.8.8.8", true), ("1.2.3.4/32", "1.2.3.5", false),
            ("::/0", "::1", true),
            ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
        ])
    func blocks(block: String, address: String, inside: Bool) throws {
        #expect(try #require(AddressRange(block)).contains(try #require(IPAddress(address))) == inside)
    }

    @Test(
        "what is no block is refused", arguments: ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "/8", "10.0.0.0/8/8", "host", "10.0.0.0/+8"])
    func badBlocks(text: String) {
        #expect(AddressRange(text) == nil)
    }

    @Test("F-IP-03: without trusted proxies, and from anyone else, X-Forwarded-For means nothing")
    func untrusted() throws {
        let peer = try #require(IPAddress("203.0.113.9"))
        #expect(ClientAddressRule(trusted: []).client(peer: peer, forwardedFor: "1.1.1.1") == peer)
        let rule = ClientAddressRule(trusted: [try #require(AddressRange("10.0.0.0/8"))])
        #expect(rule.client(peer: peer, forwardedFor: "1.1.1.1") == peer)
    }

    @Test("F-IP-02: the list is read from right to left, trusted entries are skipped")
    func rightToLeft() throws {
        let rule = ClientAddressRule(trusted: [try #require(AddressRange("10.0.0.0/8"))])
        let peer = try #require(IPAddress("10.0.0.1"))
        #expect(rule.client(peer: peer, forwardedFor: "6.6.6.6, 198.51.100.7, 10.0.0.2").description == "198.51.100.7")
        #expect(rule.client(peer: peer, forwardedFor: "garbage") == peer)
        #expect(rule.client(peer: peer, forwardedFor: "10.0.0.3") == peer)
        #expect(rule.client(peer: peer, forwardedFor: nil) == peer)
    }
}
