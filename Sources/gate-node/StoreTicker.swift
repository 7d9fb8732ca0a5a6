// Says on standard error how far a work on a store has come.

import Foundation
import GateDomain
import Glibc
import Synchronization

/// A line every two seconds; on a terminal always the same one, as JSON where programs read along. A work that is shorter is silent.
final class StoreTicker: Sendable {
    /// How it says so.
    enum Form {
        case lines, json, terminal
    }

    private struct State {
        var next = ContinuousClock.now + StoreTicker.pause
        var step: StoreProgress.Step?
        var stepBegan = ContinuousClock.now
        var hasWritten = false
    }

    private let form: Form
    private let state = Mutex(State())
    private static let pause = Duration.seconds(2)

    init(json: Bool) { form = json ? .json : isatty(STDERR_FILENO) == 1 ? .terminal : .lines }

    func tell(_ progress: StoreProgress) {
        let now = ContinuousClock.now
        let elapsed = state.withLock { state -> Duration? in
            if state.step != progress.step { (state.step, state.stepBegan) = (progress.step, now) }
            guard now >= state.next else { return nil }
            (state.next, state.hasWritten) = (now + Self.pause, true)
            return now - state.stepBegan
        }
        guard let elapsed else { return }
        let line = Self.line(progress, after: elapsed, as: form)
        FileHandle.standardError.write(Data((form == .terminal ? "\r\u{1b}[K\(line)" : line + "\n").utf8))
    }

    /// Leaves the terminal's line to whoever speaks next.
    func end() {
        guard form == .terminal, state.withLock(\.hasWritten) else { return }
        FileHandle.standardError.write(Data("\r\u{1b}[K".utf8))
    }

    static func line(_ progress: StoreProgress, after elapsed: Duration, as form: Form) -> String {
        let left = progress.secondsLeft(after: elapsed)
        guard form != .json else {
            let words = [
                "\"step\":\"\(progress.step.rawValue)\"", "\"done\":\(progress.done)",
                progress.total > 0 ? "\"of\":\(progress.total)" : nil,
                left.map { "\"secondsLeft\":\($0)" },
            ]
            return "{" + words.compactMap(\.self).joined(separator: ",") + "}"
        }
        let what = progress.step == .summing ? "shards" : "names"
        let share = progress.percent.map { " of about \(progress.total) \(what), \($0) %" } ?? " \(what)"
        return "gate-node: \(progress.step.rawValue): \(progress.done)\(share)" + (left.map { ", about \(words(of: $0)) left" } ?? "")
    }

    private static func words(of seconds: Int) -> String {
        switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min \(seconds % 60) s"
        default: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        }
    }
}
