// What a stage of the pipeline may look at.

/// One call as the stages see it. Not copyable: a stage looks at it and keeps nothing of it.
package struct CallView: ~Copyable {
    /// Who calls.
    package enum Caller: Sendable {
        /// No secret was shown.
        case nobody
        /// A secret that proves no key.
        case unknown
        /// The key that the secret proves, with what applies to it.
        case key(Policy)

        /// The policy of the key that calls, if it is one that exists.
        package var policy: Policy? {
            if case .key(let policy) = self { policy } else { nil }
        }

        /// Its id; empty where there is none.
        var keyID: String { policy?.key.id ?? "" }
    }

    /// Who calls.
    package let caller: Caller
    /// Empty where no tool is asked for.
    package let tool: String
    /// Compact size of the arguments in bytes, as they came; 0 if there are none (F-PRICE-04).
    package let argumentBytes: Int
    /// The client's, proxies taken into account (F-IP-02).
    package let address: IPAddress
    /// Where the client is, by its code in upper case; nil where no trusted proxy says it, or where the key's lists do not ask (F-GEO-03).
    package let country: String?
    /// Milliseconds since 1970 of Redis TIME, as this node last heard it; the script asks the real one again.
    package let now: Int
    /// What earlier stages want the client to be told.
    package private(set) var warnings: [String] = []
    /// What earlier stages want the operator to be told.
    package private(set) var notes: [String] = []
    /// Rules that were met.
    package private(set) var violations: [RuleViolation] = []
    /// Whether the arguments were compared with a schema.
    package internal(set) var hasCheckedArguments = false
    /// What a stage has put in the place of the payload.
    package internal(set) var rewritten: [UInt8]?
    private let payload: UnsafeRawBufferPointer
    private let headers: (StaticString) -> String?

    /// Bytes of a header's value that a stage gets to see.
    package static let headerBytes = 4096
    /// Warnings, and notes, that one call can have.
    package static let remarks = 16
    /// Violations that one run of the stages can have.
    package static let violations = 32

    /// - Parameters:
    ///   - payload: the JSON of the arguments, or of the answer for the phase `output`; has to stay valid as long as the view is used.
    ///   - headers: the value of a header of the request, by its name in lower case.
    package init(
        caller: Caller, tool: String = "", payload: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        argumentBytes: Int = 0, address: IPAddress, country: String? = nil, now: Int,
        headers: @escaping (StaticString) -> String? = { _ in nil }
    ) {
        self.caller = caller
        self.tool = tool
        self.payload = payload
        self.argumentBytes = argumentBytes
        self.address = address
        self.country = country
        self.now = now
        self.headers = headers
    }

    /// The policy of the key that calls, if it is one that exists. What is asked of the key is read through it: a record is large to copy.
    package var policy: Policy? { caller.policy }

    /// Lends the JSON of the arguments, or of the answer in the phase `output`, as earlier stages left it; empty if there is none.
    package func withPayload<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        if let rewritten { rewritten.withUnsafeBytes(body) } else { body(payload) }
    }

    /// The value of a header of the request; nil if there is none, or if it is longer than a stage has to read.
    /// - Parameter name: in lower case.
    package func header(_ name: StaticString) -> String? {
        headers(name).flatMap { $0.utf8.count <= Self.headerBytes ? $0 : nil }
    }

    mutating func note(_ violation: RuleViolation) {
        if violations.count < Self.violations { violations.append(violation) }
    }

    mutating func warn(_ text: String) {
        if warnings.count < Self.remarks { warnings.append(text.cut(toBytes: 200)) }
    }

    mutating func note(_ text: String) {
        if notes.count < Self.remarks { notes.append(text.cut(toBytes: 200)) }
    }
}
