// A Redis whose time is whatever a history says it is.

import Foundation
import GateTesting
import Glibc

/// A library that makes a program read the time of day from memory that it shares with us; time stands still until we move it.
final class VirtualClock {
    private let directory: TemporaryDirectory
    private let library: String
    private let cell: UnsafeMutablePointer<Int64>

    /// - Throws: where there is no C compiler.
    init() async throws {
        directory = try TemporaryDirectory()
        library = directory.file("clock.so")
        let source = try directory.write(Self.source, to: "clock.c")
        let compile = try Program("cc", ["cc", "-shared", "-fPIC", "-O1", "-o", library, source])
        guard try await compile.waitForExit(within: .seconds(60)) == 0 else {
            throw KitFailure("the clock does not compile: \(compile.log)")
        }
        let file = open(directory.file("now"), O_RDWR | O_CREAT, 0o600)
        guard file >= 0, ftruncate(file, 8) == 0,
            let memory = mmap(nil, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), memory != MAP_FAILED
        else { throw KitFailure("no shared memory for the clock") }
        close(file)
        cell = memory.bindMemory(to: Int64.self, capacity: 1)
        cell.pointee = 1_700_000_000_000_000
    }

    deinit { munmap(cell, 8) }

    var environment: [String: String] { ["LD_PRELOAD": library, "HISTORY_CLOCK": directory.file("now")] }

    /// Microseconds since 1970, as the program reads them.
    var microseconds: Int {
        get { Int(cell.pointee) }
        set { cell.pointee = Int64(newValue) }
    }

    private static let source = """
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <stdint.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>

        static int64_t fixed = 1700000000000000;
        static volatile int64_t *now_us = &fixed;
        __attribute__((constructor)) static void open_clock(void) {
            const char *path = getenv("HISTORY_CLOCK");
            int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
            if (file < 0) return;
            void *shared = mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
            if (shared != MAP_FAILED) now_us = shared;
        }
        int clock_gettime(clockid_t clock, struct timespec *now) {
            if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return (int)syscall(SYS_clock_gettime, clock, now);
            int64_t us = *now_us;
            now->tv_sec = us / 1000000;
            now->tv_nsec = us % 1000000 * 1000;
            return 0;
        }
        int gettimeofday(struct timeval *restrict now, void *restrict zone) {
            int64_t us = *now_us;
            now->tv_sec = us / 1000000;
            now->tv_usec = us % 1000000;
            return 0;
        }
        time_t time(time_t *now) {
            time_t seconds = *now_us / 1000000;
            if (now) *now = seconds;
            return seconds;
        }
        """
}
