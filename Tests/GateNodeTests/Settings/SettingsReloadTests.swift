@testable import GateNode
@testable import GateSettings
import Testing

/// What a reload changes on a running node.
@Suite struct SettingsReloadTests {
    @Test("A reload changes prices at once, skips what needs a restart, and leaves omitted fields alone (F-CFG-03, F-CFG-04, F-CFG-07)")
    func reload() {
        var running = resolve(file: #"{"serverCommand": "x", "port": 1, "globalRateLimitPerMin": 5, "refundOnFailure": true}"#).settings
        running.configPath = "paygate.json"
        let again = resolve(file: #"{"serverCommand": "y", "port": 2, "globalRateLimitPerMin": 0}"#).reloading(running)
        #expect(again.changed == ["globalRateLimitPerMin"])
        #expect(again.skipped == ["serverCommand", "port"])
        var expected = running
        expected.globalRateLimitPerMin = 0
        #expect(again.settings == expected)
    }
}
