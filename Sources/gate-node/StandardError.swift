// What operators are told when a command fails.

import ArgumentParser
import Foundation
import GateDomain
import GateNode

/// Where sentences for the operator go, so that standard output stays for answers.
enum StandardError {
    static func print(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }
}

extension StartupFailure {
    /// Prints the sentence and gives the error that ends the process with its status.
    var reported: ExitCode {
        StandardError.print("gate-node: \(sentence)")
        return ExitCode(status.rawValue)
    }
}
