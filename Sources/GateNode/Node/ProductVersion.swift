// The version of the product, in one place.

/// The version that `gate-node version`, the `X-PayGate-Version` header and `/info` print.
package enum ProductVersion {
    /// Major, minor and patch (semver.org).
    package static let current = "1.0.0"
}
