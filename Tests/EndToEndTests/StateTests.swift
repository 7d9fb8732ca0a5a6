// The node's own Redis: what it keeps, and starts that cannot work.

import Foundation
import GateTesting
import Testing

extension EndToEndTests {
    @Suite("A node of its own")
    struct StateTests {
        private static let flags = ["--server", StandaloneNode.demo, "--port", "0", "--admin-key", GateClient.adminKey]

        @Test(
            "design 5: what was charged and ordered survives a stop and a kill -9 of the node, in its state directory",
            arguments: ["--state-dir", "--state-file"])
        func restart(_ flag: String) async throws {
            let directory = try TemporaryDirectory()
            let flags = Self.flags + [flag, directory.file("state")]
            var node = try await StandaloneNode(flags)
            let key = try await node.client.createKey(credits: 100), suspended = try await node.client.createKey()
            try await node.client.order("/keys/suspend", ["key": .string(suspended)])
            #expect(await node.client.echo(key: key).isServed)
            #expect(try await node.terminate() == 0)
            node = try await StandaloneNode(flags)
            #expect(try await node.client.balance(key).credits == 99)
            #expect(await node.client.echo(key: key).isServed)
            #expect(await node.client.echo(key: suspended).word == "key_suspended")
            let children = node.program.children
            try await node.program.kill9()
            node = try await StandaloneNode(flags)
            let balance = try await node.client.balance(key)
            #expect(balance.credits == 98 && balance.spent == 2 && balance.calls == 2)
            #expect(try await node.client.usage(of: key).count == 2)
            #expect(await node.client.echo(key: suspended).word == "key_suspended")
            #expect(children.allSatisfy { !Program.isAlive($0) }, "the killed node's Redis and server are gone")
            #expect(try await node.terminate() == 0)
        }

        @Test("design 5: without --state-dir the state is in a directory of the port's own in the working directory, for its owner alone")
        func defaultPlace() async throws {
            let directory = try TemporaryDirectory()
            let node = try await StandaloneNode(Self.flags, in: directory)
            let attributes = try FileManager.default.attributesOfItem(atPath: directory.file(".gate-node-0"))
            #expect(attributes[.posixPermissions] as? Int == 0o700)
            #expect(try await node.terminate() == 0)
        }

        @Test("design 5: a second node on the same directory is refused with status 73 and a sentence that names it; the first serves on")
        func directoryInUse() async throws {
            let directory = try TemporaryDirectory()
            let flags = Self.flags + ["--state-dir", directory.file("state")]
            let first = try await StandaloneNode(flags)
            let second = try await StandaloneNode.failure(flags)
            #expect(second.status == 73)
            #expect(
                second.log.contains(directory.file("state")) && second.log.contains("\(first.program.processIdentifier)"), "\(second.log)")
            let key = try await first.client.createKey()
            #expect(await first.client.echo(key: key).isServed)
            #expect(try await first.terminate() == 0)
        }

        @Test("design 5: without redis-server on the PATH the node says how to install it, with status 69")
        func redisMissing() async throws {
            let directory = try TemporaryDirectory()
            let failure = try await StandaloneNode.failure(
                Self.flags + ["--state-dir", directory.file("state")], environment: ["PATH": directory.path])
            #expect(failure.status == 69)
            #expect(failure.log.contains("redis-server") && failure.log.contains("apt"), "\(failure.log)")
        }

        @Test("B42: a taken port ends the node with status 75 and a sentence that names it, and nothing that it started stays behind")
        func portTaken() async throws {
            let directory = try TemporaryDirectory()
            let first = try await StandaloneNode(Self.flags + ["--state-dir", directory.file("one")])
            let second = try await StandaloneNode.failure(
                ["--server", StandaloneNode.demo, "--port", "\(first.port)", "--state-dir", directory.file("two")])
            #expect(second.status == 75 && second.log.contains("\(first.port)"), "\(second)")
            let next = try await StandaloneNode(Self.flags + ["--state-dir", directory.file("two")])
            for node in [first, next] { #expect(try await node.terminate() == 0) }
        }

        @Test(
            "F-CLI-10: SIGTERM and SIGINT end an idle node with status 0 within a second, and its children with it",
            arguments: [SIGTERM, SIGINT])
        func stop(_ signal: Int32) async throws {
            let directory = try TemporaryDirectory()
            let node = try await StandaloneNode(Self.flags + ["--state-dir", directory.file("state")])
            let children = node.program.children
            #expect(children.count == 3, "redis-server, the MCP server and its guard")
            let start = ContinuousClock.now
            node.program.signal(signal)
            #expect(try await node.program.waitForExit(within: .seconds(5)) == 0)
            #expect(ContinuousClock.now - start < .seconds(1.5).patiently)
            #expect(children.allSatisfy { !Program.isAlive($0) })
        }
    }
}
