// Which server is the primary, and how long that holds, out of what the Sentinels have said: a value without clock or socket.

import NIOCore

/// A server that has been promoted, and the number of its promotion.
package struct RedisPrimary: Sendable, Hashable {
    /// A name or an address.
    package let host: String
    /// 1 to 65535.
    package let port: Int
    /// The Sentinels' config epoch: each promotion has a higher one than those before it.
    package let epoch: Int

    package init(host: String, port: Int, epoch: Int) {
        (self.host, self.port, self.epoch) = (host, port, epoch)
    }

    /// For logs.
    package var place: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}

/// What one Sentinel says of the primary.
struct SentinelAnswer: Sendable, Equatable {
    let primary: RedisPrimary
    /// How long the Sentinel waits for a silent primary before it votes for another one, milliseconds.
    let downAfter: Int
    /// For how long it has not heard the primary, milliseconds: that long it has waited already.
    let silence: Int
    /// Whether it is just promoting a replica: the primary still takes writes, and they will be lost.
    let isPromoting: Bool

    /// The address is asked for twice: a Sentinel that promotes has the new epoch a moment before `SENTINEL MASTER` has the new address.
    static func questions(about name: String) -> [RedisCommand] {
        let address = RedisCommand("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        return [address, RedisCommand("SENTINEL", "MASTER", name), address]
    }

    /// - Throws: what the Sentinel objects to.
    init(_ replies: [RedisReply]) throws(SentinelRefusal) {
        for case .error(let text) in replies { throw SentinelRefusal(errorText: text) }
        guard replies.count == 3, replies[0] == replies[2], let address = replies[0].array, address.count == 2,
            let host = address[0].string, let port = address[1].integer
        else { throw replies.first == .null ? .unknownName : .changing }
        let fields = replies[1].fields
        guard let epoch = fields["config-epoch"].flatMap({ Int($0) }),
            let downAfter = fields["down-after-milliseconds"].flatMap({ Int($0) }),
            let silence = fields["last-ok-ping-reply"].flatMap({ Int($0) })
        else { throw .changing }
        primary = RedisPrimary(host: host, port: port, epoch: epoch)
        self.downAfter = max(1, downAfter)
        self.silence = max(0, silence)
        isPromoting = ["select_slave", "send_slaveof_noone", "wait_promotion"].contains(fields["failover-state"])
    }

    init(_ primary: RedisPrimary, downAfter: Int, silence: Int = 0, isPromoting: Bool = false) {
        (self.primary, self.downAfter, self.silence, self.isPromoting) = (primary, downAfter, silence, isPromoting)
    }
}

/// Why a Sentinel names no primary.
enum SentinelRefusal: Error, Sendable, Equatable {
    /// It is not there, or says nothing.
    case silent
    /// It watches nothing of that name.
    case unknownName
    /// It does not take our user and password, or asks for them.
    case credentials
    /// It is there, and nothing can be said to it.
    case tls
    /// It may not be asked: the command that its ACL forbids.
    case forbidden(String)
    /// It is just changing its mind.
    case changing
    case other(String)

    init(errorText text: String) {
        self =
            if text.contains("No such master") {
                .unknownName
            } else if text.hasPrefix("WRONGPASS") || text.hasPrefix("NOAUTH") || text.contains("without any password configured") {
                .credentials
            } else if text.hasPrefix("NOPERM") {
                .forbidden("SENTINEL")
            } else {
                .other(text)
            }
    }

    /// Whether asking again may help without anybody changing something.
    var mayPass: Bool { self == .silent || self == .changing }
}

/// Decides by majority and epoch.
///
/// Invariants: nothing is decided unless a majority of the Sentinels that the URL names has answered lately; a primary is never left for one
/// of a lower epoch; a primary holds only for as long as no majority can have voted for another one: until `downAfter` after a majority that names
/// it has last heard it; and not while a Sentinel is promoting another one.
struct PrimaryElection: Sendable {
    private struct Word: Sendable {
        let answer: SentinelAnswer
        let askedAt: NIODeadline

        /// Until when it counts as what the Sentinel says.
        var end: NIODeadline { askedAt + .milliseconds(Int64(answer.downAfter)) }

        /// Until when the Sentinel votes for nobody else than the primary that it names.
        var vote: NIODeadline { end - .milliseconds(Int64(answer.silence)) }
    }

    private(set) var primary: RedisPrimary?
    /// Until when `primary` may be used.
    private(set) var end = NIODeadline.uptimeNanoseconds(0)
    /// Whether a majority names only a primary of a lower epoch than this node has seen: the Sentinels were set up anew.
    private(set) var isOutdone = false
    private var words: [Word?]

    init(sentinels: Int) {
        words = Array(repeating: nil, count: sentinels)
    }

    private var majority: Int { words.count / 2 + 1 }

    /// Takes note of an answer.
    /// - Parameter askedAt: when the question was sent. - Returns: whether there is another primary now.
    mutating func heard(_ answer: SentinelAnswer, from index: Int, askedAt: NIODeadline, now: NIODeadline) -> Bool {
        words[index] = Word(answer: answer, askedAt: askedAt)
        let fresh = words.compactMap(\.self).filter { $0.end > now }
        guard fresh.count >= majority, let best = best(of: fresh) else { return false }
        if fresh.contains(where: { $0.answer.isPromoting && $0.answer.primary.epoch == best.epoch }) {
            end = .uptimeNanoseconds(0)
            return false
        }
        let before = primary
        if let known = before {
            isOutdone = best.epoch < known.epoch
            if best.epoch > known.epoch || best.epoch == known.epoch && agreeing(fresh, on: best).count >= majority { primary = best }
        } else {
            primary = best
        }
        if let primary, primary != before {
            // The Sentinel that has promoted knows it first; the others follow at once.
            end = fresh.map { $0.answer.primary == primary ? $0.vote : $0.end }.sorted(by: >)[majority - 1]
            return true
        }
        let ends = primary.map { agreeing(fresh, on: $0).map(\.vote).sorted(by: >) } ?? []
        if ends.count >= majority { end = max(end, ends[majority - 1]) }
        return false
    }

    private func agreeing(_ words: [Word], on primary: RedisPrimary) -> [Word] { words.filter { $0.answer.primary == primary } }

    /// The highest epoch; among equals the one that most name, and then the one that is known.
    private func best(of words: [Word]) -> RedisPrimary? {
        words.map(\.answer.primary).max { one, other in
            if one.epoch != other.epoch { return one.epoch < other.epoch }
            let votes = (agreeing(words, on: one).count, agreeing(words, on: other).count)
            return votes.0 != votes.1 ? votes.0 < votes.1 : other == primary
        }
    }
}
