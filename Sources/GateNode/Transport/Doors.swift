// Who may connect, and what is held for those who have not shown who they are or do not read.

import GateDomain
import GateSettings
import Synchronization

/// Connections by address, over all event loops of the node; asked when a connection comes and when it goes.
final class Doors: Sendable {
    /// Why a connection is answered with a refusal at once.
    enum Refusal {
        case full, address

        var status: Int { self == .full ? 503 : 429 }
        var sentence: String { self == .full ? "Too many connections" : "Too many connections from this address" }
    }

    private let mostOfAddress: Int
    private let sparesThisMachine: Bool
    private let counts = Mutex<[IPAddress: Int]>([:])

    /// - Parameter mostOfAddress: connections of one network, as the operator has said; 0 for no limit. Nil if he has said nothing: then
    ///   programs on this machine, a balancer mostly, have no limit.
    init(mostOfAddress: Int?) {
        self.mostOfAddress = mostOfAddress ?? Settings.usualConnectionsPerAddress
        sparesThisMachine = mostOfAddress == nil
    }

    private func isFree(_ address: IPAddress) -> Bool { mostOfAddress == 0 || sparesThisMachine && address.isLoopback }

    /// Takes a place for an address; false if it has as many as it may. Each place that was taken is given back with `leave`.
    func enter(_ address: IPAddress) -> Bool {
        guard !isFree(address) else { return true }
        return counts.withLock { counts in
            let count = counts[address.network, default: 0]
            guard count < mostOfAddress else { return false }
            counts[address.network] = count + 1
            return true
        }
    }

    func leave(_ address: IPAddress) {
        guard !isFree(address) else { return }
        counts.withLock { counts in
            let count = counts[address.network, default: 0]
            counts[address.network] = count > 1 ? count - 1 : nil
        }
    }
}

/// The one account of one event loop for bytes that it keeps for clients: of requests that are not answered, and of answers that are not read.
///
/// Invariant: neither is above its bound for longer than it takes to end one connection. Of requests the largest gives way, so that small
/// ones always have room; of answers the one that has stood still for longest, so that whoever reads keeps his. No key has more than three
/// times as much as is left of what there is for all of them, its calls under way counted: the others have room, however many they are.
struct MemoryAccount {
    /// What a request counts for: its client has shown a key that is known here, or has not.
    enum Standing { case unproven, proven }

    /// Bytes of a node for requests without a known key, and for those with one.
    private static let unprovenOfNode = 32 << 20
    private static let provenOfNode = 128 << 20
    private static let unreadOfNode = 96 << 20

    let mostUnproven: Int
    let mostProven: Int
    let mostUnread: Int
    private(set) var unproven = 0
    private(set) var proven = 0
    /// Of `proven` what each key has, by its secret.
    private var shares: [ExactText: Int] = [:]
    /// Bytes that were handed over to be sent, as they were last counted, and all that was handed over since.
    var unread = 0

    /// - Parameter loops: event loops of the node, which share alike.
    init(loops: Int) {
        let share = { (bytes: Int) in max(4 << 20, bytes / max(1, loops)) }
        (mostUnproven, mostProven) = (share(Self.unprovenOfNode), share(Self.provenOfNode))
        // Two of the largest answers fit, however many loops there are.
        mostUnread = max(24 << 20, share(Self.unreadOfNode))
    }

    /// - Parameter holder: the id of the key that is known.
    mutating func add(_ bytes: Int, _ standing: Standing, of holder: ExactText?) {
        guard bytes != 0 else { return }
        switch standing {
        case .unproven: unproven += bytes
        case .proven: proven += bytes
        }
        guard let holder else { return }
        let share = shares[holder, default: 0] + bytes
        shares[holder] = share > 0 ? share : nil
    }

    func isOverShare(_ holder: ExactText) -> Bool { shares[holder, default: 0] > 3 * max(0, mostProven - proven) }

    func isOver(_ standing: Standing) -> Bool {
        switch standing {
        case .unproven: unproven > mostUnproven
        case .proven: proven > mostProven
        }
    }
}
