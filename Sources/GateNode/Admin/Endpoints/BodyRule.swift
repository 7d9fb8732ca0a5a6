// What an endpoint takes as a body: strict JSON, a form, or the bytes as they come; always of bounded size.

import GateDomain
import HTTPTypes
import Hummingbird
import MCPWire
import NIOCore

/// The bodies that an endpoint reads.
struct BodyRule: Sendable {
    /// Media types that it takes; none for any, which a body of bytes alone may say.
    let types: [String]
    /// Bytes of the largest body (F-HTTP-03).
    let limit: Int
    /// Whether the bytes are the input, and no fields are read from them.
    let isRaw: Bool
    /// Makes fields of comma-separated values, where the endpoint takes `text/csv` as well.
    var table: Table?

    typealias Table = @Sendable ([UInt8]) throws(HTTPFailure) -> JSONObject

    static let usualLimit = 1_048_576

    /// A JSON object.
    static let json = json(limit: usualLimit)
    /// `application/x-www-form-urlencoded`.
    static let form = BodyRule(types: [MediaType.form], limit: 65_536, isRaw: false)
    /// Either, told apart by its content type.
    static let jsonOrForm = BodyRule(types: [MediaType.json, MediaType.form], limit: 65_536, isRaw: false)

    static func json(limit: Int) -> BodyRule { BodyRule(types: [MediaType.json], limit: limit, isRaw: false) }

    /// The exact bytes, as signatures need them.
    static func bytes(_ types: [String] = [], limit: Int) -> BodyRule { BodyRule(types: types, limit: limit, isRaw: true) }

    /// Reads the body; one that is empty needs no content type (F-HTTP-08).
    /// - Throws: 413 or 415.
    func receive(_ request: Request) async throws -> ReceivedBody {
        let type = request.headers[.contentType].map(Self.essence)
        if let type, !takes(type) { throw unsupported }
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit { throw tooLarge }
        let bytes = try await collected(request.body)
        if !bytes.isEmpty, !takes(type) { throw unsupported }
        return ReceivedBody(bytes: bytes, type: type ?? types.first ?? "", table: table)
    }

    private func takes(_ type: String?) -> Bool {
        types.isEmpty || type.map(types.contains) ?? false
    }

    private func collected(_ body: RequestBody) async throws -> [UInt8] {
        do {
            return Array(try await body.collect(upTo: limit).readableBytesView)
        } catch is NIOTooManyBytesError {
            throw tooLarge
        } catch is BodyCutShort {
            throw HTTPFailure.badRequest("The request has ended before its body was whole")
        }
    }

    private static func essence(_ type: String) -> String {
        let essence = type.utf8.prefix { $0 != UInt8(ascii: ";") }.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
        // No media type is longer, and what is no ASCII is none.
        guard essence.count <= 127, essence.allSatisfy({ $0 < 0x80 }) else { return "" }
        return String(decoding: essence, as: UTF8.self).lowercased()
    }

    private var unsupported: HTTPFailure {
        HTTPFailure(.unsupportedMediaType, "Unsupported Media Type. Use Content-Type: \(types.joined(separator: " or "))")
    }

    private var tooLarge: HTTPFailure {
        let (size, unit) =
            limit.isMultiple(of: 1 << 20) ? (limit >> 20, "MiB") : limit.isMultiple(of: 1 << 10) ? (limit >> 10, "KiB") : (limit, "bytes")
        return HTTPFailure(.contentTooLarge, "Request body exceeds \(size) \(unit)")
    }
}

/// A body that has been read.
struct ReceivedBody: Sendable {
    static let none = ReceivedBody(bytes: [], type: "")

    let bytes: [UInt8]
    /// Its media type, without parameters and in lower case.
    let type: String
    /// As the rule has it that it was read by.
    var table: BodyRule.Table?

    /// The members of a JSON object or a form; none if the body is empty.
    /// - Throws: 400.
    func values(of fields: [any DeclaredField]) throws(HTTPFailure) -> JSONObject {
        if bytes.isEmpty || fields.isEmpty && type != MediaType.json { return [:] }
        if type != MediaType.json, let table { return try table(bytes) }
        guard type == MediaType.form else { return try JSONBody.object(in: bytes) }
        let form = try FormText.values(in: bytes)
        return fields.reduce(into: [:]) { values, field in values[field.name] = form[ExactText(field.name)].map(field.given) }
    }
}

enum JSONBody {
    /// - Throws: 400 if the bytes are no JSON object.
    static func object(in bytes: [UInt8]) throws(HTTPFailure) -> JSONObject {
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONValue.parse(bytes, rules: .strict)
        } catch {
            let member = error.member(in: bytes).map { ", in \($0.cut(toBytes: 100))" } ?? ""
            throw .badRequest("Invalid JSON body: \(error.sentence)\(member)")
        }
        guard let object = value.objectValue else { throw .badRequest("Invalid JSON body: expected an object") }
        return object
    }
}

/// `application/x-www-form-urlencoded`: a value is there once or not at all, and one that is empty is not there (RFC 6749 3.1).
enum FormText {
    /// Fields that one form may have.
    static let capacity = 200

    /// - Throws: 400 if a name occurs twice, or if an escape or the text that it stands for is malformed.
    static func values(in bytes: [UInt8]) throws(HTTPFailure) -> [ExactText: String] {
        var values: [ExactText: String] = [:]
        let pairs = bytes.split(separator: UInt8(ascii: "&"))
        guard pairs.count <= capacity else { throw .badRequest("Invalid form body: too many fields") }
        for pair in pairs {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard let name = PercentText.decode(pair[..<equals], plusIsSpace: true),
                let value = PercentText.decode(pair[equals...].dropFirst(), plusIsSpace: true)
            else { throw .badRequest("Invalid form body: malformed text") }
            guard values.updateValue(value, forKey: ExactText(name)) == nil else {
                throw .badRequest("Invalid form body: \(name.cut(toBytes: 100)) occurs twice")
            }
        }
        return values.filter { !$0.value.isEmpty }
    }
}

/// Percent-encoded text (RFC 3986 2.1).
enum PercentText {
    /// Nil if an escape is malformed, or if it is no UTF-8.
    static func decode(_ bytes: some Collection<UInt8>, plusIsSpace: Bool = false) -> String? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst().flatMap(value), let low = rest.popFirst().flatMap(value) else { return nil }
                decoded.append(high << 4 | low)
            } else {
                decoded.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(validating: decoded, as: UTF8.self)
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
