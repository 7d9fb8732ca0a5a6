// Libraries that are loaded before the program, as operators do to test clocks or allocators.

import Foundation
import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Preloaded libraries")
    struct PreloadTests {
        /// What libfaketime does when it is loaded: a variable is set, and the environment lies elsewhere from then on.
        private static let source = """
            #include <stdlib.h>
            __attribute__((constructor)) static void begin(void) { setenv("A_VARIABLE_OF_A_LIBRARY", "1", 1); }
            """

        @Test("F-CLI-02: a library that has moved the environment before the program begins takes no argument away")
        func movedEnvironment() async throws {
            let directory = try TemporaryDirectory()
            let file = try directory.write(Self.source, to: "preload.c")
            let library = directory.file("preload.so")
            let compiler = try Program("clang", ["clang", "-shared", "-fPIC", "-o", library, file])
            try #require(try await compiler.waitForExit(within: .seconds(60)) == 0, "\(compiler.log)")
            let refused = try await StandaloneNode.failure(
                ["--port", "77777", "--", "a server", ""], environment: ["LD_PRELOAD": library])
            #expect(refused.status == 1)
            #expect(refused.log.contains("Invalid port 77777 from --port") && !refused.log.contains("No MCP server"), "\(refused.log)")
        }
    }
}
