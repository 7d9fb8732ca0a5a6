// The few words that are exchanged with a private Redis outside of the node's connections: is it there, go away.

import ChildProcesses
import Glibc
import NIOCore
import NIOPosix

/// Sends one inline command to a Unix socket and reads the first line of the answer.
struct RedisProbe {
    enum Answer: Equatable {
        /// Nobody listens on the socket.
        case refused
        /// Somebody has the socket, and closed the connection without a word or said nothing in time.
        case silent
        case line(String)

        var isReady: Bool { self == .line("+PONG") }
    }

    let socketPath: String
    /// Said first, where there is one.
    var password: String?
    let loop: any EventLoop
    var limit = TimeAmount.milliseconds(500)

    func ask(_ command: String, isolation: isolated (any Actor)? = #isolation) async -> Answer {
        let answer = loop.makePromise(of: Answer.self)
        let limit = loop.scheduleTask(in: limit) { answer.succeed(.silent) }
        let connection = ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(OneLine(promise: answer, passing: password == nil ? 0 : 1))
                }
            }
            .connect(unixDomainSocketPath: socketPath)
        do {
            let channel = try await connection.get()
            let greeting = password.map { "AUTH \($0)\r\n" } ?? ""
            channel.writeAndFlush(ByteBuffer(string: greeting + command + "\r\n"), promise: nil)
            defer { channel.close(promise: nil) }
            let line = try await answer.futureResult.get()
            limit.cancel()
            return line
        } catch {
            limit.cancel()
            let refusal = (error as? IOError).map { [ENOENT, ECONNREFUSED].contains($0.errnoCode) } ?? false
            answer.succeed(refusal ? .refused : .silent)
            return refusal ? .refused : .silent
        }
    }
}

/// Succeeds its promise with the first line that arrives after those that are passed over, or with silence when the connection ends before.
private final class OneLine: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let promise: EventLoopPromise<RedisProbe.Answer>
    private let passed: Int
    private var received = ""

    init(promise: EventLoopPromise<RedisProbe.Answer>, passing passed: Int) {
        self.promise = promise
        self.passed = passed
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += String(buffer: unwrapInboundIn(data))
        let lines = received.split(separator: "\r\n", omittingEmptySubsequences: false)
        if lines.count > passed + 1 { promise.succeed(.line(String(lines[passed]))) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.succeed(.silent)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// Who listens on a Unix socket.
enum SocketHolder {
    /// The process that listens, as the kernel knows it; nil if nobody does.
    static func process(of path: String) -> pid_t? {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard number >= 0 else { return nil }
        let connection = OwnedDescriptor(number)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { space in
            guard path.utf8.count < space.count else { return false }
            space.copyBytes(from: path.utf8)
            return true
        }
        guard fits else { return nil }
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(connection.number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard connected == 0 else { return nil }
        // struct ucred: process, user, group. Option 17 is SO_PEERCRED.
        var credentials: (pid: pid_t, user: uid_t, group: gid_t) = (0, 0, 0)
        var size = socklen_t(MemoryLayout.size(ofValue: credentials))
        guard getsockopt(connection.number, SOL_SOCKET, 17, &credentials, &size) == 0, credentials.pid > 1 else { return nil }
        return credentials.pid
    }
}
