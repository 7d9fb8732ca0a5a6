// Nodes whose clock is wrong, by the library `libfaketime` where it is installed.

import Foundation

package enum FakeTime {
    private static let library = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map { "/usr/lib/\($0)/faketime/libfaketimeMT.so.1" }
        .first { FileManager.default.fileExists(atPath: $0) }

    package static var isInstalled: Bool { library != nil }

    /// Variables that move a program's wall clock, and no other, by so much, e.g. `+90s`.
    package static func environment(offset: String) -> [String: String] {
        guard let library else { return [:] }
        return ["LD_PRELOAD": library, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"]
    }
}
