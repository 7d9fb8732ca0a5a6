// The place of a node's durable state: one node at a time, nobody else's to read.

import ChildProcesses
import Glibc

/// A directory that this process holds alone, by an exclusive lock that ends with the process (`flock`).
struct StateDirectory: ~Copyable {
    /// Absolute.
    let path: String
    /// What the operator has to know of who may look inside; nil where nobody else may.
    let remark: String?
    private let lock: OwnedDescriptor

    /// The longest path of a Unix socket in bytes (`sun_path` with its final zero has 108).
    private static let longestSocketPath = 107

    /// Creates the directory with mode 0700 if it is missing, and locks it.
    init(at path: String) throws(PrivateRedisFailure) {
        let path = AbsolutePath.of(path)
        try Self.create(path)
        let remark = Self.close(path)
        let number = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard number >= 0 else { throw .system("opening '\(path)/lock'") }
        let lock = OwnedDescriptor(number)
        guard flock(number, LOCK_EX | LOCK_NB) == 0 else {
            throw .directoryInUse(directory: path, byProcess: Self.holder(in: lock))
        }
        Self.sign(lock)
        self.path = path
        self.remark = remark
        self.lock = lock
    }

    /// Unlocks explicitly: a child that is just being spawned shares the locked file until it executes its program.
    deinit {
        flock(lock.number, LOCK_UN)
    }

    /// Where Redis listens: in the directory, or under `/tmp` if that path is too long for a socket. The short path is
    /// made from the directory's identity, so that the next node finds the socket of an orphan of this one.
    func socketPath() throws(PrivateRedisFailure) -> String {
        let near = path + "/redis.sock"
        if near.utf8.count <= Self.longestSocketPath { return near }
        var facts = stat()
        guard stat(path, &facts) == 0 else { throw .system("looking at '\(path)'") }
        let short = "/tmp/gate-node-\(geteuid())-\(String(facts.st_dev, radix: 36))-\(String(facts.st_ino, radix: 36))"
        if mkdir(short, 0o700) != 0, errno != EEXIST { throw .system("creating '\(short)'") }
        guard lstat(short, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR, facts.st_uid == geteuid(),
            facts.st_mode & 0o077 == 0
        else { throw .cannotStart(reason: "'\(short)' is not a private directory of this user.") }
        return short + "/redis.sock"
    }

    /// Removes the short place again, if there was one and it is empty.
    func abandon(_ socketPath: String) {
        guard let slash = socketPath.lastIndex(of: "/"), !socketPath.hasPrefix(path + "/") else { return }
        rmdir(String(socketPath[..<slash]))
    }

    /// Creates the directory and the missing ones above it.
    private static func create(_ path: String) throws(PrivateRedisFailure) {
        if mkdir(path, 0o700) == 0 { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try create(String(path[..<slash]))
            return try create(path)
        }
        guard errno == EEXIST, FileKind(at: path) == .directory else { throw .system("creating '\(path)'") }
    }

    /// Keeps others out of what is there already: of the directory, if it is this user's and was made for state, and of our files in it.
    private static func close(_ path: String) -> String? {
        for (name, mode) in [("admin-key", 0o600), ("lock", 0o600), ("redis.log", 0o600), ("appendonlydir", 0o700)] as [(String, mode_t)] {
            var facts = stat()
            guard lstat(path + "/" + name, &facts) == 0, facts.st_uid == geteuid(), facts.st_mode & 0o077 != 0,
                [S_IFREG, S_IFDIR].contains(facts.st_mode & S_IFMT)
            else { continue }
            chmod(path + "/" + name, mode)
        }
        var facts = stat()
        guard stat(path, &facts) == 0, facts.st_mode & 0o077 != 0 else { return nil }
        let isForState = access(path + "/lock", F_OK) == 0 || isEmpty(path)
        if isForState, facts.st_uid == geteuid(), facts.st_mode & S_ISVTX == 0, chmod(path, 0o700) == 0 {
            return "Others could look into the state directory '\(path)'; its mode is 0700 now."
        }
        return "Others can look into the state directory '\(path)'. Take their rights away (chmod 700), or name another directory."
    }

    private static func isEmpty(_ path: String) -> Bool {
        guard let directory = opendir(path) else { return false }
        defer { closedir(directory) }
        var entries = 0
        while readdir(directory) != nil { entries += 1 }
        return entries <= 2
    }

    private static func sign(_ lock: borrowing OwnedDescriptor) {
        let text = "\(getpid())\n"
        ftruncate(lock.number, 0)
        _ = text.withCString { pwrite(lock.number, $0, text.utf8.count, 0) }
    }

    private static func holder(in lock: borrowing OwnedDescriptor) -> Int32? {
        var text = [UInt8](repeating: 0, count: 16)
        let length = pread(lock.number, &text, text.count, 0)
        return Int32(String(decoding: text.prefix(max(length, 0)).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}

extension PrivateRedisFailure {
    /// A system call has just failed; `errno` says why.
    fileprivate static func system(_ what: String) -> PrivateRedisFailure {
        .cannotStart(reason: "\(what) failed: \(String(cString: strerror(errno))).")
    }
}
