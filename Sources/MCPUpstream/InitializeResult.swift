// What a server says of itself in its handshake.

package import NIOCore

/// The `result` of a server's answer to `initialize`, as it came: capabilities, serverInfo, instructions.
package struct InitializeResult: Sendable, Equatable {
    /// The JSON of an object.
    package var bytes: ByteBuffer

    package init(bytes: ByteBuffer) {
        self.bytes = bytes
    }
}
