// The suite of all tests that run whole clusters of the real binary.

import GateTesting
import Testing

/// They run one after another: each wants the machine for itself. A display name states the guarantee and its id in docs/behaviours.md.
@Suite("Clusters", .serialized, .logsOnFailure, .watched)
enum ClusterTests {}
