// How many bytes of streams of calls each key may take through the store, over all nodes and loops.

import ClusterState
import GateDomain

/// Counts in the store what goes through it, by periods of its clock; used on one event loop.
struct CallShares {
    /// What is done with the bytes.
    enum Way: String {
        /// They are left there, where they lie for ten minutes.
        case left
        /// They are read from there, which may be done as often as somebody likes, and is not paid for.
        case read
    }

    let link: any CommandLink
    let keys: RedisKeys
    let clock: RedisClock

    /// Milliseconds of a period, and bytes of one key in it.
    private static let leaving = SessionMail.lifetime
    private static let (reading, mostRead) = (60_000, 64 << 20)
    /// Bytes that one key may have left in a period, by what all have: the fuller it is the less, and however full a little.
    private static let mostLeft: [(ofAll: Int, own: Int)] = [(256 << 20, 32 << 20), (512 << 20, 4 << 20), (.max, 256 << 10)]
    /// What lies there has as well, in bytes: the first event of a stream, and each.
    private static let (ofStream, ofEvent) = (4_600, 128)

    /// Asks for room for an event that is to be left.
    /// - Parameters:
    ///   - isFirst: of its stream.
    ///   - completion: is told whether there is any; nil if the store does not say.
    func leave(_ bytes: Int, isFirst: Bool, of holder: String, _ completion: @escaping (Bool?) -> Void) {
        let bytes = bytes + Self.ofEvent + (isFirst ? Self.ofStream : 0)
        count(bytes, .left, of: holder) { own in
            guard let own else { return completion(nil) }
            count(bytes, .left, of: nil) { all in
                guard let all else { return completion(nil) }
                let hasRoom = Self.mostLeft.contains { all <= $0.ofAll && own <= $0.own }
                if !hasRoom { for one in [holder, nil] { count(-bytes, .left, of: one) { _ in } } }
                completion(hasRoom)
            }
        }
    }

    /// Notes bytes that have been read; 0 only asks.
    /// - Parameter completion: is told for how many seconds nothing more may be read; nil if it may.
    func read(_ bytes: Int, of holder: String, _ completion: @escaping (Int?) -> Void) {
        count(bytes, .read, of: holder) { sum in
            guard let sum, sum >= Self.mostRead else { return completion(nil) }
            let over = clock.milliseconds % Self.reading
            completion(max(1, (Self.reading - over + 999) / 1000))
        }
    }

    private func count(_ bytes: Int, _ way: Way, of holder: String?, _ completion: @escaping (Int?) -> Void) {
        let length = way == .left ? Self.leaving : Self.reading
        let commands = MailCommands(keys: keys).share(
            way.rawValue, of: holder, adding: bytes, period: (clock.milliseconds / length, length))
        link.send(commands[0]) { result in completion((try? result.get())?.integer) }
        link.send(commands[1]) { _ in }
    }
}
