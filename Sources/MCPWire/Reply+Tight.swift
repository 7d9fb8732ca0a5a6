// A message without what has no meaning in it.

extension Reply {
    /// The place of what an answer says: the error of one that has an error, else the result; nil for anything but an answer.
    package var said: Range<Int>? {
        switch kind {
        case .error: error
        case .result: result
        case .request, .notification: nil
        }
    }

    /// The message with nothing but what a message of its kind consists of, each once (JSON-RPC 2.0, sections 4 and 5).
    /// - Parameter message: the bytes that were scanned.
    package func tightened(_ message: UnsafeRawBufferPointer) -> [UInt8] {
        var output = Array(#"{"jsonrpc":"2.0""#.utf8)
        func append(_ label: String, _ place: Range<Int>?) {
            guard let place else { return }
            output += label.utf8
            output += message.piece(place)
        }
        append(#","id":"#, id)
        switch kind {
        case .result: append(#","result":"#, result)
        case .error: append(#","error":"#, error)
        case .request, .notification:
            append(#","method":"#, methodName.map { $0.lowerBound - 1..<$0.upperBound + 1 })
            append(#","params":"#, params)
        }
        output.append(.closeBrace)
        return output
    }
}
