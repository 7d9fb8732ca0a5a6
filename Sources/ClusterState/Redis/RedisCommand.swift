// A command on its way to Redis: its arguments in one run of bytes.

package import LuaScripts
import Crypto
import GateDomain
import NIOCore

/// The arguments of one command, appended one after another.
///
/// Two arrays hold them all, so building a command costs two allocations however many arguments it has.
package struct RedisCommand: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// The script it runs, if it runs one.
    package let script: LuaScript?
    /// Whether a copy does no harm that comes at any time, even after another copy was answered. An admission's does: refused once, it may be
    /// let in later, when its caller has gone. What is not repeatable is `lost` with its connection.
    package let isRepeatable: Bool
    /// Whether it runs the script as servers of a Redis Cluster have it.
    private var isGuarded = false

    package init(_ words: String...) { self.init(words: words, isRepeatable: true) }

    /// A command that says something anew each time that it arrives: it is written once.
    package init(once words: String...) { self.init(words: words, isRepeatable: false) }

    private init(words: [String], isRepeatable: Bool) {
        script = nil
        self.isRepeatable = isRepeatable
        for word in words { append(word) }
    }

    /// A call of a script: its keys come first, `keys` of them, then its other arguments.
    package init(script: LuaScript, keys: Int) {
        self.script = script
        isRepeatable = script != .admit
        bytes.reserveCapacity(512)
        ends.reserveCapacity(32)
        append("EVALSHA")
        append(ScriptDigest.of(script))
        append(keys)
    }

    /// Adds a word of UTF-8.
    package mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        ends.append(bytes.count)
    }

    /// Adds a word of any bytes.
    package mutating func append(_ slice: some Sequence<UInt8>) {
        bytes.append(contentsOf: slice)
        ends.append(bytes.count)
    }

    /// Adds a number in decimal.
    package mutating func append(_ number: Int) {
        if number >= 0 && number < 10 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number))
        } else {
            bytes.append(contentsOf: String(number).utf8)
        }
        ends.append(bytes.count)
    }

    /// The same call with the script's text in place of its digest, for a Redis that has forgotten it.
    package var withScriptText: RedisCommand {
        guard let script else { return self }
        var command = RedisCommand(
            words: ["EVAL", isGuarded ? ClusterScript.source(of: script) : script.source], isRepeatable: isRepeatable)
        for word in words.dropFirst(2) { command.append(word) }
        return command
    }

    /// Whether it only says that the next command on its connection knows where it goes.
    var isAsking: Bool { bytes.elementsEqual("ASKING".utf8) }

    /// The same call of the script as servers of a Redis Cluster have it; every other command as it is.
    var guarded: RedisCommand {
        guard let script, !isGuarded else { return self }
        var command = self
        command.bytes.replaceSubrange(ends[0]..<ends[1], with: ClusterScript.digest(of: script).utf8)
        command.isGuarded = true
        return command
    }

    /// Whether Redis may change anything by it: all but the commands that are known to read.
    var isWrite: Bool {
        if let script { return !script.isReading }
        guard let end = ends.first else { return true }
        return !Self.readers.contains { $0.utf8.elementsEqual(bytes[..<end]) }
    }

    private static let readers = [
        "GET", "HGET", "HMGET", "HGETALL", "HEXISTS", "HKEYS", "HVALS", "HLEN", "HSCAN", "EXISTS", "TTL", "PTTL", "SMEMBERS", "SRANDMEMBER",
        "SCARD", "SISMEMBER", "ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE", "ZSCORE", "ZMSCORE", "ZCARD", "ZCOUNT", "XRANGE", "XREVRANGE", "XLEN",
        "LLEN", "LRANGE", "TIME", "PING", "ECHO", "INFO", "PUBLISH", "ASKING",
    ]

    /// The slot of a Redis Cluster that its first key lies in; nil for a command without keys.
    var slot: Int? {
        guard let place = placeOfFirstKey, place < ends.count else { return nil }
        return HashSlot.of(bytes[ends[place - 1]..<ends[place]])
    }

    private var placeOfFirstKey: Int? {
        guard let end = ends.first else { return nil }
        func isNamed(_ name: String) -> Bool { name.utf8.elementsEqual(bytes[..<end]) }
        if script != nil || isNamed("EVAL") {
            return ends.count > 3 && !bytes[ends[1]..<ends[2]].elementsEqual(CollectionOfOne(UInt8(ascii: "0"))) ? 3 : nil
        }
        return Self.keyless.contains(where: isNamed) ? nil : 1
    }

    private static let keyless = ["PUBLISH", "TIME", "PING", "ECHO", "INFO"]

    /// Its arguments, the command's name first.
    var words: [ArraySlice<UInt8>] {
        ends.indices.map { bytes[($0 == 0 ? 0 : ends[$0 - 1])..<ends[$0]] }
    }

    /// Appends the command as RESP says it to what will be written.
    // Not by hiredis, which prints each length with `sprintf` into memory of its own, from where all of it has to be copied again.
    func write(to buffer: inout ByteBuffer) {
        let longestHead = 24
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bytes.count + (ends.count + 1) * longestHead) { target in
            bytes.withUnsafeBytes { source in
                var written = Self.head(UInt8(ascii: "*"), ends.count, in: target, at: 0)
                var start = 0
                for end in ends {
                    written = Self.head(UInt8(ascii: "$"), end - start, in: target, at: written)
                    UnsafeMutableRawBufferPointer(rebasing: target[written...]).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: source[start..<end]))
                    written += end - start
                    target[written] = UInt8(ascii: "\r")
                    target[written + 1] = UInt8(ascii: "\n")
                    written += 2
                    start = end
                }
                return written
            }
        }
    }

    /// - Returns: where it ends.
    private static func head(_ kind: UInt8, _ count: Int, in target: UnsafeMutableRawBufferPointer, at start: Int) -> Int {
        var digits = 1, rest = count / 10
        while rest > 0 { (digits, rest) = (digits + 1, rest / 10) }
        target[start] = kind
        rest = count
        for place in stride(from: start + digits, to: start, by: -1) {
            target[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        target[start + digits + 1] = UInt8(ascii: "\r")
        target[start + digits + 2] = UInt8(ascii: "\n")
        return start + digits + 3
    }
}

/// The names by which Redis knows our scripts.
private enum ScriptDigest {
    private static let digests = all { $0.source }

    static func of(_ script: LuaScript) -> String { digests[script, default: ""] }

    static func all(_ source: (LuaScript) -> String) -> [LuaScript: String] {
        Dictionary(uniqueKeysWithValues: LuaScript.allCases.map { ($0, Hex.string(Insecure.SHA1.hash(data: Array(source($0).utf8)))) })
    }
}

/// Our scripts as servers of a Redis Cluster have them: each looks first for a name that nobody has.
///
/// While a slot moves away, Redis ends a script at the first name that is not there, wherever the script is by then: one that has deleted a
/// key, or found one expired, would be cut off half way. The look ends it before it has written anything, and it is sent again (TRYAGAIN).
enum ClusterScript {
    static let guardLine = "redis.call('EXISTS', string.match(KEYS[1], '^[^}]*}') .. '?')\n"
    private static let digests = ScriptDigest.all { source(of: $0) }

    static func source(of script: LuaScript) -> String { guardLine + script.source }
    static func digest(of script: LuaScript) -> String { digests[script, default: ""] }

    /// Whether an error is of that look.
    static func isGuard(_ text: String) -> Bool { text.contains("Script attempted to access a non local key") }
}
