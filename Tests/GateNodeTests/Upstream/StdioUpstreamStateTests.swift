// The decisions of a stdio server without a server: every phase, every limit.

@testable import ChildProcesses
import ClusterState
@testable import GateNode
@testable import MCPUpstream
import NIOCore
import Testing

@Suite("The state of a stdio server")
struct StdioUpstreamStateTests {
    private typealias State = StdioUpstreamState<String>

    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func fresh(maxPending: Int = 2, maxWaiting: Int = 1) -> State {
        State(
            limits: .init(maxPending: maxPending, maxWaiting: maxWaiting, longestWait: .seconds(2), handshake: .seconds(30)),
            backoff: RestartBackoff())
    }

    private func ready(maxPending: Int = 2) -> State {
        var state = fresh(maxPending: maxPending)
        #expect(state.launching(handshake: 1, now: start) == true)
        #expect(state.shookHands(now: start).isEmpty)
        return state
    }

    private func admit(_ number: UInt64, to state: inout State, deadline: NIODeadline? = nil, isWritable: Bool = true) -> State.Admission {
        let request = UpstreamRequest(number: number, bytes: ByteBuffer(), deadline: deadline)
        return state.admit(request, from: "caller \(number)", isWritable: isWritable, now: start)
    }

    private func summary(_ failed: [State.Failed]) -> Set<String> {
        Set(failed.map { "\($0.caller) \($0.failure) \($0.wasSent ? "sent" : "unsent")" })
    }

    @Test("requests are refused before the start, while backing off, while draining, and after the end")
    func refusals() {
        var state = fresh()
        #expect(admit(2, to: &state) == .refuse)
        #expect(state.launching(handshake: 1, now: start) == true)
        #expect(state.processEnded(readySince: nil, now: start).pause == .milliseconds(250))
        #expect(state.phase == .backingOff)
        #expect(admit(3, to: &state) == .refuse)
        #expect(state.drain().isEmpty)
        #expect(admit(4, to: &state) == .refuse)
        #expect(state.launching(handshake: 5, now: start) == false)
        #expect(state.die().isEmpty)
        #expect(admit(6, to: &state) == .refuse)
    }

    @Test("requests wait for the handshake in a bounded queue, and are written when it is done")
    func waiting() {
        var state = fresh()
        #expect(state.launching(handshake: 1, now: start) == true)
        #expect(admit(2, to: &state) == .wait)
        #expect(admit(3, to: &state) == .refuse)
        #expect(state.isHandshake(1))
        #expect(!state.isHandshake(2))
        #expect(state.shookHands(now: start).map(\.number) == [2])
        #expect(state.finish(2) == "caller 2")
        #expect(state.finish(2) == nil)
    }

    @Test("a waiting request fails unsent after its patience, or when the process dies")
    func waitingInVain() {
        var state = fresh(maxWaiting: 2)
        #expect(state.launching(handshake: 1, now: start) == true)
        #expect(admit(2, to: &state) == .wait)
        #expect(admit(3, to: &state, deadline: start + .seconds(1)) == .wait)
        #expect(state.nextDeadline == start + .seconds(1))
        #expect(summary(state.expire(now: start + .seconds(1)).failed) == ["caller 3 unavailable unsent"])
        #expect(state.nextDeadline == start + .seconds(2))
        #expect(summary(state.processEnded(readySince: nil, now: start).failed) == ["caller 2 unavailable unsent"])
    }

    @Test("a handshake that takes too long ends the process, once")
    func slowHandshake() {
        var state = fresh()
        #expect(state.launching(handshake: 1, now: start) == true)
        #expect(!state.expire(now: start + .seconds(29)).endsProcess)
        #expect(state.expire(now: start + .seconds(30)).endsProcess)
        #expect(!state.expire(now: start + .seconds(31)).endsProcess)
    }

    @Test("open requests are bounded, and a process that does not read is sent no more")
    func bounds() {
        var state = ready()
        #expect(admit(2, to: &state, isWritable: false) == .refuse)
        #expect(admit(2, to: &state) == .write)
        #expect(state.onlyPending == nil)
        #expect(admit(3, to: &state) == .write)
        #expect(state.onlyPending == nil)
        #expect(admit(4, to: &state) == .refuse)
        #expect(state.finish(2) == "caller 2")
        #expect(admit(4, to: &state) == .write)
    }

    @Test("nobody has more than three times as many open requests as are left, and whoever comes next has room")
    func shares() {
        var state = ready(maxPending: 8)
        func admits(_ number: UInt64, of owner: UpstreamRequest.Owner) -> Bool {
            let request = UpstreamRequest(number: number, bytes: ByteBuffer(), owner: owner)
            return state.admit(request, from: "caller \(number)", isWritable: true, now: start) == .write
        }
        #expect((2..<10).filter { admits($0, of: .key("one")) } == Array(2..<8))
        #expect(admits(10, of: .key("two")) && !admits(11, of: .key("one")) && admits(12, of: .nobody))
        #expect(!admits(13, of: .key("two")), "there are no more")
        _ = state.finish(2)
        #expect(!admits(14, of: .key("one")) && admits(15, of: .gate))
    }

