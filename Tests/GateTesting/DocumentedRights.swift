// The users that docs/redis.md tells operators to make, with the rights that stand there and no others.

import Foundation
package import Testing

/// Every Redis of the kit knows them; what a cluster's nodes and tools do, they do as these.
package enum DocumentedRights: String, Sendable, CaseIterable {
    case nodes = "gate"
    case check = "gate-check"
    case move = "gate-move"
    /// At Sentinels.
    case watch = "gate-watch"

    /// The password of all of them.
    package static let password = "documented"

    /// What stands behind `ACL SETUSER` and the name.
    package var words: [String] {
        let lines = Self.page.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        guard let line = lines.first(where: { $0.starts(with: ["user", rawValue]) }) else {
            preconditionFailure("docs/redis.md has no rights of \(rawValue)")
        }
        return line.dropFirst(2).map { $0 == ">PASSWORD" ? ">" + Self.password : $0 }
    }

    /// For a command line of `redis-server`.
    package static let flags = [nodes, check, move].flatMap { ["--user", $0.rawValue] + $0.words }

    /// For a program that uses Redis, and Sentinels if one of its arguments is their URL.
    package func environment(with arguments: [String] = []) -> [String: String] {
        let own = ["PAYGATE_REDIS_USER": rawValue, "PAYGATE_REDIS_PASSWORD": Self.password]
        guard arguments.contains(where: { $0.hasPrefix("redis+sentinel:") }) else { return own }
        return own.merging(["PAYGATE_SENTINEL_USER": Self.watch.rawValue, "PAYGATE_SENTINEL_PASSWORD": Self.password]) { $1 }
    }

    private static let page = (try? String(contentsOfFile: Repository.file("docs/redis.md"), encoding: .utf8)) ?? ""
}

extension RedisServer {
    /// What it has refused the documented users, as `USER: COMMAND`, each once; but for rights that the page gives and a test has taken away.
    package func refusals() async throws -> Set<String> {
        let lines = try await command("ACL", "LOG", "128").split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        func values(_ name: String) -> [String] {
            lines.indices.filter { $0 + 1 < lines.count && lines[$0] == name }.map { lines[$0 + 1] }
        }
        let (users, objects) = (values("username"), values("object"))
        return Set(
            zip(users, objects).compactMap { user, object in
                guard let rights = DocumentedRights(rawValue: user), !rights.words.contains("+" + object) else { return nil }
                return "\(user): \(object)"
            })
    }
}

extension Sequence<RedisServer> {
    /// None of those that run has refused a documented user anything.
    package func expectNoRefusals(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        for server in self where server.isRunning {
            server.resume()
            let refusals = (try? await server.refusals()) ?? []
            #expect(refusals.isEmpty, "docs/redis.md leaves out what is needed", sourceLocation: sourceLocation)
        }
    }
}
