// Starting a child: pipes first, so that everything that can fail without a child fails without one.

package import Logging
package import NIOCore

extension ChildProcess {
    /// Launches the command; call it from the event loop (an actor whose executor is the loop), where all its events
    /// arrive.
    ///
    /// Where `setpriv` (util-linux) is installed the kernel ends the child when the *thread* that spawned it ends, so
    /// that `kill -9` of the node leaves no orphan. Hence the event loop's thread: it lives as long as the node.
    /// Elsewhere an orphan still reads the end of its input.
    /// - Parameter log: gets the child's standard error, a line at a time, at debug level.
    /// - Throws: What kept it from starting; nothing is left of it then.
    package static func launch(
        _ command: ChildCommand,
        on loop: any EventLoop,
        log: Logger,
        events: Events,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(ChildProcessFailure) -> ChildProcess {
        loop.preconditionInEventLoop()
        let program = try command.resolved()
        let input = try Pipe()
        let output = try Pipe()
        let errors = try Pipe()
        let pipes: ChildPipes
        do {
            pipes = try await ChildPipes.open(
                input: input.writing, output: output.reading, errors: errors.reading, on: loop)
        } catch {
            throw .pipes("\(error)")
        }
        do {
            let group = try ProcessGroup.spawn(
                program, for: command, input: input.reading, output: output.writing, errors: errors.writing)
            return ChildProcess(group: group, isGuarded: command.guardian != nil, pipes: pipes, loop: loop, events: events, log: log)
        } catch {
            pipes.close()
            throw error
        }
    }
}
