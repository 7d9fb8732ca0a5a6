// To which addresses the gate may be made to send events (F-SEC-01, F-WH-16).

/// Whoever names a URL must not reach what only the gate's own network reaches.
package struct WebhookAddressRule: Sendable, Equatable {
    /// Whether the networks of this machine and its neighbours may be named too; link-local addresses, where clouds keep their secrets, and
    /// what is no address of a machine may not in any case.
    package let allowsPrivate: Bool

    package init(allowsPrivate: Bool) {
        self.allowsPrivate = allowsPrivate
    }

    /// Whether events may be sent there. Addresses that hold another one, as of NAT64 and 6to4, are refused whatever they hold.
    package func allows(_ address: IPAddress) -> Bool {
        if Self.never.contains(where: { $0.contains(address) }) || Self.isCompatible(address) { return false }
        return allowsPrivate || !Self.near.contains { $0.contains(address) }
    }

    /// This machine, and the networks that are not of the internet.
    private static let near = [
        "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7",
    ].compactMap { AddressRange($0) }

    /// ::/96 but ::1: nothing at all, or an IPv4 address in an old form.
    private static func isCompatible(_ address: IPAddress) -> Bool { address.high == 0 && address.low >> 32 == 0 && address.low != 1 }

    private static let never = [
        "0.0.0.0/8", "100.100.100.200/32", "168.63.129.16/32", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
        "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/3", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "::ffff:0:0:0/96", "fd00:ec2::/32", "fe80::/10", "fec0::/10",
        "ff00::/8",
    ].compactMap { AddressRange($0) }
}
