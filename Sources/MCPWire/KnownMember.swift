// Names of members without decoding them.

/// The member names that a walk reads at one level of a message.
///
/// A name is known only if its decoded bytes are equal. A name that differs by letter case alone is a lookalike: some
/// servers (Go's encoding/json, for one) would read it as the member itself, so gate and upstream could see
/// different calls in the same bytes.
protocol KnownMember: RawRepresentable where RawValue == UInt8 {
    /// The one name of that length and first letter (in lower case), if there is one.
    static func candidate(length: Int, first: UInt8) -> Self?

    var name: StaticString { get }
}

/// What a walk makes of a member name.
enum Recognition<Member: KnownMember> {
    case known(Member)
    case lookalike(Member)
    case unknown
}

extension KnownMember {
    static func recognise(_ token: StringToken, in bytes: UnsafeRawBufferPointer) -> Recognition<Self> {
        let content = bytes.piece(token.content)
        return token.isPlain ? recognise(content) : recogniseDecoded(content)
    }

    private static func recognise(_ name: UnsafeRawBufferPointer) -> Recognition<Self> {
        guard let first = name.first, let member = candidate(length: name.count, first: first.lowercased) else {
            return .unknown
        }
        if name.spells(member.name) { return .known(member) }
        let expected = member.name.utf8Start
        let looksAlike = name.indices.allSatisfy { name[$0].lowercased == expected[$0].lowercased }
        return looksAlike ? .lookalike(member) : .unknown
    }

    private static func recogniseDecoded(_ content: UnsafeRawBufferPointer) -> Recognition<Self> {
        let longestEscapedName = 6 * 64
        guard content.count <= longestEscapedName else { return .unknown }
        var name: [UInt8] = []
        JSONText.unescape(content, into: &name)
        let direct = name.withUnsafeBytes { recognise($0) }
        guard case .unknown = direct else { return direct }
        // The two letters outside ASCII that fold into it: U+017F is an s, U+212A is a k.
        let folded = String(decoding: name, as: UTF8.self).unicodeScalars.map { scalar in
            scalar == "\u{17F}" ? "s" : scalar == "\u{212A}" ? "k" : scalar
        }
        var text = String(String.UnicodeScalarView(folded))
        guard case .known(let member) = text.withUTF8({ recognise(UnsafeRawBufferPointer($0)) }) else {
            return .unknown
        }
        return .lookalike(member)
    }
}

/// Which of the known members an object has had so far.
struct MemberSet<Member: KnownMember> {
    private var bits: UInt16 = 0

    /// - Returns: false if the member was there already.
    mutating func insert(_ member: Member) -> Bool {
        let bit = UInt16(1) << UInt16(member.rawValue)
        defer { bits |= bit }
        return bits & bit == 0
    }
}
