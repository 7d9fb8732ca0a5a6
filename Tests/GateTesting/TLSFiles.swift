// An authority of a test's own, and a certificate of it for 127.0.0.1.

/// PEM files that `openssl` has made; servers and clients of a test share the one certificate.
package final class TLSFiles: Sendable {
    package let directory: TemporaryDirectory

    package init() async throws {
        directory = try TemporaryDirectory()
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        try directory.write("subjectAltName=IP:127.0.0.1\n", to: "names")
        for command in [
            ["req", "-x509"] + key + ["-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority"],
            ["req"] + key + ["-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=own"],
            [
                "x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "own.pem", "-days", "2",
                "-extfile", "names",
            ],
        ] {
            let program = try Program("openssl", ["openssl"] + command, in: directory.path)
            guard try await program.waitForExit(within: .seconds(30)) == 0 else { throw KitFailure("openssl: \(program.log)") }
        }
    }

    package var authority: String { directory.file("ca.pem") }
    package var certificate: String { directory.file("own.pem") }
    package var privateKey: String { directory.file("own.key") }

    /// For the configuration of a Redis or a Sentinel.
    package var redisLines: [String] {
        ["tls-ca-cert-file \(authority)", "tls-cert-file \(certificate)", "tls-key-file \(privateKey)"]
    }
}
