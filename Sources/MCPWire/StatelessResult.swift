// What the revision 2026-07-28 asks of every result, put into one of a server that does not know of it.

/// What a result says besides what its server has said.
package struct StatelessResult: Sendable {
    /// The members of `_meta` that name the answering server, without braces.
    package let stamp: [UInt8]
    /// Milliseconds for which the result may be kept; nil for a method whose results are not kept.
    package let lifetime: Int?
    /// Whether what was made for one caller may never be served to another, whatever the server says.
    package let isPrivate: Bool

    /// - Parameters:
    ///   - stamp: `"io.modelcontextprotocol/serverInfo":{…}`.
    ///   - lifetime: milliseconds, 0 or more.
    package init(stamp: [UInt8], lifetime: Int?, isPrivate: Bool) {
        (self.stamp, self.lifetime, self.isPrivate) = (stamp, lifetime, isPrivate)
    }

    /// What has to change in a result; nothing if it is no object. The members that it has stay as they are.
    /// - Parameters:
    ///   - result: the raw value of `result`.
    ///   - start: where it begins in the message that is changed.
    package func edits(in result: UnsafeRawBufferPointer, at start: Int = 0) -> [Splice.Edit] {
        guard let found = Members(result) else { return [] }
        var added: [UInt8] = []
        if found.resultType == nil { added += #""resultType":"complete","#.utf8 }
        if let lifetime, isComplete(found, result) {
            if found.ttlMs == nil {
                added += #""ttlMs":"#.utf8
                JSONText.append(lifetime, to: &added)
                added.append(.comma)
            }
            if found.cacheScope == nil { added += #""cacheScope":"private","#.utf8 }
        }
        if found.meta == nil {
            added += #""_meta":{"#.utf8
            added += stamp
            added += "},".utf8
        }
        if found.isEmpty, !added.isEmpty { added.removeLast() }
        var edits: [Splice.Edit] = []
        if !added.isEmpty { edits.append(.init(start + 1..<start + 1, .bytes(added))) }
        if lifetime != nil, isPrivate, let scope = found.cacheScope {
            edits.append(.init(start + scope.lowerBound..<start + scope.upperBound, .bytes(Array(#""private""#.utf8))))
        }
        if let meta = found.meta, let edit = stamped(result.piece(meta), at: start + meta.lowerBound) { edits.append(edit) }
        return edits.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    /// A result with all that it has to say.
    package func dressed(_ result: [UInt8]) -> [UInt8] {
        result.withUnsafeBytes { Splice.apply(edits(in: $0), to: $0) }
    }

    private func isComplete(_ found: Members, _ result: UnsafeRawBufferPointer) -> Bool {
        found.resultType.map { result.piece($0).spells(#""complete""#) } ?? true
    }

    /// Names the server in a `_meta` that does not.
    private func stamped(_ meta: UnsafeRawBufferPointer, at start: Int) -> Splice.Edit? {
        guard meta.first == .openBrace, MemberScan.range(of: [StatelessMeta.serverInfo], in: meta) == nil else { return nil }
        let isEmpty = meta.dropFirst().first { !($0 == .space || $0 == .lineFeed || $0 == .carriageReturn || $0 == .tab) } == .closeBrace
        return .init(start + 1..<start + 1, .bytes(isEmpty ? stamp : stamp + [.comma]))
    }

    /// The members of a result that matter here, as offsets into it.
    private struct Members {
        var resultType: Range<Int>?
        var ttlMs: Range<Int>?
        var cacheScope: Range<Int>?
        var meta: Range<Int>?
        var isEmpty = true

        init?(_ result: UnsafeRawBufferPointer) {
            guard result.first == .openBrace else { return nil }
            var scanner = JSONScanner(result, depthCap: Reply.depthCap)
            do {
                try scanner.openObject()
                while let name = try scanner.nextMember() {
                    let value = try scanner.locateValue()
                    isEmpty = false
                    if name.spells("resultType", in: result) {
                        resultType = value
                    } else if name.spells("cacheScope", in: result) {
                        cacheScope = value
                    } else if name.spells("ttlMs", in: result) {
                        ttlMs = value
                    } else if name.spells("_meta", in: result) {
                        meta = value
                    }
                }
            } catch {
                return nil
            }
        }
    }
}
