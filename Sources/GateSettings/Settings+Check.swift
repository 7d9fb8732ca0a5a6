// The rules that look at several settings together (F-CFG-06); rules about one value stand in its kind.

import GateDomain

extension Settings {
    func check(_ sources: [String: SettingSource], _ diagnostics: inout SettingsDiagnostics) {
        checkBackend(sources, &diagnostics)
        checkPrefixes(&diagnostics)
        checkWebhooks(&diagnostics)
        if cors.credentials {
            switch cors.origin {
            case .listed: break
            case .any, .unlisted:
                diagnostics.error("cors.credentials", "Credentials need listed origins; every origin (*) may not send them.")
            }
        }
        if let gated = freeMethods.first(where: { $0 == "tools/call" || $0 == "tools/call_batch" }) {
            diagnostics.error("freeMethods", "\(gated) always needs a key; give a tool the price 0 instead.")
        }
        if shadowMode {
            diagnostics.warn("shadowMode", "Shadow mode is enabled. Payment will not be enforced.")
        }
        if onStoreLoss == .open {
            diagnostics.warn("onStoreLoss", "While Redis is away rate limits are not enforced; credits are refused all the same.")
        }
        checkRedis(&diagnostics)
        if redisUrl != nil {
            let unused = [("stateFile", stateFile != nil), ("stateDir", stateDir != nil), ("durable", durable)]
            for (field, isSet) in unused where isSet {
                diagnostics.warn(field, "It has no effect with redisUrl: the state is kept by that Redis.")
            }
        } else if stateDir != nil, stateFile != nil {
            diagnostics.warn("stateFile", "It has no effect with stateDir.")
        }
    }

    /// Of two servers one could else have a tool that has the other's name for it, and nobody could reach the other's.
    private func checkPrefixes(_ diagnostics: inout SettingsDiagnostics) {
        for (short, long) in servers.flatMap({ server in servers.map { (server.prefix, $0.prefix) } }) where !short.isEmpty {
            guard long.utf8.count > short.utf8.count, (long + toolSeparator).utf8.starts(with: (short + toolSeparator).utf8) else {
                continue
            }
            diagnostics.error(
                "servers",
                "The prefixes \"\(short)\" and \"\(long)\" clash: with the separator \"\(toolSeparator)\" a name could be of either. Rename one of them."
            )
        }
    }

    private func checkRedis(_ diagnostics: inout SettingsDiagnostics) {
        let url = redisUrl.flatMap { try? RedisURL($0) }
        var isSentinel = false
        if case .sentinel = url?.topology { isSentinel = true }
        let target = redisTo.flatMap { try? RedisURL($0) }
        if case .sentinel = target?.topology { isSentinel = true }
        let usesTLS = url?.usesTLS == true || target?.usesTLS == true
        let given = [
            ("redisUser", redisUser != nil, url != nil), ("redisPassword", redisPassword != nil, url != nil),
            ("sentinelUser", sentinelUser != nil, isSentinel), ("sentinelPassword", sentinelPassword != nil, isSentinel),
            ("redisCa", redisCa != nil, usesTLS), ("redisCertificate", redisCertificate != nil, usesTLS),
            ("redisPrivateKey", redisPrivateKey != nil, usesTLS), ("redisTo", redisTo != nil, url != nil),
            ("minReplicasAck", minReplicasAck > 0, url != nil),
        ]
        for (field, isSet, hasUse) in given where isSet && !hasUse {
            let lack =
                field.hasPrefix("sentinel")
                ? "a redisUrl of Sentinels (redis+sentinel://)"
                : url == nil || ["minReplicasAck", "redisTo"].contains(field) ? "redisUrl" : "TLS (rediss://)"
            diagnostics.warn(field, "It has no effect without \(lack).")
        }
        if (redisCertificate == nil) != (redisPrivateKey == nil) {
            diagnostics.error(
                redisCertificate == nil ? "redisPrivateKey" : "redisCertificate", "redisCertificate and redisPrivateKey belong together.")
        }
        if redisUser != nil, redisPassword == nil, url?.password == nil, url != nil {
            diagnostics.error("redisUser", "A user needs a password; give it by redisPasswordFile (--redis-password-file).")
        }
        if sentinelUser != nil, sentinelPassword == nil {
            diagnostics.error("sentinelUser", "A user needs a password; give it by sentinelPasswordFile (--sentinel-password-file).")
        }
        if url?.topology == .cluster, redisShards == 1 {
            diagnostics.warn(
                "redisShards", "With 1 shard everything lies in one slot, on one server of the Redis Cluster; leave it out for 64.")
        }
    }

    private func checkBackend(_ sources: [String: SettingSource], _ diagnostics: inout SettingsDiagnostics) {
        // A refused backend has its own sentence already, so what was given counts, not what was understood.
        let given = ["serverCommand", "remoteUrl", "servers"].filter { sources[$0] != nil }
        if given.isEmpty || given == ["servers"] && servers.isEmpty && diagnostics.isValid {
            diagnostics.error(
                "serverCommand",
                "No MCP server is given. Set serverCommand (--server), remoteUrl (--remote-url), or servers in a config file.")
        } else if given.count > 1 {
            let list = given.map { $0 + (sources[$0]?.phrase ?? "") }.joined(separator: " and ")
            diagnostics.error(given[1], "\(list) are given together; a gate has only one of serverCommand, remoteUrl and servers.")
        }
        if serverCommand == nil, !serverArgs.isEmpty, sources["serverCommand"] == nil {
            diagnostics.warn("serverArgs", "It has no effect without serverCommand.")
        }
    }
}
