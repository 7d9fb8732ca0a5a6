// Which server of a Redis Cluster has which slot: slots of keys, the map of them, and who is believed about it.

import GateDomain

/// The slots of a Redis Cluster.
enum HashSlot {
    /// Slots of every cluster.
    static let count = 16_384

    private static let table: [UInt16] = (0..<256).map { byte in
        (0..<8).reduce(UInt16(byte) << 8) { sum, _ in sum & 0x8000 == 0 ? sum << 1 : sum << 1 ^ 0x1021 }
    }

    /// CRC16 (XMODEM) of what stands between the first braces, or of the whole name where nothing does, modulo `count`.
    static func of(_ name: some BidirectionalCollection<UInt8>) -> Int {
        guard let open = name.firstIndex(of: UInt8(ascii: "{")) else { return sum(of: name) }
        let inner = name[name.index(after: open)...]
        guard let close = inner.firstIndex(of: UInt8(ascii: "}")), close != inner.startIndex else { return sum(of: name) }
        return sum(of: inner[..<close])
    }

    private static func sum(of bytes: some Sequence<UInt8>) -> Int {
        Int(bytes.reduce(UInt16(0)) { sum, byte in sum << 8 ^ table[Int(sum >> 8 ^ UInt16(byte))] }) % count
    }
}

/// The primary of every slot, as somebody knows it.
struct SlotMap: Sendable, Equatable {
    typealias Place = RedisURL.Server

    /// Servers that have slots; after `move` it may hold one that has none left, until `tidied`.
    private(set) var places: [Place] = []
    private var owners = [UInt16](repeating: Self.nobody, count: HashSlot.count)

    private static let nobody = UInt16.max
    private static let mostPlaces = 1024

    /// Nil while nobody has the slot.
    func owner(of slot: Int) -> Place? {
        let index = owners[slot]
        return index == Self.nobody ? nil : places[Int(index)]
    }

    /// Whether any slot has a server.
    var isKnown: Bool { !places.isEmpty }
    /// Slots that nobody has.
    var missing: Int { owners.count { $0 == Self.nobody } }

    /// Gives slots to a server. - Returns: which of them another one had, or nobody.
    @discardableResult
    mutating func move(_ slots: some Sequence<Int>, to place: Place) -> (taken: Int, new: Int) {
        let known = places.firstIndex(of: place)
        guard known != nil || places.count < Self.mostPlaces else { return (0, 0) }
        let index = UInt16(known ?? places.count)
        if known == nil { places.append(place) }
        var (taken, new) = (0, 0)
        for slot in slots where owners.indices.contains(slot) && owners[slot] != index {
            if owners[slot] == Self.nobody { new += 1 } else { taken += 1 }
            owners[slot] = index
        }
        return (taken, new)
    }

    /// The same without servers that have no slot.
    var tidied: SlotMap {
        var (map, indices) = (self, [UInt16](repeating: Self.nobody, count: places.count))
        map.places = []
        for slot in owners.indices where owners[slot] != Self.nobody {
            let index = Int(owners[slot])
            if indices[index] == Self.nobody {
                indices[index] = UInt16(map.places.count)
                map.places.append(places[index])
            }
            map.owners[slot] = indices[index]
        }
        return map
    }
}

/// One server of a cluster, as one of them knows it.
struct ClusterMember: Sendable, Equatable {
    let id: String
    /// Where it takes commands; nil where that is not known.
    let place: SlotMap.Place?
    let isPrimary: Bool
    /// The id of the one that it follows; nil of a primary.
    let primary: String?
    /// Whether the cluster holds it for dead, or does not know it well.
    let isMissing: Bool
    /// Grows with every promotion and every slot that moves; the highest one that claims a slot has it.
    let epoch: Int
    let slots: [ClosedRange<Int>]

    /// More lines are not read.
    private static let most = 2000

    /// What `CLUSTER NODES` says.
    /// - Parameters:
    ///   - asked: where it was asked: a server that does not know its own address yet says none.
    ///   - prefersNames: whether a name that a server announces is to be taken in place of its address.
    static func all(in text: String, asked: SlotMap.Place, prefersNames: Bool = false) -> [ClusterMember] {
        text.split(whereSeparator: \.isNewline).prefix(most).compactMap { ClusterMember($0, asked: asked, prefersNames: prefersNames) }
    }

