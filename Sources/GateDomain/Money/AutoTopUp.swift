// What is added to a balance by itself when it falls low.

/// An order of an operator: a call that leaves less than `threshold` adds `amount`, in the same step, `maxDaily` times a UTC day
/// (F-CREDIT-09, F-CREDIT-10).
package struct AutoTopUp: Sendable, Equatable {
    /// Credits; a balance below it is low.
    package var threshold: Int
    /// Credits that are added at once.
    package var amount: Int
    /// Times a UTC day of Redis TIME; 0 for any number.
    package var maxDaily: Int

    /// The largest threshold and amount.
    package static let ceiling = 100_000_000

    package init(threshold: Int, amount: Int, maxDaily: Int) {
        self.threshold = threshold
        self.amount = amount
        self.maxDaily = maxDaily
    }

    /// The three numbers, with spaces between them.
    package var text: String { "\(threshold) \(amount) \(maxDaily)" }

    /// Nil if the text is none that `text` gives.
    package init?(text: String) {
        let numbers = text.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 3 else { return nil }
        self.init(threshold: numbers[0], amount: numbers[1], maxDaily: numbers[2])
    }
}
