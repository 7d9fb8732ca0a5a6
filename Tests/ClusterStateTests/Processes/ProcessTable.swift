// What the kernel says about this process and its children.

import Foundation

enum ProcessTable {
    static var openDescriptors: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
    }

    /// Whether the process exists and is no zombie.
    static func isRunning(_ pid: Int32) -> Bool {
        state(of: pid).map { $0 != "Z" && $0 != "X" } ?? false
    }

    /// The children of this process, zombies included.
    static var children: [Int32] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return all.compactMap { Int32($0) }.filter { fields(of: $0)?.dropFirst().first == "\(getpid())" }
    }

    /// Resident memory in bytes.
    static var residentMemory: Int {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
        return (pages.flatMap { Int($0[1]) } ?? 0) * 4_096
    }

    private static func state(of pid: Int32) -> Substring? { fields(of: pid)?.first }

    /// The fields of `/proc/<pid>/stat` behind the command's name: state, parent, …
    private static func fields(of pid: Int32) -> [Substring]? {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let name = stat.lastIndex(of: ")")
        else { return nil }
        return stat[stat.index(after: name)...].split(separator: " ")
    }
}
