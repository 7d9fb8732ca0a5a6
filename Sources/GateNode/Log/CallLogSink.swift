// Where the call lines of all event loops end.

import Dispatch
import GateSettings
import NIOCore

/// Where the lines of all event loops end: standard error, from a thread that may block.
final class CallLogSink: Sendable {
    let format: Settings.LogFormat
    let isOn: Bool
    private let queue = DispatchQueue(label: "gate-node.call-log")

    init(level: Settings.LogLevel, format: Settings.LogFormat) {
        self.format = format
        isOn = level == .info || level == .debug
    }

    func write(_ bytes: ByteBuffer) {
        queue.async { StandardStream.error(bytes) }
    }

    /// Returns when everything that was handed over has been written.
    func drain() { queue.sync {} }
}
