// The members that the gate reads within an upstream's message.

enum ReplyParamsMember: UInt8, KnownMember {
    case progressToken, requestId

    static func candidate(length: Int, first: UInt8) -> Self? {
        switch (length, first) {
        case (9, UInt8(ascii: "r")): .requestId
        case (13, UInt8(ascii: "p")): .progressToken
        default: nil
        }
    }

    var name: StaticString {
        switch self {
        case .progressToken: "progressToken"
        case .requestId: "requestId"
        }
    }
}

enum ResultMember: UInt8, KnownMember {
    case isError, resultType

    static func candidate(length: Int, first: UInt8) -> Self? {
        switch (length, first) {
        case (7, UInt8(ascii: "i")): .isError
        case (10, UInt8(ascii: "r")): .resultType
        default: nil
        }
    }

    var name: StaticString {
        switch self {
        case .isError: "isError"
        case .resultType: "resultType"
        }
    }
}

enum ErrorMember: UInt8, KnownMember {
    case code

    static func candidate(length: Int, first: UInt8) -> Self? {
        length == 4 && first == UInt8(ascii: "c") ? .code : nil
    }

    var name: StaticString { "code" }
}
