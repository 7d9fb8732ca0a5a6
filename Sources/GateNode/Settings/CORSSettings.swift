/// Which browser origins may read answers (F-HDR-17).
package struct CORSSettings: Sendable, Equatable {
    package enum Origins: Sendable, Equatable {
        case any
        /// `scheme://host[:port]`, matched exactly.
        case listed([String])
    }

    package var origin = Origins.any
    /// Never together with `Origins.any` (F-HDR-18).
    package var credentials = false
    /// Seconds for which a browser may keep a preflight answer.
    package var maxAge = 86_400

    package init() {}
}
