// That a list of the servers has changed: what every session is told, once, also one whose stream was broken just then.

import MCPWire
import NIOCore

/// The last news of one list. A session is told on one of its streams; that is noted for each session that listens, and for no other one.
struct ListNews: Sendable {
    /// The method of the notification.
    let list: String
    let message: [UInt8]
    /// Milliseconds of Redis TIME, growing with each news of all nodes; 0 where the store has not numbered it.
    let number: Int

    /// Bytes of a message that is kept, and lists that are kept: those of MCP, and others that servers may make up.
    static let (longest, most) = (8_192, 11)
    static let known: Set<String> = [
        "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed",
    ]
    /// Milliseconds for which the last news are kept, and which session was told on which stream.
    static let lifetime = 1_800_000
    /// Milliseconds within which what two nodes have heard in the same words is the same.
    static let echo = 1000
}

/// Brings what servers say of their lists to the store, each list at most once in `pace`, and what any node has brought there to the sessions
/// that listen here; confined to one event loop of the node.
///
/// News come to streams from the store alone, those of all lists at once and one reading after the other: whatever order the nodes hear them in.
final class NewsDesk {
    typealias Tell = ([ListNews]) -> Void

    private let mail: SessionMail
    private let eventLoop: any EventLoop
    /// What was said of a list meanwhile; nothing yet, if nil.
    private var waiting: [String: [UInt8]?] = [:]
    /// Up to which news the streams have been told.
    private var told = 0
    private var (isReading, readsAgain) = (false, false)

    private static let pace = TimeAmount.milliseconds(250)
    /// After which time a store that was away is asked again.
    private static let patience = TimeAmount.seconds(1)
    private static let longestName = 128

    init(_ mail: SessionMail, on eventLoop: any EventLoop) { (self.mail, self.eventLoop) = (mail, eventLoop) }

    /// Takes a notification, and has it told now, or with later ones of the same list. - Parameter tell: is called on this loop.
    func post(_ message: [UInt8], _ tell: @escaping Tell) {
        guard let list = Self.list(of: message) else { return }
        guard waiting[list] == nil else {
            waiting[list] = .some(message)
            return
        }
        // Lists that servers make up do not hold up the others.
        guard ListNews.known.contains(list) || waiting.count < ListNews.most - ListNews.known.count else { return }
        waiting[list] = .some(nil)
        mail.post(message, of: list) { [self] number in
            if let number { heard(number, tell) } else { tell([ListNews(list: list, message: message, number: 0)]) }
            eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: Self.pace) { [self] in
                let next = waiting.removeValue(forKey: list) ?? nil
                if let next { post(next, tell) }
            }
        }
    }

    /// The store has news up to a number, or may have. - Parameter tell: is called on this loop with those that are new.
    func heard(_ number: Int, _ tell: @escaping Tell) {
        guard number > told else { return }
        readsAgain = true
        if !isReading { read(tell) }
    }

    private func read(_ tell: @escaping Tell) {
        (isReading, readsAgain) = (true, false)
        mail.news { [self] all in
            guard let all else {
                eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: Self.patience) { [self] in read(tell) }
                return
            }
            isReading = false
            let news = all.filter { $0.number > told }
            told = news.reduce(told) { max($0, $1.number) }
            if !news.isEmpty { tell(news) }
            if readsAgain { read(tell) }
        }
    }

    private static func list(of message: [UInt8]) -> String? {
        message.withUnsafeBytes { bytes in
            guard let name = Reply.scan(bytes)?.methodName, name.count <= longestName else { return nil }
            return String(decoding: bytes[name], as: UTF8.self)
        }
    }
}
