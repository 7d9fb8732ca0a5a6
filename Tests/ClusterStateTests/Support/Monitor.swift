// What Redis says that it was sent: the scripts' calls as they are on the wire.

import Glibc

/// A connection in MONITOR mode; blocking, for one test.
struct Monitor: ~Copyable {
    private let descriptor: Int32

    init(_ path: String) {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        _ = write(descriptor, "MONITOR\r\n", 9)
        _ = readSome()
    }

    deinit { close(descriptor) }

    /// One command: the words between the quotes of its line, and whether a script has called it.
    struct Line {
        let words: [String]
        let isFromScript: Bool
    }

    /// The commands up to and with the one that has `end` in it.
    func lines(until end: String) -> [Line] {
        var text = ""
        while !text.contains(end) { text += readSome() }
        return text.split(separator: "\r\n").map { Line(words: Self.words($0), isFromScript: $0.prefix { $0 != "\"" }.hasSuffix(" lua] ")) }
    }

    private func readSome() -> String {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    /// What stands between quotes, a character for each byte.
    private static func words(_ line: Substring) -> [String] {
        var words: [String] = []
        var word: String.UnicodeScalarView?
        var rest = line.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), word != nil {
                word?.append(unescaped(&rest))
            } else if byte == UInt8(ascii: "\"") {
                if let whole = word { words.append(String(whole)) }
                word = word == nil ? "".unicodeScalars : nil
            } else {
                word?.append(Unicode.Scalar(byte))
            }
        }
        return words
    }

    /// What follows a backslash as Redis prints bytes: `n`, `r`, `t`, `a`, `b`, `x` and two digits, or the byte itself.
    private static func unescaped(_ rest: inout Substring.UTF8View.SubSequence) -> Unicode.Scalar {
        let named: [UInt8: UInt8] = [0x6e: 10, 0x72: 13, 0x74: 9, 0x61: 7, 0x62: 8]
        guard let byte = rest.popFirst() else { return " " }
        guard byte == UInt8(ascii: "x") else { return Unicode.Scalar(named[byte] ?? byte) }
        defer { rest = rest.dropFirst(2) }
        return Unicode.Scalar(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
    }
}
