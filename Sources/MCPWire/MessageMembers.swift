// The members that the gate reads of a message, and of what a client's message holds.

enum MessageMember: UInt8, KnownMember {
    case jsonrpc, id, method, params, result, error

    static func candidate(length: Int, first: UInt8) -> Self? {
        switch (length, first) {
        case (2, UInt8(ascii: "i")): .id
        case (5, UInt8(ascii: "e")): .error
        case (6, UInt8(ascii: "m")): .method
        case (6, UInt8(ascii: "p")): .params
        case (6, UInt8(ascii: "r")): .result
        case (7, UInt8(ascii: "j")): .jsonrpc
        default: nil
        }
    }

    var name: StaticString {
        switch self {
        case .jsonrpc: "jsonrpc"
        case .id: "id"
        case .method: "method"
        case .params: "params"
        case .result: "result"
        case .error: "error"
        }
    }
}

enum ParamsMember: UInt8, KnownMember {
    case name, arguments, meta, calls, protocolVersion, capabilities, requestId, uri, taskId, cursor
    case ref, level, requestState, inputResponses

    static func candidate(length: Int, first: UInt8) -> Self? {
        switch (length, first) {
        case (3, UInt8(ascii: "r")): .ref
        case (3, UInt8(ascii: "u")): .uri
        case (4, UInt8(ascii: "n")): .name
        case (5, UInt8(ascii: "_")): .meta
        case (5, UInt8(ascii: "c")): .calls
        case (5, UInt8(ascii: "l")): .level
        case (6, UInt8(ascii: "c")): .cursor
        case (6, UInt8(ascii: "t")): .taskId
        case (9, UInt8(ascii: "a")): .arguments
        case (9, UInt8(ascii: "r")): .requestId
        case (12, UInt8(ascii: "c")): .capabilities
        case (12, UInt8(ascii: "r")): .requestState
        case (14, UInt8(ascii: "i")): .inputResponses
        case (15, UInt8(ascii: "p")): .protocolVersion
        default: nil
        }
    }

    var name: StaticString {
        switch self {
        case .name: "name"
        case .arguments: "arguments"
        case .meta: "_meta"
        case .calls: "calls"
        case .protocolVersion: "protocolVersion"
        case .capabilities: "capabilities"
        case .requestId: "requestId"
        case .uri: "uri"
        case .taskId: "taskId"
        case .cursor: "cursor"
        case .ref: "ref"
        case .level: "level"
        case .requestState: "requestState"
        case .inputResponses: "inputResponses"
        }
    }
}

enum MetaMember: UInt8, KnownMember {
    case progressToken, protocolVersion, clientCapabilities

    static func candidate(length: Int, first: UInt8) -> Self? {
        switch (length, first) {
        case (13, UInt8(ascii: "p")): .progressToken
        case (39, UInt8(ascii: "i")): .protocolVersion
        case (42, UInt8(ascii: "i")): .clientCapabilities
        default: nil
        }
    }

    var name: StaticString {
        switch self {
        case .progressToken: "progressToken"
        case .protocolVersion: "io.modelcontextprotocol/protocolVersion"
        case .clientCapabilities: "io.modelcontextprotocol/clientCapabilities"
        }
    }
}

enum BatchedCallMember: UInt8, KnownMember {
    case name, arguments

    static func candidate(length: Int, first: UInt8) -> Self? {
        switch (length, first) {
        case (4, UInt8(ascii: "n")): .name
        case (9, UInt8(ascii: "a")): .arguments
        default: nil
        }
    }

    var name: StaticString {
        switch self {
        case .name: "name"
        case .arguments: "arguments"
        }
    }
}

enum RefMember: UInt8, KnownMember {
    case type, name, uri

    static func candidate(length: Int, first: UInt8) -> Self? {
        switch (length, first) {
        case (3, UInt8(ascii: "u")): .uri
        case (4, UInt8(ascii: "n")): .name
        case (4, UInt8(ascii: "t")): .type
        default: nil
        }
    }

    var name: StaticString {
        switch self {
        case .type: "type"
        case .name: "name"
        case .uri: "uri"
        }
    }
}
