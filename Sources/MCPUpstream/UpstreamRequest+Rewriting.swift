// A client's message as its upstream gets it: the same bytes with ids of our own.

package import MCPWire
package import NIOCore

extension UpstreamRequest {
    /// Replaces the id, the progress token, for one of several servers the tool's name (F-MCP-10), and arguments that a stage has rewritten.
    package static func rewritten(
        _ body: ByteBuffer, _ envelope: Envelope, number: UInt64, toolName: (String, Range<Int>?)? = nil,
        arguments: [UInt8]? = nil, allocator: ByteBufferAllocator
    ) -> ByteBuffer {
        guard let id = envelope.id else { return body }
        var output = allocator.buffer(capacity: body.readableBytes + 48)
        body.withUnsafeReadableBytes { bytes in
            let own = Splice.Edit(id, .decimal(number))
            let token = envelope.progressToken.map { Splice.Edit($0, .decimal(number)) }
            let name = toolName.flatMap { name, range in range.map { Splice.Edit($0, .bytes(JSONText.quoted(name))) } }
            let rewritten = arguments.flatMap { bytes in envelope.arguments.map { Splice.Edit($0, .bytes(bytes)) } }
            if name != nil || rewritten != nil {
                let edits = [own, token, name, rewritten].compactMap(\.self).sorted { $0.range.lowerBound < $1.range.lowerBound }
                Splice.emit(edits, to: bytes, lines: .joined) { output.writeBytes($0) }
            } else {
                Splice.emit(own, token, to: bytes, lines: .joined) { output.writeBytes($0) }
            }
        }
        return output
    }
}
