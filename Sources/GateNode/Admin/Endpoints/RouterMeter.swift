// Counts what the router answers; its labels come from the table and from HTTP, never from a client (F-MET-04).

import HTTPTypes
import Synchronization

/// Answers by method, route and status (F-MET-05).
final class RouterMeter: Sendable {
    private let counts = Mutex<[RequestMeter.RequestLabel: Int]>([:])

    var requests: [RequestMeter.RequestLabel: Int] { counts.withLock { $0 } }

    /// - Parameter route: the path of the endpoint as it was declared; nil if there is none.
    func count(_ method: HTTPRequest.Method, route: String?, _ status: HTTPResponse.Status) {
        let label = RequestMeter.RequestLabel(
            method: method.isCommon ? method.rawValue : "other", route: route ?? "none", status: status.code)
        counts.withLock { $0[label, default: 0] += 1 }
    }
}

extension HTTPRequest.Method {
    /// The methods that are counted by their names; any other one could be anything.
    static let common: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete, .options]

    var isCommon: Bool { Self.common.contains(self) }
}