    @Test("while the client is asked the clock of a request stands still, up to its limit, and goes on after the last answer")
    func standstill() {
        var state = ready()
        var request = UpstreamRequest(number: 2, bytes: ByteBuffer(), deadline: start + .seconds(2))
        request.limit = start + .seconds(300)
        #expect(state.admit(request, from: "caller 2", isWritable: true, now: start) == .write)
        #expect(admit(3, to: &state, deadline: start + .seconds(2)) == .write)
        let stopped = [state.stopClocks(at: start + .seconds(1)), state.stopClocks(at: start + .seconds(50))]
        #expect(stopped == [[2], [2]])
        #expect(summary(state.expire(now: start + .seconds(100)).failed) == ["caller 3 timedOut sent"])
        state.startClocks(of: stopped[0], at: start + .seconds(100))
        #expect(state.expire(now: start + .seconds(200)).failed.isEmpty)
        state.startClocks(of: stopped[1], at: start + .seconds(200))
        #expect(state.nextDeadline == start + .seconds(201))
        #expect(state.stopClocks(at: start + .seconds(200)) == [2])
        #expect(summary(state.expire(now: start + .seconds(300)).failed) == ["caller 2 timedOut sent"])
        state.startClocks(of: [2], at: start + .seconds(301))
    }

    @Test("what a process says to nobody is for the only call of the only key that it has worked for, whoever reads public lists beside it")
    func listeners() {
        var state = ready(maxPending: 9)
        func admit(_ number: UInt64, of owner: UpstreamRequest.Owner) {
            let request = UpstreamRequest(number: number, bytes: ByteBuffer(), owner: owner)
            #expect(state.admit(request, from: "caller \(number)", isWritable: true, now: start) == .write)
        }
        admit(2, of: .anybody)
        admit(3, of: .gate)
        #expect(state.onlyListener == nil && state.onlyPending == nil)
        admit(4, of: .key("one"))
        #expect(state.onlyListener == "caller 4" && state.onlyPending == nil)
        for number: UInt64 in [3, 4] { _ = state.finish(number) }
        #expect(state.onlyListener == nil && state.onlyPending == nil, "a stranger hears nothing of what the key has asked for")
        admit(5, of: .key("one"))
        admit(6, of: .nobody)
        #expect(state.onlyListener == nil)
    }

    @Test("every open request fails once when the process is lost, and the pause depends on the life that it had")
    func loss() {
        var state = ready()
        #expect(admit(2, to: &state) == .write)
        #expect(admit(3, to: &state) == .write)
        #expect(summary(state.processLost()) == ["caller 2 died sent", "caller 3 died sent"])
        #expect(state.phase == .leaving)
        #expect(admit(4, to: &state) == .refuse)
        let ended = state.processEnded(readySince: start, now: start + .seconds(1))
        #expect(ended.failed.isEmpty)
        #expect(ended.pause == .milliseconds(250))
        for pause in [500, 1_000] as [Int64] {
            #expect(state.launching(handshake: 5, now: start) == true)
            #expect(state.processEnded(readySince: nil, now: start).pause == .milliseconds(pause))
        }
        #expect(state.launching(handshake: 6, now: start) == true)
        #expect(state.processEnded(readySince: start, now: start + .seconds(10)).pause == .milliseconds(250))
    }

    @Test("a deadline ends its request and no other; the next one is found")
    func deadlines() {
        var state = ready(maxPending: 3)
        #expect(admit(2, to: &state, deadline: start + .seconds(5)) == .write)
        #expect(admit(3, to: &state, deadline: start + .seconds(9)) == .write)
        #expect(admit(4, to: &state) == .write)
        #expect(summary(state.expire(now: start + .seconds(5)).failed) == ["caller 2 timedOut sent"])
        #expect(state.nextDeadline == start + .seconds(9))
        #expect(state.finish(3) == "caller 3")
        #expect(state.expire(now: start + .seconds(9)).failed.isEmpty)
        #expect(state.nextDeadline == nil)
    }

    @Test("a cancelled request ends once, and the server is told only of what it was sent")
    func cancellation() {
        var state = ready()
        #expect(admit(2, to: &state) == .write)
        let cancelled = state.cancel(2)
        #expect(summary(cancelled.map { [$0] } ?? []) == ["caller 2 cancelled sent"])
        #expect(state.cancel(2) == nil)
        var starting = fresh()
        #expect(starting.launching(handshake: 1, now: start) == true)
        #expect(admit(3, to: &starting) == .wait)
        let unsent = starting.cancel(3)
        #expect(summary(unsent.map { [$0] } ?? []) == ["caller 3 withdrawn unsent"])
        #expect(starting.shookHands(now: start).isEmpty)
    }

    @Test("draining lets open requests finish and ends without another launch")
    func draining() {
        var state = ready()
        #expect(admit(2, to: &state) == .write)
        #expect(admit(3, to: &state) == .write)
        #expect(state.drain().isEmpty)
        #expect(state.finish(2) == "caller 2")
        let ended = state.processEnded(readySince: start, now: start + .seconds(1))
        #expect(summary(ended.failed) == ["caller 3 died sent"])
        #expect(ended.pause == nil)
        #expect(state.die().isEmpty)
        #expect(state.drain().isEmpty)
        #expect(state.phase == .dead)
    }
}
