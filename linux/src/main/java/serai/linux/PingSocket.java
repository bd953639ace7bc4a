package serai.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * An ICMP or ICMPv6 socket that needs no privilege, where the host's administrator has not forbidden it ({@code net.ipv4.ping_group_range}, icmp(7)):
 * echoes go out, with an identifier of the kernel's, and the replies to them come in. Non-blocking.
 */
public final class PingSocket implements AutoCloseable {
    private static final int AF_INET = 2;
    private static final int AF_INET6 = 10;
    private static final int SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0x800 | 0x80000;
    private static final int IPPROTO_ICMP = 1;
    private static final int IPPROTO_ICMPV6 = 58;
    private static final int ADDRESS = 28; // struct sockaddr_in6; sockaddr_in has 16
    private static final int BUFFER = 65_536;

    private final int fd;
    private final boolean v6;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment address = arena.allocate(ADDRESS, 8);
    private final MemorySegment out = arena.allocate(BUFFER);
    private final AtomicBoolean closed = new AtomicBoolean();

    private PingSocket(int fd, boolean v6) {
        this.fd = fd;
        this.v6 = v6;
    }

    /**
     * Opens one.
     *
     * @throws LinuxException EACCES where it is forbidden
     */
    public static PingSocket open(boolean v6) throws LinuxException {
        int family = v6 ? AF_INET6 : AF_INET;
        int protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
        return new PingSocket(
                Libc.check(Libc.socket(family, SOCK_DGRAM_NONBLOCK_CLOEXEC, protocol), "can't open an ICMP socket"),
                v6);
    }

    /** The descriptor, to poll. */
    public int fd() {
        return fd;
    }

    /**
     * Sends an echo. By one thread at a time.
     *
     * @param message from position to limit, header and all; the kernel sets identifier and checksum
     * @throws LinuxException if the host has no way there
     */
    public void send(ByteBuffer message, InetAddress to) throws LinuxException {
        int length = Math.min(message.remaining(), BUFFER);
        MemorySegment.copy(MemorySegment.ofBuffer(message), 0, out, 0, length);
        byte[] ip = to.getAddress();
        if (ip.length != (v6 ? 16 : 4)) {
            throw new LinuxException("can't send an echo to " + to, Errno.EINVAL);
        }
        address.fill((byte) 0);
        address.set(ValueLayout.JAVA_SHORT, 0, (short) (v6 ? AF_INET6 : AF_INET));
        MemorySegment.copy(ip, 0, address, ValueLayout.JAVA_BYTE, v6 ? 8 : 4, ip.length);
        long r = Libc.sendto(fd, out.address(), length, 0, address.address(), v6 ? 28 : 16);
        if (r < 0 && r != -Errno.EAGAIN) {
            throw new LinuxException("can't send an echo to " + to.getHostAddress(), (int) -r);
        }
    }

    /**
     * The next reply.
     *
     * @param into direct; filled from its position, which is moved
     * @return false if there is none
     */
    public boolean receive(ByteBuffer into) {
        MemorySegment s = MemorySegment.ofBuffer(into);
        long n = Libc.read(fd, s.address(), s.byteSize());
        if (n < 0) {
            return false; // none, or an error about an echo, which is as if it were lost
        }
        into.position(into.position() + (int) n);
        return true;
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Libc.close(fd);
            arena.close();
        }
    }
}
