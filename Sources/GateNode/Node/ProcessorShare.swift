// How many processors this process may use at once, which may be fewer than the machine has.

import Foundation

/// The CPU set of the process and the quotas of its cgroups, version 1 and 2.
enum ProcessorShare {
    /// At least 1; a quota of a part of a processor counts as the whole one.
    static var count: Int {
        let whole = quota(in: "/proc/self/cgroup", under: "/sys/fs/cgroup").map { Int($0.rounded(.up)) } ?? Int.max
        return max(1, min(processors, whole))
    }

    /// Those that the scheduler may run the process on (`taskset`, cpusets).
    private static var processors: Int {
        let mask = text("/proc/self/status").split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }?.split(separator: ":").last
        let count = (mask ?? "").reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
        let online = ProcessInfo.processInfo.activeProcessorCount
        return count > 0 ? min(count, online) : online
    }

    /// Processors, by the tightest quota of the process's groups and those above them; nil where there is none.
    /// - Parameters:
    ///   - membership: a file of lines `number:controllers:path`.
    ///   - root: where the groups are mounted.
    static func quota(in membership: String, under root: String) -> Double? {
        var quotas: [Double] = []
        for line in text(membership).split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let controllers = parts[1].split(separator: ",")
            let roots = parts[1].isEmpty ? [root, root + "/unified"] : [root + "/" + parts[1]] + controllers.map { root + "/" + $0 }
            guard parts[1].isEmpty || controllers.contains("cpu") else { continue }
            for group in groups(String(parts[2])) {
                quotas += roots.compactMap { parts[1].isEmpty ? second($0 + group) : first($0 + group) }
            }
        }
        return quotas.min()
    }

    /// A path, and those above it, each beginning with a slash or empty.
    private static func groups(_ path: String) -> [String] {
        let names = path.split(separator: "/")
        return (0...names.count).map { names.prefix($0).map { "/" + $0 }.joined() }
    }

    /// Of version 2: `quota period` in microseconds, or `max`.
    private static func second(_ group: String) -> Double? {
        let words = text(group + "/cpu.max").split(whereSeparator: \.isWhitespace)
        return words.count == 2 ? ratio(words[0], words[1]) : nil
    }

    /// Of version 1, -1 for none.
    private static func first(_ group: String) -> Double? {
        ratio(text(group + "/cpu.cfs_quota_us"), text(group + "/cpu.cfs_period_us"))
    }

    private static func ratio(_ quota: some StringProtocol, _ period: some StringProtocol) -> Double? {
        let numbers = [String(quota), String(period)].compactMap { Double($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        guard numbers.count == 2, numbers[0] > 0, numbers[1] > 0 else { return nil }
        return numbers[0] / numbers[1]
    }

    private static func text(_ path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }
}
