// Whom TLS to Redis and its Sentinels trusts, and how the node proves itself.

import NIOSSL

/// Files of PEM for connections with `rediss`.
package struct RedisTLS: Sendable, Equatable {
    /// Certificates of the authorities that are trusted; nil for those of the system.
    package var authorities: String?
    /// The node's own certificate, and those between it and the authority; nil where servers ask for none.
    package var certificate: String?
    /// The key of that certificate.
    package var privateKey: String?

    package init(authorities: String? = nil, certificate: String? = nil, privateKey: String? = nil) {
        (self.authorities, self.certificate, self.privateKey) = (authorities, certificate, privateKey)
    }

    /// What to look at where TLS is not agreed on.
    static let advice =
        "check that it speaks TLS, that --redis-ca trusts its certificate and its name, and --redis-certificate if it asks for one."

    /// - Throws: `RedisTLSFault` where a file is not what it should be.
    func context() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let authorities {
            let trusted: [NIOSSLCertificate]
            do { trusted = try NIOSSLCertificate.fromPEMFile(authorities) } catch { throw RedisTLSFault(noCertificateIn: authorities) }
            if trusted.isEmpty { throw RedisTLSFault(noCertificateIn: authorities) }
            configuration.trustRoots = .certificates(trusted)
        }
        if let certificate, let privateKey {
            let chain: [NIOSSLCertificate]
            do { chain = try NIOSSLCertificate.fromPEMFile(certificate) } catch { throw RedisTLSFault(noCertificateIn: certificate) }
            configuration.certificateChain = chain.map { .certificate($0) }
            do {
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: privateKey, format: .pem))
            } catch {
                throw RedisTLSFault(sentence: "The file '\(privateKey)' holds no private key in PEM without a password.")
            }
        }
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw RedisTLSFault(sentence: "The certificate and the private key for Redis cannot be used together.")
        }
    }
}

/// A file for TLS that is not what it should be.
package struct RedisTLSFault: Error, Equatable {
    /// One sentence for the operator.
    package let sentence: String

    fileprivate init(sentence: String) { self.sentence = sentence }
    fileprivate init(noCertificateIn path: String) { self.init(sentence: "The file '\(path)' holds no certificates in PEM.") }
}

extension Error {
    /// Whether a connection has ended because the two sides do not agree on TLS.
    var isOfTLS: Bool { self is NIOSSLError || self is NIOSSLExtraError }
}
