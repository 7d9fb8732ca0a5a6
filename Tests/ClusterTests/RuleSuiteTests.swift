// Every rule of the gate: set on node A, met by the first call on node B, and met again on both after both were killed.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Every rule")
    struct RuleSuiteTests {
        /// Rules that are set together, after a reload of the configuration where there is one.
        private static let rounds: [(config: JSON?, cases: [RuleCase])] = [
            (RuleCase.shadow, RuleCase.shadowed), (RuleCase.configuration, RuleCase.configured + RuleCase.records),
            (nil, RuleCase.overridden), (nil, RuleCase.switchedOff), (nil, RuleCase.closed),
        ]

        @Test("every declaration that can deny, charge, delay or change a call has a case, or a word why it is none")
        func isComplete() {
            let covered = Set(Self.rounds.flatMap(\.cases).flatMap(\.covers)), exempt = Set(DeclaredRules.exempt.keys)
            #expect(DeclaredRules.all.subtracting(covered).subtracting(exempt).sorted() == [], "rules without a case")
            #expect(covered.union(exempt).subtracting(DeclaredRules.all).sorted() == [], "cases of rules that are declared no more")
            #expect(covered.intersection(exempt).sorted() == [])
        }

        @Test("V21, V22, F-CFG-03: each rule that is set on node A binds the first call on node B, and outlives the kill -9 of both")
        func everywhere() async throws {
            let directory = try TemporaryDirectory()
            let path = try directory.write(RuleCase.plain.text, to: "gate.json")
            try await GateCluster.run(nodes: 2, ["--config", path, "--trusted-proxies", "127.0.0.1"], liftsRate: false) { cluster in
                for (config, cases) in Self.rounds {
                    if let config {
                        try directory.write(config.text, to: "gate.json")
                        try await cluster[0].order("/config/reload", [:])
                    }
                    var probes: [(name: String, probe: RuleCase.Probe)] = []
                    for rule in cases {
                        let (name, probe) = (rule.covers.joined(separator: ", "), try await rule.set(cluster[0]))
                        let fault = try await probe(cluster[1])
                        #expect(fault == nil, "\(name): set on one node, on the other \(fault ?? "")")
                        probes.append((name, probe))
                    }
                    for node in cluster.nodes { try await node.kill9() }
                    for node in cluster.nodes { try await node.restart() }
                    for (name, probe) in probes {
                        for gate in cluster.clients {
                            let fault = try await probe(gate)
                            #expect(fault == nil, "\(name): after a restart \(fault ?? "")")
                        }
                    }
                }
            }
        }
    }
}
