// swift-tools-version:6.2
import PackageDescription

/// Swift 6 language mode everywhere; the upcoming features keep imports and existentials explicit.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// Every file of `Lua/`: the scripts, and the fragments that they include.
let scripts = [
    "acquire_slot", "admit", "advance", "heartbeat", "claim", "top_up", "edit", "fence", "limit_address", "open_calls", "outcome",
    "perform",
    "raise", "session", "settle", "deliver", "transfer", "reserve", "end_reservation", "windows", "post_mail", "take_mail",
    "post_news", "claim_news", "claim_stream", "subscription",
    "webhook_spool", "webhook_take", "webhook_end", "webhook_replay", "webhook_drop", "list_key", "order_keys", "rank",
    "account", "meter", "hold", "hold_fields", "barred", "reservation", "ring", "integer", "touch",
]

let package = Package(
    name: "gate-node",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "gate-node", targets: ["gate-node"]),
        .library(name: "GateNode", targets: ["GateNode"]),
    ],
    dependencies: [
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .target(name: "GateDomain", swiftSettings: settings),
        .target(name: "MCPWire", swiftSettings: settings),
        .target(
            name: "HTTPWire",
            dependencies: [
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
            ],
            swiftSettings: settings
        ),
        .target(name: "LuaScripts", path: "Lua", resources: scripts.map { .embedInCode("\($0).lua") }, swiftSettings: settings),
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"]), .brew(["hiredis"])]),
        .target(
            name: "ChildProcesses",
            dependencies: [
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "ClusterState",
            dependencies: [
                "GateDomain", "ChildProcesses", "LuaScripts", "CHiredis",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: settings
        ),
        .target(name: "GateValues", dependencies: ["GateDomain", "MCPWire"], swiftSettings: settings),
        .target(name: "GateSettings", dependencies: ["GateDomain", "MCPWire", "HTTPWire", "GateValues"], swiftSettings: settings),
        .target(
            name: "MCPUpstream",
            dependencies: [
                "GateDomain", "MCPWire", "HTTPWire", "ChildProcesses",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "GateNode",
            dependencies: [
                "GateDomain", "MCPWire", "HTTPWire", "ClusterState", "ChildProcesses", "GateValues", "GateSettings", "MCPUpstream",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOExtras", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "gate-node",
            dependencies: [
                "GateNode", "GateDomain", "GateSettings",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "GateTesting",
            dependencies: [
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/GateTesting",
            swiftSettings: settings
        ),
        .testTarget(name: "GateDomainTests", dependencies: ["GateDomain"], swiftSettings: settings),
        .testTarget(name: "MCPWireTests", dependencies: ["MCPWire", "GateTesting"], swiftSettings: settings),
        .testTarget(
            name: "HTTPWireTests",
            dependencies: [
                "HTTPWire", "GateTesting",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ClusterStateTests",
            dependencies: [
                "ClusterState", "ChildProcesses", "GateDomain", "LuaScripts", "GateTesting",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GateNodeTests",
            dependencies: [
                "GateNode", "GateDomain", "GateValues", "GateSettings", "MCPUpstream", "MCPWire", "ClusterState", "ChildProcesses",
                "gate-node",
                "GateTesting",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "HistoryTests",
            dependencies: [
                "ClusterState", "GateDomain", "LuaScripts", "GateTesting",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ClusterTests",
            dependencies: ["GateDomain", "GateSettings", "GateTesting", "gate-node"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["GateTesting", "gate-node"],
            exclude: ["Clients", "Servers"],
            swiftSettings: settings
        ),
    ],
    swiftLanguageModes: [.v6]
)
