// Whether this system has IPv6 at all; some containers do not.

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

enum IPv6 {
    static var isAvailable: Bool {
        #if canImport(Glibc)
        let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        #else
        let descriptor = socket(AF_INET6, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        close(descriptor)
        return true
    }
}
