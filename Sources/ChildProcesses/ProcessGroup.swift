// A child together with everything that it started and that stayed in its group: signalled and reaped as one.

import Glibc

/// The process group of a child that leads it (`POSIX_SPAWN_SETPGROUP`), so that the group's id is the child's.
struct ProcessGroup {
    let leader: pid_t

    func terminate() { send(SIGTERM) }

    func kill() { send(SIGKILL) }

    /// Has the guard that leads the group end everything below it, also what has left the group.
    func order() { _ = Glibc.kill(leader, ChildGuard.order) }

    private func send(_ signal: Int32) {
        _ = Glibc.kill(-leader, signal)
    }

    /// Takes the exit status of the leader if it has ended, without waiting for it.
    ///
    /// What is left of the group is killed while the leader is still a zombie: until it is reaped its number cannot
    /// be given to a stranger.
    func reap() -> ChildExit? {
        var facts = siginfo_t()
        guard waitid(P_PID, id_t(leader), &facts, WEXITED | WNOHANG | WNOWAIT) == 0 else {
            return errno == EINTR ? nil : .unknown
        }
        guard facts.si_signo == SIGCHLD else { return nil }
        kill()
        var status: Int32 = 0
        guard waitpid(leader, &status, 0) == leader else { return .unknown }
        let signal = status & 0x7f
        return signal == 0 ? .exited(code: (status >> 8) & 0xff) : .signalled(signal)
    }
}
