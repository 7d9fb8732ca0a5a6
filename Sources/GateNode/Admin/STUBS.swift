package import ClusterState
package import Hummingbird
import HummingbirdCore
package struct ResponseHeaders: Sendable { var fixed: [(name: String, value: String)] = [("x-paygate-version","1.0.0")]; var variesByOrigin = false; func cors(for o: String?) -> [(name: String, value: String)] { [] }
  init(_ s: Settings) {} }
package struct AdminKeys: Sendable { static func resolve(settings: Settings, store: RedisStore, stateDirectory: String) async throws -> (AdminKeys, generated: String?) { (AdminKeys(), generated: nil) } }
enum GateRouter { static func responder(for node: Node, figures: @escaping @Sendable () async -> Int) -> some HTTPResponder<BasicRequestContext> { let r = Router(); r.get("/health") { _, _ in "ok" }; return r.buildResponder() } }
enum Maintenance { static func load(_ n: Node) async {} }
struct FigureCollector { init(node: Node, lanes: Lanes, feed: ChangeFeed) {}; func collect() async -> Int { 0 } }
