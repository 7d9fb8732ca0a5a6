import NIOCore

// How both parsers keep bytes that wait: nothing at all when none wait, so that an idle connection holds no buffer.
extension Optional<ByteBuffer> {
    /// Adds bytes from the connection; takes the buffer itself when nothing is waiting.
    mutating func appendReceived(_ buffer: ByteBuffer) {
        guard buffer.readableBytes > 0 else { return }
        guard var waiting = take() else {
            self = buffer
            return
        }
        // Without this a connection that never falls idle would keep all that it ever sent.
        waiting.discardReadBytes()
        waiting.writeImmutableBuffer(buffer)
        self = waiting
    }

    /// Puts back what was taken out to be read, unless it was read to the end.
    @inline(__always)
    mutating func restore(_ bytes: ByteBuffer) {
        self = bytes.readableBytes > 0 ? bytes : nil
    }
}
