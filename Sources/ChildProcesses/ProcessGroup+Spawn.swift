// The one place that creates processes; everything the child must not inherit is taken away here.

@preconcurrency import Glibc

extension ProcessGroup {
    /// Starts the program as the leader of a group of its own, with the three descriptors as its 0, 1 and 2, no other
    /// descriptor, no blocked signal, and default handlers.
    ///
    /// The kernel binds a parent-death signal to the *thread* that spawned, so call this on a thread that lives as
    /// long as the node: an event loop's.
    static func spawn(
        _ program: ChildCommand.Resolved,
        for command: ChildCommand,
        input: borrowing OwnedDescriptor,
        output: borrowing OwnedDescriptor,
        errors: borrowing OwnedDescriptor
    ) throws(ChildProcessFailure) -> ProcessGroup {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.number, 0)
        posix_spawn_file_actions_adddup2(&actions, output.number, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.number, 2)
        SpawnExtensions.close(from: 3, in: &actions)
        if let directory = command.workingDirectory {
            try SpawnExtensions.changeDirectory(to: directory, in: &actions)
        }

        var attributes = cleanAttributes(flags: POSIX_SPAWN_SETPGROUP)
        defer { posix_spawnattr_destroy(&attributes) }

        let arguments = CStrings(program.arguments)
        let variables = command.environment.map { CStrings($0.map { "\($0.key)=\($0.value)" }) }
        var pid: pid_t = 0
        let failure = posix_spawn(
            &pid, program.path, &actions, &attributes, arguments.pointers, variables?.pointers ?? environ)
        withExtendedLifetime((arguments, variables)) {}
        guard failure == 0 else { throw .system(call: "Starting '\(program.path)'", errno: failure) }
        return ProcessGroup(leader: pid)
    }

    /// Starts a program in this process's own group, with its descriptors 0, 1 and 2 and its environment; nil, and `errno`, if that fails.
    static func start(_ path: String, _ arguments: [String]) -> pid_t? {
        var attributes = cleanAttributes(flags: 0)
        defer { posix_spawnattr_destroy(&attributes) }
        let words = CStrings(arguments)
        var pid: pid_t = 0
        let failure = posix_spawn(&pid, path, nil, &attributes, words.pointers, environ)
        withExtendedLifetime(words) {}
        errno = failure
        return failure == 0 ? pid : nil
    }

    private static func cleanAttributes(flags: Int32) -> posix_spawnattr_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        posix_spawnattr_setflags(
            &attributes, Int16(flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        return attributes
    }
}

/// A null-terminated array of C strings, freed with its owner.
private final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { pointers[index] = strdup(string) }
        pointers[count] = nil
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}

/// The GNU file actions of posix_spawn: Swift's Glibc module hides them (it is built without _GNU_SOURCE), and an older C library does not
/// have them, so they are looked up when the first child is launched.
private enum SpawnExtensions {
    private typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, CInt) -> CInt
    private typealias ChangeDirectory =
        @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, UnsafePointer<CChar>) -> CInt

    private static let closeFrom = symbol("posix_spawn_file_actions_addclosefrom_np", as: CloseFrom.self)
    private static let changeDirectory = symbol("posix_spawn_file_actions_addchdir_np", as: ChangeDirectory.self)

    /// Closes every descriptor from `first` on in the child. Without it (glibc before 2.34) a child still inherits
    /// nothing that was opened close-on-exec, as all descriptors of the node are.
    static func close(from first: CInt, in actions: inout posix_spawn_file_actions_t) {
        _ = closeFrom?(&actions, first)
    }

    /// Moves the child to a directory before it executes its program.
    static func changeDirectory(
        to path: String, in actions: inout posix_spawn_file_actions_t
    ) throws(ChildProcessFailure) {
        let result = changeDirectory.map { $0(&actions, path) } ?? ENOSYS
        guard result == 0 else { throw .system(call: "Choosing the working directory '\(path)'", errno: result) }
    }

    private static func symbol<Function>(_ name: String, as type: Function.Type) -> Function? {
        dlsym(nil, name).map { unsafeBitCast($0, to: type) }
    }
}
