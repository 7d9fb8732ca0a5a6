// How many event loops a node has by itself.

@testable import GateNode
import GateTesting
import Testing

@Suite("Processors that the process may use")
struct ProcessorShareTests {
    @Test(
        "The tightest quota of the process's groups and of those above them counts, in version 1 and 2",
        arguments: [
            ("0::/a/b\n", ["a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"], 1.5),
            ("0::/a\n", ["a/cpu.max": "400000 100000", "cpu.max": "200000 100000"], 2),
            ("0::/\n", ["cpu.max": "50000 100000\n"], 0.5),
            ("0::/not/mounted/here\n", ["cpu.max": "100000 100000"], 1),
            (
                "2:cpu,cpuacct:/x\n1:memory:/y\n",
                ["cpu,cpuacct/x/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n"], 3
            ),
            ("3:cpu:/x\n", ["cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"], nil),
            ("0::/\n", [:], nil), ("", [:], nil),
        ] as [(String, [String: String], Double?)])
    func quotas(_ membership: String, _ files: [String: String], _ quota: Double?) async throws {
        let directory = try TemporaryDirectory()
        for (name, text) in files {
            if let slash = name.lastIndex(of: "/") {
                let folder = try Program("mkdir", ["mkdir", "-p", directory.file(String(name[..<slash]))])
                _ = try await folder.waitForExit(within: .seconds(5))
            }
            try directory.write(text, to: name)
        }
        let path = try directory.write(membership, to: "membership")
        #expect(ProcessorShare.quota(in: path, under: directory.path) == quota)
    }

    @Test(
        "RFC 9110 5.6.7: dates of answers",
        arguments: [(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT")])
    func dates(_ seconds: Int, _ text: String) {
        #expect(HTTPDate.text(seconds: seconds) == text)
    }
}
