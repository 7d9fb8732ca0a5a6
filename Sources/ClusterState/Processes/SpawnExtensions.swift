// The GNU file actions of posix_spawn: Swift's Glibc module hides them (it is built without _GNU_SOURCE), and an older
// C library does not have them, so they are looked up when the first child is launched.

import Glibc

enum SpawnExtensions {
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
