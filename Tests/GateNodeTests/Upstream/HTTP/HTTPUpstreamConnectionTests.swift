// Connections: their number, their age, their loss, and TLS.

import Foundation
import GateDomain
@testable import GateNode
import GateTesting
@testable import MCPUpstream
import MCPWire
import NIOCore
import NIOSSL
import Synchronization
import Testing

@Suite("A connection to an HTTP server")
struct HTTPUpstreamConnectionTests {
    @Test("is used again, the youngest first, and closed when nobody needs it")
    func keepAlive() async throws {
        let server = try await ScriptedServer { $0.usual() ?? [.json($0.result())] }
        let upstream = try HTTPUpstream.make(server.url) { $0.idleLimit = .milliseconds(300) }
        try await upstream.start()
        for _ in 0..<20 { #expect(try await upstream.call("echo").answer != nil) }
        #expect(server.accepted <= 2)
        try await eventually(within: .seconds(2)) { server.openConnections == 0 }
        #expect(try await upstream.call("echo").answer != nil)
        await upstream.stop()
    }

    @Test("that the server closed while it was idle costs no call")
    func stale() async throws {
        let server = try await ScriptedServer { $0.usual() ?? [.json($0.result())] }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        for _ in 0..<10 {
            #expect(try await upstream.call("echo").answer != nil)
            try await Task.sleep(for: .milliseconds(10))
            server.hangUp()
            try await eventually { server.openConnections == 0 }
        }
        #expect(server.methods.filter { $0 == "tools/call" }.count == 10)
        await upstream.stop()
    }

    @Test("whose end came unnoticed is not used: the kernel is asked")
    func unnoticedEnd() async throws {
        let server = try await ScriptedServer { $0.usual() ?? [.json($0.result())] }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        for _ in 0..<2 { #expect(try await upstream.call("echo", on: HTTPLoops.away).answer != nil) }
        // The loop is busy while the server closes, so that it sees the end only after it has sent the next call.
        let busy = HTTPLoops.away.submit {
            Thread.sleep(forTimeInterval: 0.02)
            server.hangUp()
            Thread.sleep(forTimeInterval: 0.2)
        }
        async let record = upstream.call("echo", on: HTTPLoops.away)
        try await busy.get()
        #expect(try await record.answer != nil)
        #expect(server.methods.filter { $0 == "tools/call" }.count == 3)
        await upstream.stop()
    }

    @Test("that ends instead of an answer is a death of a call, which is never sent twice; a reading is asked again")
    func death() async throws {
        let server = try await ScriptedServer { request in
            request.usual() ?? (request.tool == "die" && request.index > 0 ? [.close] : [.json(request.result())])
        }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        #expect(try await upstream.call("echo").answer != nil)
        #expect(try await upstream.call("die").failure == .died)
        #expect(server.requests.filter { $0.tool == "die" }.count == 1)
        #expect(try await upstream.call("echo").answer != nil)
        #expect(try await upstream.call("die", isCall: false).answer != nil)
        #expect(server.requests.filter { $0.tool == "die" }.count == 3)
        #expect(upstream.isConnected)
        await upstream.stop()
    }

    @Test("that is new and ends without a word makes the server shake hands again: it may be away behind a proxy")
    func silentProxy() async throws {
        let isAway = Mutex(false)
        let server = try await ScriptedServer { request in
            isAway.withLock { $0 } ? [.close] : request.usual() ?? [.json(request.result())]
        }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        isAway.withLock { $0 = true }
        #expect(try await upstream.call("echo", on: HTTPLoops.away).failure == .died)
        try await eventually { !upstream.isConnected }
        #expect(try await upstream.call("echo", on: HTTPLoops.away).failure == .unavailable)
        isAway.withLock { $0 = false }
        try await eventually { upstream.isConnected }
        await upstream.stop()
    }

    @Test("lives as long as the server announces, less a second")
    func announcedLife() async throws {
        let server = try await ScriptedServer {
            $0.usual() ?? [.json($0.result(), fields: "Keep-Alive: max=100, timeout=1\r\n")]
        }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        let before = server.accepted
        for _ in 0..<3 { #expect(try await upstream.call("echo", on: HTTPLoops.away).answer != nil) }
        #expect(server.accepted == before + 3)
        await upstream.stop()
    }

    @Test("is closed after the answer where the server wants it so")
    func connectionClose() async throws {
        let server = try await ScriptedServer { $0.usual() ?? [.json($0.result(), fields: "Connection: close\r\n"), .close] }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        for _ in 0..<5 { #expect(try await upstream.call("echo").answer != nil) }
        await upstream.stop()
        try await eventually { server.openConnections == 0 }
    }

    @Test("is one of few: more calls wait, and beyond the queue they are refused at once")
    func bounds() async throws {
        let server = try await ScriptedServer { $0.usual() ?? [.wait(.milliseconds(300)), .json($0.result())] }
        let upstream = try HTTPUpstream.make(server.url) {
            $0.maxConnections = 3
            // One key has five of six places.
            $0.maxWaiting = 6
        }
        try await upstream.start()
        let records = try await withThrowingTaskGroup(of: HTTPRecordingReceiver.Record.self) { group in
            for _ in 0..<20 { group.addTask { try await upstream.call("slow") } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let answered = records.count { $0.answer != nil }
        // Three are sent and five wait, as far as their connections were there in time.
        #expect((6...8).contains(answered))
        #expect(records.count { $0.failure == .unavailable } == 20 - answered)
        #expect(server.mostOpen <= 3)
        #expect(try await upstream.connections().open <= 3)
        await upstream.stop()
    }

    @Test("that waits for another one's answer keeps its deadline, and can be cancelled")
    func waiting() async throws {
        let server = try await ScriptedServer { $0.usual() ?? [.wait(.milliseconds(400)), .json($0.result())] }
        let upstream = try HTTPUpstream.make(server.url) { $0.maxConnections = 1 }
        try await upstream.start()
        async let first = upstream.call("slow")
        try await eventually { server.methods.last == "tools/call" }
        let number = upstream.nextNumber()
        async let third = upstream.call("slow", number: number)
        #expect(try await upstream.call("slow", within: .milliseconds(50)).failure == .overdue)
        try await eventually { try await upstream.connections().waiting == 1 }
        HTTPLoops.home.execute { upstream.cancel(number, on: HTTPLoops.home) }
        #expect(try await third.failure == .withdrawn)
        #expect(try await first.answer != nil)
        #expect(server.methods.filter { $0 == "tools/call" }.count == 1)
        await upstream.stop()
    }

    @Test("carries a client's notification; stopping gives open calls up when their time is over")
    func notifyAndStop() async throws {
        let server = try await ScriptedServer { $0.usual() ?? [] }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        upstream.notify(ByteBuffer(string: #"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#))
        try await eventually { server.methods.contains("notifications/roots/list_changed") }
        async let open = upstream.call("hang")
        try await eventually { server.methods.last == "tools/call" }
        await upstream.stop()
        #expect(try await open.failure == .died)
        #expect(server.methods.last == "DELETE")
        try await eventually { server.openConnections == 0 }
    }

    @Test("over TLS checks the certificate and the name")
    func tls() async throws {
        let files = try SelfSignedCertificate()
        let server = try await ScriptedServer(tls: files.context()) { $0.usual() ?? [.json($0.result())] }
        let url = "https://localhost:\(server.port)/mcp"
        let upstream = try HTTPUpstream.make(url) { $0.additionalTrustRoots = files.certificate }
        try await upstream.start()
        for _ in 0..<10 { #expect(try await upstream.call("echo").answer != nil) }
        #expect(server.requests.last?.fields["host"] == "localhost:\(server.port)")
        await upstream.stop()
        try await eventually { server.openConnections == 0 }

        let distrusting = try HTTPUpstream.make(url)
        let failure = await #expect(throws: StartupFailure.self) { try await distrusting.start() }
        #expect(failure?.sentence.contains("the TLS handshake failed") == true)
        await distrusting.stop()

        let misnamed = try HTTPUpstream.make("https://127.0.0.1:\(server.port)/mcp") { $0.additionalTrustRoots = files.certificate }
        await #expect(throws: StartupFailure.self) { try await misnamed.start() }
        await misnamed.stop()

        #expect(throws: StartupFailure.self) { try HTTPUpstream.make(url) { $0.additionalTrustRoots = "/nowhere.pem" } }
    }

    @Test("is not waited for longer than the limit")
    func silentTLS() async throws {
        let server = try await ScriptedServer { _ in [] }
        let upstream = try HTTPUpstream.make("https://localhost:\(server.port)/mcp") { $0.connectTimeout = .milliseconds(200) }
        let start = ContinuousClock.now
        let failure = await #expect(throws: StartupFailure.self) { try await upstream.start() }
        #expect(failure?.sentence.hasSuffix("cannot be reached: it takes no connection in time.") == true)
        #expect(ContinuousClock.now - start < .seconds(1).patiently)
        await upstream.stop()
        try await eventually { server.openConnections == 0 }
    }

    @Test("needs a URL that makes sense", arguments: ["", "mcp", "ftp://a/b", "http://", "http://host:99999/", "http:///x"])
    func badURLs(url: String) {
        #expect(throws: StartupFailure.self) { try HTTPUpstreamSettings(url: url) }
    }

    @Test(
        "goes where the URL says",
        arguments: [
            ("http://Example.com", "Example.com", 80, "/", "Example.com"),
            ("https://example.com/a%20b?x=1", "example.com", 443, "/a%20b?x=1", "example.com"),
            ("https://example.com:8443/mcp#f", "example.com", 8443, "/mcp", "example.com:8443"),
            ("http://[::1]:3000/mcp", "::1", 3000, "/mcp", "[::1]:3000"),
        ])
    func goodURLs(url: String, host: String, port: Int, target: String, field: String) throws {
        let address = try HTTPUpstreamSettings(url: url).address
        #expect(address.host == host && address.port == port && address.target == target && address.hostField == field)
    }
}

/// A certificate for `localhost`, made by openssl in a directory of its own.
private final class SelfSignedCertificate {
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("gate-tls-\(UInt64.random(in: .min ... .max))")
    var certificate: String { directory.appendingPathComponent("cert.pem").path }
    private var key: String { directory.appendingPathComponent("key.pem").path }

    init() throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        openssl.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate,
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    func context() throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
        let key = try NIOSSLPrivateKey(file: key, format: .pem)
        return try NIOSSLContext(configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
    }
}
