// Faults are what many tests are about: nobody has to read of them.

import Logging

extension Logger {
    static let silent: Logger = {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }()
}
