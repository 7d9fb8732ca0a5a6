// Keeps a child that dies at once from being started in a tight loop (F32: at most 5 starts a second).

package import NIOCore

/// The pause before a child is started again: it doubles with each short life, up to a cap, and is short again after
/// a healthy one.
package struct RestartBackoff: Sendable, Equatable {
    /// The pause after the first death.
    package let shortest: TimeAmount
    /// No pause is longer, however many deaths there were.
    package let longest: TimeAmount
    /// A life of this length forgives the deaths before it.
    package let healthyLife: TimeAmount
    private var next: TimeAmount

    package init(
        shortest: TimeAmount = .milliseconds(250),
        longest: TimeAmount = .seconds(5),
        healthyLife: TimeAmount = .seconds(10)
    ) {
        self.shortest = shortest
        self.longest = longest
        self.healthyLife = healthyLife
        next = shortest
    }

    /// The pause after a life of the given length; nil means that the child never became ready.
    package mutating func pause(afterLifeOf life: TimeAmount?) -> TimeAmount {
        if let life, life >= healthyLife { next = shortest }
        defer { next = min(next * 2, longest) }
        return next
    }
}
