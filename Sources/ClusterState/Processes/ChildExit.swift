/// How a child ended.
package enum ChildExit: Sendable, Equatable, CustomStringConvertible {
    case exited(code: Int32)
    case signalled(Int32)
    /// Somebody else has reaped the child; only its end is known.
    case unknown

    package var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signalled(let signal): "signal \(signal)"
        case .unknown: "unknown status"
        }
    }
}
