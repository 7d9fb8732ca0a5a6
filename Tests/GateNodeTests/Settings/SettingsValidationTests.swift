import GateDomain
@testable import GateNode
@testable import GateSettings
import Testing

/// What is refused, what is warned about, and in which words (F-CFG-06, F-CLI-07).
@Suite struct SettingsValidationTests {
    @Test(
        "A bad value makes exactly one error that names its field",
        arguments: [
            (#""port": 99999"#, "ERROR [port] Invalid port 99999. Must be 0–65535."),
            (#""port": -1"#, "ERROR [port] Invalid port -1. Must be 0–65535."),
            (#""port": "3402""#, #"ERROR [port] Invalid port "3402". Must be a number, 0–65535."#),
            (#""port": true"#, "ERROR [port] Invalid port true. Must be a number, 0–65535."),
            (
                #""defaultCreditsPerCall": 1000000001"#,
                "ERROR [defaultCreditsPerCall] Invalid defaultCreditsPerCall 1000000001. Must be 0–1000000000."
            ),
            (#""shadowMode": 1"#, "ERROR [shadowMode] Invalid shadowMode 1. Must be true or false."),
            (
                #""redisUrl": "http://h""#,
                #"ERROR [redisUrl] Invalid redisUrl protocol "http:". Expected "redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://", "redis+cluster://" or "rediss+cluster://"."#
            ),
            (#""redisUrl": "redis://""#, "ERROR [redisUrl] Invalid redisUrl. Must name a host."),
            (#""logLevel": "loud""#, #"ERROR [logLevel] Invalid logLevel "loud". Must be one of debug, info, warn, error, silent."#),
            (
                #""onStoreLoss": "lease""#,
                #"ERROR [onStoreLoss] Invalid onStoreLoss "lease". Spending from a lease while the store is away is not available in this version."#
            ),
            (
                #""toolPricing": {"a": {"timeoutMs": -2}}"#,
                "ERROR [toolPricing.a.timeoutMs] Invalid toolPricing.a.timeoutMs -2. Must be 0–1000000000."
            ),
            (#""toolPricing": {"a": 5}"#, "ERROR [toolPricing.a] Invalid toolPricing.a 5. Must be an object."),
            (
                #""trustedProxies": ["10.0.0.0/33"]"#,
                #"ERROR [trustedProxies] Invalid trustedProxies "10.0.0.0/33". Must be IP addresses or CIDR blocks."#
            ),
            (
                #""cors": {"credentials": true}"#,
                "ERROR [cors.credentials] Credentials need listed origins; every origin (*) may not send them."
            ),
            (
                #""cors": {"origin": ["https://a.example/"]}"#,
                #"ERROR [cors.origin] Invalid cors.origin "https://a.example/". Must be * or a list of origins such as https://app.example.com, without a path."#
            ),
            (#""cors": "*""#, #"ERROR [cors] Invalid cors "*". Must be an object."#),
            (
                #""customHeaders": {"A B": "x"}"#,
                "ERROR [customHeaders.A B] Invalid customHeaders.A B. A header's name is made of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110)."
            ),
            (
                #""customHeaders": {"Content-Length": "1"}"#,
                "ERROR [customHeaders.Content-Length] Invalid customHeaders.Content-Length. This header belongs to the message itself and cannot be set."
            ),
            (#""freeMethods": ["tools/call"]"#, "ERROR [freeMethods] tools/call always needs a key; give a tool the price 0 instead."),
            (
                #""remoteUrl": "https://h""#,
                "ERROR [remoteUrl] serverCommand and remoteUrl are given together; a gate has only one of serverCommand, remoteUrl and servers."
            ),
            (
                #""redisKeyPrefix": "{a}""#,
                #"ERROR [redisKeyPrefix] Invalid redisKeyPrefix "{a}". Must be 1–64 visible ASCII characters without braces."#
            ),
        ])
    func oneSentence(_ fields: String, _ line: String) {
        #expect(lines(fields) == [line])
    }

    @Test(
        "Several servers need unique prefixes without a colon and one backend each",
        arguments: [
            (
                #"[{"prefix": "a:b", "remoteUrl": "http://h"}]"#,
                #"ERROR [servers[0].prefix] Invalid servers[0].prefix "a:b". Must be text without a colon."#
            ),
            (#"[{"remoteUrl": "http://h"}]"#, "ERROR [servers[0]] Invalid servers[0]. It needs a prefix."),
            (#"[{"prefix": "a"}]"#, "ERROR [servers[0]] Invalid servers[0]. It needs exactly one of serverCommand and remoteUrl."),
            (
                #"[{"prefix": "a", "serverCommand": "x", "remoteUrl": "http://h"}]"#,
                "ERROR [servers[0]] Invalid servers[0]. It needs exactly one of serverCommand and remoteUrl."
            ),
            (
                #"[{"prefix": "a", "serverCommand": "x"}, {"prefix": "a", "serverCommand": "y"}]"#,
                #"ERROR [servers] Invalid servers. The prefix "a" is used twice."#
            ),
            (
                #"[{"prefix": "a b", "serverCommand": "x"}]"#,
                #"WARN [servers[0]] The prefix "a b" has characters that some MCP clients refuse in a tool's name."#
            ),
            (
                #"[]"#,
                "ERROR [serverCommand] No MCP server is given. Set serverCommand (--server), remoteUrl (--remote-url), or servers in a config file."
            ),
        ])
    func servers(_ servers: String, _ line: String) {
        #expect(resolve(file: #"{"servers": "# + servers + "}").diagnostics.entries.map(\.description) == [line])
    }

    @Test("F-MULTI-02: two prefixes of which one with the separator begins the other are refused, with any other separator they are not")
    func clashingPrefixes() {
        func lines(_ separator: String) -> [String] {
            let servers =
                #"[{"prefix": "a", "serverCommand": "x"}, {"prefix": "a_b", "serverCommand": "y"}, {"prefix": "ab", "serverCommand": "z"}]"#
            return resolve(file: #"{"servers": \#(servers), "toolSeparator": "\#(separator)"}"#).diagnostics.entries.map(\.description)
        }
        #expect(lines("_").count == 1 && lines("_")[0].contains(#"The prefixes "a" and "a_b" clash"#))
        #expect(lines(".") == [])
    }

    @Test("What floors to a 0 that means something else, and a key that is soon guessed, is refused with what to do")
    func smallAmounts() {
        #expect(
            resolve(flags: ["defaultCreditsPerCall": ["0.5"]]).diagnostics.entries.map(\.message) == [
                "Invalid defaultCreditsPerCall 0.5 from --price. Must be 0, or at least 1: fractions are rounded down."
            ])
        #expect(lines(#""toolPricing": {"a": {"creditsPerCall": 0.25}}, "globalRateLimitPerMin": 0.1"#).count == 2)
        #expect(
            resolve(flags: ["importKeys": ["a:5"]]).diagnostics.entries.map(\.message) == [
                "Invalid importKeys from --import-key. A key must have 8 to 200 characters: a shorter one is soon guessed."
            ])
    }

    @Test("A secret is never repeated in a sentence")
    func secrets() {
        let all = lines(#""adminKey": "hunter2", "redisUrl": "http://:hunter2@h", "importKeys": {"hunter2": -1}"#)
        #expect(all.count == 3)
        #expect(!all.contains { $0.contains("hunter2") })
    }

    @Test("A sentence names the flag or variable that the value came from")
    func sourceIsNamed() {
        let byFlag = resolve(flags: ["port": ["x"]]).diagnostics.entries.map(\.message)
        #expect(byFlag == [#"Invalid port "x" from --port. Must be a number, 0–65535."#])
        let byVariable = resolve(environment: ["PAYGATE_TOOL_PRICE": "search"]).diagnostics.entries.map(\.message)
        #expect(byVariable == ["Invalid toolPricing from PAYGATE_TOOL_PRICE. Expected tool:credits, separated by commas."])
        let two = resolve(environment: ["PAYGATE_REMOTE_URL": "http://h"], flags: ["serverCommand": ["x"]])
        #expect(
            two.diagnostics.entries.first?.message.hasPrefix("serverCommand from --server and remoteUrl from PAYGATE_REMOTE_URL") == true)
    }

    @Test(
        "NaN and infinity are refused, fractions are floored (F-PRICE-02, F-PRICE-12)",
        arguments: [
            ("nan", nil), ("inf", nil), ("-0.5", nil), ("2.9", 2), ("0.9", nil), ("0.0", 0), ("1e9", 1_000_000_000),
        ])
    func numbers(_ text: String, _ value: Int?) {
        let resolution = resolve(flags: ["defaultCreditsPerCall": [text]])
        #expect(resolution.diagnostics.isValid == (value != nil))
        #expect(resolution.settings.defaultCreditsPerCall == value ?? 1)
    }

    @Test("Unknown fields are warned about at every depth and never refused")
    func unknownFields() {
        #expect(
            lines(#""nme": 1, "cors": {"x": 1}, "toolPricing": {"a": {"price": 1}}, "port": 1"#) == [
                "WARN [cors.x] Unknown field; it has no effect.",
                "WARN [nme] Unknown field; it has no effect.",
                "WARN [toolPricing.a.price] Unknown field; it has no effect.",
            ])
    }

    @Test("Documented settings without effect are accepted with a warning, from the file and from flags")
    func notServed() {
        #expect(
            lines(#""mirror": {"url": "https://h"}, "oauth": {"accessTokenTtl": 1}"#) == [
                "WARN [oauth] Accepted, but it has no effect in this version.",
                "WARN [mirror] Accepted, but it has no effect in this version.",
            ])
        #expect(resolve(flags: ["stripeWebhookSecret": ["whsec_x"]]).diagnostics.entries.map(\.field) == ["stripeWebhookSecret"])
    }

    @Test("Zeros in the file stay zeros")
    func zeros() {
        let zeros = resolve(
            file: """
                {"serverCommand": "x", "port": 0, "defaultCreditsPerCall": 0, "globalRateLimitPerMin": 0, "adminRateLimit": 0,
                 "requestTimeoutMs": 0, "cors": {"maxAge": 0}, "drainSeconds": 0,
                 "toolPricing": {"a": {"creditsPerCall": 0, "rateLimitPerMin": 0, "timeoutMs": 0}}, "importKeys": {"pg_a_key": 0}}
                """
        ).settings
        #expect([zeros.port, zeros.defaultCreditsPerCall, zeros.globalRateLimitPerMin, zeros.adminRateLimit] == [0, 0, 0, 0])
        #expect([zeros.requestTimeoutMs, zeros.cors.maxAge, zeros.drainSeconds] == [0, 0, 0])
        #expect(zeros.toolPricing == ["a": ToolPrice(creditsPerCall: 0, rateLimitPerMin: 0, timeoutMs: 0)])
        #expect(zeros.importKeys == ["pg_a_key": 0])
    }

    @Test("Worth knowing, not wrong: shadow mode, and a state file beside Redis")
    func warnings() {
        #expect(
            lines(#""shadowMode": true, "stateFile": "/s", "redisUrl": "redis://h""#) == [
                "WARN [shadowMode] Shadow mode is enabled. Payment will not be enforced.",
                "WARN [stateFile] It has no effect with redisUrl: the state is kept by that Redis.",
            ])
    }

    @Test("What is given for Redis beside its URL has a use there, or that is said; a user has a password, a certificate its key")
    func redisSettings() {
        #expect(
            lines(#""redisPassword": "p", "sentinelPassword": "s", "redisCa": "/c", "minReplicasAck": 1"#) == [
                "WARN [redisPassword] It has no effect without redisUrl.",
                "WARN [sentinelPassword] It has no effect without a redisUrl of Sentinels (redis+sentinel://).",
                "WARN [redisCa] It has no effect without redisUrl.", "WARN [minReplicasAck] It has no effect without redisUrl.",
            ])
        #expect(lines(#""redisUrl": "redis://h", "redisCa": "/c""#) == ["WARN [redisCa] It has no effect without TLS (rediss://)."])
        #expect(lines(#""redisUrl": "rediss+sentinel://a,b,c/m", "redisPassword": "p", "sentinelPassword": "s", "redisCa": "/c""#) == [])
        let errors = lines(#""redisUrl": "rediss://h", "redisUser": "u", "sentinelUser": "u", "redisCertificate": "/c""#)
        #expect(errors.filter { $0.hasPrefix("ERROR") }.count == 3, "\(errors)")
        #expect(lines(#""redisUrl": "rediss+cluster://a,b:7000", "redisCa": "/c""#) == [])
        let cluster = lines(#""redisUrl": "redis+cluster://a", "redisShards": 1"#)
        #expect(cluster.count == 1 && cluster[0].hasPrefix("WARN [redisShards] With 1 shard everything lies in one slot"), "\(cluster)")
        #expect(lines(#""redisUrl": "redis+cluster://a/1""#).contains { $0.contains("database 0 alone") })
    }

    @Test("A file that cannot be read is the only thing reported")
    func missingFile() {
        let resolution = SettingsResolution(flags: ["config": ["/nowhere/paygate.json"]])
        #expect(resolution.diagnostics.entries.map(\.description) == ["ERROR [config] /nowhere/paygate.json does not exist."])
    }

    @Test(
        "A file that is not a JSON object is refused with the place of its fault",
        arguments: [
            ("{\n  \"port\": 1,\n}", "The fixture is not valid JSON: invalid JSON in line 3, column 1."),
            ("[]", "The fixture must hold a JSON object."),
        ])
    func brokenFile(_ text: String, _ sentence: String) {
        #expect(resolve(file: text).diagnostics.entries.map(\.message) == [sentence])
    }

    @Test("Custom headers lose control characters, keep commas in values, and stay below 8 KB (F-HDR-15)")
    func headers() {
        let split = resolve(flags: ["customHeaders": ["Cache-Control: no-store, max-age=0,X-A: b:c"]])
        #expect(
            split.settings.customHeaders == [
                CustomHeader(name: "Cache-Control", value: "no-store, max-age=0"), CustomHeader(name: "X-A", value: "b:c"),
            ])
        let injected = resolve(file: #"{"serverCommand": "x", "customHeaders": {"X-A": "a\r\nSet-Cookie: b\u0000"}}"#)
        #expect(injected.settings.customHeaders == [CustomHeader(name: "X-A", value: "aSet-Cookie: b")])
        #expect(injected.diagnostics.warnings.map(\.field) == ["customHeaders.X-A"])
        #expect(!resolve(flags: ["customHeaders": ["X-A: " + String(repeating: "x", count: 8193)]]).diagnostics.isValid)
        #expect(!resolve(flags: ["customHeaders": ["no colon"]]).diagnostics.isValid)
    }
}
