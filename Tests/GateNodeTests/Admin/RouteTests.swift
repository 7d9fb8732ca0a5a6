// From a path to its endpoint.

@testable import GateNode
@testable import GateValues
import HTTPTypes
import Testing

@Suite("Routes")
struct RouteTests {
    private static func tree(_ paths: [String]) -> RouteTree<String> {
        paths.reduce(into: RouteTree<String>()) { tree, path in _ = tree.insert(PathPattern(path), path) }
    }

    private static let tree = tree([
        "/", "/api/keys", "/api/keys/:id", "/api/keys/:id/revoke", "/api/keys/export", "/api/keys/export/csv", "/:any/keys",
        "/api/:kind/:id/notes",
    ])

    @Test(
        "a literal segment wins over a parameter; where it leads nowhere, the parameter is taken",
        arguments: [
            ("/", "/", []), ("/api/keys", "/api/keys", []), ("/api/keys/7", "/api/keys/:id", ["7"]),
            ("/api/keys/export", "/api/keys/export", []),
            ("/api/keys/export/csv", "/api/keys/export/csv", []), ("/api/keys/export/revoke", "/api/keys/:id/revoke", ["export"]),
            ("/other/keys", "/:any/keys", ["other"]), ("/api/keys/export/notes", "/api/:kind/:id/notes", ["keys", "export"]),
        ])
    func matches(_ path: String, _ route: String, _ captures: [String]) {
        let match = Self.tree.match(path)
        #expect(match?.value == route && match?.captures.map(String.init) == captures)
    }

    @Test(
        "what is no route is none",
        arguments: [
            "/api", "/api/keys/7/other", "/keys", "/api/keys/7/revoke/now", "/API/keys/7", "/api%2fkeys", "*", "/a/b/c/d/e/f/g",
            "/api/keys/7/", "//api/keys", "/api//keys", "//", "",
        ])
    func strangers(_ path: String) {
        #expect(Self.tree.match(path) == nil)
    }

    @Test("a second route of one shape is refused, whatever its parameters are called")
    func shapes() {
        var tree = Self.tree
        #expect(!tree.insert(PathPattern("/api/keys/:name/revoke"), "other") && !tree.insert(PathPattern("/api/keys"), "other"))
        #expect(tree.match("/api/keys/7/revoke")?.value == "/api/keys/:id/revoke")
    }

    @Test("clashes of a table are named: one method twice on a path, and paths that differ in the names of parameters alone")
    func clashes() {
        let route = { (method: HTTPRequest.Method, path: String) in Endpoint(method, path, "Test.", for: .anyone, answer: .object) }
        #expect(EndpointTable.clashes(in: [route(.get, "/a/:id"), route(.post, "/a/:id"), route(.get, "/a/b")]).isEmpty)
        #expect(EndpointTable.clashes(in: [route(.get, "/a/:id"), route(.get, "/a/:id")]) == ["GET /a/:id is there twice"])
        #expect(EndpointTable.clashes(in: [route(.get, "/a/:id"), route(.post, "/a/:name")]) == ["/a/:id and /a/:name are one path"])
        #expect(EndpointTable.clashes(in: EndpointTable.standard.all).isEmpty)
    }

    @Test("finding a path among ten thousand routes costs what the path is long, and a hostile path costs no more")
    func cost() {
        var paths = (0..<10_000).map { "/r\($0)/:a/x\($0)/:b" }
        paths += ["/:a/:b/:c/:d/:e/:f/:g/end", "/a/a/a/a/a/a/a/end"]
        let tree = Self.tree(paths)
        #expect(tree.match("/r77/1/x77/2")?.captures.count == 2)
        #expect(tree.match("/a/a/a/a/a/a/b/end")?.captures.count == 7)
        #expect(tree.match("/" + String(repeating: "a/", count: 30_000)) == nil)
    }
}
