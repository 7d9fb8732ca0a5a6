import GateDomain
@testable import gate_node
import Testing

/// How far a work on a store has come, as people and programs read it.
@Suite struct StoreTickerTests {
    @Test("It says how much is done, of how much, and how long the rest takes at that rate; nothing that it does not know")
    func lines() {
        let rows: [(progress: StoreProgress, seconds: Int, words: String, json: String)] = [
            (
                StoreProgress(.copying, done: 250_000, of: 1_000_000), 25,
                "gate-node: copying: 250000 of about 1000000 names, 25 %, about 1 min 15 s left",
                #"{"step":"copying","done":250000,"of":1000000,"secondsLeft":75}"#
            ),
            (
                StoreProgress(.summing, done: 1, of: 64), 120, "gate-node: summing: 1 of about 64 shards, 1 %, about 2 h 6 min left",
                #"{"step":"summing","done":1,"of":64,"secondsLeft":7560}"#
            ),
            (StoreProgress(.emptying, done: 70, of: 0), 3, "gate-node: emptying: 70 names", #"{"step":"emptying","done":70}"#),
            (
                // More than it was thought to be: names are made meanwhile.
                StoreProgress(.reading, done: 120, of: 100), 3, "gate-node: reading: 120 of about 100 names, 100 %, about 0 s left",
                #"{"step":"reading","done":120,"of":100,"secondsLeft":0}"#
            ),
        ]
        for row in rows {
            #expect(StoreTicker.line(row.progress, after: .seconds(row.seconds), as: .lines) == row.words)
            #expect(StoreTicker.line(row.progress, after: .seconds(row.seconds), as: .json) == row.json)
        }
    }
}
