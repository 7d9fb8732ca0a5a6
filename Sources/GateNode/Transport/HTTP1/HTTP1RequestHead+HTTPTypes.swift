package import HTTPTypes

// Everything that is not on the hot path is answered by a router that speaks HTTPTypes; this is its view of a request.
extension HTTP1RequestHead {
    /// The request with all fields; Host is the authority, cookies are split, hop-by-hop framing stays as it was sent.
    package var httpRequest: HTTPRequest {
        var request = HTTPRequest(
            method: httpMethod,
            scheme: "http",
            authority: fields.string(of: .host),
            path: pathAndQuery
        )
        request.headerFields.reserveCapacity(16)
        fields.forEach { name, value in
            guard !name.equalsIgnoringCase("host"), let name = HTTPField.Name(String(decoding: name, as: UTF8.self)) else {
                return
            }
            let value = String(decoding: value, as: UTF8.self)
            guard name == .cookie else { return request.headerFields.append(HTTPField(name: name, value: value)) }
            for pair in value.split(separator: "; ") {
                request.headerFields.append(HTTPField(name: name, value: String(pair)))
            }
        }
        return request
    }

    private var httpMethod: HTTPRequest.Method {
        switch method {
        case .get: .get
        case .post: .post
        case .delete: .delete
        case .put: .put
        case .patch: .patch
        case .head: .head
        case .options: .options
        // Every token is a method there too; TRACE stands for what cannot come, because nothing answers it.
        case .other(let name): HTTPRequest.Method(name) ?? .trace
        }
    }
}
