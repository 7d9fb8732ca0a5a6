// The version of the product, in one place.

/// The version that `gate-node version`, the `X-PayGate-Version` header and `/info` print.
package enum ProductVersion {
    /// Major, minor and patch (semver.org); 0 until every documented route is served.
    package static let current = "0.2.0"
}
