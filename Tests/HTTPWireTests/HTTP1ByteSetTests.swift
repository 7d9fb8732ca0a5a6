// The byte sets against the grammar that they stand for.

import HTTPWire
import Testing

@Suite("HTTP/1 byte sets")
struct HTTP1ByteSetTests {
    private static let alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

    @Test(
        "Each set has exactly the bytes of its grammar rule",
        arguments: [
            (HTTP1ByteSet.token, alphanumeric + "!#$%&'*+-.^_`|~"),
            (HTTP1ByteSet.target, alphanumeric + "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
            (HTTP1ByteSet.authority, alphanumeric + "-._~%!$&'()*+;=:[]"),
            (HTTP1ByteSet.digit, "0123456789"),
        ])
    func members(set: HTTP1ByteSet, text: String) {
        for byte in UInt8.min...UInt8.max {
            #expect(set.contains(byte) == text.utf8.contains(byte), "byte \(byte)")
        }
    }
}
