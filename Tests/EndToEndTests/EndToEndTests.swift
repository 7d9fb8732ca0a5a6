// The suite of all tests that look at the product from outside: the real binary, a real Redis, real MCP servers and clients.

import GateTesting
import Testing

/// They run one after another: each may start several processes. A display name states the guarantee and its id in docs/behaviours.md.
@Suite("End to end", .serialized, .logsOnFailure, .watched)
enum EndToEndTests {}
