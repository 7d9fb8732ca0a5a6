// A node in surroundings that are not a developer's: without IPv6, on one core, beside another gate.

import Foundation
import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Surroundings")
    struct SurroundingsTests {
        private static let flags = ["--server", StandaloneNode.demo, "--admin-key", GateClient.adminKey]

        /// Runs a script as root of a network namespace in which there is nothing but the loopback.
        private static func isolated(_ script: String, _ arguments: [String], in directory: TemporaryDirectory) throws -> Program {
            try Program("isolated node", ["unshare", "-rn", "sh", "-c", script, "sh"] + arguments, in: directory.path)
        }

        @Test(
            "B42: the default address, and a numeric one, are listened on where only the loopback has IPv6, or where it is switched off",
            arguments: [
                ("ip link set lo up", [], "127.0.0.1"),
                ("ip link set lo up", ["--host", "::1"], "[::1]"),
                ("ip link set lo up; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || true", [], "127.0.0.1"),
                ("ip link set lo up", ["--host", "127.0.0.1"], "127.0.0.1"),
            ])
        func withoutIPv6(_ setup: String, _ host: [String], _ address: String) async throws {
            let directory = try TemporaryDirectory()
            let port = FreePort.take()
            let node = try Self.isolated(
                setup + #"; exec "$@""#,
                [Repository.binary, "wrap", "--port", "\(port)", "--state-dir", directory.file("state")] + Self.flags + host, in: directory)
            try await node.waitForOutput("Listening on port \(port)")
            let curl = try Program(
                "curl",
                [
                    "nsenter", "-U", "--preserve-credentials", "-n", "-t", "\(node.processIdentifier)", "curl", "-sS", "-g",
                    "http://\(address):\(port)/livez", "-o", "/dev/null", "-w", "%{http_code}",
                ])
            #expect(try await curl.waitForExit(within: .seconds(10)) == 0)
            #expect(curl.log.contains("200"), "\(curl.log)")
            node.signal(SIGTERM)
            #expect(try await node.waitForExit(within: .seconds(15)) == 0)
        }

        @Test(
            "B42: an address that the machine does not have, or a name without one, ends the start with a sentence",
            arguments: ["192.0.2.1", "no-such-host.invalid"])
        func noSuchAddress(_ host: String) async throws {
            let directory = try TemporaryDirectory()
            let failure = try await StandaloneNode.failure(
                Self.flags + ["--port", "0", "--host", host, "--state-dir", directory.file("state")])
            #expect(failure.status == 75 && failure.log.contains(host), "\(failure.log)")
        }

        @Test("B42: two gates on two ports in one folder have a state each, and find it again")
        func twoInOneFolder() async throws {
            let directory = try TemporaryDirectory()
            let ports = [FreePort.take(), FreePort.take()]
            var keys: [String] = []
            for _ in 0..<2 {
                var nodes: [StandaloneNode] = []
                for port in ports { nodes.append(try await StandaloneNode(Self.flags + ["--port", "\(port)"], in: directory)) }
                if keys.isEmpty { for node in nodes { keys.append(try await node.client.createKey()) } }
                for (index, node) in nodes.enumerated() {
                    #expect(await node.client.echo(key: keys[index]).isServed)
                    #expect(await node.client.echo(key: keys[1 - index]).isServed == false)
                }
                for node in nodes { #expect(try await node.terminate() == 0) }
            }
            #expect(
                Set(try FileManager.default.contentsOfDirectory(atPath: directory.path)).isSuperset(of: ports.map { ".gate-node-\($0)" }))
        }

        @Test("A node that may use one core has one event loop for calls, and one for what no call waits for")
        func oneCore() async throws {
            let directory = try TemporaryDirectory()
            let node = try Program(
                "node on one core",
                ["taskset", "-c", "0", Repository.binary, "wrap", "--port", "0", "--state-dir", directory.file("state")] + Self.flags)
            try await node.waitForOutput("Listening on port ")
            let tasks = "/proc/\(node.processIdentifier)/task"
            let names = try FileManager.default.contentsOfDirectory(atPath: tasks).map { task in
                String(decoding: FileManager.default.contents(atPath: "\(tasks)/\(task)/comm") ?? Data(), as: UTF8.self)
            }
            // NIO-ELT-<group>-#<thread>
            let threads = names.compactMap { $0.hasPrefix("NIO-ELT-") ? $0.dropFirst(8).prefix { $0 != "-" } : nil }
            #expect(threads.count == 2 && Set(threads).count == 2, "\(names)")
            try await node.kill9()
        }
    }
}
