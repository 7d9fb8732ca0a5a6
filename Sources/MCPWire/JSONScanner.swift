// The one reader of JSON that everything else walks.

/// The one strict reader of JSON (RFC 8259) over memory: it walks objects and arrays without building anything.
///
/// `Envelope`, `Reply` and `JSONValue` are walks of this scanner, so they agree on what is JSON.
/// A walk opens a container and asks for its members until there is none; each member's value has to be consumed
/// (walked, skipped or measured) before the next is asked for.
package struct JSONScanner {
    /// The memory that is read; it has to outlive the scanner.
    package let bytes: UnsafeRawBufferPointer
    /// The offset of the next unread byte.
    package internal(set) var position = 0
    /// How many bytes of insignificant whitespace have been passed so far.
    package private(set) var blanks = 0

    /// Whether strings must be valid UTF-8. Control characters and broken escapes are refused in any case.
    let checksText: Bool
    private let depthCap: Int
    private var depth = 0
    /// True between a container's opening and its first member.
    private var isFresh = false

    /// - Parameter depthCap: how many arrays and objects may be open at once.
    package init(_ bytes: UnsafeRawBufferPointer, depthCap: Int = 64, checksText: Bool = true) {
        self.bytes = bytes
        self.depthCap = depthCap
        self.checksText = checksText
        skipBlanks()
    }

    /// The next byte, or 0 at the end, which is no JSON token either.
    package var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

    func fault(_ reason: JSONFault.Reason) -> JSONFault { JSONFault(reason: reason, offset: position) }

    // MARK: Whole values

    /// Passes one value of any kind.
    /// - Throws: The first fault in the value: `syntax`, `text` or `depth`.
    package mutating func skipValue() throws(JSONFault) {
        switch next {
        case .quote:
            try skipString()
        case .openBrace:
            try openObject()
            while try nextMember() != nil { try skipValue() }
        case .openBracket:
            try openArray()
            while try nextElement() { try skipValue() }
        case .minus, .zero ... .nine:
            try skipNumber()
        case UInt8(ascii: "t"):
            try skipLiteral("true")
        case UInt8(ascii: "f"):
            try skipLiteral("false")
        case UInt8(ascii: "n"):
            try skipLiteral("null")
        default:
            throw fault(.syntax)
        }
    }

    /// Passes one value and says where it stands and how large it is without insignificant whitespace.
    /// - Throws: As `skipValue`.
    package mutating func measureValue() throws(JSONFault) -> (range: Range<Int>, compactSize: Int) {
        let start = position
        let blanksBefore = blanks
        try skipValue()
        return (start..<position, position - start - (blanks - blanksBefore))
    }

    /// Passes one value and says where it stands.
    /// - Throws: As `skipValue`.
    package mutating func locateValue() throws(JSONFault) -> Range<Int> {
        let start = position
        try skipValue()
        return start..<position
    }

    /// Makes sure that nothing follows the value but whitespace.
    /// - Throws: `syntax` if something does.
    package mutating func finish() throws(JSONFault) {
        skipBlanks()
        guard position == bytes.count else { throw fault(.syntax) }
    }

    mutating func skipLiteral(_ literal: StaticString) throws(JSONFault) {
        let end = position + literal.utf8CodeUnitCount
        guard end <= bytes.count, bytes.piece(position..<end).spells(literal) else { throw fault(.syntax) }
        position = end
    }

    // MARK: Containers

    /// Steps into the object that begins here.
    /// - Throws: `syntax` where none begins, `depth` if it is nested too deeply.
    package mutating func openObject() throws(JSONFault) { try open(.openBrace) }

    /// Steps into the array that begins here.
    /// - Throws: `syntax` where none begins, `depth` if it is nested too deeply.
    package mutating func openArray() throws(JSONFault) { try open(.openBracket) }

    /// Steps to the value of the object's next member and returns its name, or steps out of the object and returns nil.
    /// - Throws: `syntax` or `text` if neither a member nor the end of the object is next.
    package mutating func nextMember() throws(JSONFault) -> StringToken? {
        guard try advance(to: .closeBrace) else { return nil }
        let name = try skipString()
        skipBlanks()
        guard next == .colon else { throw fault(.syntax) }
        position &+= 1
        skipBlanks()
        return name
    }

    /// Steps to the array's next element, or steps out of the array and returns false.
    /// - Throws: `syntax` if neither an element nor the end of the array is next.
    package mutating func nextElement() throws(JSONFault) -> Bool { try advance(to: .closeBracket) }

    private mutating func open(_ bracket: UInt8) throws(JSONFault) {
        guard next == bracket else { throw fault(.syntax) }
        guard depth < depthCap else { throw fault(.depth) }
        depth &+= 1
        position &+= 1
        isFresh = true
    }

    /// Passes the comma before the next entry, or the closing bracket, after which there is none.
    private mutating func advance(to close: UInt8) throws(JSONFault) -> Bool {
        skipBlanks()
        let byte = next
        if byte == close {
            depth &-= 1
            position &+= 1
            isFresh = false
            return false
        }
        if isFresh {
            isFresh = false
            return true
        }
        guard byte == .comma else { throw fault(.syntax) }
        position &+= 1
        skipBlanks()
        return true
    }

    @inline(__always)
    private mutating func skipBlanks() {
        guard next <= .space else { return }
        skipBlankRun()
    }

    private mutating func skipBlankRun() {
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case .space, .lineFeed, .carriageReturn, .tab: position &+= 1
            default:
                blanks &+= position &- start
                return
            }
        }
        blanks &+= position &- start
    }
}
