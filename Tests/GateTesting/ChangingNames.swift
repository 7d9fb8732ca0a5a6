// Names that mean another address each time they are looked up, for a program that believes what it was told once.

import Foundation

/// A small library, compiled when it is first needed, through which a program looks names up: each time the next address of those that were
/// set for a name, the last one from then on. Numbers and all other names are looked up as ever.
package struct ChangingNames: Sendable {
    private static let library = Task { () async throws -> String? in
        let directory = try ChangingNames.place.get()
        let library = directory.file("names.so")
        let source = try directory.write(ChangingNames.source, to: "names.c")
        for compiler in ["cc", "clang", "gcc"] {
            let compile = try Program(compiler, [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"])
            if try await compile.waitForExit(within: .seconds(60)) == 0 { return library }
        }
        return nil
    }
    private static let place = Result { try TemporaryDirectory() }

    private let directory: TemporaryDirectory
    /// Variables of the program.
    package let environment: [String: String]

    /// Nil where there is no C compiler.
    package init?() async throws {
        guard let library = try await Self.library.value else { return nil }
        directory = try TemporaryDirectory()
        environment = ["LD_PRELOAD": library, "GATE_TEST_NAMES": directory.path]
    }

    /// What a name means the first time, the second time, and so on, from now on.
    package func set(_ name: String, to addresses: [String]) throws {
        try directory.write("", to: name + ".asked")
        try directory.write(addresses.joined(separator: " "), to: name)
    }

    /// How often a name was looked up since it was set.
    package func lookUps(of name: String) throws -> Int {
        try Data(contentsOf: URL(fileURLWithPath: directory.file(name + ".asked"))).count
    }

    private static let source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <fcntl.h>
        #include <netdb.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/stat.h>
        #include <unistd.h>

        typedef int (*look_up)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
        int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
            look_up real = (look_up)dlsym(RTLD_NEXT, "getaddrinfo");
            const char *directory = getenv("GATE_TEST_NAMES");
            char path[1024], asked[1040], addresses[1024] = "", *rest = addresses, *word, *found = NULL;
            if (!host || !directory || strchr(host, '/')) return real(host, service, hints, list);
            snprintf(path, sizeof path, "%s/%s", directory, host);
            snprintf(asked, sizeof asked, "%s.asked", path);
            int file = open(path, O_RDONLY | O_CLOEXEC);
            if (file < 0) return real(host, service, hints, list);
            ssize_t length = read(file, addresses, sizeof addresses - 1);
            close(file);
            if (length < 0) return EAI_FAIL;
            int count = open(asked, O_WRONLY | O_APPEND | O_CLOEXEC);
            struct stat before;
            if (count < 0 || fstat(count, &before) || write(count, ".", 1) != 1) return EAI_FAIL;
            close(count);
            for (long turn = 0; (word = strtok_r(rest, " ", &rest)); turn++) {
                found = word;
                if (turn == before.st_size) break;
            }
            return found ? real(found, service, hints, list) : EAI_NONAME;
        }
        """
}
