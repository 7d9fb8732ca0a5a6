/// The version that `gate-node version`, the `X-PayGate-Version` header and `/info` print.
package enum ProductVersion {
    package static let current = "1.0.0"
}