    /// `<id> <host>:<port>@<bus>[,<name>] <flags> <primary> <ping> <pong> <epoch> <link> [<slots>…]`
    private init?(_ line: Substring, asked: SlotMap.Place, prefersNames: Bool) {
        let words = line.split(separator: " ")
        guard words.count >= 8, let epoch = Int(words[6]) else { return nil }
        let flags = words[2].split(separator: ",")
        let address = words[1].split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let name = address.dropFirst().first?.split(separator: ",", omittingEmptySubsequences: false).dropFirst().first
        id = String(words[0])
        place = Self.place(address[0], named: prefersNames ? name : nil, asked: asked)
        isPrimary = flags.contains("master")
        primary = words[3] == "-" ? nil : String(words[3])
        isMissing = flags.contains { ["fail", "handshake", "noaddr"].contains($0) }
        self.epoch = epoch
        slots = words.dropFirst(8).compactMap { word in
            // Slots that are under way stand in brackets; they belong to whom they belonged before.
            let ends = word.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = ends[0], let last = ends[ends.count - 1], 0 <= first, first <= last, last < HashSlot.count else { return nil }
            return first...last
        }
    }

    /// `host:port`, the host as `CLUSTER NODES` and redirections write it: IPv6 without brackets, nothing for "where you have asked".
    static func place(_ text: Substring, named name: Substring? = nil, asked: SlotMap.Place) -> SlotMap.Place? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (1...65_535).contains(port) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if let name, !name.isEmpty, name != "?" { host = String(name) }
        if host.isEmpty || host == "?" {
            guard case .tcp(let here, _) = asked else { return nil }
            host = here
        }
        return .tcp(host: host, port: port)
    }
}

/// Decides who has which slot by what the servers say of it, whoever says it and in whatever order: a value without clock or socket.
///
/// Invariant: a slot is never given back to a server that claims it with a lower epoch than the one that has it.
struct SlotElection: Sendable {
    private(set) var map = SlotMap()
    /// As the last answer had them.
    private(set) var members: [ClusterMember] = []
    /// Times that a replica has taken the place of its primary.
    private(set) var promotions = 0
    private var epochs = [Int](repeating: -1, count: HashSlot.count)

    /// Takes note of an answer. - Returns: whether the map is another one now.
    mutating func heard(_ answer: [ClusterMember]) -> Bool {
        var (next, isNew) = (map, false)
        let replicas = Set(members.lazy.filter { !$0.isPrimary }.compactMap(\.place))
        for member in answer where member.isPrimary && !member.slots.isEmpty {
            guard let place = member.place else { continue }
            let claimed = member.slots.joined().filter { member.epoch >= epochs[$0] }
            for slot in claimed { epochs[slot] = member.epoch }
            let (taken, new) = next.move(claimed, to: place)
            if taken + new > 0 { isNew = true }
            if taken > 0, replicas.contains(place) { promotions += 1 }
        }
        members = answer
        if isNew { map = next.tidied }
        return isNew
    }
}

/// What a server of a cluster answers in place of carrying a command out; it was not carried out.
enum ClusterRedirection: Equatable {
    /// The slot is another server's.
    case moved(slot: Int, to: SlotMap.Place)
    /// The slot is moving, and what the command touches is there already.
    case ask(SlotMap.Place)
    /// The slot is moving and has been moved in part (or, for a script, not yet), or the cluster is without a server for it.
    case later

    /// Nil for every other error.
    init?(_ text: String, asked: SlotMap.Place) {
        let words = text.split(separator: " ")
        switch words.first {
        case "TRYAGAIN", "CLUSTERDOWN": self = .later
        case "MOVED", "ASK":
            guard words.count >= 3, let slot = Int(words[1]), let place = ClusterMember.place(words[2], asked: asked) else { return nil }
            self = words[0] == "ASK" ? .ask(place) : .moved(slot: slot, to: place)
        default:
            guard ClusterScript.isGuard(text) else { return nil }
            self = .later
        }
    }
}

extension RedisURL.Server {
    /// `host:port`; of a socket its path.
    var text: String {
        switch self {
        case .tcp(let host, let port): "\(host.contains(":") ? "[\(host)]" : host):\(port)"
        case .unix(let path): path
        }
    }
}
