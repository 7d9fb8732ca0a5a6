// The one pass over an upstream's message, as strict as that over a client's: what is passed on is JSON, in UTF-8.

extension Reply {
    /// Arrays and objects that may be open at once in what a server says; twice of what a client may send.
    package static let depthCap = 128

    /// Reads one message; nil if it is not one JSON-RPC 2.0 message (a log line on standard output, for instance).
    package static func scan(_ bytes: UnsafeRawBufferPointer) -> Reply? {
        var scan = ReplyScan(bytes)
        do {
            try scan.readMessage()
        } catch {
            return nil
        }
        return scan.finished()
    }

    /// Whether bytes that `scan` does not take are a message that nobody can be given: nested too deeply, or with text that is no UTF-8.
    package static func isUnusable(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var scan = ReplyScan(bytes)
        do {
            try scan.readMessage()
        } catch {
            return error.reason == .depth || error.reason == .text
        }
        return false
    }
}

/// The state of that pass.
private struct ReplyScan {
    private var reply = Reply()
    private var scanner: JSONScanner
    private var hasVersion = false
    private var methodToken: StringToken?
    private var isError = false
    private var errorCode: Int?
    /// Members of the message that were met, a bit each, and whether one was met twice, or is none of JSON-RPC's.
    private var met: UInt8 = 0
    private var isLoose = false

    init(_ bytes: UnsafeRawBufferPointer) {
        scanner = JSONScanner(bytes, depthCap: Reply.depthCap)
    }

    mutating func readMessage() throws(JSONFault) {
        try scanner.openObject()
        while let name = try scanner.nextMember() {
            let member = recognise(name) as MessageMember?
            note(member)
            switch member {
            case .jsonrpc: hasVersion = try scanner.skipValueAsString()?.spells("2.0", in: scanner.bytes) ?? false
            case .id: reply.id = try scanner.locateValue()
            case .method: methodToken = try scanner.skipValueAsString()
            case .params: try readParams()
            case .result: try readResult()
            case .error: try readError()
            case nil: try scanner.skipValue()
            }
        }
        try scanner.finish()
    }

    private mutating func note(_ member: MessageMember?) {
        let bit: UInt8 = member.map { 1 << $0.rawValue } ?? 0
        if bit == 0 || met & bit != 0 { isLoose = true }
        met |= bit
    }

    /// Whether one of these members was met.
    private func hasMet(_ members: MessageMember...) -> Bool { members.contains { met & (1 << $0.rawValue) != 0 } }

    private mutating func readParams() throws(JSONFault) {
        let start = scanner.position
        defer { reply.params = start..<scanner.position }
        guard scanner.next == .openBrace else { return try scanner.skipValue() }
        try scanner.openObject()
        while let name = try scanner.nextMember() {
            switch recognise(name) as ReplyParamsMember? {
            case .progressToken: reply.progressToken = try scanner.locateValue()
            case .requestId: reply.requestIdToCancel = try scanner.locateValue()
            case nil: try scanner.skipValue()
            }
        }
    }

    private mutating func readResult() throws(JSONFault) {
        let start = scanner.position
        defer { reply.result = start..<scanner.position }
        guard scanner.next == .openBrace else { return try scanner.skipValue() }
        try scanner.openObject()
        while let name = try scanner.nextMember() {
            switch recognise(name) as ResultMember? {
            case .isError:
                if scanner.next == UInt8(ascii: "t") { isError = true }
                try scanner.skipValue()
            case .resultType: reply.resultType = try scanner.skipValueAsString()?.range
            case nil: try scanner.skipValue()
            }
        }
    }

    /// Reads the error; `"error": null` beside a result is no error.
    private mutating func readError() throws(JSONFault) {
        let start = scanner.position
        guard scanner.next != UInt8(ascii: "n") else { return try scanner.skipLiteral("null") }
        defer { reply.error = start..<scanner.position }
        guard scanner.next == .openBrace else { return try scanner.skipValue() }
        try scanner.openObject()
        while let name = try scanner.nextMember() {
            let isCode = recognise(name) as ErrorMember? == .code
            let value = try scanner.locateValue()
            if isCode { errorCode = Int(String(decoding: scanner.bytes.piece(value).prefix(20), as: UTF8.self)) }
        }
    }

    @inline(__always)
    private func recognise<Member: KnownMember>(_ token: StringToken) -> Member? {
        guard case .known(let member) = Member.recognise(token, in: scanner.bytes) else { return nil }
        return member
    }

    /// The message, if the members that it has make it one.
    func finished() -> Reply? {
        guard hasVersion else { return nil }
        var reply = reply
        if let methodToken {
            reply.kind = reply.id == nil ? .notification : .request
            reply.isLoose = isLoose || hasMet(.result, .error)
            reply.methodName = methodToken.content
            reply.method = Method(methodToken, in: scanner.bytes)
        } else if reply.error != nil {
            reply.kind = .error(code: errorCode ?? 0)
            reply.isLoose = isLoose || hasMet(.params, .result)
        } else if reply.result != nil {
            reply.kind = .result(isError: isError)
            reply.isLoose = isLoose || hasMet(.params)
        } else {
            return nil
        }
        reply.number = reply.id.flatMap { JSONText.unsignedDecimal(scanner.bytes.piece($0)) }
        reply.progressNumber = reply.progressToken.flatMap { JSONText.unsignedDecimal(scanner.bytes.piece($0)) }
        return reply
    }
}
