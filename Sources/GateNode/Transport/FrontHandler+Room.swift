// What a request that arrives takes of the memory that all of them share, and how it makes room.

import GateDomain
import HTTPWire
import NIOCore

/// Bytes of a request under way that a `MemoryAccount` counts, and as whose.
struct RequestRoom {
    private(set) var bytes = 0
    private(set) var standing = MemoryAccount.Standing.unproven
    /// The id of its key, where that is known.
    private var holder: ExactText?

    /// Counts it as so many bytes from now on.
    mutating func count(_ bytes: Int, of holder: ExactText?, in memory: inout MemoryAccount) {
        if holder != self.holder { release(in: &memory) }
        (standing, self.holder) = (holder == nil ? .unproven : .proven, holder)
        memory.add(bytes - self.bytes, standing, of: holder)
        self.bytes = bytes
    }

    mutating func release(in memory: inout MemoryAccount) {
        memory.add(-bytes, standing, of: holder)
        self = RequestRoom()
    }

    /// What somebody else counts from now on: until the answer of the request, whether its client stays or not.
    mutating func handOver() -> (bytes: Int, standing: MemoryAccount.Standing, holder: ExactText?) {
        defer { self = RequestRoom() }
        return (bytes, standing, holder)
    }
}

extension FrontHandler {
    /// Counts what is held of a request that is not complete.
    func account() {
        switch occupant {
        case .arriving(let head): count(parser.heldBytes, of: head)
        case .nobody, .router: count(parser.heldBytes, of: nil)
        case .gate, .stream, .closing: break
        }
    }

    func count(_ bytes: Int, of head: HTTP1RequestHead?) {
        let holder = holder(of: head, bytes)
        room.count(bytes, of: holder, in: &front.memory)
        if let holder, front.memory.isOverShare(holder), canGiveWay { return giveWay() }
        if front.memory.isOver(room.standing) { front.makeRoom(room.standing) }
    }

    private func holder(of head: HTTP1RequestHead?, _ bytes: Int) -> ExactText? {
        guard let head, bytes > Self.backlog else { return nil }
        let proof = MCPExchange.proof(of: head)
        guard let secret = proof.secret, !secret.isEmpty else { return nil }
        return handler.owner(of: secret).map { ExactText($0) }
    }

    func release() { room.release(in: &front.memory) }

    /// Whether it can be refused still: its request has not been handed to anybody who works on it.
    var canGiveWay: Bool {
        switch occupant {
        case .nobody, .arriving: true
        case .router(let encoder, let received): !received && !encoder.hasBegun
        case .gate, .stream, .closing: false
        }
    }

    func giveWay() {
        release()
        refuse(status: 503, sentence: "Too many requests are arriving; try again.", retryAfter: 1)
    }

    /// Whether nobody would miss it.
    func isReclaimable(at now: NIODeadline) -> Bool {
        guard case .nobody = occupant, parser.isIdle, refusal == nil else { return false }
        return now - since > .seconds(1)
    }

    /// Gives its place to another connection, at once.
    func reclaim() {
        front.connections.remove(self)
        reset(isAbrupt: false)
    }
}
