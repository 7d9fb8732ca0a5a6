// Nodes whose clock is wrong.

import Foundation

/// A small library, compiled when it is first needed, that moves what a program reads as the time of day and nothing else.
package struct SkewedClock: Sendable {
    private let library: String

    /// Nil where there is no C compiler.
    package static let shared = Task { try await SkewedClock() }

    private static let place = Result { try TemporaryDirectory() }

    private init?() async throws {
        let directory = try Self.place.get()
        library = directory.file("clock.so")
        let source = try directory.write(Self.source, to: "clock.c")
        for compiler in ["cc", "clang", "gcc"] {
            let compile = try Program(compiler, [compiler, "-shared", "-fPIC", "-O1", "-o", library, source])
            if try await compile.waitForExit(within: .seconds(60)) == 0 { return }
        }
        return nil
    }

    /// Variables that move a program's clock by so many seconds.
    package func environment(seconds: Int) -> [String: String] {
        ["LD_PRELOAD": library, "GATE_TEST_CLOCK_OFFSET": "\(seconds)"]
    }

    private static let source = """
        #define _GNU_SOURCE
        #include <stdlib.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>

        static long offset;
        __attribute__((constructor)) static void read_offset(void) {
            const char *text = getenv("GATE_TEST_CLOCK_OFFSET");
            offset = text ? atol(text) : 0;
        }
        int clock_gettime(clockid_t clock, struct timespec *now) {
            int result = (int)syscall(SYS_clock_gettime, clock, now);
            if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += offset;
            return result;
        }
        int gettimeofday(struct timeval *restrict now, void *restrict zone) {
            int result = (int)syscall(SYS_gettimeofday, now, zone);
            now->tv_sec += offset;
            return result;
        }
        time_t time(time_t *now) {
            struct timespec reading;
            clock_gettime(CLOCK_REALTIME, &reading);
            if (now) *now = reading.tv_sec;
            return reading.tv_sec;
        }
        """
}
