// The one pass over a client's message: checks every byte, decodes nothing but the names that a decision needs.

extension Envelope {
    /// Reads one message.
    ///
    /// Bytes that are no JSON are a parse error whatever else is wrong with them. Members that the gate reads may stand
    /// in any order, once, written with or without escapes.
    /// - Throws: The first fault that was found; `parseError` before any other.
    package static func scan(_ bytes: UnsafeRawBufferPointer) throws(EnvelopeFault) -> Envelope {
        var scan = EnvelopeScan(bytes)
        do {
            try scan.readMessage()
        } catch {
            throw .parseError
        }
        try scan.judge()
        scan.decodeNames()
        return scan.envelope
    }
}

/// The state of that pass. What is wrong with the message is noted and judged at its end.
private struct EnvelopeScan {
    var envelope = Envelope()
    private var scanner: JSONScanner
    private var isObject = true
    private var hasVersion = false
    private var hasMethod = false
    private var hasResult = false
    private var hasGoodID = true
    private var hasNullID = false
    private var hasLongID = false
    private var methodToken: StringToken?
    /// The first member that is there twice or spelled in another letter case.
    private var memberFault: EnvelopeFault?
    /// The same within params.ref, which the gate reads of `completion/complete` alone.
    private var refFault: EnvelopeFault?

    init(_ bytes: UnsafeRawBufferPointer) {
        scanner = JSONScanner(bytes)
    }

    // MARK: The levels of a message

    mutating func readMessage() throws(JSONFault) {
        isObject = scanner.next == .openBrace
        guard isObject else {
            try scanner.skipValue()
            return try scanner.finish()
        }
        var seen = MemberSet<MessageMember>()
        try scanner.openObject()
        while let name = try scanner.nextMember() {
            switch recognise(name, among: &seen) {
            case .jsonrpc: hasVersion = try scanner.skipValueAsString()?.spells("2.0", in: scanner.bytes) ?? false
            case .id: try readID()
            case .method:
                hasMethod = true
                methodToken = try scanner.skipValueAsString()
            case .params: try readParams()
            case .result, .error:
                hasResult = true
                try scanner.skipValue()
            case nil: try scanner.skipValue()
            }
        }
        try scanner.finish()
    }

    private mutating func readID() throws(JSONFault) {
        switch scanner.next {
        case .openBrace, .openBracket, UInt8(ascii: "t"), UInt8(ascii: "f"): hasGoodID = false
        case UInt8(ascii: "n"): hasNullID = true
        default: break
        }
        envelope.id = bounded(try scanner.locateValue())
    }

    private mutating func readParams() throws(JSONFault) {
        let start = scanner.position
        defer { envelope.params = start..<scanner.position }
        guard scanner.next == .openBrace else { return try scanner.skipValue() }
        var seen = MemberSet<ParamsMember>()
        try scanner.openObject()
        while let name = try scanner.nextMember() {
            switch recognise(name, among: &seen) {
            case .name: envelope.call.toolNameToken = try scanner.skipValueAsString()?.range
            case .arguments: (envelope.call.arguments, envelope.call.argumentsCompactSize) = try scanner.measureValue()
            case .meta: try readMeta()
            case .calls: try readCalls()
            case .protocolVersion: envelope.protocolVersion = try decodedString()
            case .capabilities: envelope.capabilities = try scanner.locateValue()
            case .requestId: envelope.requestIdToCancel = try scalarToken()
            case .uri: envelope.uri = try scanner.skipValueAsString()?.range
            case .taskId: envelope.taskId = try scanner.skipValueAsString()?.range
            case .cursor:
                envelope.hasUnusableCursor = scanner.next != .quote && scanner.next != UInt8(ascii: "n")
                envelope.cursor = try scanner.skipValueAsString()?.range
            // Read where they are wanted; there once, so that nobody can read another one.
            case .level, .requestState, .inputResponses: try scanner.skipValue()
            case .ref: try readRef()
            case nil: try scanner.skipValue()
            }
        }
    }

    private mutating func readRef() throws(JSONFault) {
        guard scanner.next == .openBrace else { return try scanner.skipValue() }
        let outer = memberFault
        memberFault = nil
        defer { (refFault, memberFault) = (memberFault, outer) }
        var seen = MemberSet<RefMember>()
        try scanner.openObject()
        while let name = try scanner.nextMember() {
            _ = recognise(name, among: &seen)
            try scanner.skipValue()
        }
    }

