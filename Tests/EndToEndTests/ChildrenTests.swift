// Children and files: what a server process sees, and what is left of it.

import Foundation
import GateTesting
import Glibc
import Testing

extension EndToEndTests {
    @Suite("Children and files")
    struct ChildrenTests {
        @Test(
            "A server sees a listed environment: the usual, what the operator lists, and never the gate's own; --inherit-env gives it the rest"
        )
        func environment() async throws {
            let server = try HostileServer.stdio()
            for (flags, expected) in [([], [:]), (["--server-env", "TOKEN", "--server-env", "MODE=a=b"], ["TOKEN": "t", "MODE": "a=b"])]
                as [([String], [String: String])]
            {
                let seen = try await environment(of: server, flags)
                for (name, value) in expected { #expect(seen[name]?.string == value) }
                #expect(seen["PATH"] != nil && seen["OTHER"] == nil && !seen.keys.contains { $0.hasPrefix("PAYGATE_") }, "\(seen.keys)")
                if flags.isEmpty { #expect(seen["TOKEN"] == nil) }
            }
            let all = try await environment(of: server, ["--inherit-env"])
            #expect(all["OTHER"]?.string == "o" && !all.keys.contains { $0.hasPrefix("PAYGATE_") }, "\(all.keys)")
        }

        @Test(
            "A server of the gate's own user reads neither its environment nor its admin key, and cannot speak to its Redis",
            .enabled(if: geteuid() != 0 || Repository.isOpenToOthers))
        func spy() async throws {
            let server = try HostileServer.stdio()
            let place = try TemporaryDirectory()
            chmod(place.path, 0o777)
            // A process of root may look into any other; so the node is one of nobody.
            let launcher = geteuid() == 0 ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"] : []
            let port = FreePort.take()
            let node = try Program(
                "node", launcher + [Repository.binary, "wrap", "--port", "\(port)", "--host", "127.0.0.1"] + flags(of: server),
                environment: ["PAYGATE_ADMIN_KEY": GateClient.adminKey, "PAYGATE_STATE_DIR": place.file("state"), "HOME": place.path],
                in: place.path)
            try await node.waitForOutput("Listening on port")
            let client = GateClient("http://127.0.0.1:\(port)")
            let key = try await client.createKey()
            let seen = try #require(await client.attempt("spy", key: key).text)
            #expect(!seen.contains(GateClient.adminKey) && !seen.contains("PAYGATE_"), "\(seen)")
            #expect(seen.contains("Permission denied"), "\(seen)")
            #expect(seen.contains("redis: -NOAUTH") && !seen.contains("requirepass"), "\(seen)")
            try await node.kill9()
        }

        @Test(
            "A process that a server has started in a session of its own ends with the gate, in order or by kill -9",
            arguments: [SIGTERM, SIGKILL])
        func offspring(_ signal: Int32) async throws {
            let server = try HostileServer.stdio()
            let node = try await StandaloneNode(
                ["--port", "0", "--host", "127.0.0.1", "--admin-key", GateClient.adminKey] + flags(of: server))
            let key = try await node.client.createKey()
            let process = try #require(Int32(await node.client.attempt("offspring", key: key).text ?? ""))
            #expect(Program.isAlive(process))
            node.program.signal(signal)
            _ = try await node.program.waitForExit(within: .seconds(20))
            try await eventually("it is gone", within: .seconds(10)) { !Program.isAlive(process) }
        }

        @Test("A server that dies takes what it has started with it before the next one comes")
        func death() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                let process = try #require(Int32(await cluster[0].attempt("offspring", key: key).text ?? ""))
                _ = await cluster[0].attempt("leave", key: key)
                try await eventually("it is gone", within: .seconds(10)) { !Program.isAlive(process) }
                try await eventually("the server is back", within: .seconds(20)) { await cluster[0].echo(key: key).isServed }
            }
        }

        @Test(
            "A server runs as the user that is named, who cannot enter the state directory; a node that is not root refuses to start",
            .enabled(if: geteuid() == 0 && Repository.isOpenToOthers))
        func user() async throws {
            let server = try HostileServer.stdio()
            let node = try await StandaloneNode(
                ["--port", "0", "--host", "127.0.0.1", "--admin-key", GateClient.adminKey, "--server-user", "nobody"] + flags(of: server))
            let key = try await node.client.createKey()
            let seen = JSON(Array((await node.client.attempt("environment", key: key).text ?? "").utf8))
            #expect(seen?["USER"] == "nobody")
            let spied = await node.client.attempt("spy", key: key).text ?? ""
            #expect(!spied.contains(GateClient.adminKey) && !spied.contains("redis: -"), "\(spied)")
            #expect(try await node.terminate() == 0)
            let failure = try await StandaloneNode.failure(["--port", "0", "--server-user", "no-such-user", "--server", "cat"])
            #expect(failure.status == 68 && failure.log.contains("no-such-user"), "\(failure.log)")
        }

        private func flags(of server: HostileServer) -> [String] {
            if case .command(let command) = server.upstream { ["--server", command] } else { [] }
        }

        private func environment(of server: HostileServer, _ flags: [String]) async throws -> [String: JSON] {
            try await GateCluster.run(
                nodes: 1, flags, upstream: server.upstream,
                environments: [0: ["TOKEN": "t", "OTHER": "o", "PAYGATE_NAME": "x"]]
            ) { cluster in
                let key = try await cluster[0].createKey()
                let text = try #require(await cluster[0].attempt("environment", key: key).text)
                return JSON(Array(text.utf8))?.object ?? [:]
            }
        }
    }
}
