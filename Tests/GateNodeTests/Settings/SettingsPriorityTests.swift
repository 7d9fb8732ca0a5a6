import GateDomain
import GateNode
@testable import GateSettings
import MCPWire
import Testing

/// Which source of a setting wins.
@Suite struct SettingsPriorityTests {
    @Test("Flags win over variables, variables over the file, the file over the defaults, field by field (F-ENV-03)")
    func priority() {
        let file = #"{"serverCommand": "node", "port": 1, "name": "file", "defaultCreditsPerCall": 2, "drainSeconds": 9}"#
        let resolution = resolve(
            file: file,
            environment: ["PAYGATE_PORT": "2", "PAYGATE_NAME": "variable"],
            flags: ["port": ["3"]]
        )
        #expect(resolution.settings.port == 3)
        #expect(resolution.settings.name == "variable")
        #expect(resolution.settings.defaultCreditsPerCall == 2)
        #expect(resolution.settings.globalRateLimitPerMin == 60)
        #expect(resolution.sources["port"] == .flag("--port"))
        #expect(resolution.sources["name"] == .variable("PAYGATE_NAME"))
        #expect(resolution.sources["drainSeconds"] == .file)
        #expect(resolution.sources["globalRateLimitPerMin"] == nil)
        #expect(resolution.diagnostics.entries.isEmpty)
    }

    @Test("An overridden value is not read, so a flag repairs a bad variable")
    func overriddenFault() {
        let environment = ["PAYGATE_PORT": "tcp://10.0.0.1:3402"]
        #expect(!resolve(environment: environment).diagnostics.isValid)
        let repaired = resolve(environment: environment, flags: ["port": ["3402"]])
        #expect(repaired.diagnostics.entries.isEmpty)
    }

    @Test("An empty variable and a null in the file count as not set")
    func emptiness() {
        let resolution = resolve(
            file: #"{"serverCommand": "node", "port": null, "cors": null}"#, environment: ["PAYGATE_PRICE": ""])
        #expect(resolution.settings.port == 3402)
        #expect(resolution.settings.defaultCreditsPerCall == 1)
        #expect(resolution.diagnostics.entries.isEmpty)
    }

    @Test("A tool price on the command line changes that price and leaves the file's other prices alone")
    func toolPricesMerge() {
        let file =
            #"{"serverCommand": "x", "toolPricing": {"a": {"creditsPerCall": 2, "creditsPerKbInput": 5}, "b": {"creditsPerCall": 0}}}"#
        let prices = resolve(file: file, flags: ["toolPricing": ["a:9"]]).settings.toolPricing
        #expect(prices == ["a": ToolPrice(creditsPerCall: 9, creditsPerKbInput: 5), "b": ToolPrice(creditsPerCall: 0)])
    }

    @Test("A command on the command line never takes the file's arguments")
    func commandReplacesArguments() {
        let file = #"{"serverCommand": "node", "serverArgs": ["server.js"]}"#
        let settings = resolve(file: file, flags: ["serverCommand": ["python3"]]).settings
        #expect(settings.serverCommand == "python3")
        #expect(settings.serverArgs == [])
    }

    @Test("The file is found by the flag, else by PAYGATE_CONFIG")
    func configPath() {
        func path(_ flags: [String: [String]]) -> String? {
            SettingsResolution(flags: flags, environment: ["PAYGATE_CONFIG": "variable.json"]) { path throws(ConfigFile.Fault) in
                .object(["name": .string(path)])
            }.settings.name
        }
        #expect(path([:]) == "variable.json")
        #expect(path(["config": ["flag.json"]]) == "flag.json")
    }

    @Test("A toggle that a variable switches on can be switched off by a flag")
    func togglesCanBeSwitchedOff() {
        let resolution = resolve(environment: ["PAYGATE_SHADOW": "yes"], flags: ["shadowMode": ["false"]])
        #expect(!resolution.settings.shadowMode)
    }
}
