// A client's message as its upstream gets it: the same bytes with ids of our own.

package import MCPWire
package import NIOCore

extension UpstreamRequest {
    /// Replaces the id, the progress token, for one of several servers the tool's name (F-MCP-10), and arguments that a stage has rewritten.
    /// - Parameter isStateless: whether the message describes itself as one of the revision 2026-07-28, which a server that has had a
    ///   handshake does not take.
    package static func rewritten(
        _ body: ByteBuffer, _ envelope: Envelope, number: UInt64, toolName: (String, Range<Int>?)? = nil,
        arguments: [UInt8]? = nil, isStateless: Bool = false, allocator: ByteBufferAllocator
    ) -> ByteBuffer {
        guard let id = envelope.id else { return body }
        var output = allocator.buffer(capacity: body.readableBytes + 48)
        body.withUnsafeReadableBytes { bytes in
            let own = Splice.Edit(id, .decimal(number))
            let meta = isStateless ? envelope.meta : nil
            let token =
                meta.map { Splice.Edit($0, .bytes(StatelessMeta.bridged(UnsafeRawBufferPointer(rebasing: bytes[$0]), number: number))) }
                ?? envelope.progressToken.map { Splice.Edit($0, .decimal(number)) }
            let name = toolName.flatMap { name, range in range.map { Splice.Edit($0, .bytes(JSONText.quoted(name))) } }
            let rewritten = arguments.flatMap { bytes in envelope.call.arguments.map { Splice.Edit($0, .bytes(bytes)) } }
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