    private mutating func readMeta() throws(JSONFault) {
        let start = scanner.position
        defer { envelope.meta = start..<scanner.position }
        guard scanner.next == .openBrace else { return try scanner.skipValue() }
        var seen = MemberSet<MetaMember>()
        try scanner.openObject()
        while let name = try scanner.nextMember() {
            switch recognise(name, among: &seen) {
            case .progressToken: envelope.progressToken = try scalarToken()
            case .protocolVersion:
                envelope.declaresVersion = true
                envelope.declaredVersion = try decodedString()
            case .clientCapabilities: envelope.declaredCapabilities = try scanner.locateValue()
            case nil: try scanner.skipValue()
            }
        }
    }

    private mutating func readCalls() throws(JSONFault) {
        guard scanner.next == .openBracket else { return try scanner.skipValue() }
        try scanner.openArray()
        while try scanner.nextElement() {
            let call = try readCall()
            if envelope.batch.count < Envelope.batchCap {
                envelope.batch.append(call)
            } else {
                envelope.batchIsTooLong = true
            }
        }
    }

    private mutating func readCall() throws(JSONFault) -> BatchedCall {
        var call = BatchedCall()
        guard scanner.next == .openBrace else {
            try scanner.skipValue()
            return call
        }
        var seen = MemberSet<BatchedCallMember>()
        try scanner.openObject()
        while let name = try scanner.nextMember() {
            switch recognise(name, among: &seen) {
            case .name: call.toolNameToken = try scanner.skipValueAsString()?.range
            case .arguments: (call.arguments, call.argumentsCompactSize) = try scanner.measureValue()
            case nil: try scanner.skipValue()
            }
        }
        return call
    }

    // MARK: Members and tokens

    @inline(__always)
    private mutating func recognise<Member: KnownMember>(
        _ token: StringToken, among seen: inout MemberSet<Member>
    ) -> Member? {
        switch Member.recognise(token, in: scanner.bytes) {
        case .known(let member):
            if !seen.insert(member) { note(.duplicateMember("\(member.name)")) }
            return member
        case .lookalike(let member):
            note(.misspelledMember("\(member.name)"))
            return nil
        case .unknown:
            return nil
        }
    }

    private mutating func note(_ fault: EnvelopeFault) {
        if memberFault == nil { memberFault = fault }
    }

    /// Passes one value; nil unless it is a string or a number.
    private mutating func scalarToken() throws(JSONFault) -> Range<Int>? {
        let byte = scanner.next
        let range = try scanner.locateValue()
        return byte == .quote || byte == .minus || byte.isDigit ? bounded(range) : nil
    }

    /// Notes what is longer than an id may be.
    private mutating func bounded(_ range: Range<Int>) -> Range<Int> {
        if range.count > Envelope.longestID { hasLongID = true }
        return range
    }

    /// The text of a string that is to be compared; one that is longer than any name is no name that we know.
    private mutating func decodedString() throws(JSONFault) -> String? {
        guard let token = try scanner.skipValueAsString(), token.range.count <= Envelope.longestName else { return nil }
        return JSONText.string(scanner.bytes.piece(token.range))
    }

    // MARK: The verdict

    func judge() throws(EnvelopeFault) {
        guard isObject else { throw .notAnObject }
        guard hasVersion else { throw .badVersion }
        guard methodToken != nil || (hasResult && !hasMethod) else { throw .badMethod }
        guard hasGoodID else { throw .badID }
        guard methodToken == nil || !hasNullID else { throw .nullID }
        guard !hasLongID else { throw .longID }
        if let memberFault { throw memberFault }
        if let refFault, let methodToken, methodToken.spells("completion/complete", in: scanner.bytes) { throw refFault }
        guard methodToken == nil || !hasResult else { throw .methodWithResult }
    }

    mutating func decodeNames() {
        guard let methodToken else {
            envelope.kind = .response
            return
        }
        envelope.kind = envelope.id == nil ? .notification : .request
        envelope.methodName = methodToken.content
        envelope.method = Method(methodToken, in: scanner.bytes)
        switch envelope.method {
        case .toolsCall:
            envelope.call.toolName = toolName(envelope.call.toolNameToken)
        case .toolsCallBatch:
            for index in envelope.batch.indices {
                envelope.batch[index].toolName = toolName(envelope.batch[index].toolNameToken)
            }
        default:
            break
        }
    }

    private func toolName(_ token: Range<Int>?) -> String? {
        // Whatever is longer is the name of no tool, however it is escaped, and is not decoded.
        guard let token, token.count <= Envelope.longestToolToken, let name = JSONText.string(scanner.bytes.piece(token)), !name.isEmpty
        else { return nil }
        return name
    }
}
