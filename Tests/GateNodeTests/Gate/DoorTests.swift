// How many connections an address may have, by what the operator has said.

import GateDomain
@testable import GateNode
@testable import GateSettings
import MCPWire
import Testing

@Suite("Doors")
struct DoorTests {
    private static let here = IPAddress(v4: 0x7f00_0002), elsewhere = IPAddress(v4: 0x0a00_0001)

    /// Connections of an address that these doors let in, of 3,000.
    private static func admitted(_ address: IPAddress, by doors: Doors) -> Int { (0..<3000).count { _ in doors.enter(address) } }

    private static func doors(_ resolution: SettingsResolution) -> Doors {
        Doors(mostOfAddress: resolution.settings.maxConnectionsPerAddress)
    }

    @Test("F-SEC-16: left alone, an address has 2,500 connections, and programs on this machine as many as they like")
    func unsaid() {
        let doors = Self.doors(SettingsResolution(flags: [:]))
        #expect(Self.admitted(Self.elsewhere, by: doors) == 2500)
        for own in [Self.here, IPAddress(high: 0, low: 1)] { #expect(Self.admitted(own, by: doors) == 3000) }
    }

    @Test("F-SEC-16: a number that the operator has given holds for this machine too, also the number that is usual")
    func said() {
        let name = "maxConnectionsPerAddress"
        let inFile = SettingsResolution(flags: ["config": ["f"]]) { _ throws(ConfigFile.Fault) in JSONValue(2500, at: name) }
        let all = [
            SettingsResolution(flags: [name: ["2500"]]),
            SettingsResolution(flags: [:], environment: ["PAYGATE_MAX_CONNECTIONS_PER_ADDRESS": "2500"]), inFile,
        ]
        for resolution in all {
            let doors = Self.doors(resolution)
            for address in [Self.here, Self.elsewhere] { #expect(Self.admitted(address, by: doors) == 2500) }
        }
        let open = Self.doors(SettingsResolution(flags: [name: ["0"]]))
        for address in [Self.here, Self.elsewhere] { #expect(Self.admitted(address, by: open) == 3000) }
    }

    @Test("F-SEC-16: addresses of one IPv6 network share their places, and each place that is left can be taken again")
    func networks() {
        let doors = Doors(mostOfAddress: 2)
        let network: UInt64 = 0x2001_0db8_0000_0001
        #expect(doors.enter(IPAddress(high: network, low: 1)) && doors.enter(IPAddress(high: network, low: 2)))
        #expect(!doors.enter(IPAddress(high: network, low: 3)))
        #expect(doors.enter(IPAddress(high: network + 1, low: 1)))
        doors.leave(IPAddress(high: network, low: 1))
        #expect(doors.enter(IPAddress(high: network, low: 4)))
    }
}
