// Which values a field of a request or a setting takes: how one is read, what is said of a wrong one, and how it is described.

package import MCPWire

/// Values of one type: what JSON they are, within which limits, with which sentence when it is not one.
///
/// Kinds convert nothing: "5" and true are never 5 (X35). What is absent, required or a default belongs to `Field` and `Setting`.
package struct ValueKind<Value: Sendable>: Sendable {
    /// Checks a value and tells what is wrong with it; nil after a fault. Never called with null.
    package typealias Read = @Sendable (JSONValue, inout ValueFindings) -> Value?

    /// How the values are documented.
    package let schema: Schema
    /// Text of a query or header as the JSON value that it stands for.
    package let given: @Sendable (String) -> JSONValue
    /// Reads a value; see `Read`.
    package let read: Read

    /// A kind whose values can be wrong in several ways, or worth a remark.
    package init(_ schema: Schema, given: @escaping @Sendable (String) -> JSONValue = { .string($0) }, reading read: @escaping Read) {
        self.schema = schema
        self.given = given
        self.read = read
    }

    /// A kind of which one thing is wrong at a time.
    package init(
        _ schema: Schema, given: @escaping @Sendable (String) -> JSONValue = { .string($0) },
        read: @escaping @Sendable (JSONValue) throws(ValueFault) -> Value
    ) {
        self.init(schema, given: given) { json, findings in
            do throws(ValueFault) {
                return try read(json)
            } catch {
                findings.add(error)
                return nil
            }
        }
    }

    /// The value, or the first thing that is wrong with it.
    /// - Throws: That first thing.
    package func value(of json: JSONValue) throws(ValueFault) -> Value {
        var findings = ValueFindings()
        let value = read(json, &findings)
        if let fault = findings.faults.first { throw fault }
        guard let value else { throw ValueFault("Is not valid.") }
        return value
    }

    /// The value of a part of another one. - Parameter path: where the part is, as `.name`.
    /// - Throws: The first thing that is wrong with it, which says where.
    package func value(of json: JSONValue, at path: String) throws(ValueFault) -> Value {
        do throws(ValueFault) {
            return try value(of: json)
        } catch {
            var fault = error
            fault.path = path + fault.path
            throw fault
        }
    }
}

/// Why a value is not taken.
package struct ValueFault: Error, Sendable, Equatable {
    /// Where inside of the value, as `.search.creditsPerCall` or `[0].prefix`; empty for the value itself.
    package var path = ""
    /// What of the value a sentence may repeat; nil where there is nothing to repeat, or a secret.
    package var shown: String?
    /// The rule that it breaks, a whole sentence: "Must be …".
    package let rule: String

    /// - Parameter json: what the sentence shows; nil where there is nothing to repeat, or a secret.
    package init(_ rule: String, showing json: JSONValue? = nil) {
        self.rule = rule
        shown = json?.shown
    }

    /// - Parameter path: where inside of the value, as `.name`; shortened where a client has chosen a long one.
    package init(at path: String, _ rule: String) {
        self.path = String(path.unicodeScalars.prefix(100))
        self.rule = rule
    }

    /// - Parameter text: repeated as it is.
    package init(_ rule: String, quoting text: String) {
        self.rule = rule
        shown = text
    }
}

/// What was found while one value was read, in the order in which it was found.
package struct ValueFindings: Sendable {
    /// Something that was found.
    package enum Finding: Sendable {
        /// The value is not taken.
        case fault(ValueFault)
        /// Something worth knowing that keeps nobody from taking the value.
        case remark(path: String, String)
    }

    /// In the order in which they were found.
    package private(set) var entries: [Finding] = []
    /// Where the reader is inside of the value.
    package private(set) var path = ""

    package init() {}

    /// The findings for which the value is not taken.
    package var faults: [ValueFault] {
        entries.compactMap { if case .fault(let fault) = $0 { fault } else { nil } }
    }

    /// Notes a fault; its path is one below the reader's.
    package mutating func add(_ fault: ValueFault) {
        var fault = fault
        fault.path = path + fault.path
        entries.append(.fault(fault))
    }

    /// Notes that the present part of the value breaks a rule.
    package mutating func refuse(_ rule: String, showing json: JSONValue? = nil) {
        add(ValueFault(rule, showing: json))
    }

    /// Notes something worth knowing about the present part.
    package mutating func remark(_ sentence: String) {
        entries.append(.remark(path: path, sentence))
    }

    /// Reads a part of the value: `.name` of an object, `[index]` of a list.
    package mutating func within<Result>(_ step: String, _ read: (inout ValueFindings) -> Result) -> Result {
        let outer = path
        path += step
        defer { path = outer }
        return read(&self)
    }
}

// How JSON is shown in sentences.
extension JSONValue {
    /// The value in a sentence: quoted when it is text, by its kind when it is a structure.
    package var shown: String {
        switch self {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .int(let number): "\(number)"
        case .double(let number): Int(exactly: number).map(String.init) ?? "\(number)"
        case .string(let text): "\"\(text)\""
        case .array: "[…]"
        case .object: "{…}"
        }
    }
}
