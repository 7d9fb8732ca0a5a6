// The name of a round of a call (`requestState`), and what a request that names one says (MRTR, 2026-07-28).

import ClusterState
import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// `call_<node>.<loop>.<number>.<seconds>.<round>.<seal>`: sealed for a key and for what it has asked, so that any node can tell a real one from a
/// made-up one, and whose call it is, without asking anybody.
struct RequestState {
    /// The node that has the call.
    let owner: String
    /// `<node>.<loop>.<number>`
    let call: String
    let round: Int

    /// Seconds for which it is good.
    private static let lifetime = 600

    /// - Parameters:
    ///   - subject: what was asked, as `subject(of:)` has it.
    ///   - now: milliseconds since 1970 of Redis TIME.
    static func text(_ call: String, round: Int, key: String, subject: String, sealedBy mint: SessionMint, at now: Int) -> String {
        let text = "call_\(call).\(String(now / 1000, radix: 36)).\(round)"
        return text + "." + seal(text, key, subject, mint)
    }

    /// Nil unless it was made for this key and this subject, not too long ago.
    init?(_ text: String, key: String, subject: String, sealedBy mint: SessionMint, at now: Int) {
        let words = text.split(separator: ".", omittingEmptySubsequences: false)
        guard words.count == 6, words[0].hasPrefix("call_"), let time = Int(words[3], radix: 36), time > now / 1000 - Self.lifetime,
            let round = Int(words[4]), let end = text.utf8.lastIndex(of: UInt8(ascii: ".")),
            words[5].hasSameBytes(as: Self.seal(String(text[..<end]), key, subject, mint))
        else { return nil }
        owner = String(words[0].dropFirst("call_".count))
        call = "\(owner).\(words[1]).\(words[2])"
        self.round = round
    }

    private static func seal(_ text: String, _ key: String, _ subject: String, _ mint: SessionMint) -> String {
        mint.seal("\(text)/\(key)/\(subject)")
    }

    /// What is asked for: the method, what it names, and the arguments as they stand.
    static func subject(of exchange: MCPExchange) -> String {
        let envelope = exchange.envelope
        let text = { (range: Range<Int>?) in range.map { exchange.body.text($0) } ?? "" }
        let parts = [exchange.method, text(envelope.call.toolNameToken), text(envelope.uri), text(envelope.call.arguments)]
        return Credential.digest(of: parts.joined(separator: "\u{0}"))
    }
}

/// What a request says of the round that it goes on with.
struct RoundRequest {
    /// Empty where it can be none of ours.
    let state: String
    /// The raw `inputResponses`.
    let responses: [UInt8]

    /// Bytes of a state that is looked at.
    private static let longest = 160

    /// Nil for a request that names no round.
    init?(_ exchange: MCPExchange) {
        guard let params = exchange.envelope.params else { return nil }
        let said = exchange.body.withUnsafeReadableBytes { body -> (String, [UInt8])? in
            let bytes = UnsafeRawBufferPointer(rebasing: body[params])
            // A name can be written with escapes.
            guard bytes.holds("requestState") || bytes.holds("\\"), let place = MemberScan.range(of: ["requestState"], in: bytes),
                !bytes[place].elementsEqual("null".utf8)
            else { return nil }
            let text = place.count <= Self.longest ? JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[place])) : nil
            let responses = MemberScan.range(of: ["inputResponses"], in: bytes).map { Array(bytes[$0]) }
            return (text ?? "", responses ?? Array("{}".utf8))
        }
        guard let said else { return nil }
        (state, responses) = said
    }

    /// Answers of a client by the names of their questions, each the bytes that it was; nil where they are no object of objects.
    static func answers(in responses: [UInt8]) -> [(name: String, value: [UInt8])]? {
        responses.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes, depthCap: Reply.depthCap)
            var answers: [(String, [UInt8])] = []
            do {
                guard scanner.next == UInt8(ascii: "{") else { return nil }
                try scanner.openObject()
                while let token = try scanner.nextMember() {
                    guard scanner.next == UInt8(ascii: "{") else { return nil }
                    let value = try scanner.locateValue()
                    let name = JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[token.range]))
                    answers.append((name ?? "", Array(bytes[value])))
                }
            } catch {
                return nil
            }
            return answers
        }
    }
}
