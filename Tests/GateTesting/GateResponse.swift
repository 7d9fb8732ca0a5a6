// One answer of a gate as a test looks at it.

import NIOHTTP1

package struct GateResponse: Sendable {
    package let status: Int
    let headers: HTTPHeaders
    package let body: [UInt8]
    /// From the first byte that was sent to the last one received.
    package let elapsed: Duration

    package var text: String { String(decoding: body, as: UTF8.self) }
    /// `null` if the body is not JSON.
    package var json: JSON { JSON(body) ?? .null }

    package func header(_ name: String) -> String? { headers.first(name: name) }
    package func integer(_ name: String) -> Int? { header(name).flatMap { Int($0) } }
}

/// What became of one tool call.
package enum CallOutcome: Sendable, Equatable {
    /// A JSON-RPC result that is no error of the tool.
    case served(JSON)
    /// A denial of the gate (-32402), with its reason.
    case denied(String)
    /// A result with `isError`.
    case toolFailed
    /// Any other JSON-RPC error.
    case failed(code: Int)
    /// An HTTP status that is not 200.
    case refused(status: Int)
    /// No answer came: nobody knows whether it was charged.
    case lost(String)

    package var isServed: Bool { if case .served = self { true } else { false } }

    /// The text of the first content of the result.
    package var text: String? {
        if case .served(let result) = self { result["content"]?[0]?["text"]?.string } else { nil }
    }

    /// One word for counting: the reason of a denial without its details.
    package var word: String {
        switch self {
        case .served: "served"
        case .denied(let reason): reason.split(separator: ":").first.map(String.init) ?? reason
        case .toolFailed: "isError"
        case .failed(let code): "error \(code)"
        case .refused(let status): "HTTP \(status)"
        case .lost: "lost"
        }
    }
}

extension GateResponse {
    package var outcome: CallOutcome {
        guard status == 200 else { return .refused(status: status) }
        let json = json
        if let result = json["result"] { return result["isError"] == true ? .toolFailed : .served(result) }
        guard let error = json["error"], let code = error["code"]?.int else { return .lost("neither result nor error: \(text)") }
        return code == -32402 ? .denied(error["data"]?["reason"]?.string ?? "no reason") : .failed(code: code)
    }
}

/// How often each outcome came about.
package struct Tally: Sendable, CustomStringConvertible {
    package private(set) var counts: [String: Int] = [:]
    package private(set) var total = 0

    package init(_ outcomes: some Sequence<CallOutcome> = []) {
        for outcome in outcomes { add(outcome) }
    }

    package mutating func add(_ outcome: CallOutcome) {
        counts[outcome.word, default: 0] += 1
        total += 1
    }

    /// How many had one of these words of `CallOutcome.word`.
    package func count(_ words: String...) -> Int { words.reduce(0) { $0 + counts[$1, default: 0] } }
    package var served: Int { count("served") }
    /// Whether all were served; on a machine that others use, some may have been refused instead (503): it stands still for longer than Redis
    /// is waited for.
    package var wereServed: Bool {
        served == total || Duration.patience > 1 && served > 0 && served + count("HTTP 503") == total
    }
    /// Those of which the client cannot know whether they were charged.
    package var unknown: Int { total - counts.filter { Self.isDefinite($0.key) }.values.reduce(0, +) }

    package var description: String { counts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ") }

    private static func isDefinite(_ word: String) -> Bool {
        word != "lost" && !word.hasPrefix("HTTP 5")
    }
}
