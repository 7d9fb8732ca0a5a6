// The real Redis that histories run against, asked one command at a time.

@testable import ClusterState
import Crypto
import Foundation
import GateDomain
import GateTesting
import Glibc
import LuaScripts
import NIOCore

/// `redis-server` under a virtual clock, on a Unix socket; commands are carried out the moment that they are delivered.
final class HistoryRedis {
    let clock: VirtualClock
    private let program: Program
    private let directory: TemporaryDirectory
    private let socket: Int32
    private let reader = RedisReplyReader()
    private var received = ByteBuffer()
    /// For a digest of ours, the one of the rule that takes its place (a history with an old defect put back).
    private var replacements: [String: String] = [:]

    init() async throws {
        clock = try await VirtualClock()
        directory = try TemporaryDirectory()
        let path = directory.file("redis.sock")
        program = try Program(
            "history redis",
            ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", directory.path]
                + RedisServer.underAnotherClock,
            environment: clock.environment)
        try await program.waitForOutput("ready to accept connections at")
        socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard connected == 0 else { throw KitFailure("no connection to the history's Redis") }
        for script in LuaScript.allCases { _ = try run(RedisCommand("SCRIPT", "LOAD", script.source)) }
    }

    deinit {
        close(socket)
        program.signal(SIGKILL)
    }

    /// Puts other rules in the place of ours: script by script, what is replaced by what.
    /// - Throws: where a text to be replaced does not stand in its script.
    func replaceRules(_ rules: [LuaScript: [(String, String)]]) throws {
        replacements = [:]
        for (script, edits) in rules {
            var source = script.source
            for (old, new) in edits {
                guard source.contains(old) else { throw KitFailure("\(script) does not say: \(old)") }
                source = source.replacingOccurrences(of: old, with: new)
            }
            let digest = try run(RedisCommand("SCRIPT", "LOAD", source)).string ?? ""
            replacements[Hex.string(Insecure.SHA1.hash(data: Array(script.source.utf8)))] = digest
        }
    }

    /// Carries a command out. An error reply is thrown as the failure that a link makes of it.
    func run(_ command: RedisCommand) throws(StoreFailure) -> RedisReply { try result(of: command).get() }

    func result(of command: RedisCommand) -> Result<RedisReply, StoreFailure> { results(of: [command])[0] }

    /// Carries commands out, all of them sent at once.
    func results(of commands: [RedisCommand]) -> [Result<RedisReply, StoreFailure>] {
        var buffer = ByteBuffer()
        for command in commands {
            (replacements.isEmpty || command.script == nil ? command : replaced(command)).write(to: &buffer)
        }
        send(buffer)
        return commands.map { _ in
            do throws(StoreFailure) {
                let reply = try receive()
                if case .error(let text) = reply { return .failure(StoreFailure(errorText: text)) }
                return .success(reply)
            } catch {
                return .failure(error)
            }
        }
    }

    /// What all of them answer; null for one that fails.
    func askAll(_ commands: [RedisCommand]) -> [RedisReply] { results(of: commands).map { (try? $0.get()) ?? .null } }

    private func send(_ buffer: ByteBuffer) {
        buffer.withUnsafeReadableBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                let count = write(socket, part.baseAddress, part.count)
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }

    private func receive() throws(StoreFailure) -> RedisReply {
        while true {
            if let reply = try reader.next() { return reply }
            received.clear()
            let count = received.writeWithUnsafeMutableBytes(minimumWritableBytes: 65_536) {
                max(0, read(socket, $0.baseAddress, $0.count))
            }
            guard count > 0 else { throw .fault("the history's Redis is gone") }
            try reader.feed(received)
        }
    }

    private func replaced(_ command: RedisCommand) -> RedisCommand {
        let words = command.words
        guard let other = replacements[String(decoding: words[1], as: UTF8.self)] else { return command }
        var replaced = RedisCommand("EVALSHA", other)
        for word in words.dropFirst(2) { replaced.append(word) }
        return replaced
    }

    func ask(_ words: String...) -> RedisReply {
        var command = RedisCommand()
        for word in words { command.append(word) }
        return (try? run(command)) ?? .null
    }
}
