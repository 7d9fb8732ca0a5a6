// Fields that many endpoints share.

import GateValues

extension Field where Value == String {
    static let key = Field("key", .keyReference, "The key, its id or its alias.")
}

extension Field where Value == String? {
    static let idempotencyKey = operationName("Idempotency-Key")
    static let xIdempotencyKey = operationName("X-Idempotency-Key")

    private static func operationName(_ name: String) -> Self {
        Field<String>(
            name,
            .word(.string(1...200), rule: "Must be 1 to 200 visible ASCII characters.") { text in
                (1...200).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
            }, "Sent again with the same request, the change is made once; kept for 48 hours."
        ).optional
    }
}
