// The node's own log: one line an event, on standard error, as text or JSON.

import GateDomain
import ClusterState
import GateSettings
import Logging

enum NodeLog {
    static func logger(_ settings: Settings) -> Logger {
        let format = settings.logFormat
        var logger = Logger(label: "gate-node") { _ in LineLogHandler(format: format) }
        logger.logLevel = settings.logLevel.threshold
        return logger
    }

    /// For libraries that tell more than an operator wants to know.
    static func quiet(_ logger: Logger) -> Logger {
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        return quiet
    }
}

extension Settings.LogLevel {
    fileprivate var threshold: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warn: .warning
        case .error: .error
        case .silent: .critical
        }
    }
}

/// Writes lines of one shape with the call log: time, level, message, then pairs.
private struct LineLogHandler: LogHandler {
    let format: Settings.LogFormat
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let pairs = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let time = Timestamp.text(milliseconds: WallClock.milliseconds)
        switch format {
        case .text:
            let tail = pairs.map { " \($0.key)=\(LogText.value("\($0.value)"))" }.joined()
            StandardStream.error("\(time) \(event.level) \(LogText.sentence(event.message.description))\(tail)")
        case .json:
            let tail = pairs.map { ",\(quoted($0.key)):\(quoted("\($0.value)"))" }.joined()
            StandardStream.error(#"{"time":"\#(time)","level":"\#(event.level)","event":\#(quoted(event.message.description))\#(tail)}"#)
        }
    }

    private func quoted(_ text: String) -> String { LogText.quoted(LogText.sentence(text)) }
}
