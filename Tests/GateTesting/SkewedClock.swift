// Nodes and Redis servers whose clock is wrong, or steps while they run.

import Foundation
import Synchronization

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

    /// A clock that the programs which are given its variables read, and that steps while they run.
    package func stepping() throws -> SteppingClock { try SteppingClock(library: library) }

    private static let source = """
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>

        static long fixed;
        static volatile long *offset = &fixed;
        __attribute__((constructor)) static void read_offset(void) {
            const char *text = getenv("GATE_TEST_CLOCK_OFFSET"), *path = getenv("GATE_TEST_CLOCK_FILE");
            fixed = text ? atol(text) : 0;
            int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
            if (file < 0) return;
            void *shared = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
            close(file);
            if (shared != MAP_FAILED) offset = shared;
        }
        int clock_gettime(clockid_t clock, struct timespec *now) {
            int result = (int)syscall(SYS_clock_gettime, clock, now);
            if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += *offset;
            return result;
        }
        int gettimeofday(struct timeval *restrict now, void *restrict zone) {
            int result = (int)syscall(SYS_gettimeofday, now, zone);
            now->tv_sec += *offset;
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

/// Seconds by which some programs' time of day is wrong, in a file that all of them have mapped into their memory.
package final class SteppingClock: Sendable {
    private let directory: TemporaryDirectory
    private let library: String
    private let seconds = Mutex(0)

    fileprivate init(library: String) throws {
        self.library = library
        directory = try TemporaryDirectory()
        try directory.write(String(repeating: "\0", count: 8), to: "offset")
    }

    package var environment: [String: String] { ["LD_PRELOAD": library, "GATE_TEST_CLOCK_FILE": directory.file("offset")] }

    /// The programs' time moves by so many seconds, at once; backwards if they are negative.
    package func step(_ step: Int) throws {
        try seconds.withLock { seconds in
            seconds += step
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: directory.file("offset")))
            try file.write(contentsOf: withUnsafeBytes(of: seconds.littleEndian) { Data($0) })
            try file.close()
        }
    }
}
